"""Pre-training and fine-tuning: the configuration, and settings that suit data sets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.name_and_tags import Named
from mmkeras.experiment.presets import preset
from mmkeras.experiment.settings import Settings
from mmkeras.training.pretraining.combined import PretrainingSettings
from mmkeras.training.settings import TrainingSettings

Way = Literal["scratch", "contrastive", "masked", "both"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True)
class PretrainConfig(Named):
    """The experiment.

    Args:
        data: Which rows.
        ways: How encoders begin: scratch (random), or pre-trained on all training rows without
            their labels: contrastive, masked, or both losses with their weights.
        labels: Shares of the training rows that have labels in fine-tuning. Each share's rows are
            among those of the next larger one.
        seeds: Each way is trained once with each of these seeds, which also draw the labelled
            rows.
        judge: Which rows judge: test, or validation to choose settings by.
        validation: Share of the (training) rows that no way learns from, kept for `--judge
            validation`.
        test: Share of the rows for testing, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        steps: Of fine-tuning at least; with few rows there are more epochs than `--fine.epochs`.
        workers: Ways trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/pretrain-NAME/TIME. The same folder resumes.
        source: The folder of an earlier experiment, whose encoders are fine-tuned again.
        pretraining: How encoders are trained without labels.
        fine: How models are trained with labels. Validation rows play no part in it.
        settings: Encoders, model and preprocessing.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    ways: tuple[Way, ...] = WAYS
    labels: tuple[float, ...] = (0.01, 0.1, 1.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    judge: Literal["test", "validation"] = "test"
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    steps: int = 200
    workers: int = 1
    out: Path | None = None
    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    pretraining: Annotated[PretrainingSettings, tyro.conf.arg(name="")] = field(
        default_factory=PretrainingSettings
    )
    fine: TrainingSettings = field(default_factory=TrainingSettings)
    settings: Annotated[Settings, tyro.conf.Suppress] = field(default_factory=Settings)

    def __post_init__(self):
        if not self.labels or not all(0 < share <= 1 for share in self.labels):
            raise ValueError(f"`labels` are shares above 0, at most 1. Received: {self.labels}.")
        if not self.ways or not self.seeds:
            raise ValueError("`ways` and `seeds` are one or more.")
        if self.steps < 1:
            raise ValueError(f"`steps` must be at least 1. Received: {self.steps}.")

    def of_way(self, way: Way) -> PretrainingSettings | None:
        """How the encoders of a way are pre-trained; `None` from scratch."""
        if way == "scratch":
            return None
        left_out = {"contrastive": "masked", "masked": "contrastive"}.get(way)
        return dataclasses.replace(self.pretraining, **({left_out: 0.0} if left_out else {}))


# Chosen by linear probes on emoji's validation rows, one seed: batches of 64 rows teach either loss
# more than fewer steps of 256 rows, and hiding three quarters, with a modality wholly in half of
# the rows, teaches less. Epochs are as many as minutes allowed; more were not tried.
_PRETRAINING = PretrainingSettings(
    epochs=15, batch_size=64, learning_rate=3e-3, temperature=0.3, mask_share=0.5, mask_whole=0.3
)
PRESETS = {
    "emoji": _PRETRAINING,
    "avmnist": dataclasses.replace(_PRETRAINING, epochs=3),
}
# Of fine-tuning, where that is less than the data set's preset says.
_FINE_EPOCHS = {"emoji": 15, "avmnist": 5}


def pretrain_defaults(dataset: str | None) -> dict[str, Any]:
    """Defaults that suit a data set, or (`None`) data of one's own."""
    training = preset(dataset).training
    epochs = _FINE_EPOCHS.get(dataset or "", training.epochs)
    return {
        "pretraining": PRESETS.get(dataset or "", PretrainingSettings()),
        "fine": dataclasses.replace(training, epochs=epochs, patience=0),
    }
