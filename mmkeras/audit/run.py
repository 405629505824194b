"""The audit: every question to a trained model, in one report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mmkeras.audit.audit_config import AuditSettings
from mmkeras.audit.conclusions import conclusions
from mmkeras.audit.opening import open_subject
from mmkeras.audit.sections.adding import adding_section
from mmkeras.audit.sections.calibration import calibration_section
from mmkeras.audit.sections.columns import columns_section
from mmkeras.audit.sections.contribution import contribution_section
from mmkeras.audit.sections.data import data_section
from mmkeras.audit.sections.explanations import explanations_section
from mmkeras.audit.sections.floor import floor_section
from mmkeras.audit.sections.missing import missing_section
from mmkeras.audit.sections.noise import noise_section
from mmkeras.audit.sections.performance import performance_section
from mmkeras.audit.sections.significance import check_comparable, significance_section
from mmkeras.audit.sections.subgroups import subgroups_section
from mmkeras.audit.subject import Subject
from mmkeras.data.leakage.finding import count_of
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.run_folder import Run
from mmkeras.reports.model_card import write_model_card
from mmkeras.reports.parts import Report, Section
from mmkeras.reports.run_report import structure_words
from mmkeras.reports.write import write_report


def audit(
    run: Run | str | Path,
    rows: str | Path | pd.DataFrame | None = None,
    *,
    against: Run | str | Path | None = None,
    splits: Splits | None = None,
    settings: AuditSettings | None = None,
    base_dir: str | Path | None = None,
    out: str | Path | None = None,
) -> Report:
    """Answers, for one trained model, what a user has to know before trusting it.

    How good is it, which modality contributes, what if one is missing or gets worse, can its
    probabilities be believed, is it better than another, why does it say so, is it as good for
    every group, are the data sound? Leaves `audit.html` (one file, opens without a network),
    `audit.json`, tables as CSV, pictures as PNG, and all of it for TensorBoard.

    Args:
        run: A finished run, or its folder.
        rows: New labelled rows: a CSV or Parquet file, or a DataFrame. By default the run's own
            test rows, where its experiment says where these are.
        against: Another run, to be compared with on the same rows.
        splits: The run's rows, for a run of `mmkeras.train_run`, which does not know where its
            table came from.
        settings: What to do; the defaults take a minute or two for some hundreds of rows.
        base_dir: What paths in `rows` are relative to; by default the file's folder.
        out: The folder of the report; by default `audit` inside the run's.

    Returns:
        The report as it was written.

    Raises:
        ValueError: There are no rows or no labels; a label that the model does not know; a column
            that is not there; a run that cannot be compared.
        FileNotFoundError: The folder is not a finished run.

    Example:

    ```python
    from mmkeras.audit import audit

    report = audit("runs/train-emoji/20260102-030405-fused")
    print(*report.verdict, sep="\\n")
    ```
    """
    started = time.perf_counter()
    settings = settings or AuditSettings()
    run = run if isinstance(run, Run) else Run(run)
    other = Run(against) if isinstance(against, (str, Path)) else against
    folder = Path(out) if out is not None else run.path / "audit"
    subject = open_subject(run, settings, folder, rows=rows, splits=splits, base_dir=base_dir)
    if other is not None:
        check_comparable(subject, other)
    folder.mkdir(parents=True, exist_ok=True)
    sections = _answers(subject, other)
    where = "the run's test rows" if rows is None else "new rows"
    report = Report(
        f"Audit: {subject.schema.target.name} from {', '.join(subject.names)}",
        f"{run.path.resolve().name}, {len(subject.pipeline):,} rows ({where})",
        conclusions(subject, {section.name: section for section in sections}),
        {**_facts(subject, where), "seconds": f"{time.perf_counter() - started:.0f}"},
        sections,
    )
    write_report(report, folder)
    if folder.resolve() == (run.path / "audit").resolve():
        write_model_card(run.path, run.preprocessing, run.config, run.metrics)
    return report


def _answers(subject: Subject, other: Run | None) -> list[Section]:
    """The sections, each with the time that it took; says each conclusion as it is found."""
    sections = []
    for question in _questions(subject, other):
        began = time.perf_counter()
        section = question(subject)
        if section is not None:
            seconds = time.perf_counter() - began
            sections.append(dataclasses.replace(section, seconds=seconds))
            print(f"{section.title} ({seconds:.1f} s)\n  {section.conclusion}", flush=True)
    return sections


def _facts(subject: Subject, where: str) -> dict[str, str]:
    """What was looked at."""
    run = subject.run
    rows = f"{len(subject.pipeline):,} ({where})"
    if len(subject.rows) != len(subject.pipeline):
        rows += (
            f"; {len(subject.rows):,} of them, drawn at random, where many predictions are needed"
        )
    return {
        "run": run.path.resolve().name,
        "inputs": ", ".join(f"{m.name} ({m.kind})" for m in subject.schema.modalities),
        "model": structure_words(run.config),
        "rows": rows,
        "trained with": f"{run.metrics['parameters']:,} parameters, "
        + (
            "elsewhere, it is not known how"
            if run.metrics["epochs"] is None
            else f"seed {run.config['seed']}, {count_of(run.metrics['epochs'], 'epoch')}"
        ),
    }


def _questions(subject: Subject, other: Run | None) -> list[Callable[[Subject], Section | None]]:
    several = len(subject.names) > 1
    questions = [performance_section, floor_section]
    if several:
        questions.append(contribution_section)
    questions.append(adding_section)
    if several:
        questions.append(missing_section)
    questions.append(columns_section)
    if subject.settings.noise:
        questions.append(noise_section)
    questions.append(calibration_section)
    if other is not None:
        questions.append(lambda subject: significance_section(subject, other))
    return [*questions, explanations_section, subgroups_section, data_section]
