"""A model is trained, and answers the rows that it is judged by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.own_model import NOTHING_OWN, OwnModel, check_own_model, copied
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.start import NO_START, Start
from mmkeras.experiment.train.building import make_model
from mmkeras.files import written
from mmkeras.models.answer import answer_model
from mmkeras.models.compile import default_jit
from mmkeras.tasks import Task
from mmkeras.training.callbacks import EPOCHS, epoch_file
from mmkeras.training.distribution import agreed, check_last_batch, leads
from mmkeras.training.fit import fit
from mmkeras.training.frozen import take_back, without_frozen
from mmkeras.training.precision import computing_in
from mmkeras.training.refit import Refit, beginning_of, refit
from mmkeras.training.seeds import same_draws, set_seed


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model, and how good it is.

    Args:
        model: It has the weights of its best epoch, or of the second training.
        history: One row per epoch of the first training.
        best_epoch: The epoch (from 1) that was chosen; `None` where it was trained elsewhere.
        outputs: By part, the model's outputs `(examples, outputs)`.
        metrics: By part, the task's figures.
        task: The fitted target, with thresholds that suit this model, where it has any.
        judged_by: A model of the same answers, and what feeds it: without the encoders that are
            frozen, whose tokens are known.
        refit: The second training, on the validation rows too (`TrainingSettings.refit`), where
            there was one. What is said of validation rows is then of the model before.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int | None
    outputs: dict[str, np.ndarray]
    metrics: dict[str, dict[str, float]]
    task: Task
    judged_by: tuple[keras.Model, Mapping[str, Pipeline]] | None = None
    refit: Refit | None = None

    def summary(self) -> dict[str, int | None]:
        """What every experiment records besides the figures."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": None if self.best_epoch is None else len(self.history),
            "parameters": int(self.model.count_params()),
        }


def train_and_judge(
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    settings: Settings,
    *,
    parts: Sequence[str] = ("validation", "test"),
    checkpoint: Path | None = None,
    label: str = "training",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    recorders: Sequence[keras.callbacks.Callback] = (),
    second_recorders: Sequence[keras.callbacks.Callback] = (),
    features: Path | None = None,
    own: OwnModel = NOTHING_OWN,
    start: Start = NO_START,
    built: Callable[[keras.Model], None] | None = None,
) -> TrainedModel:
    """Builds a model, trains it, and predicts the rows that it is judged by.

    Args:
        preprocessing, pipelines: As `fitted_pipelines` returned them.
        settings: Model, training and seed.
        parts: What to predict, of the parts that have rows.
        checkpoint, label, callbacks, recorders: As for `mmkeras.training.fit.fit`.
        second_recorders: Recorders of the second training, where there is one.
        features: Where the tokens of frozen encoders are kept for other runs; `None` for nowhere.
        own: What of the model is the caller's own.
        start: Where the weights come from that it begins with.
        built: Called with a model of one's own before it is trained.
    """
    set_seed(settings.seed)
    model = _built(preprocessing, settings, own)
    if own:
        check_own_model(model, pipelines["train"], settings.training)
    if built is not None:
        built(model)
    start.give(model)
    rest, pipelines = model, dict(pipelines)
    if own.model is None:
        rest, pipelines = _without_frozen(model, preprocessing, pipelines, settings, features, own)
    validation = pipelines.get("validation")
    again = settings.training.refit and validation is not None
    training = dataclasses.replace(settings.training, refit=False)
    beginning = []
    if again:
        check_last_batch(len(pipelines["train"]) + len(validation), training.batch_size)
        beginning = beginning_of(rest)

    def whole() -> keras.Model:
        take_back(model, rest)
        return model

    result = fit(
        rest,
        pipelines["train"],
        validation,
        training,
        seed=settings.seed,
        checkpoint=checkpoint,
        label=label,
        callbacks=callbacks,
        recorders=recorders,
        own=own.training,
        kept=whole,
    )
    take_back(model, rest)
    judged = {name: pipelines[name] for name in parts if name in pipelines}
    outputs, figures, task, second = {}, {}, preprocessing.task, None
    if again:
        # What is said of validation rows, and fitted on them, is of the model that did not learn
        # them.
        outputs, figures, task = judge(rest, {"validation": validation}, task, validation)
        if checkpoint is not None and leads():
            _keep(model, checkpoint.parent / EPOCHS / epoch_file(result.best_epoch))
        second = refit(
            rest,
            beginning,
            pipelines["train"],
            validation,
            training,
            epochs=result.best_epoch,
            seed=settings.seed,
            checkpoint=checkpoint,
            label=label,
            recorders=second_recorders,
            own=own.training,
        )
        take_back(model, rest)
        judged.pop("validation", None)
    if own.training.loss is not None or own.training.metrics:
        # A run folder needs no loss or metric to predict, and must load without their classes.
        # Of all optimizers, plain SGD keeps nothing in the file.
        model.compile("sgd", jit_compile=default_jit())
    answers = judge(rest, judged, task, None if again else validation)
    return TrainedModel(
        model,
        result.history,
        result.best_epoch,
        {**outputs, **answers[0]},
        {**figures, **answers[1]},
        answers[2],
        judged_by=(rest, pipelines),
        refit=second,
    )


