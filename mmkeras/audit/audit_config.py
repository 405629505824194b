"""What an audit does, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmkeras.classical.floor.budget import FloorChoice
from mmkeras.reading import check_fields


@dataclass(frozen=True)
class AuditSettings:
    """What an audit does.

    Args:
        train: Which models of fewer modalities to train where there are none next to the run: none;
            alone: each modality alone, and all without those of one kind, if there are several of
            it; without: these, and all without each of them; subsets: all.
        tuning: Whether to train the model again with its pre-trained encoders tuned, or frozen if
            they are tuned here, where no such run lies next to this one.
        floor: Whether classical models are trained on the run's rows, as the line to beat: auto
            where it takes less than a minute.
        by: Columns whose values are looked at apart, as subgroups.
        noise: Whether to corrupt the inputs (the longest part).
        explain: How many rows to explain: the most confident right and wrong answers.
        explain_rows: Ids (or, without an id column, row labels) of the rows to explain instead.
        max_rows: Most rows of the parts that predict many times; drawn at random from more.
        draws: Bootstrap samples of an interval.
        swaps: How often a hidden modality is replaced by that of other rows, where the model was
            not built for missing modalities.
        conversions: Run folders of conversions (experiments/convert.py), each of which makes one of
            the modalities, or of generative models (experiments/generate.py), which make each of
            theirs: how good the model is where it is made, if it is missing. They should have
            learnt from no row that is judged here.
        seed: Decides what is drawn.
    """

    train: Literal["none", "alone", "without", "subsets"] = "alone"
    tuning: bool = False
    floor: FloorChoice = "auto"
    by: tuple[str, ...] = ()
    noise: bool = True
    explain: int = 12
    explain_rows: tuple[str, ...] = ()
    max_rows: int = 2000
    draws: int = 500
    swaps: int = 5
    conversions: tuple[Path, ...] = ()
    seed: int = 0

    def __post_init__(self):
        check_fields(self)
        known = ("none", "alone", "without", "subsets")
        if self.train not in known:
            raise ValueError(f"`train` is one of {', '.join(known)}. Received: {self.train!r}.")
        for name in ("max_rows", "draws", "swaps"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.explain < 0:
            raise ValueError(f"`explain` must not be negative. Received: {self.explain}.")
