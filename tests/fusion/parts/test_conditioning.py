import numpy as np
import pytest

from mmkeras.fusion.parts.conditioning import check_condition, split_condition


@pytest.mark.parametrize(("condition", "index", "others"), [(-1, 2, [0, 1]), (0, 0, [1, 2])])
def test_the_conditioning_modality_is_counted_from_either_end(condition, index, others):
    assert split_condition("Fusion", condition, 3) == (index, others)


def test_refuses_a_condition_that_is_no_modality():
    for condition in (3, -4):
        with pytest.raises(ValueError, match=rf"-3 to 2. Received: {condition}"):
            split_condition("Fusion", condition, 3)
    for condition in ("text", 0.5, None):
        with pytest.raises(ValueError, match=f"`condition`.*Received: {condition!r}"):
            check_condition(condition)
    assert check_condition(np.int64(-1)) == -1
