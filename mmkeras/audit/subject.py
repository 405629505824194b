"""What an audit looks at: a run, labelled rows, and models of fewer modalities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmkeras.audit.audit_config import AuditSettings
from mmkeras.audit.model_inputs import Rows
from mmkeras.audit.subset_models import SubsetModel, subset_runs
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.shapley import subsets
from mmkeras.experiment.run_folder import Run
from mmkeras.schema import Schema
from mmkeras.tasks import Figure, Task


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model and the rows that it is judged by.

    Args:
        run: The run.
        pipeline: All labelled rows.
        rows: Those of them that are predicted on again and again.
        splits: The run's own rows, if they could be found.
        validation: The run's validation rows, if there are any.
        settings: What to do.
        folder: Where the audit goes.
    """

    run: Run
    pipeline: Pipeline
    rows: Rows
    splits: Splits | None
    validation: Rows | None
    settings: AuditSettings
    folder: Path

    @property
    def schema(self) -> Schema:
        return self.pipeline.preprocessing.schema

    @property
    def task(self) -> Task:
        return self.pipeline.preprocessing.task

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.names

    @property
    def figure(self) -> Figure:
        """The figure by which subsets are held against each other: the task's main one."""
        return self.task.main

    @cached_property
    def outputs(self) -> np.ndarray:
        """The model's answers for all rows, `(examples, outputs)`."""
        if self.pipeline is self.rows.pipeline:
            return self.rows.outputs
        return self.run.outputs_of(self.pipeline)

    @property
    def groups(self) -> np.ndarray | None:
        """A name for each example of all rows; those of one name belong together."""
        return self.pipeline.groups

    @cached_property
    def prior(self) -> np.ndarray:
        """The mean training target, `(outputs,)`; of these rows where training rows are gone."""
        if self.splits is None:
            return self.pipeline.targets.mean(axis=0)
        return self.task.encode(self.splits.train, self.schema.id).mean(axis=0)

    @property
    def nothing(self) -> float:
        """What the best constant answer scores on `rows`."""
        return self.task.constant_score(self.task.own_unit(self.rows.targets))

    @cached_property
    def models(self) -> dict[tuple[str, ...], SubsetModel]:
        """Models of fewer modalities, by modalities."""
        runs = subset_runs(self.run, self.splits, self.settings, self.folder)
        return {modalities: SubsetModel(run) for modalities, run in runs.items()}

    @cached_property
    def trained(self) -> dict[tuple[str, ...], np.ndarray]:
        """What models trained on each subset say of `rows`; of the subsets that have one."""
        found = {names: model.predict(self.rows) for names, model in self.models.items()}
        return {**found, self.names: self.rows.outputs}

    def task_of(self, modalities: tuple[str, ...]) -> Task:
        """The target as the model that was trained on a subset answers it."""
        model = self.models.get(modalities)
        return self.task if model is None else model.run.preprocessing.task

    @cached_property
    def hidden(self) -> dict[tuple[str, ...], np.ndarray]:
        """What this model says of `rows` when only a subset of modalities is there."""
        return {kept: self.rows.predict_from(kept) for kept in subsets(self.names)}


def row_names(pipeline: Pipeline) -> list[str]:
    """What rows are called: their ids, or without an id column their row labels."""
    schema, frame = pipeline.preprocessing.schema, pipeline.frame
    named = schema.id is not None and schema.id in frame
    return [str(name) for name in (frame[schema.id] if named else frame.index)]
