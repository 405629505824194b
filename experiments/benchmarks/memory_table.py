"""Resident memory of an experiment on a folder of Parquet files that hold many rows.

    python experiments/benchmarks/memory_table.py                  # 2 million rows: some 15 minutes
    python experiments/benchmarks/memory_table.py --rows 20000

Draws rows of a text of ten words, ten numbers and a label, and trains on them by default settings,
in one epoch, as `experiments/train.py --data FOLDER --target label` does. Prints the resident
memory after each stage, and its peak so far: pages of mapped files count, which the system takes
back when it needs them. Ends with exit code 1 if the peak is above `limit`.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from memory import memory_use

from mmkeras.progress import ProgressBar
from mmkeras.reports.markdown import format_table

NUMBERS, WORDS, WORDS_OF_ROW, PART = 10, 20_000, 10, 100_000


@dataclass(frozen=True)
class TableConfig:
    """What is measured.

    Args:
        rows: How many.
        batch_size: Rows a step; 0 for what default settings say.
        limit: Most megabytes of resident memory.
        folder: Where a folder for the files is made, and removed at the end; by default the
            system's place for temporary files. Takes about 150 bytes a row.
        seed: Decides the rows.
    """

    rows: int = 2_000_000
    batch_size: int = 512
    limit: float = 2000.0
    folder: Path | None = None
    seed: int = 0


def make_parts(folder: Path, config: TableConfig) -> None:
    """Rows whose label is said by their first word and their first number, with noise."""
    random = np.random.default_rng(config.seed)
    words = np.array([f"word{number}" for number in range(WORDS)])
    shares = 1 / np.arange(1, WORDS + 1)
    with ProgressBar("making rows", config.rows) as progress:
        for start in range(0, config.rows, PART):
            count = min(PART, config.rows - start)
            chosen = random.choice(WORDS, (count, WORDS_OF_ROW), p=shares / shares.sum())
            numbers = random.normal(size=(count, NUMBERS))
            says = chosen[:, 0] % 2 + numbers[:, 0] + random.normal(0, 0.5, count) > 0.5
            table = {"text": [" ".join(row) for row in words[chosen]]}
            table |= {f"number{place}": numbers[:, place] for place in range(NUMBERS)}
            table["label"] = np.where(says, "yes", "no")
            file = folder / f"part-{start // PART:04d}.parquet"
            pd.DataFrame(table).to_parquet(file, row_group_size=PART // 4)
            progress.add(count)


def train_on(folder: Path, config: TableConfig) -> list[dict[str, object]]:
    """Memory and seconds after each stage. Meant for a fresh process."""
    from mmkeras.experiment.data_config import DataConfig
    from mmkeras.experiment.defaults import default_settings
    from mmkeras.experiment.rows import open_rows
    from mmkeras.experiment.settings import Settings
    from mmkeras.experiment.train import fitted_pipelines, train_and_judge

    stages: list[dict[str, object]] = []
    began = time.perf_counter()

    def reached(stage: str) -> None:
        nonlocal began
        seconds, began = time.perf_counter() - began, time.perf_counter()
        stages.append({"stage": stage, "seconds": seconds, **memory_use()})

    reached("imports")
    data = DataConfig(data=folder, target="label")
    shares = {"validation": 0.05, "test": 0.05, "seed": 0}
    rows = open_rows(data, Settings(), **shares)
    settings = default_settings(rows.splits.train, rows.schema)
    rows = open_rows(data, Settings(), **shares)
    splits, schema = rows.splits, rows.schema
    del rows
    reached("rows read and split")
    training = dataclasses.replace(settings.training, epochs=1, rounds=1)
    if config.batch_size:
        training = dataclasses.replace(training, batch_size=config.batch_size)
    settings = dataclasses.replace(settings, training=training)
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        fitted, pipelines = fitted_pipelines(splits, schema, settings, cache)
        reached("fitted and encoded")
        trained = train_and_judge(fitted, pipelines, settings, parts=("test",))
        reached("trained")
    stages[-1]["accuracy"] = trained.metrics["test"]["accuracy"]
    return stages


def main(arguments: list[str] | None = None) -> list[dict[str, object]]:
    """Measures and prints; returns a row for each stage."""
    config = tyro.cli(TableConfig, args=arguments, description=__doc__)
    with tempfile.TemporaryDirectory(dir=config.folder) as temporary:
        folder = Path(temporary) / "rows"
        folder.mkdir()
        make_parts(folder, config)
        # Not a fork: the new process shall have no memory from this one.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            stages = pool.submit(train_on, folder, config).result()
    print(f"{config.rows:,} rows of a text and {NUMBERS} numbers; megabytes\n")
    print(format_table(pd.DataFrame(stages).set_index("stage"), 2))
    peak = max(float(stage["peak"]) for stage in stages)
    stages[-1]["ok"] = peak < config.limit
    verdict = "passed" if stages[-1]["ok"] else "missed"
    print(f"\npeak {peak:,.0f} MB, under {config.limit:,.0f}: {verdict}")
    return stages


if __name__ == "__main__":
    sys.exit(0 if main()[-1]["ok"] else 1)
