"""Seconds and memory from a CSV file to the first batch, step by step.

    python experiments/benchmarks/door.py
    python experiments/benchmarks/door.py --rows 2000 --numbers 2000 --categories 0 --no-text

Draws a table of numbers, categories, a text and a label, writes it as CSV, and does what
`experiments/train.py` does before its first step: infer the schema, read the table, clean it, split
it, check it for leakage, fit the preprocessing, and make the first batch. `pandas.read_csv` of the
same file, in the same process, is the measure of it. The memory is the peak of the process above
what it held before, less the table's own size; it is only known on Linux.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

import mmkeras

MB = 1_000_000


@dataclass(frozen=True)
class DoorConfig:
    """What is measured.

    Args:
        rows: Of the table.
        numbers: Numeric columns.
        categories: Columns of ten categories each.
        text: Whether there is a column of sentences.
        classes: Of the label.
        batch_size: Rows of the batch.
        seed: Decides the table.
    """

    rows: int = 100_000
    numbers: int = 10
    categories: int = 5
    text: bool = True
    classes: int = 5
    batch_size: int = 32
    seed: int = 0


def make_table(config: DoorConfig) -> pd.DataFrame:
    """Numbers with some holes, categories, sentences of 5 to 15 words of 5,000, a label."""
    rng = np.random.default_rng(config.seed)
    labels = rng.integers(0, config.classes, config.rows)
    columns: dict[str, Any] = {}
    for number in range(config.numbers):
        values = rng.normal(labels * 0.1, 1.0, config.rows).round(6)
        columns[f"number_{number}"] = np.where(rng.random(config.rows) < 0.01, np.nan, values)
    for number in range(config.categories):
        names = np.array([f"category {place}" for place in range(10)])
        columns[f"category_{number}"] = names[rng.integers(0, 10, config.rows)]
    if config.text:
        words = np.array([f"word{place}" for place in range(5000)])
        lengths = rng.integers(5, 16, config.rows)
        drawn = words[np.minimum(rng.zipf(1.3, lengths.sum()), 5000) - 1]
        parts = np.split(drawn, np.cumsum(lengths)[:-1])
        columns["text"] = [" ".join(part) for part in parts]
    columns["label"] = np.char.add("class ", labels.astype(str))
    return pd.DataFrame(columns)


def measure(config: DoorConfig, path: Path) -> dict[str, float]:
    """Seconds of each step, and megabytes."""
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = step()
        seconds[name] = time.perf_counter() - started
        print(f"{name}: {seconds[name]:.2f} s", file=sys.stderr, flush=True)
        return result

    frame = timed("pandas.read_csv", lambda: pd.read_csv(path))
    table_size = int(frame.memory_usage(deep=True).sum())
    del frame
    before = _peak()
    schema = timed("infer", lambda: mmkeras.infer_schema(path, "label").schema)
    table = timed("read", lambda: mmkeras.read_table(path, schema))
    table, _ = timed("clean", lambda: mmkeras.clean_table(table, schema))
    splits = timed("split", lambda: mmkeras.split_table(table, schema))
    timed("leakage", lambda: mmkeras.check_leakage(splits, schema))
    fitted = timed("fit", lambda: mmkeras.fit_preprocessing(splits.train, schema))

    def first_batch():
        pipeline = mmkeras.Pipeline(splits.train, fitted, batch_size=config.batch_size)
        return next(iter(pipeline.train(seed=0, epochs=1)))

    timed("first batch", first_batch)
    seconds["all steps"] = sum(value for name, value in seconds.items() if "pandas" not in name)
    seconds["table_mb"] = table_size / MB
    seconds["extra_mb"] = (_peak() - before - table_size) / MB
    return seconds


def _peak() -> int:
    """The most bytes that the process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Measures and prints; returns seconds by step, and megabytes."""
    config = tyro.cli(DoorConfig, args=arguments, description=__doc__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        make_table(config).to_csv(path, index=False)
        figures = measure(config, path)
    columns = config.numbers + config.categories + config.text + 1
    print(f"{config.rows:,} rows of {columns:,} columns")
    for name, value in figures.items():
        unit = "MB" if name.endswith("_mb") else "s"
        print(f"{name.removesuffix('_mb').replace('_', ' '):<18}{value:>9.2f} {unit}")
    return figures


if __name__ == "__main__":
    main()
