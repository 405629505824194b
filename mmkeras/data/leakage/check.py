"""Leakage: ways in which a table gives the answer away, so that scores mean nothing.

Three questions: is the label's name in a text, does one column alone predict the target,
and is the same image, text or group on both sides of a split?
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.data.leakage.label import label_in_text
from mmkeras.data.leakage.overlap import on_both_sides
from mmkeras.data.leakage.predictor import predicts_alone
from mmkeras.data.tables.cells import is_empty
from mmkeras.data.tables.splits import Splits
from mmkeras.schema import Schema
from mmkeras.tasks import task_class
from mmkeras.tasks.task import same


def check_leakage(table: pd.DataFrame | Splits, schema: Schema, *, seed: int = 0) -> list[Finding]:
    """Looks for ways in which a table gives its target away.

    1. *Label in text* (not for regression): more than 5 % of the rows name their own label in a
       text column, in whole words of any case. A class counts when its name occurs in its own rows
       at least 3 times as often as in other rows, so that a word of every text is not a finding. An
       error when in more than 5 % of the rows the label is all of the text, or half of the rows
       name it.
    2. *Predicts the target alone*: a column whose cross-validated accuracy is at least 98 %, with
       at most half of the errors of always saying the most frequent class (for regression, R2 at
       least 0.98). Categories and texts predict what the other rows of the same value have (rows
       whose value occurs nowhere else do not count), numbers through a small decision tree, texts
       also through the one word in them that tells most. An error for inputs, a warning for id and
       group. Half of the rows, and at least 20, have to count. A word that occurs in 98 % of a
       class's rows, and next to nowhere else, is a warning.
    3. With `Splits`: *Same group on both sides* (error), *same image* (sound, video, sequence)
       *on both sides* (by content, a folder of frames by name: an error where the label is the same
       too, otherwise a warning), *same text on both sides* (warning; texts are compared without
       regard to case and blanks).

    Targets with a label per step skip the second check; without a target only the third is made.

    Args:
        table: A table, or the splits of one: then the first two checks look at all parts together.
        schema: Which column is what.
        seed: For the folds, and for the 20,000 rows drawn from a larger table.

    Returns:
        The findings, errors first.

    Raises:
        FileNotFoundError: A file is no longer there.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"caption": ["a cat", "a dog"], "label": ["cat", "dog"]})
    >>> [finding.check for finding in check_leakage(frame, Schema([Text("caption")], "label"))]
    ['label in text']
    """
    parts = [part for part in table if len(part)] if isinstance(table, Splits) else [table]
    frame = pd.concat(parts) if len(parts) > 1 else parts[0]
    findings = []
    for target in schema.each_target:
        task = task_class(target)
        known = task.cell_values(frame, target)
        answers = same(list(known.values()))
        labelled = np.array([not is_empty(value) for value in answers], dtype=bool)
        if task.has_classes:
            for column in [m.column for m in schema.modalities if KINDS[m.kind].has_words]:
                labels = task.label_sets(frame[labelled], target)
                findings += label_in_text(frame.loc[labelled, column], labels)
        if task.suits_classical:
            for column, values in known.items():
                findings += predicts_alone(frame[labelled], values[labelled], schema, column, seed)
    if isinstance(table, Splits):
        targets = None
        if schema.target is not None:
            whole = task_class(schema.target)
            targets = {
                name: same(list(whole.cell_values(part, schema.target).values()))
                for name, part in table.items()
            }
        findings += on_both_sides(table, schema, targets)
    return sorted(findings, key=lambda finding: finding.severity != "error")


def format_findings(findings: Sequence[Finding]) -> str:
    """The findings as readable lines, or one line that says that there are none."""
    if not findings:
        return "No leakage found."
    errors = sum(finding.severity == "error" for finding in findings)
    counts = count_of(errors, "error"), count_of(len(findings) - errors, "warning")
    lines = [f"Leakage check: {', '.join(counts)}."]
    for finding in findings:
        lines.append(f"{finding.severity.upper()}: {finding.check}, column {finding.column!r}")
        lines += textwrap.wrap(finding.message, 96, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
