"""Judges: classifiers of real rows that say which class a generated modality is of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.rows import Rows
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.models.parts import embedding_model
from mmkeras.tasks import task_class

_BATCH = 250


class Judge:
    """A classifier of one modality that has never seen a generated one.

    Args:
        run: Its run: one modality, and a label.
    """

    def __init__(self, run: Run):
        self.run = run
        (self.modality,) = run.preprocessing.schema.modalities

    @property
    def accuracy(self) -> float:
        """Its accuracy on true test rows: no coherence can be measured above it."""
        return float(self.run.metrics["test"]["accuracy"])

    def classify(self, values: np.ndarray) -> np.ndarray:
        """The number of the class of each generated row, `(rows,)`.

        Args:
            values: What a generative model decoded to, `(rows, ...)`.
        """
        return self._predict(self.run.model, values).argmax(axis=1)

    def features(self, values: np.ndarray) -> np.ndarray:
        """The vectors behind the judge's last layer, `(rows, features)`."""
        return self._predict(self._embedding, values)

    @cached_property
    def _embedding(self) -> keras.Model:
        return embedding_model(self.run.model)

    def _predict(self, model: keras.Model, values: np.ndarray) -> np.ndarray:
        fitted = self.run.preprocessing.modalities[self.modality.name]
        inputs = KINDS[self.modality.kind].as_inputs(values, self.modality, fitted)
        given = {name: inputs for name in model.input if name == self.modality.name}
        if "present" in model.input:
            given["present"] = np.ones((len(inputs), 1), bool)
        return np.asarray(model.predict(given, batch_size=_BATCH, verbose=0))

    def labels(self, pipeline: Pipeline) -> np.ndarray:
        """The numbers of the true classes of a pipeline's rows."""
        task = self.run.preprocessing.task
        return np.asarray(task.encode(pipeline.frame, None)).argmax(axis=1)


def train_judges(
    rows: Rows,
    settings: Settings,
    judging: Settings,
    folder: Path,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Judge]:
    """A judge for each modality, by name; trained, or taken from the folder where it was before.

    Args:
        rows: The rows of the generative model; judges learn from its training rows.
        settings: The generative model's: cells become inputs as for that.
        judging: How judges are trained, and by which encoders.
        folder: Where their run folders go.
        details: More for their `config.json`.

    Returns:
        Nothing where the target is not one label.
    """
    target = rows.schema.target
    if target is None or not task_class(target).single_label:
        return {}
    kinds = {kind: getattr(settings, kind) for kind in KINDS}
    own = {name: dict(values) for name, values in settings.modalities.items()}
    for values in own.values():  # a judge has its own encoder
        values.pop("encoder", None)
        values.pop("encoder_options", None)
    judges = {}
    for name in rows.schema.names:
        schema = rows.schema.select([name])
        chosen = dataclasses.replace(judging, **kinds, modalities=own, seed=0).select(schema)
        label = f"judge of {name}"
        run = train_run(rows.splits, schema, folder / name, chosen, details=details, label=label)
        judges[name] = Judge(run)
        print(f"judge of {name}: {100 * judges[name].accuracy:.1f} % of true test rows right")
    return judges


def check_judges(judges: Mapping[str, Judge], preprocessing: Preprocessing) -> None:
    """Refuses judges that read cells in another way than the generative model.

    Raises:
        ValueError: A judge's fitted preprocessing differs.
    """
    for name, judge in judges.items():
        own = judge.run.preprocessing.modalities[name]
        if own.spec != preprocessing.modalities[name].spec:
            raise ValueError(
                f"The judge of {name!r} reads {own.spec}, and the model makes "
                f"{preprocessing.modalities[name].spec}. Give both the same settings of inputs."
            )
