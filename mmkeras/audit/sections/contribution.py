"""Which modality contributes: alone, fused, by Shapley values, and when it is swapped."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from mmkeras.audit.gain import gain_of_fusing
from mmkeras.audit.sections.agreement import agreement_parts
from mmkeras.audit.sections.information import information_parts
from mmkeras.audit.subject import Subject
from mmkeras.evaluation.shapley import shapley_values, subsets
from mmkeras.experiment.own_model import OWN_MODEL
from mmkeras.plotting import BLUE, GREY, new_figure
from mmkeras.reports.parts import Note, Part, Picture, Section, Table
from mmkeras.reports.wording import joined, subset_name
from mmkeras.tasks import Figure

# What is less than this is not divided into shares.
_LEAST_TO_SHARE = 0.02


def contribution_section(subject: Subject) -> Section:
    """What each modality is worth: to a model trained without the others, and to this model."""
    figure, names, rows = subject.figure, subject.names, subject.rows
    trained = {
        kept: rows.score(outputs, subject.task_of(kept))
        for kept, outputs in subject.trained.items()
    }
    hidden = {kept: rows.score(outputs) for kept, outputs in subject.hidden.items()}
    alone = {name: trained[(name,)] for name in names if (name,) in trained}
    values: dict = {
        "figure": figure.key,
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
    gain = gain_of_fusing(subject)
    if gain is not None:
        values["gain"] = dataclasses.asdict(gain) | {
            "figure": figure.key,
            "difference": gain.difference,
            "says": gain.says,
            "verdict": gain.sentence,
        }
    more, told = agreement_parts(subject, trained if complete else hidden)
    parts += more
    values |= told
    if len(alone) > 1 and subject.task.single_label:
        bits, values["information"] = information_parts(subject)
        parts += bits
    if gain is None:
        parts.append(Note(_no_unimodal(subject)))
    said = {
        None: "Hiding modalities from the model shows what it uses.",
        "helps": "Fusing helps",
        "hurts": "Fusing hurts",
        "no use": "Fusing gains next to nothing",
        "unclear": "Whether fusing helps cannot be said",
    }[gain and gain.says]
    if gain is not None:
        said += f": all modalities against {gain.best} alone, {gain.words}."
    return Section(
        "contribution",
        "Which modality contributes?",
        f"{said}{_shares_in_words(shapley)}",
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
        columns[f"Shapley value ({whose})"] = phi
        columns[f"share ({whose})"] = _shares(phi)
    columns["lost when swapped"] = importance
    return pd.DataFrame(columns, index=pd.Index(names, name="modality"))


def _shares(phi: dict[str, float]) -> dict[str, float]:
    """Parts of the whole; NaN where there is next to nothing to divide, or a part is negative."""
    total = sum(phi.values())
    if total < _LEAST_TO_SHARE or min(phi.values()) < -0.05 * total:
        return dict.fromkeys(phi, np.nan)
    return {name: value / total for name, value in phi.items()}


def _shares_in_words(shapley: dict[str, dict[str, float]]) -> str:
    whose, phi = next(iter(shapley.items()))
    shares = _shares(phi)
    if any(np.isnan(share) for share in shares.values()):
        return ""
    source = "what there is to learn" if whose == "the data" else "what this model makes use of"
    order = sorted(shares, key=shares.get, reverse=True)
    return f" Shapley shares of {source}: {joined(f'{n} {100 * shares[n]:.0f} %' for n in order)}."


def _table_caption(complete: bool, figure: Figure) -> str:
    words = f"All in {figure.words}. "
    if complete:
        words += (
            "Shapley values divide what all modalities together add to the best constant answer. "
            "'The data': by models trained on each subset, so what there is to learn. "
        )
    return words + (
        "'This model': by hiding modalities from it, so what it makes use of. 'Lost when swapped' "
        "is what it loses if each row gets another row's cell: a modality with a high value there "
        "is one that this model leans on, whether or not another could say the same."
    )


def _plot(table: pd.DataFrame, figure: Figure):
    shown_columns = [c for c in table if c == "alone" or c.startswith(("Shapley", "lost"))]
    plot = new_figure(2.0 * len(shown_columns) + 0.8, 0.42 * len(table) + 1.5)
    axes_row = plot.subplots(1, len(shown_columns), squeeze=False, sharey=True)[0]
    for axes, column in zip(axes_row, shown_columns, strict=True):
        bars = axes.barh(table.index, figure.scale * table[column], color=BLUE, height=0.6)
        axes.bar_label(bars, fmt="%.1f" if figure.percent else "%.2f", padding=3, fontsize=8)
        axes.set_title(column.replace(" (", "\n("), fontsize=9)
        axes.margins(x=0.25)
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set_xlabel(figure.axis_label, fontsize=8)
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


def _no_unimodal(subject: Subject) -> str:
    if OWN_MODEL in subject.run.config:
        return (
            "Models of single modalities are left out: this model, or a part of it, is one's own, "
            "and the run's settings do not say how to build it for fewer modalities. Whether "
            "fusing helps was not checked."
        )
    if subject.splits is None:
        return (
            "There are no models of single modalities to compare with: they are found, or trained, "
            "where the run's own training rows can be found."
        )
    return (
        "Not every modality has a model of its own next to this run, so it was not checked "
        "whether fusing helps. The audit trains them unless it is told not to (`--train none`)."
    )
