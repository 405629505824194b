"""The words of the calibration section agree with its numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmkeras.audit.sections.calibration import calibration_section
from mmkeras.schema import Label
from mmkeras.tasks import LabelTask


def said_of(confidence: np.ndarray, right: np.ndarray):
    """The section of answers of one of two classes, with these confidences."""
    outputs = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    targets = np.stack([right, ~right], axis=1).astype(np.float32)
    subject = SimpleNamespace(
        task=LabelTask(Label("kind"), ("a", "b")),
        pipeline=SimpleNamespace(targets=targets),
        outputs=outputs,
        validation=None,
        groups=None,
    )
    return calibration_section(subject)


@pytest.mark.parametrize(
    ("confidence", "right", "says", "by_chance"),
    [
        (np.full(400, 0.95), np.arange(400) % 2 == 0, "too sure of itself", False),
        (np.full(400, 0.55), np.arange(400) < 380, "less sure than it might be", False),
        (np.tile([0.95, 0.55], 200), np.tile([False, True, True, True], 100), "by answer", False),
        (np.linspace(0.52, 0.98, 30), np.arange(30) % 4 > 0, "as far as these rows tell", True),
        (np.full(400, 0.75), np.arange(400) % 4 > 0, "as far as these rows tell", True),
    ],
)
def test_the_model_is_called_sure_only_where_no_number_says_otherwise(
    confidence, right, says, by_chance
):
    section = said_of(confidence, right)
    values = section.values
    assert says in section.conclusion
    assert (values["figures"]["as it is"]["ECE"] <= values["error_by_chance"]) == by_chance
    assert f"up to {100 * values['error_by_chance']:.1f}" in section.conclusion
