"""What training can watch: Keras' values, and the task's figures of the validation rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import keras

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.answer import answer_model
from mmkeras.models.architecture import functional_of
from mmkeras.models.compile import default_jit, metrics_of
from mmkeras.tasks import Task
from mmkeras.training.averaging import averaged_weights
from mmkeras.training.distribution import agreed, copy_variables, leads, off_devices
from mmkeras.training.settings import TrainingSettings


def figures_to_compute(
    settings: TrainingSettings,
    model: keras.Model,
    task: Task,
    auxiliary: Iterable[str] = (),
) -> tuple[str, ...]:
    """The task's figures that `watch` and `monitor` ask for and that Keras does not compute.

    Args:
        settings: With the monitored value under the name that it has in Keras' logs.
        model: Of `build_model`.
        task: The fitted target.
        auxiliary: Modalities that have a loss of their own.

    Raises:
        ValueError: There is no such value, or no such figure.
    """
    by_keras = ["loss", *(metric.name for metric in metrics_of(model, task))]
    own = [f"{name}_auxiliary_loss" for name in auxiliary]
    monitors = [f"{side}{name}" for side in ("val_", "") for name in (*by_keras, *own)]
    monitors += [f"val_{name}" for name in task.figure_names if name not in by_keras]
    if settings.monitor not in monitors:
        raise ValueError(
            f"There is no {settings.monitor!r} to monitor in {task.words}. There are: main, "
            f"{', '.join(monitors)}."
        )
    if unknown := [name for name in settings.watch if name not in task.figure_names]:
        raise ValueError(
            f"There is no figure {unknown[0]!r} to watch in {task.words}. There are: "
            f"{', '.join(task.figure_names)}."
        )
    asked = [*settings.watch, settings.monitor.removeprefix("val_")]
    return tuple(dict.fromkeys(n for n in asked if n in task.figure_names and n not in by_keras))


class Figures(keras.callbacks.Callback):
    """Writes figures of the validation rows into each epoch's logs, as `val_{figure}`.

    They are the task's own, of the model's answers in the target's unit, and so those that
    `metrics.json` has of the same weights. What Keras computes batch by batch could only come near
    some of them.

    Args:
        model: Of `build_model`.
        validation: The rows.
        names: The figures.
        trained: The model whose weights are to answer, where it is a copy on several devices.
    """

    def __init__(
        self,
        model: keras.Model,
        validation: Pipeline,
        names: Sequence[str],
        trained: keras.Model | None = None,
    ):
        super().__init__()
        self._validation, self._names = validation, names
        self._answers, self._trained = model, model if trained is None else trained
        with off_devices():
            self._answering = answer_model(model)
            if self._answering is model:
                # Not the model itself, which is in the middle of its training.
                self._answering = functional_of(model, validation.preprocessing)
                self._answering.compile(jit_compile=default_jit())

    def on_epoch_end(self, epoch, logs=None):
        with averaged_weights(self.model):
            # One process's answers decide for all: another processor's may differ in a last digit.
            found = agreed(self._found() if leads() else None)
        logs.update({f"val_{name}": found.get(name, math.nan) for name in self._names})

    def _found(self) -> dict[str, float]:
        task, rows = self._validation.preprocessing.task, self._validation
        if self._trained is not self._answers:
            copy_variables(self._trained, self._answers)
        with off_devices():
            outputs = rows.unpad(self._answering.predict(rows.evaluate(), verbose=0))
        return task.all_figures(task.own_unit(rows.targets), task.own_unit(outputs))
