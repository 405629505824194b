"""How two modalities share what they say of the label: redundant, unique, synergistic bits."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.audit.subset_models import SubsetModel
from mmkeras.evaluation.calibration import apply_temperature, fit_temperature
from mmkeras.evaluation.information import decompose, pointwise_information
from mmkeras.plotting import COLORS, GREY, new_figure
from mmkeras.reports.parts import Part, Picture, Table
from mmkeras.reports.wording import subset_name

_COLORS = dict(zip(("redundant", "first", "second", "synergy"), (GREY, *COLORS), strict=False))


def information_parts(subject: Subject) -> tuple[list[Part], dict]:
    """Of each pair of modalities of which models of either and of both exist, the four parts."""
    bits = {kept: _bits(subject, kept) for kept in subject.trained}
    told: dict = {"bits": {subset_name(kept): float(x.mean()) for kept, x in bits.items()}}
    lines = {}
    for first, second in itertools.combinations(subject.names, 2):
        if not {(first,), (second,), (first, second)} <= set(bits):
            continue
        parts = decompose(bits[first,], bits[second,], bits[first, second])
        lines[subset_name((first, second))] = {
            "names": (first, second),
            "redundant": parts.redundancy,
            "first": parts.unique[0],
            "second": parts.unique[1],
            "synergy": parts.synergy,
            "together": float(bits[first, second].mean()),
        }
    told["pairs"] = lines
    if not lines:
        return [], told
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("pair")
    names = table.pop("names")
    table = table.astype(float)
    entropy = -float(np.sum(subject.prior * np.log2(np.maximum(subject.prior, 1e-12))))
    told["entropy"] = entropy
    shown = table.rename(columns={"first": "first alone", "second": "second alone"})
    return [
        Table("information", shown, _caption(subject, lines, entropy)),
        Picture(
            "information",
            _plot(table, names),
            "The same as bars. Grey: either modality says it, so the other could do without. Blue "
            "and orange: only the first, only the second. Green: only both together.",
        ),
    ], told


def _bits(subject: Subject, kept: tuple[str, ...]) -> np.ndarray:
    """What the model of a subset says of each row, in bits; calibrated on the validation rows."""
    outputs = subject.trained[kept]
    if subject.validation is not None:
        validation = subject.validation
        seen = validation.outputs
        if kept != subject.names:
            run = subject.models[kept].run
            seen = SubsetModel(run, validating=True).predict(validation)
        outputs = apply_temperature(outputs, fit_temperature(validation.targets, seen))
    return pointwise_information(subject.rows.targets, outputs, subject.prior)


def _caption(subject: Subject, lines: dict, entropy: float) -> str:
    calibrated = ", calibrated on the validation rows" if subject.validation is not None else ""
    words = (
        f"Bits about the label, of which the classes' frequencies leave {entropy:.2f} open: what "
        f"these models learnt{calibrated} (what either of two modalities says is a row-wise common "
        "change in surprisal). Parts below 0 come from models that were sure and wrong."
    )
    for parts in lines.values():
        largest = max(_COLORS, key=parts.get)
        if parts["together"] <= 0.05:
            continue
        first, second = parts["names"]
        whose = {
            "redundant": "is said by either of them",
            "first": f"is said by {first} alone",
            "second": f"is said by {second} alone",
            "synergy": "is said only by both together",
        }[largest]
        words += (
            f" Of the {parts['together']:.2f} bits of {first} and {second}, the largest part "
            f"({parts[largest]:.2f}) {whose}."
        )
    return words


def _plot(table: pd.DataFrame, pairs: pd.Series):
    figure = new_figure(7.2, 0.6 * len(table) + 1.6)
    axes = figure.subplots()
    for place, (pair, row) in enumerate(table.iterrows()):
        first, second = pairs[pair]
        names = {"first": f"only {first}", "second": f"only {second}", "synergy": "only together"}
        end = {1: 0.0, -1: 0.0}
        for part, color in _COLORS.items():
            side = 1 if row[part] >= 0 else -1
            axes.barh(place, row[part], left=end[side], color=color, height=0.55)
            if abs(row[part]) > 0.08 * abs(table["together"]).max():
                axes.text(
                    end[side] + row[part] / 2,
                    place,
                    f"{names.get(part, 'either')}\n{row[part]:.2f}",
                    ha="center",
                    va="center",
                    color="white",
                    fontsize=7,
                )
            end[side] += row[part]
    axes.set_yticks(range(len(table)), table.index)
    axes.invert_yaxis()
    axes.axvline(0, color="#1f2328", lw=0.8)
    axes.set_xlabel("bits about the label")
    return figure
