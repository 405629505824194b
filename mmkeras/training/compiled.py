"""The model that is trained in the place of another, compiled by the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.compile import compile_model
from mmkeras.models.parts import auxiliary_model
from mmkeras.training.balance.methods import balanced_model
from mmkeras.training.cyclic_translation import translating_model
from mmkeras.training.model_parts import multipliers
from mmkeras.training.rates import optimizer_of
from mmkeras.training.settings import TrainingSettings


def compiled_for_training(
    model: keras.Model, train: Pipeline, settings: TrainingSettings
) -> keras.Model:
    """The model to train, compiled, with its optimizer built; its layers are `model`'s.

    Args:
        model, train, settings: As for `fit`.
    """
    trained, auxiliary = model_for_training(model, train, settings)
    compile_for_training(trained, model, train, settings, auxiliary, epochs=settings.epochs)
    return trained


def model_for_training(
    model: keras.Model,
    train: Pipeline,
    settings: TrainingSettings,
    teachers: Mapping[str, keras.Model] | None = None,
) -> tuple[keras.Model, float]:
    """The model to train, and what its auxiliary losses weigh.

    That is `model` itself, or with auxiliary losses, translation or balancing a model around it.

    Args:
        model, train, settings: As for `fit`.
        teachers: By modality, for `balance="distillation"`.
    """
    schema, num_outputs = train.preprocessing.schema, train.preprocessing.num_outputs
    trained, auxiliary = model, settings.auxiliary
    if len(schema.modalities) > 1 and settings.balance != "none":
        trained = balanced_model(
            model,
            num_outputs,
            settings.balance,
            strength=settings.balance_strength,
            auxiliary=auxiliary,
            teachers=teachers,
        )
        if settings.balance == "gradient_blending":
            auxiliary = 1.0
    elif len(schema.modalities) > 1 and auxiliary:
        trained = auxiliary_model(model, num_outputs)
    if len(schema.modalities) > 1 and settings.translation:
        trained = translating_model(model, trained.output, settings.translation)
    return trained, auxiliary


def compile_for_training(
    trained: keras.Model,
    model: keras.Model,
    train: Pipeline,
    settings: TrainingSettings,
    auxiliary: float,
    *,
    epochs: int,
    loss: Any = None,
    metrics: Sequence[Any] = (),
) -> None:
    """Compiles a model for so many epochs, and builds its optimizer.

    Args:
        trained, auxiliary: As `model_for_training` gives them for `model`.
        model, train, settings: As for `fit`.
        epochs: Over which the learning rate's schedule goes.
        loss, metrics: As for `compile_model`.
    """
    task, balanced = train.preprocessing.task, settings.class_weights == "balanced"
    if balanced and not task.learns_classes:
        raise ValueError(
            f"class_weights='balanced' weighs classes, and there are none in {task.words}. Leave "
            "it out."
        )
    factors = multipliers(model, trained, settings)
    compile_model(
        trained,
        task,
        focal_gamma=settings.focal_gamma if settings.loss == "focal" else 0.0,
        class_weights=task.class_weights(train.targets) if balanced else None,
        auxiliary=auxiliary,
        loss=loss,
        metrics=metrics,
        optimizer=optimizer_of(settings, epochs * train.steps, factors),
        label_smoothing=settings.label_smoothing,
    )
    trained.optimizer.build(trained.trainable_variables)
