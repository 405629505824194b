"""What a comparison of fusions compares: its settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import tyro

from mmkeras.classical.floor.budget import FloorChoice
from mmkeras.encoders import ENCODERS
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.name_and_tags import Named
from mmkeras.experiment.settings import Settings
from mmkeras.fusion import FUSIONS, fusion_class
from mmkeras.schema import Schema
from mmkeras.tasks import task_class
from mmkeras.training.ensemble import Rule

CLASSICAL = "classical"  # the floor's name among models
ENSEMBLES = tuple(f"ensemble_{rule}" for rule in get_args(Rule))


@dataclass(frozen=True)
class ComparisonConfig(Named):
    """The comparison.

    Args:
        data: Which rows.
        fusions: Names of fusions, and of ensembles of the modalities trained alone; by default
            all that fit the data.
        encoders: Encoders to make the comparison with, one after the other, each as
            kind=name[,kind=name]; by default those of the settings.
        seeds: How often each model is trained, with the seeds 0, 1, ...
        vectorized: Train all seeds of a model in one program, on JAX.
        trials: Settings that each model may try on validation rows: the given ones, and random
            ones around them (learning rate, width, dropout), the same for all models.
        rows: At most this many training rows, whole groups of them.
        validation: Share of the (training) rows that choose the epoch; 0 trains on all of them
            for the full number of epochs.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        floor: Whether classical models are trained on the same rows, as the line to beat: auto
            where it takes less than a minute.
        workers: Models that are trained at the same time, each in a process of its own; 0 trains in
            this process. With as many as there are cores, TF_NUM_INTRAOP_THREADS=1 keeps them out
            of each other's way.
        out: The experiment's folder; by default runs/compare/NAME/TIME. The same again resumes.
        results: A folder to which the table and the seeds' figures are copied, under the data
            set's name.
        settings: Model, training and preprocessing, the same for all.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    fusions: tuple[Literal[(*FUSIONS, *ENSEMBLES)], ...] = ()
    encoders: tuple[str, ...] = ()
    seeds: int = 5
    vectorized: bool = False
    trials: int = 1
    rows: int | None = None
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    floor: FloorChoice = "auto"
    workers: int = 1
    out: Path | None = None
    results: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)

    def __post_init__(self):
        for name in ("seeds", "trials"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.trials > 1 and not self.validation:
            raise ValueError(
                "Several trials are compared on validation rows: set --validation above 0."
            )


def obstacle(name: str, config: ComparisonConfig, schema: Schema) -> str | None:
    """Why a fusion or an ensemble cannot be part of a comparison; `None` if it can."""
    if name in ENSEMBLES:
        if not task_class(schema.target).single_label:
            return "ensembles combine the probabilities of classes"
        if name in ("ensemble_weights", "ensemble_stacking") and not config.validation:
            return "it is fitted on validation rows, and there are none"
        return None
    if fusion_class(name).aligned and not task_class(schema.target).per_step:
        return "it reads sequences whose steps belong together"
    return None


def with_encoders(settings: Settings, variant: str) -> Settings:
    """The settings with the encoders that `kind=name,kind=name` asks for.

    Raises:
        ValueError: For a kind or name that does not exist.
    """
    for entry in variant.split(",") if variant else []:
        kind, _, name = entry.partition("=")
        if kind not in ENCODERS or name not in ENCODERS[kind]:
            known = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in ENCODERS.items())
            raise ValueError(f"Encoders are given as kind=name, of {known}. Received: {entry!r}.")
        settings = settings.with_encoder(kind, name)
    return settings


def trial_settings(settings: Settings, trials: int, seed: int) -> list[Settings]:
    """The settings as they are, and random ones around them; the same list for every model."""
    random = np.random.default_rng(seed)
    tried = [settings]
    for _ in range(trials - 1):
        rate = settings.training.learning_rate * 10 ** random.uniform(-0.7, 0.7)
        dim, dropout = random.choice([32, 64, 128]), random.choice([0.0, 0.25, 0.5])
        tried.append(
            dataclasses.replace(
                settings,
                training=dataclasses.replace(settings.training, learning_rate=float(rate)),
                model=settings.model.with_sizes(int(dim), float(dropout)),
            )
        )
    return tried
