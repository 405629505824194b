"""One class for each step of a row's sequences: sequence labelling."""

from __future__ import annotations

from dataclasses import dataclass

from mmkeras.data.tables.cells import step_labels
from mmkeras.tasks.label import LabelTask


@dataclass(frozen=True)
class StepLabelsTask(LabelTask):
    """As `LabelTask`, for each step: an example is a step, and padding does not count."""

    kind = "step_labels"
    words = "sequence labelling"
    cells = "steps"
    per_step = True
    suits_classical = False
    stratified = False
    # The mean over real steps; the other would count padding as steps without loss.
    reduction = "mean_with_sample_weight"

    @classmethod
    def label_sets(cls, frame, target):
        return [step_labels(cell, target.separator) for cell in frame[target.column]]

    def _examples(self, labels):
        return [(row, (name,)) for row, names in enumerate(labels) for name in names]
