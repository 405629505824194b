"""Every fusion of the table is held to the same standard; a new name needs no further line."""

import pytest

from mmkeras.fusion import FUSIONS, fusion_class, get_fusion
from tests.fusion.standard import check_fusion


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion(name, tmp_path):
    fixed = {"num_outputs": 7} if getattr(fusion_class(name), "gives_logits", False) else {}
    check_fusion(lambda **options: get_fusion(name, **fixed, **options), tmp_path)
