"""What the data themselves say: balance, repeated rows, leakage, what was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.leakage.finding import count_of
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.columns import column_roles
from mmkeras.data.tables.fingerprint import cell_bytes
from mmkeras.data.tables.splits import Splits
from mmkeras.reports.parts import Note, Part, Section, Table

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
        counts = {
            name: subject.task.class_counts(part, schema.target) for name, part in sides.items()
        }
        balance = pd.DataFrame(counts).fillna(0).astype(int)
        first = balance.iloc[:, 0]
        balance = balance.loc[first.sort_values(ascending=False).index].rename_axis("class")
        audited = balance["audited"]
        parts.append(
            Table(
                "class_balance",
                balance,
                f"Rows by class. The most frequent one has {audited.max() / len(frame):.1%} of the "
                "audited rows: that much is reached by always naming it. The more uneven the "
                "classes, the more balanced accuracy and macro-F1 say that accuracy does not.",
            )
        )
        values["balance"] = balance.to_dict()
    repeated = {name: _repeated(part, schema) for name, part in sides.items()}
    holes = pd.DataFrame(
        {name: missing_cells(part, schema).mean() for name, part in sides.items()}
    ).rename_axis("modality")
    parts.append(
        Table(
            "missing_cells",
            holes,
            "Share of the rows that lack a modality. Where the audited rows lack more than the "
            "training rows did, the model is asked for what it has not learnt.",
        )
    )
    values |= {"repeated": repeated, "missing": holes.to_dict()}
    findings = []
    if subject.splits is not None:
        known = subject.splits
        findings = check_leakage(Splits(known.train, known.validation, frame), schema)
    else:
        parts.append(
            Note(
                "Leakage between training rows and these rows was not looked for: where the run's "
                "training rows are is not known here."
            )
        )
    values["leakage_checked"] = subject.splits is not None
    values["leakage"] = [vars(finding) for finding in findings]
    errors = sum(finding.severity == "error" for finding in findings)
    if findings:
        table = pd.DataFrame(
            {"column": [str(f.column) for f in findings], "what": [f.message for f in findings]},
            index=pd.Index([f"{f.severity}: {f.check}" for f in findings], name="finding"),
        )
        parts.append(
            Table(
                "leakage",
                table,
                "Ways in which the answer may have been given away. An error means that the "
                "figures of this report may be too good to be true.",
            )
        )
    skipped = [*subject.run.metrics.get("skipped", []), *subject.pipeline.skipped]
    skipped = list(dict.fromkeys(skipped))
    values["skipped"] = skipped
    for message in skipped[:_SHOWN]:
        parts.append(Note(f"Skipped: {message}"))
    if len(skipped) > _SHOWN:
        parts.append(Note(f"... and {len(skipped) - _SHOWN:,} more rows were skipped."))
    twice = sum(repeated.values())
    conclusion = (
        f"The leakage check found {count_of(errors, 'error')} and "
        f"{count_of(len(findings) - errors, 'warning')}"
        if findings
        else "The leakage check found nothing"
        if subject.splits is not None
        else "Leakage could not be looked for"
    )
    return Section(
        "data",
        "Are the data sound?",
        f"{conclusion}; {twice:,} rows repeat another one of their part in all inputs; "
        f"{len(skipped):,} rows were skipped as unreadable.",
        parts,
        values,
    )


def _repeated(frame: pd.DataFrame, schema) -> int:
    """Rows whose inputs are all those of an earlier row."""
    roles = {c: role for c, role in column_roles(schema).items() if c in schema.columns}
    keys = [
        tuple(cell_bytes(frame[column].iloc[row], role, schema) for column, role in roles.items())
        for row in np.arange(len(frame))
    ]
    return len(keys) - len(set(keys))
