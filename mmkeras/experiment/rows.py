"""The rows of an experiment: loaded, cleaned, without unreadable files, split; the same for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.check import check_leakage, format_findings
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.media.decoded import CACHE_BUDGET
from mmkeras.data.tables.files import table_files
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import Settings
from mmkeras.files import write_json
from mmkeras.schema import Schema

LEAKAGE = "leakage.json"


@dataclass(frozen=True, eq=False)
class Rows:
    """What an experiment works on.

    Args:
        table: All rows that can be used.
        schema: Which column is what.
        splits: Which of the rows are for training, validation and testing.
        messages: What was inferred, cleaned and skipped, in words.
    """

    table: pd.DataFrame
    schema: Schema
    splits: Splits
    messages: list[str]


def open_rows(
    data: DataConfig,
    settings: Settings,
    *,
    validation: float,
    test: float,
    seed: int,
    need_target: bool = True,
) -> Rows:
    """Opens the rows of an experiment; the same arguments give the same rows in every process.

    Args:
        data: Which rows.
        settings: Say how files are decoded, and whether rows with unreadable ones are skipped.
        validation: Share of the (training) rows for validation.
        test: Share of the rows for testing, where the data have no test rows.
        seed: Decides which rows are which, where the data have no split of their own.
        need_target: That of `DataConfig.load`.
    """
    table, schema, messages = open_table(data, settings, need_target)
    splits = data.split(table, schema, validation=validation, test=test, seed=seed)
    return Rows(table, schema, splits, messages)


def look_at_rows(rows: Rows) -> list[Finding]:
    """Prints what was done to the rows, and what the leakage check finds in them; returns that."""
    for message in rows.messages:
        print(message)
    findings = check_leakage(rows.splits, rows.schema)
    print(format_findings(findings))
    return findings


def save_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Keeps the findings of the leakage check beside the results, as `leakage.json`."""
    write_json(folder / LEAKAGE, [dataclasses.asdict(finding) for finding in findings])


class RowsConfig(Protocol):
    """What the configurations of experiments have in common: which rows, and how they are split."""

    @property
    def data(self) -> DataConfig: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def validation(self) -> float: ...

    @property
    def test(self) -> float: ...

    @property
    def split_seed(self) -> int: ...


def experiment_rows(config: RowsConfig) -> Rows:
    """The rows of a configured experiment, as `open_rows` opens them."""
    return open_rows(
        config.data,
        config.settings,
        validation=config.validation,
        test=config.test,
        seed=config.split_seed,
    )


def open_fold(
    data: DataConfig, settings: Settings, *, folds: int, fold: int, validation: float, seed: int
) -> Rows:
    """Opens the rows of one fold of a cross-validation; arguments as for `DataConfig.fold`."""
    table, schema, messages = open_table(data, settings)
    splits = data.fold(table, schema, folds=folds, fold=fold, validation=validation, seed=seed)
    return Rows(table, schema, splits, messages)


def open_table(
    data: DataConfig, settings: Settings, need_target: bool = True
) -> tuple[pd.DataFrame, Schema, list[str]]:
    """The table before it is split, its schema, and what was done to it, in words.

    `need_target` is that of `DataConfig.load`.
    """
    table, schema, messages = _loaded(data, settings.on_error, need_target)
    table, messages = table.copy(deep=False), list(messages)
    settings.preprocessing(schema)  # settings without effect are refused before any work
    if settings.on_error == "skip":
        # Before splitting, so that models of other modalities are compared on the same rows.
        table, unreadable = drop_unreadable(table, schema, settings)
        messages += [f"skipped: {message}" for message in unreadable]
        messages.append(f"{len(unreadable):,} rows with unreadable files were skipped")
    return table, schema, messages


_Loaded = tuple[pd.DataFrame, Schema, list[str]]
_last: dict[tuple[Any, ...], _Loaded] = {}
_LARGE = 5_000_000  # cells


def _loaded(data: DataConfig, on_error: str, need_target: bool) -> _Loaded:
    """`data.load`; the last table is kept, since settings are chosen by rows that are used next.

    A large one only until then: it would stay in memory beside its parts.
    """
    asked = (data, on_error, need_target, _stamp(data))
    if asked in _last:
        kept = _last[asked]
        if kept[0].size > _LARGE:
            _last.clear()
        return kept
    _last.clear()
    _last[asked] = data.load(on_error, need_target)
    return _last[asked]


def _stamp(data: DataConfig) -> tuple[Any, ...]:
    """Changes with the files that a table is read from."""
    tables = [] if data.data is None else table_files(data.data)
    files = [path for path in (*tables, data.schema) if path is not None and path.exists()]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)


def drop_unreadable(
    frame: pd.DataFrame, schema: Schema, settings: Settings
) -> tuple[pd.DataFrame, list[str]]:
    """Leaves out rows with a cell that cannot be decoded or read.

    Done once, before splitting, so that models of other modalities are compared on the same rows.

    Returns:
        The readable rows, and a message for each row left out.
    """
    keep, messages = np.ones(len(frame), bool), []
    by_name = settings.preprocessing(schema)
    for modality in schema.modalities:
        kind, own = KINDS[modality.kind], by_name[modality.name]
        # What is decoded here the models need not decode again, where it fits.
        column = frame[modality.columns[0]]
        fits = kind.decoded_bytes(column, own) <= CACHE_BUDGET
        store = kind.open_store(column, own, cache="memory" if fits else None)
        if store is None:
            continue
        for position in np.flatnonzero(~store.readable):
            keep[position] = False
            where = f"index {frame.index[position]!r}, column {modality.column!r}"
            messages.append(f"{where}: {store.reason(position)}")
    return frame[keep], messages
