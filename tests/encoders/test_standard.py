"""Every encoder of the tables is held to the same standard; a new name needs no further line."""

import pytest

from mmkeras.encoders import DEFAULT_ENCODERS, ENCODERS
from tests.encoders.standard import check_encoder

NAMES = [
    pytest.param(
        kind, name, marks=pytest.mark.slow if name == "backbone" else (), id=f"{kind}-{name}"
    )
    for kind, table in ENCODERS.items()
    for name in table
]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_encoder(kind, name, tmp_path):
    check_encoder(kind, name, tmp_path)


def test_every_kind_has_a_default_encoder():
    assert set(DEFAULT_ENCODERS) == set(ENCODERS)
