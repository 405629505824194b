"""What training can watch: Keras' values, and the task's figures of the validation rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import keras
from keras.src.utils.naming import get_object_name

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.answer import answer_model
from mmkeras.models.architecture import functional_of
from mmkeras.models.compile import default_jit, metrics_of
from mmkeras.tasks import FIGURES, Task, better_sign
from mmkeras.training.averaging import averaged_weights
from mmkeras.training.distribution import agreed, copy_variables, leads, off_devices
from mmkeras.training.settings import TrainingSettings


def figures_to_compute(
    settings: TrainingSettings,
    model: keras.Model,
    task: Task,
    auxiliary: Iterable[str] = (),
    own: Collection[str] = (),
) -> tuple[str, ...]:
    """The task's figures that `watch` and `monitor` ask for and that Keras does not compute.

    Args:
        settings: With the monitored value under the name that it has in Keras' logs.
        model: Of `build_model`.
        task: The fitted target.
        auxiliary: Modalities that have a loss of their own.
        own: Names of metrics of one's own.

    Raises:
        ValueError: There is no such value, or no such figure.
    """
    by_keras = ["loss", *(metric.name for metric in metrics_of(model, task))]
    more = [f"{name}_auxiliary_loss" for name in auxiliary]
    more += [name for name in own if name not in (*by_keras, *task.figure_names)]
    monitors = [f"{side}{name}" for side in ("val_", "") for name in (*by_keras, *more)]
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


def metrics_by_name(model: keras.Model, metrics: Sequence[Any]) -> dict[str, Any]:
    """Metrics of one's own by their names in Keras' logs.

    Args:
        model: Those that it has itself, such as a mean that its call updates, are among them.
        metrics: What Keras takes as such: its names of them, functions, objects.
    """
    own = [each for each in model.metrics if each.name not in ("loss", "compile_metrics")]
    found: dict[str, Any] = {}
    for each in [*own, *metrics]:
        found.setdefault(each if isinstance(each, str) else get_object_name(each), each)
    return found


def monitor_mode(
    settings: TrainingSettings, own: Mapping[str, Any] = MappingProxyType({})
) -> Literal["min", "max"]:
    """Whether more or less of what is monitored is better.

    Args:
        settings: With the monitored value under the name that it has in Keras' logs.
        own: Metrics of one's own, by their names there.

    Raises:
        ValueError: Neither the settings nor the metric say so, or the settings are wrong.
    """
    name, said = settings.monitor.removeprefix("val_"), settings.monitor_mode
    if name not in own or name.partition("(")[0] in FIGURES:
        known: Literal["min", "max"] = "max" if better_sign(settings.monitor) > 0 else "min"
        if said not in ("auto", known):
            raise ValueError(
                f"Of {settings.monitor!r}, {'more' if known == 'max' else 'less'} is better. "
                f"Received: monitor_mode={said!r}. Leave it out."
            )
        return known
    if said != "auto":
        return said
    metric = own[name]
    if isinstance(metric, str):
        metric = keras.metrics.get("accuracy" if metric == "acc" else metric)
    direction = getattr(metric, "_direction", None)  # by which Keras' own callbacks go
    if direction is None:
        raise ValueError(
            f"It is not known whether more or less of {settings.monitor!r}, a metric of one's "
            "own, is better. Set monitor_mode='max' or monitor_mode='min'."
        )
    return "max" if direction == "up" else "min"


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
