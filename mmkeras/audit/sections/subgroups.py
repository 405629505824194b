"""The same figures for parts of the rows: by the values of a column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.data.tables.cells import label_names, to_numbers
from mmkeras.evaluation.bootstrap import bootstrap_interval
from mmkeras.evaluation.significance import holm
from mmkeras.experiment.train import in_own_unit
from mmkeras.plotting import BLUE, GREY, new_figure, plain
from mmkeras.reports.parts import Part, Picture, Section, Table
from mmkeras.reports.wording import joined

_MOST_GROUPS = 20
_FEW = 30
_PERMUTATIONS = 1999


def subgroups_section(subject: Subject) -> Section | None:
    """Performance by the columns that the user named; `None` if there are none."""
    if not subject.settings.by:
        return None
    parts: list[Part] = []
    values, findings = {}, []
    for place, column in enumerate(subject.settings.by, start=1):
        table = subgroup_table(subject, column)
        left_out = subgroup_names(subject.pipeline.examples[column]).nunique() - len(table)
        values[column] = table.to_dict("index")
        name = f"by_{place}_" + "".join(c if c.isalnum() else "_" for c in column)
        unlike = table[(table["p (Holm)"] < 0.05) & (table["examples"] >= _FEW)]
        if len(unlike):
            shown = subject.figure.shown
            named = joined(f"{name} ({shown(row['score'])})" for name, row in unlike.iterrows())
            findings.append(
                f"by {column}, these differ from the rest in {subject.figure.words}: {named}"
            )
        elif (table["examples"] >= _FEW).any():
            findings.append(
                f"by {column}, no group of {_FEW} examples or more differs from the "
                "rest by more than chance"
            )
        else:
            findings.append(f"by {column}, no group has {_FEW} examples: too few to tell")
        parts.append(Table(name, table, _caption(subject, column, left_out)))
        parts.append(
            Picture(
                name,
                _plot(table, subject),
                "The same with 95 % intervals; the line is the mean over all. A group whose "
                "interval leaves out the line is better or worse off than others.",
            )
        )
    said = "; ".join(findings)
    return Section(
        "subgroups",
        "Is it as good for every group?",
        f"{said[0].upper()}{said[1:]}.",
        parts,
        values,
    )


def subgroup_table(subject: Subject, column: str) -> pd.DataFrame:
    """One row per value of the column (numbers by quarters), the largest groups first."""
    groups = subgroup_names(subject.pipeline.examples[column])
    targets, outputs = in_own_unit(subject.pipeline, subject.outputs)
    scores = subject.task.row_scores(targets, outputs)
    together = subject.groups
    draws = {"draws": 2000, "seed": subject.settings.seed}
    lines = {}
    for name, count in groups.value_counts().head(_MOST_GROUPS).items():
        inside = (groups == name).to_numpy()
        # Of a subgroup that is one group, rows are all there is to draw.
        several = together is not None and len(np.unique(together[inside])) > 1
        own = together[inside] if several else None
        _, low, high = bootstrap_interval(scores[inside], groups=own, **draws)
        lines[name] = {
            "examples": int(count),
            "score": float(scores[inside].mean()),
            "low": low,
            "high": high,
            "p": _against_the_rest(scores, inside, together, subject.settings.seed),
        }
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis(column)
    table["p (Holm)"] = holm(table.pop("p").to_numpy())
    return table


def subgroup_names(cells: pd.Series) -> pd.Series:
    """The groups' names; many different numbers become quarters."""
    numbers = pd.api.types.is_float_dtype(cells) or pd.api.types.is_integer_dtype(cells)
    if numbers and cells.nunique() > 10:
        values = pd.Series(to_numbers(cells), index=cells.index)
        values = values.where(np.isfinite(values))
        quarters = pd.qcut(values, 4, duplicates="drop").astype(object)
        return quarters.where(values.notna(), "(none)").astype(str)
    return label_names(cells).fillna("(none)").astype(str)


def _against_the_rest(
    scores: np.ndarray, inside: np.ndarray, together: np.ndarray | None, seed: int
) -> float:
    """A permutation test's p-value: that units drawn at random differ as much from the rest.

    Units are examples, or groups of them, which are in the subgroup by the share that is.
    """
    units = np.arange(len(scores)) if together is None else pd.factorize(together)[0]
    rows = np.bincount(units)
    sums = np.bincount(units, weights=scores)
    members = np.bincount(units, weights=inside) > rows / 2
    if members.all() or not members.any():
        return 1.0

    def gap(chosen):
        return abs(
            sums[chosen].sum() / rows[chosen].sum() - sums[~chosen].sum() / rows[~chosen].sum()
        )

    random = np.random.default_rng(seed)
    observed = gap(members)
    drawn = np.array([gap(random.permutation(members)) for _ in range(_PERMUTATIONS)])
    return float((1 + (drawn >= observed - 1e-12).sum()) / (1 + _PERMUTATIONS))


def _caption(subject: Subject, column: str, left_out: int) -> str:
    drawn = "examples" if subject.groups is None else "whole groups of examples"
    more = f" {left_out} smaller groups are left out." if left_out else ""
    return (
        f"By {column!r}: the mean of {subject.figure.words} with its 95 % interval. p: could as "
        f"many {drawn}, drawn at random, differ as much from the rest (permutation test, Holm's "
        f"correction for the number of groups)? Groups of fewer than {_FEW} examples say little."
        f"{more}"
    )


def _plot(table: pd.DataFrame, subject: Subject):
    figure = new_figure(6.6, 0.32 * len(table) + 1.3)
    axes = figure.subplots()
    times = subject.figure.scale
    y = np.arange(len(table))
    score = times * table["score"].to_numpy()
    errors = np.abs(np.stack([score - times * table["low"], times * table["high"] - score]))
    axes.errorbar(score, y, xerr=errors, fmt="o", color=BLUE, ms=5, capsize=3)
    targets, outputs = in_own_unit(subject.pipeline, subject.outputs)
    axes.axvline(times * subject.task.row_scores(targets, outputs).mean(), color=GREY, ls=":")
    named = zip(table.index, table["examples"], strict=True)
    axes.set_yticks(y, [f"{plain(name)} ({count:,})" for name, count in named], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(subject.figure.axis_label)
    axes.grid(alpha=0.25)
    return figure
