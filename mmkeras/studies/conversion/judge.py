"""How good conversions are: figures, retrieval of the true target, coherence."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmkeras.studies.conversion.coherence import Coherence, with_cells
from mmkeras.studies.conversion.conversion_config import ConvertConfig
from mmkeras.studies.conversion.rows import ConversionRows, VectorFeatures
from mmkeras.tasks import Task, task_class
from mmkeras.tasks.array_figures import true_ranks

COHERENCE = "coherence"


class Judge:
    """Judges answers for the test rows of a conversion.

    Args:
        config: The experiment.
        rows: Its rows.
    """

    def __init__(self, config: ConvertConfig, rows: ConversionRows):
        target, train, self._test = rows.schema.target, rows.splits.train, rows.splits.test
        task = task_class(target)
        self._rows, self._column = rows, target.column
        self.task: Task = task.fit(train, target, task.settings_of(config.settings.target))
        self._targets = self.task.own_unit(self.task.encode(self._test, rows.schema.id))
        self._features = VectorFeatures([target], train) if task.kind == "text" else None
        if self._features is not None:
            self._vectors = self._features(self._test)
        self._coherence = None
        if rows.label is not None:
            self._coherence = Coherence([target], train, rows.labels(train))

    def figures(self, outputs: np.ndarray, cells: np.ndarray) -> dict[str, float]:
        """The task's figures, for texts also how often the true one is found, and coherence.

        Args:
            outputs: Answers in the target's own unit.
            cells: The same as cells of a table.
        """
        figures = self.task.figures(self._targets, outputs)
        made = with_cells(self._test, self._column, cells)
        if self._features is not None:
            said = [text or " " for text in cells]  # nothing at all has no features
            ranks = true_ranks(
                self._vectors, self._features(with_cells(self._test, self._column, np.array(said)))
            )
            figures |= {f"recall@{k}": float((ranks <= k).mean()) for k in (1, 10)}
        if self._coherence is not None:
            labels = self._rows.labels(self._test)
            figures[COHERENCE] = self._coherence.accuracy(made, labels)
        return figures

    def row_scores(self, outputs: np.ndarray) -> np.ndarray:
        """What each test row adds to the main figure, `(rows,)`."""
        return self.task.row_scores(self._targets, outputs)

    def references(self) -> dict[str, float]:
        """The accuracy of classifiers of true cells: those of the target, and of the sources."""
        if self._coherence is None:
            return {}
        train, labels = self._rows.splits.train, self._rows.labels(self._test)
        known = self._rows.labels(train)
        modalities = self._rows.schema.modalities
        _, counts = np.unique(labels, return_counts=True)
        found = {f"true {self._rows.made.name}": self._coherence.accuracy(self._test, labels)}
        parts: dict[str, Any] = {modality.name: [modality] for modality in modalities}
        if len(modalities) > 1:
            parts["all sources"] = modalities
        for name, part in parts.items():
            found[name] = Coherence(part, train, known).accuracy(self._test, labels)
        return {**found, "the most frequent class": float(counts.max() / counts.sum())}
