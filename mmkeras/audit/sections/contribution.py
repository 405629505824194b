"""Which modality contributes: alone, fused, by Shapley values, and when it is swapped."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.parts import Note, Part, Picture, Section, Table
from mmkeras.audit.sections.agreement import agreement_parts
from mmkeras.audit.sections.information import information_parts
from mmkeras.audit.subject import Subject, example_groups
from mmkeras.audit.words import FIGURES, difference, joined, shown, subset_name
from mmkeras.evaluation.bootstrap import Difference, compare_paired
from mmkeras.evaluation.plots import new_figure
from mmkeras.evaluation.shapley import shapley_values, subsets
from mmkeras.evaluation.significance import mcnemar


def contribution_section(subject: Subject) -> Section:
    """What each modality is worth: to a model trained without the others, and to this model."""
    figure, names, rows = subject.figure, subject.names, subject.rows
    trained = {kept: rows.score(outputs) for kept, outputs in subject.trained.items()}
    hidden = {kept: rows.score(outputs) for kept, outputs in subject.hidden.items()}
    alone = {name: trained[(name,)] for name in names if (name,) in trained}
    values: dict = {
        "figure": figure,
        "nothing": subject.nothing,
        "trained": {subset_name(kept): score for kept, score in trained.items()},
        "hidden": {subset_name(kept): score for kept, score in hidden.items()},
    }
    complete = all(kept in trained for kept in subsets(names))
    shapley = {"this model": shapley_values(names, hidden, subject.nothing)}
    if complete:
        shapley = {"the data": shapley_values(names, trained, subject.nothing), **shapley}
    importance = {name: _importance(subject, name) for name in names}
    table = _table(names, alone, shapley, importance)
    values["modalities"] = table.to_dict("index")
    parts: list[Part] = [
        Table("contribution", table, _table_caption(complete, figure)),
        Picture("contribution", _plot(table, figure), _plot_caption(shapley)),
    ]
    gain = None
    if alone:
        best = max(alone, key=alone.get)
        gain = _gain(subject, best)
        values["best_alone"] = best
        values["gain"] = vars(gain) | {"mcnemar": _mcnemar(subject, best)}
    more, told = agreement_parts(subject, trained if complete else hidden)
    parts += more
    values |= told
    if len(alone) > 1 and subject.task == "classification":
        bits, values["information"] = information_parts(subject)
        parts += bits
    if not alone:
        parts.append(Note(_no_unimodal(subject)))
    return Section(
        "contribution",
        "Which modality contributes?",
        _conclusion(subject, alone, gain, shapley),
        parts,
        values,
    )


def _importance(subject: Subject, name: str) -> float:
    """How much the score falls when each row gets another row's modality (Breiman, 2001)."""
    rows = subject.rows
    swapped = [
        rows.score(rows.predict(rows.swapped(name, draw))) for draw in range(subject.settings.swaps)
    ]
    return rows.score(rows.outputs) - float(np.mean(swapped))


def _table(names, alone, shapley, importance) -> pd.DataFrame:
    columns = {}
    if alone:
        columns["alone"] = alone
    for whose, phi in shapley.items():
        total = sum(phi.values())
        columns[f"Shapley value ({whose})"] = phi
        columns[f"share ({whose})"] = {
            name: value / total if abs(total) > 1e-9 else np.nan for name, value in phi.items()
        }
    columns["lost when swapped"] = importance
    return pd.DataFrame(columns, index=pd.Index(names, name="modality"))


def _table_caption(complete: bool, figure: str) -> str:
    words = f"All in {FIGURES[figure]}. "
    if complete:
        words += (
            "Shapley values divide what all modalities together add to always giving one answer. "
            "'The data': by models trained on each subset, so what there is to learn. "
        )
    return words + (
        "'This model': by hiding modalities from it, so what it makes use of. 'Lost when swapped' "
        "is what it loses if each row gets another row's cell: a modality with a high value there "
        "is one that this model leans on, whether or not another could say the same."
    )


def _plot(table: pd.DataFrame, figure: str):
    shown_columns = [c for c in table if c == "alone" or c.startswith(("Shapley", "lost"))]
    plot = new_figure(2.0 * len(shown_columns) + 0.8, 0.42 * len(table) + 1.5)
    axes_row = plot.subplots(1, len(shown_columns), squeeze=False, sharey=True)[0]
    scale = 1 if figure == "r2" else 100
    for axes, column in zip(axes_row, shown_columns, strict=True):
        bars = axes.barh(table.index, scale * table[column], color="#0550ae", height=0.6)
        axes.bar_label(bars, fmt="%.2f" if scale == 1 else "%.1f", padding=3, fontsize=8)
        axes.set_title(column.replace(" (", "\n("), fontsize=9)
        axes.margins(x=0.25)
        axes.axvline(0, color="#57606a", lw=0.8)
        axes.set_xlabel(FIGURES[figure] if scale == 1 else f"{FIGURES[figure]}, %", fontsize=8)
        axes.tick_params(labelsize=8)
    axes_row[0].invert_yaxis()
    return plot


def _plot_caption(shapley: dict) -> str:
    whose, phi = next(iter(shapley.items()))
    most = max(phi, key=phi.get)
    return (
        f"The same numbers as bars. By Shapley values ({whose}), most comes from {most!r}. Where "
        "a modality is good alone and its Shapley value is small, another says the same."
    )


def _gain(subject: Subject, best: str) -> Difference:
    rows = subject.rows
    return compare_paired(
        rows.row_scores(rows.outputs),
        rows.row_scores(subject.trained[(best,)]),
        groups=example_groups(rows.pipeline),
        seed=subject.settings.seed,
    )


def _mcnemar(subject: Subject, best: str) -> float | None:
    if subject.task != "classification":
        return None
    rows = subject.rows
    return mcnemar(
        rows.row_scores(rows.outputs) > 0.5, rows.row_scores(subject.trained[(best,)]) > 0.5
    )


def _no_unimodal(subject: Subject) -> str:
    why = subject.why_no_splits or "they were not to be trained (`--train none`)"
    return f"There are no models of single modalities beside this run: {why}."


def _conclusion(subject: Subject, alone, gain: Difference | None, shapley) -> str:
    figure = subject.figure
    whose, phi = next(iter(shapley.items()))
    total = sum(phi.values())
    order = sorted(phi, key=phi.get, reverse=True)
    source = (
        "of what there is to learn" if whose == "the data" else "of what this model makes use of"
    )
    shares = joined(f"{name} {phi[name] / total:.0%}" for name in order) if total > 1e-9 else ""
    said = f" Shapley shares {source}: {shares}." if shares else ""
    if gain is None:
        return f"Hiding modalities from the model shows what it uses.{said}"
    best = max(alone, key=alone.get)
    fused = subject.rows.score(subject.rows.outputs)
    interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    if subject.task != "regression":
        interval = f"95 % interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f} points"
    said_gain = (
        "fusing helps"
        if gain.low > 0
        else "fusing hurts"
        if gain.high < 0
        else "that fusing helps cannot be said"
    )
    return (
        f"All modalities: {shown(figure, fused)}; the best alone, {best}: "
        f"{shown(figure, alone[best])} ({difference(figure, fused - alone[best])}, {interval} "
        f"of the difference row by row): {said_gain}.{said}"
    )