def _built(preprocessing: Preprocessing, settings: Settings, own: OwnModel) -> keras.Model:
    """The model that is trained."""
    if own.model is None:
        return make_model(preprocessing, settings, layers=own.encoders, fusion=own.fusion)
    with computing_in(settings.training.precision):
        return own.build(preprocessing, settings)


def _without_frozen(
    model: keras.Model,
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    settings: Settings,
    features: Path | None,
    own: OwnModel,
) -> tuple[keras.Model, dict[str, Pipeline]]:
    """The model without the encoders that are frozen, and pipelines that feed it their tokens."""

    def rebuild(inputs: Mapping[str, Any], encoders: Mapping[str, Any]) -> keras.Model:
        with same_draws():
            copies = {name: copied(layer) for name, layer in own.encoders.items()}
            fusion = own.fusion and copied(own.fusion)
            return make_model(preprocessing, settings, inputs, {**copies, **encoders}, fusion)

    if features is not None and not leads():
        agreed()  # the first one encodes for all
    rest, fed = without_frozen(model, pipelines, rebuild, features)
    if features is not None and leads():
        agreed("encoded")
    return rest, fed


def _keep(model: keras.Model, file: Path) -> None:
    """Writes the weights that validation rows are judged by, before the model learns them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with written(file) as temporary:
        model.save_weights(temporary)


def judge(
    model: keras.Model,
    pipelines: Mapping[str, Pipeline],
    task: Task,
    validation: Pipeline | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]], Task]:
    """What a model answers, and how good that is.

    Args:
        model: A trained model.
        pipelines: Rows by part.
        task: The fitted target.
        validation: Rows that the thresholds of answers are fitted on, where the task has any.

    Returns:
        By part the outputs for its examples; by part the task's figures for them; and the task,
        with thresholds that suit the model.
    """
    answering = answer_model(model)

    def said(pipeline: Pipeline) -> np.ndarray:
        return pipeline.unpad(answering.predict(pipeline.evaluate(), verbose=0))

    outputs = {name: said(pipeline) for name, pipeline in pipelines.items()}
    if pipelines and validation is not None and task.has_thresholds:
        known = [outputs[name] for name, pipeline in pipelines.items() if pipeline is validation]
        values = known[0] if known else said(validation)
        task = task.tuned(*in_own_unit(validation, values))
    figures = {
        name: task.figures(*in_own_unit(pipeline, outputs[name]))
        for name, pipeline in pipelines.items()
    }
    return outputs, figures, task


def in_own_unit(pipeline: Pipeline, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pipeline's targets and a model's outputs for them; numbers in the target's own unit."""
    task = pipeline.preprocessing.task
    return task.own_unit(pipeline.targets), task.own_unit(outputs)
