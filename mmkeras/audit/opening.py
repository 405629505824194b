"""Opens a run and the rows to judge it by, and refuses what cannot be judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.audit.audit_config import AuditSettings
from mmkeras.audit.model_inputs import Rows
from mmkeras.audit.source import splits_of
from mmkeras.audit.subject import Subject, row_names
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.run_folder import Run


def open_subject(
    run: Run,
    settings: AuditSettings,
    folder: Path,
    *,
    rows: str | Path | pd.DataFrame | None = None,
    splits: Splits | None = None,
    base_dir: str | Path | None = None,
) -> Subject:
    """Opens a run and the rows to judge it by.

    Args:
        run: A finished run.
        settings: What the audit does.
        folder: Where it goes.
        rows: New labelled rows; by default the run's test rows.
        splits: The run's rows, where it does not say itself where they are.
        base_dir: What paths in `rows` are relative to.

    Raises:
        ValueError: There are no rows: neither given, nor to be found; they have no labels or
            labels that the model does not know; a column to split by is not there.
    """
    if splits is None:
        try:
            splits = splits_of(run)
        except (ValueError, FileNotFoundError):
            # New rows can be judged without the run's own.
            if rows is None:
                raise
    schema = run.preprocessing.schema
    frame = splits.test if rows is None else _read_labelled(rows, run.preprocessing, base_dir)
    absent = [column for column in settings.by if column not in frame]
    if absent:
        raise ValueError(
            f"There is no column {absent} to look at subgroups of. The rows have "
            f"{list(frame.columns)}."
        )
    run.preprocessing.task.check_judged(frame, schema.id)
    few = len(frame) <= settings.max_rows
    pipeline = Pipeline(
        frame,
        run.preprocessing,
        batch_size=64,
        cache="memory" if few else "auto",
        on_error=run.config["settings"]["on_error"],
    )
    chosen = pipeline if few else _sample(pipeline, settings)
    unknown = sorted(set(settings.explain_rows) - set(row_names(chosen)))
    if unknown:
        raise ValueError(
            f"There are no rows {unknown} to explain. Rows are called "
            f"{', '.join(row_names(chosen)[:3])}, ..."
        )
    return Subject(
        run=run,
        pipeline=pipeline,
        rows=Rows(run.answering, chosen, swaps=settings.swaps, seed=settings.seed),
        splits=splits,
        validation=_validation_rows(run, splits, settings),
        settings=settings,
        folder=folder,
    )


def _read_labelled(
    rows: str | Path | pd.DataFrame, preprocessing: Preprocessing, base_dir: str | Path | None
) -> pd.DataFrame:
    schema, marks = preprocessing.schema, preprocessing.decimal_marks
    frame = read_table(rows, schema, base_dir=base_dir, require_target=False, decimal_marks=marks)
    absent = [column for column in schema.target_columns if column not in frame]
    if absent:
        raise ValueError(
            f"The rows have no column {absent[0]!r}: an audit compares answers with "
            "labels. Add the labels; without any, `experiments/predict.py` predicts."
        )
    return frame


def _sample(pipeline: Pipeline, settings: AuditSettings) -> Pipeline:
    """`settings.max_rows` of the rows, drawn at random, in their order."""
    order = np.random.default_rng(settings.seed).permutation(len(pipeline))
    sample = pipeline.frame.iloc[np.sort(order[: settings.max_rows])]
    return Pipeline(sample, pipeline.preprocessing, batch_size=64, cache="memory")


def _validation_rows(run: Run, splits: Splits | None, settings: AuditSettings) -> Rows | None:
    """The run's validation rows, or as many of them as the audit uses; `None` without any."""
    if splits is None or not len(splits.validation):
        return None
    seen = splits.validation
    if len(seen) > settings.max_rows:
        seen = seen.sample(settings.max_rows, random_state=settings.seed)
    on_error = run.config["settings"]["on_error"]
    part = Pipeline(seen, run.preprocessing, cache="memory", on_error=on_error)
    return Rows(run.answering_validation, part, swaps=settings.swaps, seed=settings.seed)
