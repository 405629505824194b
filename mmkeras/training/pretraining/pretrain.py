"""Contrastive pre-training on pipelines; embeddings, and encoders to start from."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.compile import default_jit
from mmkeras.models.optimizers import leaving_nothing
from mmkeras.models.parts import encoder_layers
from mmkeras.progress import ProgressBar
from mmkeras.reading import check_fields
from mmkeras.training.pretraining.contrastive import ContrastiveModel, Positives, projection_model

# Parts of the names of variables.
NOT_DECAYED = ["bias", "gamma", "beta", "log_scale", "mask_token", "modality_embeddings"]


@dataclass(frozen=True)
class ContrastiveSettings:
    """How encoders are trained to agree.

    Args:
        dim: Width of the space that the modalities share.
        temperature: InfoNCE's, at the start; it is learnt.
        epochs: Passes over the training rows.
        batch_size: Rows per step: each is told apart from all others of its batch.
        learning_rate: Adam's largest: up from 0 in the first tenth of the steps, then down to 0
            along half a cosine.
        weight_decay: AdamW's decoupled decay.
    """

    dim: int = 128
    temperature: float = 0.07
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05

    def __post_init__(self):
        check_fields(self)
        for name in ("dim", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {getattr(self, name)}.")
        if self.weight_decay < 0:
            raise ValueError(f"`weight_decay` must not be negative. Received: {self.weight_decay}.")


def pretrain(
    model: keras.Model,
    train: Pipeline,
    settings: ContrastiveSettings | None = None,
    *,
    positives: Positives = "rows",
    seed: int = 0,
    label: str = "pre-training",
) -> keras.Model:
    """Trains a model's encoders contrastively; the model itself can be trained as ever afterwards.

    Args:
        model: A model of `build_model` with two or more modalities.
        train: Rows to learn from. Its batch size is the loss' number of candidates.
        settings: How; its `batch_size` is the pipeline's.
        positives: See `ContrastiveModel`.
        seed: Decides the order of the rows and the augmentation. The weights and dropout follow
            from `set_seed`, before the model is built.
        label: What the progress bar begins with.

    Returns:
        The `projection_model`, for `embed`. `model` shares its encoders.
    """
    settings = settings or ContrastiveSettings()
    projections = projection_model(model, settings.dim)
    contrastive = ContrastiveModel(
        projections, temperature=settings.temperature, positives=positives
    )
    fit_objective(contrastive, train, settings, seed=seed, label=label)
    return projections


def fit_objective(
    objective: keras.Model,
    train: Pipeline,
    settings: ContrastiveSettings,
    *,
    seed: int,
    label: str,
) -> None:
    """Fits a model that computes its loss itself, such as `ContrastiveModel`.

    Args:
        objective: The model.
        train, settings, seed, label: As for `pretrain`.
    """
    steps = settings.epochs * train.steps
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=steps - steps // 10,
            warmup_target=settings.learning_rate,
            warmup_steps=steps // 10,
        ),
        weight_decay=settings.weight_decay,
        global_clipnorm=1.0,
    )
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    objective.compile(leaving_nothing(optimizer), jit_compile=default_jit())
    with ProgressBar(label, steps) as progress:
        objective.fit(
            train.train(seed=seed, epochs=settings.epochs),
            steps_per_epoch=train.steps,
            epochs=settings.epochs,
            callbacks=[
                keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: progress.add())
            ],
            shuffle=False,
            verbose=0,
        )


def embed(projections: keras.Model, rows: Pipeline) -> dict[str, np.ndarray]:
    """Each modality's vectors, `(rows, dim)`, in the order of `rows.frame`."""
    return projections.predict(rows.evaluate(), verbose=0)


def copy_encoders(source: keras.Model, target: keras.Model) -> list[str]:
    """Gives a model the encoder weights of another, by name, e.g. to fine-tune them.

    Args:
        source: A model of `build_model` or `projection_model`.
        target: The same; encoders of modalities that `source` lacks stay as they are.

    Returns:
        The modalities whose encoders were copied.

    Raises:
        ValueError: The models have no modality in common, or an encoder of another form.
    """
    encoders = [encoder_layers(source), encoder_layers(target)]
    common = [name for name in encoders[1] if name in encoders[0]]
    if not common:
        raise ValueError(
            f"The models share no encoder. Received: {sorted(encoders[0])} and "
            f"{sorted(encoders[1])}."
        )
    for name in common:
        weights = encoders[0][name].get_weights()
        shapes = [[tuple(w.shape) for w in ws] for ws in (weights, encoders[1][name].get_weights())]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The encoder of {name!r} has weights of shapes {shapes[0]} in one model and "
                f"{shapes[1]} in the other. Build both with the same encoder, options and inputs."
            )
        encoders[1][name].set_weights(weights)
    return common
