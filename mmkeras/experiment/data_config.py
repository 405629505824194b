"""Which data an experiment uses: a public data set, or a file of one's own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mmkeras.data.datasets import DATASETS, load_dataset
from mmkeras.data.tables.clean import clean_table
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.inferred import InferredSchema
from mmkeras.data.tables.read import read_raw, read_table
from mmkeras.data.tables.splits import Splits, k_folds, split_officially, split_table
from mmkeras.schema import Schema


@dataclass(frozen=True)
class DataConfig:
    """Which rows to use.

    Args:
        dataset: A public data set (mmkeras.data.datasets). Its preset replaces the defaults below.
        data: Your own CSV or Parquet file instead of a data set.
        schema: The JSON file that says which of its columns is what; inferred if not given.
        target: The column to predict, where the schema is inferred.
        drop_holes: Leave out rows that lack a modality, instead of telling the model.
        split_column: The column that says train, validation or test. A data set with an official
            split uses that.
    """

    dataset: Literal[tuple(DATASETS)] = "glyphs"
    data: Path | None = None
    schema: Path | None = None
    target: str | None = None
    drop_holes: bool = False
    split_column: str | None = None

    @property
    def name(self) -> str:
        return self.data.stem if self.data else self.dataset

    def load(self) -> tuple[pd.DataFrame, Schema, list[str]]:
        """The validated, cleaned table, its schema, and what was inferred and dropped, in words."""
        messages = []
        if self.data is None:
            if self.schema or self.target:
                raise ValueError("--schema and --target describe your own --data.")
            source, schema = load_dataset(self.dataset)
        else:
            source = self.data
            if self.schema is not None:
                schema = Schema.load(self.schema)
            else:
                inferred = self._inferred_schema()
                schema = inferred.schema
                messages.append(
                    "The schema was inferred. To change it, save it, edit it and pass --schema "
                    f"my.json:\n  python -c \"import mmkeras; mmkeras.infer_schema('{self.data}', "
                    f"{self.target!r}).schema.save('my.json')\"\n{inferred}"
                )
        table = read_table(source, schema)
        table, cleaning = clean_table(
            table, schema, drop_holes=self.drop_holes, drop_duplicates=self.data is not None
        )
        if self.data is not None:
            messages.append(str(cleaning))
        return table, schema, messages

    def split(
        self, table: pd.DataFrame, schema: Schema, *, validation: float, test: float, seed: int
    ) -> Splits:
        """The table's own split where it has one, otherwise a random one."""
        column = self.split_column
        if column is None and self.data is None and "split" in table.columns:
            column = "split"
        if column in schema.columns:
            raise ValueError(
                f"The split column {column!r} is an input in the schema: the model would be told "
                "which rows are for testing. Remove it there."
            )
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
            folds: How many parts the rows are cut into.
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
        train, test = list(k_folds(table, schema, folds=folds, seed=seed))[fold]
        inner = split_table(table.iloc[train], schema, validation=validation, test=0.0, seed=seed)
        return Splits(inner.train, inner.validation, table.iloc[test])

    def _inferred_schema(self) -> InferredSchema:
        raw = read_raw(self.data)
        if self.split_column is not None:
            # It says which rows are which, and is nothing to learn from.
            raw = raw.drop(columns=self.split_column, errors="ignore")
        return infer_schema(raw, target=self.target, base_dir=self.data.parent)


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
    paths = {name: Path(values[name]) for name in ("data", "schema") if values[name]}
    return DataConfig(**{**values, **paths})
