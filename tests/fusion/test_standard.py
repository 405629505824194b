"""Every fusion of the table is held to the same standard; a new name needs no further line."""

import functools

import pytest

from mmkeras.fusion import FUSIONS
from tests.fusion.standard import check_fusion, small


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion(name, tmp_path):
    check_fusion(functools.partial(small, name), tmp_path)
