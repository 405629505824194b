"""What the data themselves say: balance, repeated rows, leakage, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.fingerprint import row_codes
from mmkeras.data.tables.splits import Splits
from mmkeras.reports.parts import Note, Part, Section, Table
from mmkeras.schema import Schema

_SHOWN = 50


def data_section(subject: Subject) -> Section:
    """Class balance, holes, duplicates, leakage findings and skipped rows."""
    schema, frame = subject.schema, subject.pipeline.frame
    sides = {"audited": frame}
    if subject.splits is not None:
        sides = {
            name: part for name, part in subject.splits.items() if len(part) and name != "test"
        } | sides
    parts: list[Part] = []
    values: dict = {"rows": {name: len(part) for name, part in sides.items()}}
    if subject.task.has_classes:
        balance = _balance(subject, sides)
        parts.append(balance)
        values["balance"] = balance.frame.to_dict()
    repeated = {name: _repeated(part, schema) for name, part in sides.items()}
    missing = _missing(sides, schema)
    parts.append(missing)
    values |= {"repeated": repeated, "missing": missing.frame.to_dict()}
    findings = []
    if subject.splits is not None:
        known = subject.splits
        findings = check_leakage(Splits(known.train, known.validation, frame), schema)
    values["leakage_checked"] = subject.splits is not None
    values["leakage"] = [vars(finding) for finding in findings]
    skipped = [*subject.run.metrics.get("skipped", []), *subject.pipeline.skipped]
    skipped = list(dict.fromkeys(skipped))
    values["skipped"] = skipped
    parts += [*_leakage(findings, checked=subject.splits is not None), *_skipped(skipped)]
    return Section(
        "data",
        "Are the data sound?",
        f"{_leakage_words(findings, checked=subject.splits is not None)}; "
        f"{sum(repeated.values()):,} rows repeat another one of their part in all inputs; "
        f"{len(skipped):,} rows were skipped as unreadable.",
        parts,
        values,
    )


def _balance(subject: Subject, sides: Mapping[str, pd.DataFrame]) -> Table:
    counts = {
        name: subject.task.class_counts(part, subject.schema.target) for name, part in sides.items()
    }
    balance = pd.DataFrame(counts).fillna(0).astype(int)
    first = balance.iloc[:, 0]
    balance = balance.loc[first.sort_values(ascending=False).index].rename_axis("class")
    most = balance["audited"].max() / len(sides["audited"])
    return Table(
        "class_balance",
        balance,
        f"Rows by class. The most frequent one has {100 * most:.1f} % of the "
        "audited rows: that much is reached by always naming it. The more uneven the "
        "classes, the more balanced accuracy and macro-F1 say that accuracy does not.",
    )


def _missing(sides: Mapping[str, pd.DataFrame], schema: Schema) -> Table:
    shares = {name: missing_cells(part, schema).mean() for name, part in sides.items()}
    return Table(
        "missing_cells",
        pd.DataFrame(shares).rename_axis("modality"),
        "Share of the rows that lack a modality. Where the audited rows lack more than the "
        "training rows did, the model is asked for what it has not learnt.",
    )


def _leakage(findings: Sequence[Finding], *, checked: bool) -> list[Part]:
    if not checked:
        return [
            Note(
                "Leakage between training rows and these rows was not looked for: where the run's "
                "training rows are is not known here."
            )
        ]
    if not findings:
        return []
    table = pd.DataFrame(
        {"column": [str(f.column) for f in findings], "what": [f.message for f in findings]},
        index=pd.Index([f"{f.severity}: {f.check}" for f in findings], name="finding"),
    )
    return [
        Table(
            "leakage",
            table,
            "Ways in which the answer may have been given away. An error means that the "
            "figures of this report may be too good to be true.",
        )
    ]


def _leakage_words(findings: Sequence[Finding], *, checked: bool) -> str:
    if not checked:
        return "Leakage could not be looked for"
    if not findings:
        return "The leakage check found nothing"
    errors = sum(finding.severity == "error" for finding in findings)
    return (
        f"The leakage check found {count_of(errors, 'error')} and "
        f"{count_of(len(findings) - errors, 'warning')}"
    )


def _skipped(messages: Sequence[str]) -> list[Part]:
    notes = [Note(f"Skipped: {message}") for message in messages[:_SHOWN]]
    if len(messages) > _SHOWN:
        notes.append(Note(f"... and {len(messages) - _SHOWN:,} more rows were skipped."))
    return notes


def _repeated(frame: pd.DataFrame, schema: Schema) -> int:
    """Rows whose inputs are all those of an earlier row."""
    return len(frame) - len(np.unique(row_codes(frame, schema, target=False)))
