"""Whether the probabilities can be believed: reliability, calibration errors, a temperature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.bootstrap import bootstrap_interval
from mmkeras.evaluation.calibration import (
    apply_temperature,
    calibration_error,
    calibration_table,
    fit_temperature,
)
from mmkeras.plotting import BLUE, COLORS, GREY, new_figure
from mmkeras.reports.parts import Note, Part, Picture, Section, Table
from mmkeras.tasks.class_figures import brier_score
from mmkeras.tasks.classes import ClassTask

BINS = 15
# A fitted temperature next to an end of the range that is searched is none.
_LEAST, _MOST = 0.051, 19.9
_DRAWS = 200  # of what chance makes of right probabilities


def calibration_section(subject: Subject) -> Section | None:
    """Calibration on all rows; `None` for a target that is a number."""
    if not subject.task.has_classes:
        return None
    targets, outputs = subject.pipeline.targets, subject.outputs
    lines = {"as it is": _figures(subject.task, targets, outputs)}
    temperature, scaled = None, None
    if subject.validation is not None:
        validation = subject.validation
        temperature = fit_temperature(validation.targets, validation.outputs)
        scaled = apply_temperature(outputs, temperature)
        lines[f"at temperature {temperature:.2f}"] = _figures(subject.task, targets, scaled)
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("probabilities")
    confidence, right = subject.task.answers(targets, outputs)
    gap = float(confidence.mean() - right.mean())
    parts: list[Part] = [
        Table("calibration", table, _caption(temperature, subject)),
        Picture(
            "reliability",
            _plot(subject.task, targets, outputs, scaled),
            "Left: how often answers of one confidence are right; on the dotted line probabilities "
            "mean what they say, below it the model is too sure of itself. Right: how many answers "
            "have which confidence.",
        ),
    ]
    if temperature is None:
        parts.append(Note("There are no validation rows to fit a temperature on."))
    _, low, high = bootstrap_interval(
        confidence - right, groups=_answer_groups(subject, len(right)), draws=2000
    )
    error, chance = float(table["ECE"].iloc[0]), _error_by_chance(confidence)
    said = "as sure as it is right, as far as these rows tell"
    if low > 0:
        said = "too sure of itself"
    elif high < 0:
        said = "less sure than it might be"
    elif error > chance:
        said = "as sure as it is right on the whole, but not answer by answer"
    mended = ""
    if temperature is not None:
        before, after = table["ECE"]
        helps = f"makes that {100 * after:.1f}" if after < before else "does not make that smaller"
        at_bound = not _LEAST < temperature < _MOST
        mended = f"; a temperature of {temperature:.2f}, from the validation rows, {helps}"
        if at_bound:
            mended = "; no temperature fits the validation rows"
    return Section(
        "calibration",
        "Can its probabilities be believed?",
        f"The model is {said}: its mean confidence is {100 * confidence.mean():.1f} %, and it is "
        f"right in {100 * right.mean():.1f} %. The expected calibration error is "
        f"{100 * error:.1f} points (with probabilities that are right, chance alone gives "
        f"{len(right):,} answers up to {100 * chance:.1f}){mended}.",
        parts,
        {
            "figures": table.to_dict("index"),
            "temperature": temperature,
            "overconfidence": gap,
            "error_by_chance": chance,
        },
    )


def _error_by_chance(confidence: np.ndarray) -> float:
    """The calibration error that 1 in 20 draws of answers exceeds, if confidences were right."""
    random = np.random.default_rng(0)
    errors = [
        calibration_error(confidence, random.random(len(confidence)) < confidence, BINS)
        for _ in range(_DRAWS)
    ]
    return float(np.quantile(errors, 0.95))


def _answer_groups(subject: Subject, answers: int) -> np.ndarray:
    """A name for each answer: of labels, those of one example belong together."""
    groups = subject.groups
    if groups is None:
        groups = np.arange(len(subject.pipeline.targets))
    return np.repeat(groups, answers // len(groups))


def _figures(task: ClassTask, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    confidence, right = task.answers(targets, outputs)
    return {
        "ECE": calibration_error(confidence, right, BINS),
        "adaptive ECE": calibration_error(confidence, right, BINS, adaptive=True),
        "log loss": task.figures(targets, outputs)["log_loss"],
        "Brier score": brier_score(targets, outputs, single_label=task.single_label),
        "mean confidence": float(confidence.mean()),
    }


def _caption(temperature: float | None, subject: Subject) -> str:
    words = (
        f"ECE is the mean distance between confidence and share of right answers over {BINS} bins "
        "of equal width, adaptive ECE over bins of equally many answers; with few rows neither is "
        "ever 0. "
    )
    if temperature is None:
        return words + "The smaller, the more the probabilities can be believed."
    of_before = (
        ", by what the model of the best epoch says of them, as this one has learnt them since"
        if subject.run.was_refitted
        else ""
    )
    return words + (
        f"The temperature was fitted on the validation rows{of_before}: above 1 it takes "
        "confidence away. It changes no answer. If the second line is smaller, use it before you "
        "act on probabilities."
    )


def _plot(task: ClassTask, targets, outputs, scaled):
    figure = new_figure(8.6, 3.6)
    left, right_axes = figure.subplots(1, 2)
    kinds = [("as it is", outputs, BLUE)]
    if scaled is not None:
        kinds.append(("with temperature", scaled, COLORS[1]))
    left.plot([0, 1], [0, 1], ":", color=GREY)
    for label, values, color in kinds:
        confidence, right = task.answers(targets, values)
        table = calibration_table(confidence, right, BINS)
        left.plot(table["confidence"], table["accuracy"], "o-", ms=4, color=color, label=label)
        right_axes.hist(
            confidence, bins=np.linspace(0, 1, BINS + 1), histtype="step", color=color, lw=1.5
        )
    left.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1.02))
    right_axes.set(xlabel="confidence", ylabel="answers", xlim=(0, 1))
    left.legend(frameon=False, fontsize=8)
    for axes in (left, right_axes):
        axes.grid(alpha=0.25)
    return figure
