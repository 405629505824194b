"""Which columns of a table carry it: each shuffled by itself, and what each alone would say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mmkeras.audit.left_out import lost_without
from mmkeras.audit.subject import Subject
from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.finding import count_of
from mmkeras.data.leakage.predictor import SingleColumn, single_columns
from mmkeras.evaluation.bootstrap import Difference, compare_paired
from mmkeras.inspection.integrated_gradients import integrated_gradients
from mmkeras.models.parts import knows_parts
from mmkeras.reports.parts import Note, Section, Table
from mmkeras.tasks import task_class
from mmkeras.tasks.task import same

_MANY = 50  # columns; more are shuffled once each
_FEW_VALUES = 50
_FAR_ABOVE = 0.2  # of accuracy, or of R²
_MOVED, _STEPS, _BATCH = 64, 16, 64  # rows, steps and points at once of integrated gradients
_MEANINGS = {
    "left out": "'Lost when left out': what gradient boosting on the table loses when it is "
    "trained without the column. ",
    "moves": "'Moves the answer': integrated gradients from the training rows' means, the mean "
    "size over rows. ",
}


def columns_section(subject: Subject) -> Section | None:
    """What each column of the tables is worth to this model; `None` without several of them.

    Nor is there any where each step has an answer of its own.
    """
    tables = [m for m in subject.schema.modalities if KINDS[m.kind].is_table]
    places = {
        modality.name: np.array(subject.pipeline.preprocessing.modalities[modality.name].columns)
        for modality in tables
    }
    known = [(m.name, column) for m in tables for column in dict.fromkeys(places[m.name])]
    if len(known) < 2 or subject.task.per_step or not subject.task.is_flat:
        return None
    figure, rows = subject.figure, subject.rows
    clean = rows.row_scores(rows.outputs)
    lost: dict[str, Difference] = {}
    draws = subject.settings.swaps if len(known) <= _MANY else 1
    for name, column in known:
        shuffled = [
            rows.row_scores(rows.predict(rows.shuffled(name, places[name] == column, draw)))
            for draw in range(draws)
        ]
        lost[column] = compare_paired(
            clean, np.mean(shuffled, axis=0), groups=rows.pipeline.groups, draws=2000
        )
    alone, moved = _alone(subject), _moved(subject, places)
    left_out: dict[str, Difference] = {}
    for name, at in places.items():
        left_out |= lost_without(subject, name, at)
    lines = {
        column: {
            "modality": name,
            **_line(lost[column], "lost when shuffled", "low", "high"),
            **_line(left_out.get(column), "lost when left out", "left out: low", "left out: high"),
            "moves the answer": moved.get(column, np.nan),
            "alone": alone[column].score if column in alone else np.nan,
            "best constant": alone[column].constant if column in alone else np.nan,
        }
        for name, column in known
    }
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("column")
    table = table.dropna(axis=1, how="all")
    table = table.sort_values("lost when shuffled", ascending=False, kind="stable")
    hints = [hint for found in alone.values() if (hint := _hint(found))]
    return Section(
        "columns",
        "Which columns of the table carry it?",
        " ".join([_in_words(subject, lost), *hints]),
        [
            Table(
                "columns",
                table,
                f"How much the {figure.words} falls when each row gets another row's value of the "
                f"column (Breiman, 2001), with its 95 % interval: {count_of(draws, 'shuffling')}. "
                "Columns that say the same stand in for each other, and lose little each. "
                f"{_MEANINGS['left out'] if left_out else ''}{_MEANINGS['moves'] if moved else ''}"
                "'Alone': what the column by itself predicts of the training rows "
                f"({'accuracy' if subject.task.has_classes else 'R²'} in cross-validation), beside "
                "the best constant answer.",
            ),
            *(Note(hint) for hint in hints),
        ],
        {"columns": table.to_dict("index"), "hints": hints},
    )


def _line(found: Difference | None, *names: str) -> dict[str, float]:
    """A difference and the ends of its interval, by the names of their table's columns."""
    values = (np.nan,) * 3 if found is None else (found.difference, found.low, found.high)
    return dict(zip(names, values, strict=True))


def _moved(subject: Subject, places: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far each column moves an answer, by integrated gradients from the training rows' means.

    The mean size over rows, in the answer's unit: a probability, or the number predicted. The other
    modalities stay as they are. Empty for a model whose parts are not known.
    """
    rows, model = subject.rows, subject.run.model
    if not knows_parts(model):
        return {}
    chosen = np.random.default_rng(subject.settings.seed).permutation(len(rows.outputs))[:_MOVED]
    inputs = {name: values[chosen] for name, values in rows.inputs.items()}
    outputs = rows.outputs[chosen].argmax(axis=1)
    found = integrated_gradients(
        model, inputs, outputs, modalities=list(places), steps=_STEPS, batch_size=_BATCH
    )
    units = subject.task.units[outputs]
    return {
        column: float(np.abs(units * found[name][:, at == column].sum(axis=1)).mean())
        for name, at in places.items()
        for column in dict.fromkeys(at)
    }


def _alone(subject: Subject) -> dict[str, SingleColumn]:
    """What single columns say of the training rows, or where these are gone, of the rows here."""
    schema = subject.schema
    if not subject.task.suits_classical:
        return {}
    frame = subject.pipeline.frame if subject.splits is None else subject.splits.train
    target = schema.each_target[0]
    answers = same(list(task_class(target).cell_values(frame, target).values()))
    return {found.column: found for found in single_columns(frame, answers, schema, seed=0)}


def _hint(found: SingleColumn) -> str | None:
    """A sentence about a category of few values that says much by itself."""
    if not 1 < found.values <= _FEW_VALUES or found.score < found.constant + _FAR_ABOVE:
        return None
    return (
        f"{found.column!r} alone, with {found.values} values, reaches {found.said(found.score)} "
        f"where the best constant answer has {found.said(found.constant)}: if new rows have "
        "values of their own, as speakers or places do, the model will know less of them. Keep "
        f"rows of one value together (group={found.column!r}) to see what is left then."
    )


def _in_words(subject: Subject, lost: dict[str, Difference]) -> str:
    figure = subject.figure
    clear = {column: found for column, found in lost.items() if found.low > 0}
    if not clear:
        return f"No single column is clearly needed: shuffling any leaves the {figure.words}."
    most = max(clear, key=lambda column: clear[column].difference)
    found = clear[most]
    unused = len(lost) - len(clear)
    said = (
        f"{most!r} carries most: without it the {figure.words} changes by "
        f"{figure.difference(-found.difference)} (95 % interval {figure.signed(-found.high)} to "
        f"{figure.signed(-found.low)})."
    )
    if unused:
        columns = "column" if unused == 1 else "columns"
        said += f" Of {unused} of {len(lost)} {columns} no loss is clear."
    return said
