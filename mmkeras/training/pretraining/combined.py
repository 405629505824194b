"""Pre-training without labels by several objectives at once: to agree, and to fill gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from mmkeras.data.pipeline import Pipeline
from mmkeras.training.pretraining.contrastive import ContrastiveModel, projection_model
from mmkeras.training.pretraining.masked import MaskedModel
from mmkeras.training.pretraining.pretrain import ContrastiveSettings, fit_objective


@dataclass(frozen=True)
class PretrainingSettings(ContrastiveSettings):
    """How encoders are trained without labels.

    Args:
        contrastive: Weight of the contrastive loss; 0 leaves it out.
        masked: Weight of the loss of masked modelling; 0 leaves it out.
        mask_share: Share of the places (cells, steps, words, entries) that are hidden.
        mask_whole: Share of the rows of which a whole modality is hidden.
        mask_dim: Width of the joint tokens in masked modelling.
        mask_layers: Transformer layers over them.
    """

    contrastive: float = 1.0
    masked: float = 1.0
    mask_share: float = 0.5
    mask_whole: float = 0.3
    mask_dim: int = 64
    mask_layers: int = 1

    def __post_init__(self):
        super().__post_init__()
        for name in ("contrastive", "masked"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("mask_share", "mask_whole"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` is a share in [0, 1]. Received: {getattr(self, name)}.")
        for name in ("mask_dim", "mask_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if not self.contrastive and not self.masked:
            raise ValueError("`contrastive` and `masked` are both 0: there is nothing to learn.")


class CombinedModel(keras.Model):
    """Trains several objectives that share encoders: `L = sum_k weight_k L_k`.

    Args:
        objectives: Models that compute their losses themselves, `ContrastiveModel` and
            `MaskedModel`, each with its weight. Each reads the batch by itself.

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import InputSpec, Schema, Tabular
    >>> schema = Schema([Tabular("left", ["a"]), Tabular("right", ["b"])], "label")
    >>> inputs = {"left": InputSpec((5,)), "right": InputSpec((3,))}
    >>> model = build_model(schema, inputs, num_outputs=2)
    >>> contrastive = ContrastiveModel(projection_model(model, dim=8))
    >>> combined = CombinedModel([(1.0, contrastive), (0.5, MaskedModel(model))])
    >>> combined.compile("adam")
    >>> x = {"left": keras.random.normal((16, 5)), "right": keras.random.normal((16, 3))}
    >>> history = combined.fit(x, verbose=0)
    """

    def __init__(self, objectives: Sequence[tuple[float, keras.Model]], **kwargs):
        super().__init__(**kwargs)
        self.weights_of = [float(weight) for weight, _ in objectives]
        self.objectives = [objective for _, objective in objectives]

    def call(self, inputs, training=None):
        return [objective(inputs, training=training) for objective in self.objectives]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = [
            objective.compute_loss(x, y, said, sample_weight, training)
            for objective, said in zip(self.objectives, y_pred, strict=True)
        ]
        return sum(w * loss for w, loss in zip(self.weights_of, losses, strict=True))


def pretrain_encoders(
    model: keras.Model,
    train: Pipeline,
    settings: PretrainingSettings | None = None,
    *,
    seed: int = 0,
    label: str = "pre-training",
) -> None:
    """Trains a model's encoders without labels; the model itself can be trained as ever afterwards.

    Args:
        model: A model of `build_model`, with two or more modalities if they are to agree.
        train: Rows to learn from. Its batch size is the contrastive loss' number of candidates.
        settings: How; its `batch_size` is the pipeline's.
        seed: Decides the order of the rows, the augmentation and what is hidden. The weights and
            dropout follow from `set_seed`, before the model is built.
        label: What the progress bar begins with.

    Raises:
        ValueError: One modality has none to agree with, or an encoder's tokens cannot be hidden.
    """
    settings = settings or PretrainingSettings()
    objectives: list[tuple[float, keras.Model]] = []
    if settings.contrastive:
        projections = projection_model(model, settings.dim)
        contrastive = ContrastiveModel(projections, temperature=settings.temperature)
        objectives.append((settings.contrastive, contrastive))
    if settings.masked:
        masked = MaskedModel(
            model,
            share=settings.mask_share,
            whole=settings.mask_whole,
            dim=settings.mask_dim,
            num_layers=settings.mask_layers,
            seed=seed,
        )
        objectives.append((settings.masked, masked))
    fit_objective(CombinedModel(objectives), train, settings, seed=seed, label=label)
