"""How a model is trained: the settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mmkeras.models.optimizers import OPTIMIZERS, WITH_MOMENTUM
from mmkeras.reading import check_fields
from mmkeras.tasks import Task, better_sign
from mmkeras.training.balance.methods import BALANCES, Balance
from mmkeras.training.precision import Precision

# On the command line, a table's names are an option's choices.
if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(OPTIMIZERS)]


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Args:
        epochs: Passes over the training rows, at most.
        rounds: At most so many times all epochs: another round follows, whose schedule begins anew,
            where the validation loss was lowest in the last tenth of the epochs so far, so that the
            model was still getting better. Without validation rows there is one.
        batch_size: Rows per step.
        precision: What the model computes in: float32, or weights in float32 and all else in half
            the bits, which accelerators compute several times faster: mixed_bfloat16, or
            mixed_float16, whose small gradients Keras scales.
        optimizer: Keras' name of it.
        learning_rate: Its rate, after the warm-up.
        part_rates: By part of the model, what its learning rate is a multiple of that by: a
            modality (its encoder), fusion, or decoder (all behind the fusion).
        freeze: Parts whose weights stay as they are.
        freeze_epochs: After so many epochs they are trained, too, by a new optimizer whose
            schedule begins anew; 0 for never. Patience counts from there.
        momentum: Of sgd and rmsprop.
        accumulate: Steps whose gradients are averaged before the weights change: batches as large
            as so many, in the memory of one.
        ema: Momentum of a moving average of the weights, such as 0.99, which is what validation
            judges and what is kept; 0 for none.
        schedule: constant; cosine: down to 0 along half a cosine; or plateau: times
            `plateau_factor` after `plateau_patience` epochs without a better validation value.
        warmup: Share of the steps in which the rate rises from 0, by default a tenth with cosine
            and none otherwise.
        plateau_patience: Epochs without a better value after which the rate gets smaller.
        plateau_factor: What it is multiplied with.
        weight_decay: Decoupled decay of kernels and embeddings; adam with it is adamw.
        label_smoothing: Share of the target spread evenly over all classes.
        loss: default (the target's own) or focal: of classes, where what is right already counts
            less (Lin et al., 2017).
        focal_gamma: How much less: a class of probability p counts (1 - p)^gamma.
        class_weights: none, or balanced: in the loss, all classes weigh the same however rare they
            are (of several labels, a label's presence and its absence); `val_loss` is weighted,
            too.
        clip_norm: Largest norm of the whole gradient; 0 means no limit.
        auxiliary: Weight of the loss of each modality's own prediction, added to the fused one's
            (`mmkeras.models.parts.auxiliary_model`); 0 for none.
        translation: Weight of the losses of making the other modalities of the first one, and the
            first one again of these (`mmkeras.training.cyclic_translation`); 0 for none. With one
            modality there is nothing to translate.
        balance: How no modality is left behind (`mmkeras.training.balance.methods`): ogm,
            ogm_ge or agm slow an encoder down that is ahead, gradient_blending weighs the losses by
            how they generalise (instead of `auxiliary`), distillation first trains one teacher per
            modality. With one modality there is nothing to balance.
        balance_strength: alpha of ogm, ogm_ge and agm; weight of the distance in distillation.
        balance_epochs: Epochs after which gradient_blending weighs again, 2 or more.
        patience: Stop after this many epochs without a better validation value; 0 never stops.
        keep_best: Epochs whose weights are kept in files, the best ones: 1 for those of the model.
        monitor: The validation value that says which epoch is best: main (the main figure of
            the task, e.g. the accuracy), val_loss, or another one: val_accuracy, or any figure of
            the task, e.g. val_macro_f1 or val_roc_auc, or `val_` and the name of a metric of one's
            own.
        monitor_mode: Whether more (max) or less (min) of a metric of one's own is better; auto is
            what the metric says of itself, as Keras' do. Of all other values it is known.
        watch: Figures of the validation rows that the history has too, e.g. macro_f1; they are
            computed after each epoch, from one more prediction.
        refit: Whether the model is trained once more, from its beginning and on the validation rows
            too, for as many epochs as were best. Figures of validation rows are those of the model
            before, which had not learnt them.
    """

    epochs: int = 30
    rounds: int = 1
    batch_size: int = 32
    precision: Precision = "float32"
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    part_rates: Mapping[str, float] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    freeze_epochs: int = 0
    momentum: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: float | None = None
    plateau_patience: int = 3
    plateau_factor: float = 0.5
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    loss: Literal["default", "focal"] = "default"
    focal_gamma: float = 2.0
    class_weights: Literal["none", "balanced"] = "none"
    clip_norm: float = 0.0
    auxiliary: float = 0.0
    translation: float = 0.0
    balance: Balance = "none"
    balance_strength: float = 0.5
    balance_epochs: int = 4
    patience: int = 10
    keep_best: int = 1
    monitor: str = "val_loss"
    monitor_mode: Literal["auto", "min", "max"] = "auto"
    watch: tuple[str, ...] = ()
    refit: bool = False

    def monitored(self, task: Task) -> str:
        """The name of the value in Keras' logs that says which epoch is best."""
        return f"val_{task.watched}" if self.monitor == "main" else self.monitor

    @property
    def monitor_sign(self) -> float:
        """1.0 where more of the monitored value is better, -1.0 where less is."""
        if self.monitor_mode == "auto":
            return better_sign(self.monitor)
        return 1.0 if self.monitor_mode == "max" else -1.0

    def of_parts(self, modalities: Collection[str]) -> TrainingSettings:
        """The same for a model of these modalities: what is of others is left out.

        A model of one modality has no fusion to speak of.
        """
        names = {*modalities, "decoder", *(["fusion"] if len(modalities) > 1 else [])}
        freeze = tuple(name for name in self.freeze if name in names)
        return dataclasses.replace(
            self,
            freeze=freeze,
            freeze_epochs=self.freeze_epochs if freeze else 0,
            part_rates={name: rate for name, rate in self.part_rates.items() if name in names},
        )

    def __post_init__(self):
        check_fields(self)
        for name in ("watch", "freeze"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for part, factor in self.part_rates.items():
            if not 0 < factor < math.inf:
                raise ValueError(f"`part_rates` are above 0. Received: {factor} for {part!r}.")
        for name in (
            "epochs",
            "rounds",
            "batch_size",
            "accumulate",
            "plateau_patience",
            "keep_best",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if not 0 <= self.freeze_epochs < self.epochs:
            raise ValueError(
                f"`freeze_epochs` are fewer than all {self.epochs}. Received: {self.freeze_epochs}."
            )
        if self.freeze_epochs and not self.freeze:
            raise ValueError("`freeze_epochs` is of `freeze`, which names no part. Leave it out.")
        for name in ("weight_decay", "label_smoothing", "clip_norm", "auxiliary", "translation",
                     "patience"):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("ema", "momentum", "warmup", "plateau_factor"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise ValueError(f"`{name}` is in [0, 1). Received: {getattr(self, name)}.")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"`optimizer` is one of {list(OPTIMIZERS)}. Received: {self.optimizer!r}."
            )
        if self.optimizer == "adamw" and not self.weight_decay:
            raise ValueError(
                "optimizer='adamw' is adam with a `weight_decay`, and that is 0. Give one "
                "(Keras' default is 0.004), or use adam."
            )
        for name in ("learning_rate", "balance_strength", "focal_gamma"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {getattr(self, name)}.")
        if self.balance not in BALANCES:
            raise ValueError(f"`balance` must be one of {BALANCES}. Received: {self.balance!r}.")
        self._refuse_without_effect()
        if self.translation and self.balance != "none":
            raise ValueError(
                f"`translation` and `balance` both add to the training. Received: translation="
                f"{self.translation} and balance={self.balance!r}. Leave one out."
            )
        if self.balance_epochs < 2:
            raise ValueError(
                f"`balance_epochs` must be at least 2. Received: {self.balance_epochs}."
            )
        if self.refit and (watching := self.watching):
            raise ValueError(
                "`refit` leaves no validation rows for its second training, and "
                f"{watching} needs some. Leave one of them out."
            )

    @property
    def watching(self) -> str:
        """What of the settings watches validation rows all along, in words; empty for nothing."""
        found = [(name, getattr(self, name)) for name in _VALIDATING]
        return ", ".join(f"{name}={v!r}" for name, v in found if v in _VALIDATING[name])

    def _refuse_without_effect(self) -> None:
        """Refuses settings of what is not chosen."""
        for name, (chosen, values) in _BELONGS.items():
            if getattr(self, name) != _DEFAULTS[name] and getattr(self, chosen) not in values:
                raise ValueError(
                    f"`{name}` is of {chosen}={' or '.join(values)}. Received: {name}="
                    f"{getattr(self, name)!r} and {chosen}={getattr(self, chosen)!r}. Leave it out."
                )


# What must be chosen for a setting to have an effect.
_BELONGS = {
    "focal_gamma": ("loss", ("focal",)),
    "momentum": ("optimizer", WITH_MOMENTUM),
    "warmup": ("schedule", ("constant", "cosine")),
    "plateau_patience": ("schedule", ("plateau",)),
    "plateau_factor": ("schedule", ("plateau",)),
}
# What watches validation rows in a training.
_VALIDATING = {"schedule": ("plateau",), "balance": ("gradient_blending", "distillation")}
_DEFAULTS = {each.name: each.default for each in dataclasses.fields(TrainingSettings)}
