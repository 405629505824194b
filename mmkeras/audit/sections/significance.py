"""Whether this model and another differ by more than chance."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.audit.source import splits_of
from mmkeras.audit.subject import Subject
from mmkeras.data.pipeline import Pipeline
from mmkeras.evaluation.bootstrap import compare_paired
from mmkeras.evaluation.significance import corrected_resampled_t_test, mcnemar
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.train import in_own_unit
from mmkeras.reports.parts import Note, Part, Section, Table

_ONCE = (
    "Both models were trained once. How much they would differ if trained again is not in these "
    "tests: repeat both with several seeds or folds to know."
)
_REPEATED = (
    "The t-test asks whether the difference outlives another training: over folds also on other "
    "rows (Nadeau and Bengio, 2003), over seeds on these rows only. A difference is called "
    "significant only if both it and the bootstrap say so."
)


def significance_section(subject: Subject, other: Run) -> Section:
    """This run against another on the same rows, and over their folds or seeds if there are any."""
    pipeline = Pipeline(subject.pipeline.frame, other.preprocessing, batch_size=64)
    outputs = other.outputs_of(pipeline)
    scores = [
        part.preprocessing.task.row_scores(*in_own_unit(part, values))
        for part, values in ((subject.pipeline, subject.outputs), (pipeline, outputs))
    ]
    groups = subject.groups
    result = compare_paired(*scores, groups=groups, seed=subject.settings.seed)
    lines = {
        "paired bootstrap": {
            "difference": result.difference,
            "low": result.low,
            "high": result.high,
            "p": result.p_value,
        }
    }
    if subject.task.single_label:
        lines["McNemar"] = {
            "difference": result.difference,
            "low": np.nan,
            "high": np.nan,
            "p": mcnemar(scores[0] > 0.5, scores[1] > 0.5),
        }
    parts: list[Part] = []
    repeated = over_runs(subject.run, other)
    if repeated is not None:
        mean, low, high, p = repeated["test"]
        lines[repeated["name"]] = {"difference": mean, "low": low, "high": high, "p": p}
    parts.append(Note(_REPEATED if repeated else _ONCE))
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("test")
    drawn = "rows" if groups is None else "whole groups"
    caption = (
        f"This run minus {other.path.name}, in {subject.figure.words}. The bootstrap draws "
        f"{drawn}; McNemar's test counts the examples that only one of the two gets right"
        f"{'' if groups is None else ' and takes them all for independent'}. A difference is worth "
        "believing where its interval leaves out 0 and p is below 0.05."
    )
    parts.insert(0, Table("significance", table, caption, digits=4))
    says = "better" if result.low > 0 else "worse" if result.high < 0 else None
    if says and repeated is not None and not repeated["test"][3] < 0.05:
        says = None
    scale, unit = (100, " points") if subject.figure.percent else (1, "")
    interval = f"{scale * result.low:+.2f} to {scale * result.high:+.2f}{unit}"
    sentence = (
        f"This run is significantly {says} than {other.path.name}"
        if says
        else f"No significant difference from {other.path.name}"
    )
    return Section(
        "significance",
        f"Is it different from {other.path.name}?",
        f"{sentence}: {scale * result.difference:+.2f}{unit}, 95 % interval {interval}.",
        parts,
        {"other": str(other.path), "tests": table.to_dict("index"), "verdict": says or "none"},
    )


def check_comparable(subject: Subject, other: Run) -> None:
    """Refuses a run that predicts something else, or that was trained on the rows.

    Raises:
        ValueError: The other run has another target or other classes, or has seen these rows in
            training, as far as that can be found out.
    """
    own, theirs = subject.task, other.preprocessing.task
    if (own.target, own.classes) != (theirs.target, theirs.classes):
        raise ValueError(
            f"{other.path} predicts {theirs.target.name!r} ({theirs.words}, "
            f"{theirs.num_outputs} outputs), this run {own.target.name!r} ({own.words}, "
            f"{own.num_outputs} outputs). Two runs are compared on one target."
        )
    try:
        theirs = splits_of(other)
    except (ValueError, FileNotFoundError):
        return
    schema = subject.schema
    columns = [c for c in schema.columns if c in theirs.train]
    rows = subject.pipeline.frame
    if schema.id is not None and schema.id in theirs.train and schema.id in rows:
        seen = rows[schema.id].isin(set(theirs.train[schema.id])).sum()
    elif subject.splits is not None and rows.index.isin(subject.splits.test.index).all():
        same = rows.index[rows.index.isin(theirs.train.index)]
        a, b = rows.loc[same, columns].map(repr), theirs.train.loc[same, columns].map(repr)
        seen = int((a == b).all(axis=1).sum())
    else:
        return
    if seen:
        raise ValueError(
            f"{other.path} was trained on {seen:,} of the {len(rows):,} rows: it would look better "
            "than it is. Compare runs of one split."
        )


def over_runs(run: Run, other: Run) -> dict | None:
    """A t-test over the folds, or seeds, that both runs' experiments have."""
    pairs = list(zip(*_repetitions(run, other), strict=True))
    if len(pairs) < 2:
        return None
    main = run.preprocessing.task.main
    differences = [
        main.sign * (a.metrics["test"][main.key] - b.metrics["test"][main.key]) for a, b in pairs
    ]
    folds = "fold" in run.config
    # Seeds of one split share their rows: there is nothing to correct for.
    share = run.config["rows"]["test"] / run.config["rows"]["train"] if folds else 0.0
    kind = "corrected t-test over folds" if folds else "t-test over seeds"
    less = "" if main.higher_is_better else "minus "
    return {
        "test": corrected_resampled_t_test(differences, share),
        "name": f"{kind} ({len(pairs)} runs each, {less}{main.words})",
    }


def _repetitions(run: Run, other: Run) -> tuple[list[Run], list[Run]]:
    """The finished runs `fold0-seed0-NAME`, `seed0-NAME`, ... that both have, in one order."""
    pattern = re.compile(r"((?:fold\d+-)?seed\d+)-(.+)")
    found = []
    for each in (run, other):
        path = each.path.resolve()
        name = pattern.fullmatch(path.name)
        runs = {}
        for folder in path.parent.iterdir() if name else ():
            match = pattern.fullmatch(folder.name)
            if match and match[2] == name[2] and (Path(folder) / METRICS).is_file():
                runs[match[1]] = Run(folder)
        found.append(runs)
    common = sorted(set(found[0]) & set(found[1]))
    return [found[0][name] for name in common], [found[1][name] for name in common]
