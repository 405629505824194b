"""Which data an experiment uses: a public data set, or a file of one's own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mmkeras.data.datasets import DATASETS, load_dataset
from mmkeras.data.memory import give_memory_back
from mmkeras.data.tables.classes import limit_classes
from mmkeras.data.tables.clean import clean_table, group_equal_rows, ungrouped
from mmkeras.data.tables.columns import did_you_mean
from mmkeras.data.tables.guess.names import is_flag
from mmkeras.data.tables.guess.target import find_target
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.inferred import InferredSchema
from mmkeras.data.tables.read import read_raw, read_table
from mmkeras.data.tables.splits import (
    Splits,
    folds_by_column,
    k_folds,
    split_officially,
    split_table,
)
from mmkeras.schema import MODALITIES, TARGETS, Schema, Targets


@dataclass(frozen=True)
class DataConfig:
    """Which rows to use.

    Args:
        dataset: A public data set (mmkeras.data.datasets). Its preset replaces the defaults below.
        data: Your own file instead of a data set; or a folder of Parquet files, or of tar files.
        schema: The JSON file that says which of its columns is what, or a run's config.json, which
            says as well whether equal rows stay together; inferred if not given.
        target: The column to predict, where the schema is inferred.
        task: What kind of answer it is, where the schema is inferred.
        id: The column that names the rows, where the schema is inferred.
        group: The column whose equal values belong together, where the schema is inferred.
        weight: The column that says what each row counts in the loss, where the schema is inferred.
        ignore: Columns that are not to be inputs, where the schema is inferred.
        base_dir: The folder that paths in your table are relative to; by default the file's own.
        drop_holes: Leave out rows that lack a modality, instead of telling the model.
        drop_unlabelled: Leave out rows without a target, instead of refusing the table.
        drop_duplicates: Leave out rows that equal an earlier one, inputs and target.
        group_equal_rows: Keep rows with equal inputs on one side of every split.
        min_class_rows: Rows that a class has to have.
        rare_classes: What happens to classes with fewer: drop (their rows are left out) or other
            (they become one class of this name).
        split_column: The column that says train, validation or test. A data set with an official
            split uses that.
        fold_column: The column that names each row's fold, for cross-validation.
    """

    dataset: Literal[tuple(DATASETS)] = "glyphs"
    data: Path | None = None
    schema: Path | None = None
    target: str | None = None
    task: Literal[("auto", *TARGETS)] = "auto"
    id: str | None = None
    group: str | None = None
    weight: str | None = None
    ignore: tuple[str, ...] = ()
    base_dir: Path | None = None
    drop_holes: bool = False
    drop_unlabelled: bool = False
    drop_duplicates: bool = False
    group_equal_rows: bool = False
    min_class_rows: int = 1
    rare_classes: Literal["drop", "other"] = "drop"
    split_column: str | None = None
    fold_column: str | None = None

    @property
    def name(self) -> str:
        return self.data.stem if self.data else self.dataset

    def load(
        self, on_error: str = "raise", need_target: bool = True
    ) -> tuple[pd.DataFrame, Schema, list[str]]:
        """The validated, cleaned table, its schema, and what was inferred and dropped, in words.

        Args:
            on_error: `"skip"` leaves rows out that have a problem.
            need_target: Whether the schema has to have a target, and each row a cell in it.
        """
        self._refuse_without_effect()
        messages, together = [], self.group_equal_rows
        if self.data is None:
            source, schema = load_dataset(self.dataset)
        else:
            source = self.data
            if self.schema is not None:
                given = Schema.load(self.schema)
                # Of a run that kept equal rows together: its group is in no file.
                schema = ungrouped(given)
                together |= schema != given
            else:
                inferred = self._inferred_schema(need_target)
                give_memory_back()
                schema = inferred.schema
                messages.append(
                    "The schema was inferred. To change it, copy the run's config.json, edit its "
                    f'"schema", and pass the file as --schema:\n{inferred}'
                )
        table = read_table(
            source,
            schema,
            base_dir=self.base_dir,
            allow_unlabelled=self.drop_unlabelled or not need_target,
            allow_holes=self.drop_holes,
            on_error=on_error,
        )
        give_memory_back()
        messages += [f"skipped: {problem}" for problem in table.attrs.pop("skipped", ())]
        table, cleaning = clean_table(
            table,
            schema,
            drop_holes=self.drop_holes,
            drop_unlabelled=self.drop_unlabelled,
            drop_duplicates=self.drop_duplicates,
        )
        if self.data is not None:
            messages.append(str(cleaning))
        if self.min_class_rows > 1:
            table, said = limit_classes(table, schema, self.min_class_rows, self.rare_classes)
            messages += said
        if together:
            table, schema = group_equal_rows(table, schema)
        return table, schema, messages

    def _refuse_without_effect(self) -> None:
        """Settings that nothing would come of."""
        inferred = [name for name in _INFERENCE if getattr(self, name) != _DEFAULTS[name]]
        if self.data is None and (inferred or self.schema or self.base_dir):
            raise ValueError(
                "--schema, --base-dir, " + ", ".join(f"--{name}" for name in _INFERENCE) + " "
                "describe your own --data."
            )
        if self.schema is not None and inferred:
            given = ", ".join(f"--{name}" for name in inferred)
            raise ValueError(f"{given}: the file --schema says this. Change it there.")
        if self.min_class_rows < 1:
            raise ValueError(f"--min-class-rows is at least 1. Received: {self.min_class_rows}.")
        if self.min_class_rows == 1 and self.rare_classes != "drop":
            raise ValueError("--rare-classes needs --min-class-rows above 1.")

    def split(
        self, table: pd.DataFrame, schema: Schema, *, validation: float, test: float, seed: int
    ) -> Splits:
        """The table's own split where it has one, otherwise a random one."""
        if self.fold_column is not None:
            raise ValueError(
                f"--fold-column {self.fold_column} names the folds of a cross-validation; use "
                "experiments/cross_validate.py, or --split-column for one split."
            )
        column = self.split_column
        if column is None and self.data is None and "split" in table.columns:
            column = "split"
        _refuse_input(column, schema)
        if column is None:
            return split_table(table, schema, validation=validation, test=test, seed=seed)
        return split_officially(table, schema, column, validation=validation, seed=seed)

    def fold(
        self,
        table: pd.DataFrame,
        schema: Schema,
        *,
        folds: int,
        fold: int,
        validation: float,
        seed: int,
    ) -> Splits:
        """The rows of one fold of a cross-validation, in which every row is tested once.

        Args:
            table, schema: As `load` returned them.
            folds: How many parts the rows are cut into, unless `fold_column` says so.
            fold: Which of them has the test rows, from 0.
            validation: Share of the other rows that choose the epoch.
            seed: Decides which rows are in which fold.

        Raises:
            ValueError: `split_column` asks for another split.
        """
        if self.split_column is not None:
            raise ValueError(
                f"--split-column {self.split_column} names the test rows, but cross-validation "
                "tests every row once. Leave it out, or use experiments/train.py, which tests "
                "the rows that it names."
            )
        train, test = self.folds(table, schema, folds=folds, seed=seed)[fold]
        inner = split_table(table.iloc[train], schema, validation=validation, test=0.0, seed=seed)
        return Splits(inner.train, inner.validation, table.iloc[test])

    def folds(
        self, table: pd.DataFrame, schema: Schema, *, folds: int, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The positions of the rows of all folds, `(train, test)` for each."""
        if self.fold_column is None:
            return list(k_folds(table, schema, folds=folds, seed=seed))
        _refuse_input(self.fold_column, schema)
        return folds_by_column(table, self.fold_column)

    def _inferred_schema(self, need_target: bool) -> InferredSchema:
        raw = read_raw(self.data)
        # Which rows are which is nothing to learn from.
        unused = [*self.ignore, *filter(None, (self.split_column, self.fold_column))]
        for column in (self.target, self.id, self.group, self.weight):
            if column is not None and column in unused:
                raise ValueError(
                    f"The column {column!r} cannot be the target, id, group or weight and also be "
                    "ignored, or name the split or the folds."
                )
        unused += filter(None, (self.weight,))
        missing = [column for column in unused if column not in raw.columns]
        if missing:
            raise ValueError(
                f"No column {missing[0]!r}{did_you_mean(missing[0], raw.columns)}. "
                f"Columns: {list(raw.columns)}."
            )
        target: Any = self.target
        if self.task != "auto":
            columns = find_target(raw, self.target)[0].columns
            target = _target(self.task, columns, raw)
        inferred = infer_schema(
            raw.drop(columns=unused),
            target=target,
            id=self.id,
            group=self.group,
            base_dir=self.base_dir or self.data.parent,
            need_target=need_target,
        )
        own = dataclasses.replace(inferred.schema, weight=self.weight)
        return dataclasses.replace(inferred, schema=own)


def _target(kind: str, columns: tuple[str, ...], raw: pd.DataFrame) -> Any:
    """The target of a kind in these columns."""
    if kind == "several":
        return Targets(tuple(find_target(raw, column)[0] for column in columns))
    if len(columns) > 1 and kind not in ("labels", "number"):
        raise ValueError(f"--task {kind} has one target column. Received: {columns}.")
    if kind in MODALITIES:
        # A target needs no name of its own; one that is like a modality's is asked for.
        return TARGETS[kind]("target", column=columns[0])
    # A flag is a label of its own: cells of 0 and 1 name no labels.
    own = kind == "labels" and is_flag(raw[columns[0]])
    return TARGETS[kind](columns if own or len(columns) > 1 else columns[0])


# Settings of the inference of a schema.
_INFERENCE = ("target", "task", "id", "group", "weight", "ignore")
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(DataConfig)}


def _refuse_input(column: str | None, schema: Schema) -> None:
    if column in schema.columns:
        raise ValueError(
            f"The column {column!r} says which rows are for testing, and is an input in the "
            "schema: the model would be told. Remove it there."
        )


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as JSON can hold it: paths are absolute strings, tuples are lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value.resolve())
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    return plain(dataclasses.asdict(config))


def data_config_from_json(values: dict[str, Any]) -> DataConfig:
    """The `DataConfig` that `to_json` wrote."""
    own: dict[str, Any] = {
        name: Path(values[name]) for name in ("data", "schema", "base_dir") if values.get(name)
    }
    return DataConfig(**{**values, **own, "ignore": tuple(values.get("ignore", ()))})
