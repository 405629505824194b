"""Every fusion of the table is held to the same standard; a new name needs no further line."""

import pytest

from mmkeras.fusion import FUSIONS, fusion_class, fusion_options, get_fusion
from tests.fusion.standard import check_fusion


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion(name, tmp_path):
    fixed = {"num_outputs": 7} if fusion_class(name).gives_logits else {}
    if "num_layers" in fusion_options(name):
        fixed["num_layers"] = 1  # more take longer, and show nothing more
    check_fusion(lambda **options: get_fusion(name, **fixed, **options), tmp_path)
