"""Every decoder of the table is held to the same standard; a new name needs a case."""

import pytest

from mmkeras.decoders import DECODERS
from tests.decoders.standard import CASES, check_decoder


@pytest.mark.parametrize("name", DECODERS)
def test_decoder(name, tmp_path):
    check_decoder(name, tmp_path)


def test_every_decoder_has_a_case():
    assert set(CASES) == set(DECODERS)
