"""The same sweep of corruptions and missing modalities over several runs, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.audit.audit_config import AuditSettings
from mmkeras.audit.opening import open_subject
from mmkeras.audit.sections.missing import SHARES, missing_curve
from mmkeras.audit.sections.noise import noise_curves, plot_noise
from mmkeras.audit.subject import Subject
from mmkeras.evaluation.robustness import effective_robustness, normalised, relative_robustness
from mmkeras.experiment.run_folder import Run
from mmkeras.plotting import GREY, color, new_figure, plain, shared_legend
from mmkeras.reports.parts import Picture, Report, Section, Table
from mmkeras.reports.write import write_report
from mmkeras.tasks import Figure


def compare_robustness(
    runs: Sequence[Run | str | Path],
    rows: str | Path | pd.DataFrame | None = None,
    *,
    settings: AuditSettings | None = None,
    out: str | Path,
) -> pd.DataFrame:
    """How several models hold when inputs get worse or go missing, in one report.

    Args:
        runs: Runs, or their folders, that predict one target; best of one experiment.
        rows: Labelled rows; by default each run's own test rows, which must be the same.
        settings: As for an audit. With `train="none"` there is no late fusion to compare with.
        out: The folder for `audit.html` and its tables and pictures.

    Returns:
        One row per run: the clean score, and the means over all corruptions of relative robustness,
        effective robustness (against late fusion of models of single modalities next to the first
        run), and the first normalised over the runs as MultiBench does. A corruption of a
        modality that a run does not use leaves its score as it is.

    Raises:
        ValueError: Fewer than two runs, or runs of different rows or targets.
    """
    settings = settings or AuditSettings()
    opened = [run if isinstance(run, Run) else Run(run) for run in runs]
    if len(opened) < 2:
        raise ValueError(f"Give two runs or more to compare. Received: {len(opened)}.")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    names = _names(opened)
    curves, missing, late, about = {}, {}, {}, {}
    for name, run in zip(names, opened, strict=True):
        print(f"{name}: {run.path}", flush=True)
        # Late fusion is made of models next to the first run.
        own = settings if not curves else dataclasses.replace(settings, train="none")
        subject = open_subject(run, own, out, rows=rows)
        _check_same(about, subject, name)
        curves[name], own_late = noise_curves(subject)
        late = late or own_late
        missing[name] = {modality: missing_curve(subject, modality) for modality in subject.names}
    _fill_up(curves)
    table = _table(curves, late)
    figure, nothing = about["figure"], about["nothing"]
    sections = [
        _noise_section(table, curves, late, nothing, figure),
        _missing_section(missing, nothing, figure),
    ]
    report = Report(
        f"Robustness of {len(opened)} runs",
        f"{about['rows']:,} rows",
        [section.conclusion for section in sections],
        {name: run.path.resolve().name for name, run in zip(names, opened, strict=True)},
        sections,
    )
    write_report(report, out)
    return table


def _fill_up(curves: dict) -> None:
    """A run is not touched by the corruptions of modalities that it does not use."""
    keys = list(dict.fromkeys(key for own in curves.values() for key in own))
    for own in curves.values():
        clean = next(iter(own.values()))[0]
        own.update({key: [clean] * 6 for key in keys if key not in own})


def _noise_section(
    table: pd.DataFrame, curves: dict, late: dict, nothing: float, figure: Figure
) -> Section:
    best = table["relative"].idxmax()
    return Section(
        "noise",
        "What if inputs get worse?",
        f"{best} holds best: {figure.shown(table.loc[best, 'relative'])} on average over all "
        "corruptions and strengths.",
        [
            Table(
                "robustness",
                table,
                f"The {figure.words} on clean rows, and means over all corruptions: "
                "relative robustness is the area under the curve, effective robustness what is "
                "kept beyond late fusion lifted to the same clean score. A model with a high "
                "clean score and a low relative one is good only while its inputs are.",
            ),
            Picture(
                "robustness",
                plot_noise(curves, nothing, figure, late),
                "Each corruption at strengths 1 to 5. The line that ends highest holds best. "
                "Dotted: the best constant answer."
                + (" Grey: late fusion of single modalities." if late else ""),
            ),
        ],
        {
            "figures": table.to_dict("index"),
            "curves": {
                name: {" / ".join(key): curve for key, curve in own.items()}
                for name, own in curves.items()
            },
        },
    )


def _missing_section(missing: dict, nothing: float, figure: Figure) -> Section:
    return Section(
        "missing",
        "What if a modality is missing?",
        _missing_words(missing, figure),
        [
            Picture(
                "missing",
                _plot_missing(missing, nothing, figure),
                "As more cells of one modality go missing at random. A line that stays high "
                "belongs to a model that can do without that modality.",
            )
        ],
        {"shares": SHARES, "curves": missing},
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Folder names; with the folder above where these repeat, then with a number."""
    names = [run.path.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [f"{run.path.resolve().parent.name}/{run.path.resolve().name}" for run in runs]
    if len(set(names)) < len(names):
        names = [f"{place}: {name}" for place, name in enumerate(names, start=1)]
    return names


def _check_same(about: dict, subject: Subject, name: str) -> None:
    """All runs must be scored on the same rows of the same target."""
    rows = subject.rows.pipeline
    mine = {
        "target": subject.schema.target,
        "index": [str(label) for label in rows.examples.index],
        "figure": subject.figure,
        "nothing": subject.nothing,
        "rows": len(rows),
    }
    if not about:
        about.update(mine)
    if about["target"] != mine["target"] or about["index"] != mine["index"]:
        raise ValueError(
            f"{name} is judged on other rows or another target than the first run. Compare runs of "
            "one split, or give the labelled rows."
        )


def _table(curves: dict, late: dict) -> pd.DataFrame:
    lines = {}
    for name, own in curves.items():
        line = {
            "clean": next(iter(own.values()))[0],
            "relative": float(np.mean([relative_robustness(curve) for curve in own.values()])),
        }
        if late and set(own) <= set(late):
            kept = [effective_robustness(curve, late[key]) for key, curve in own.items()]
            line["effective"] = float(np.mean(kept))
        lines[name] = line
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("run")
    table["normalised relative"] = pd.Series(normalised(table["relative"].to_dict()))
    return table


def _missing_words(missing: dict, figure: Figure) -> str:
    falls = {
        (name, modality): (curve[0] - curve[-1], curve[-1])
        for name, own in missing.items()
        for modality, curve in own.items()
    }
    (name, modality), (fall, score) = max(falls.items(), key=lambda item: item[1])
    if fall <= 0:
        return "Hiding a modality lowers the score of none of them."
    return f"The largest fall is that of {name} without {modality}: to {figure.shown(score)}."


def _plot_missing(missing: dict, nothing: float, main: Figure):
    modalities = list(dict.fromkeys(m for own in missing.values() for m in own))
    figure = new_figure(2.7 * len(modalities) + 0.6, 3.2)
    times = main.scale
    grid = figure.subplots(1, len(modalities), squeeze=False, sharey=True)[0]
    for axes, modality in zip(grid, modalities, strict=True):
        for place, (name, own) in enumerate(missing.items()):
            if modality in own:
                shares, curve = 100 * np.array(SHARES), times * np.array(own[modality])
                axes.plot(shares, curve, "o-", ms=3, color=color(place), label=plain(name))
        axes.axhline(times * nothing, ls=":", color=GREY)
        axes.set_title(modality, fontsize=9)
        axes.set_xlabel("missing cells, %", fontsize=8)
        axes.grid(alpha=0.25)
    grid[0].set_ylabel(main.axis_label)
    shared_legend(figure, grid)
    return figure
