"""What the experiment scripts share: which data, the data set's preset, errors in one line."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
import tyro

from mmkeras.data.datasets import DATASETS, load_dataset
from mmkeras.data.tables.clean import clean_table
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import read_raw, read_table
from mmkeras.data.tables.splits import Splits, split_officially, split_table
from mmkeras.experiment.presets import preset
from mmkeras.schema import Schema

Config = TypeVar("Config")


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

    def load(self) -> tuple[pd.DataFrame, Schema]:
        """The validated, cleaned table and its schema; says what it inferred and dropped."""
        if self.data is None:
            if self.schema or self.target:
                raise ValueError("--schema and --target describe your own --data.")
            source, schema = load_dataset(self.dataset)
        else:
            source, schema = self.data, self._schema()
        table = read_table(source, schema)
        table, cleaning = clean_table(
            table, schema, drop_holes=self.drop_holes, drop_duplicates=self.data is not None
        )
        if self.data is not None:
            print(cleaning)
        return table, schema

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

    def _schema(self) -> Schema:
        if self.schema is not None:
            return Schema.load(self.schema)
        raw = read_raw(self.data)
        if self.split_column is not None:
            # It says which rows are which, and is nothing to learn from.
            raw = raw.drop(columns=self.split_column, errors="ignore")
        schema = infer_schema(raw, target=self.target, base_dir=self.data.parent)
        print(
            f"The schema was inferred; to change it, save it and pass --schema:\n{schema.to_json()}"
        )
        return schema


def parse(
    config_class: type[Config],
    arguments: Sequence[str],
    description: str,
    dataset: str = DataConfig.dataset,
    **defaults: Any,
) -> Config:
    """A configuration from the command line, with the data set's preset as its defaults.

    Args:
        config_class: A dataclass with the fields `data` (a `DataConfig`) and `settings`.
        arguments: The command line, without the script.
        description: What `--help` says first.
        dataset: The data set if the command line names none.
        **defaults: Of other fields of the configuration.
    """
    dataset = option(arguments, "--dataset") or dataset
    if dataset not in DATASETS:
        raise ValueError(f"No data set {dataset!r}. There are: {', '.join(DATASETS)}.")
    own = option(arguments, "--data") is not None
    default = config_class(
        data=DataConfig(dataset=dataset), settings=preset(None if own else dataset), **defaults
    )
    return tyro.cli(config_class, args=list(arguments), default=default, description=description)


def option(arguments: Sequence[str], name: str) -> str | None:
    """An option's value, before the rest is parsed: it decides the others' defaults."""
    for place, word in enumerate(arguments):
        if word == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.split("=", 1)[1]
    return None


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
    paths = {name: Path(values[name]) for name in ("data", "schema") if values[name]}
    return DataConfig(**{**values, **paths})


def run_script(main: Callable[[], Any], after_interrupt: str = "") -> None:
    """Runs a script's `main`: a user's mistake ends in one line, without a traceback.

    `after_interrupt` says how to go on after Ctrl-C.

    Set `MMKERAS_TRACEBACK=1` to see where the error was raised.
    """
    try:
        main()
    except (ValueError, OSError) as error:
        if os.environ.get("MMKERAS_TRACEBACK") == "1":
            raise
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        print(f"\ninterrupted {after_interrupt}".rstrip(), file=sys.stderr)
        raise SystemExit(130) from None
