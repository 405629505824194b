"""The retrieval script from the command line's side, on small CSV files."""

import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.schema import Labels, Schema, Tabular

pytestmark = pytest.mark.eager

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
QUICK = ["--epochs", "1", "--batch-size", "32", "--dim", "8"]


@pytest.fixture
def main():
    if str(EXPERIMENTS) not in sys.path:
        sys.path.append(str(EXPERIMENTS))
    return importlib.import_module("retrieval").main


@pytest.fixture
def table(tmp_path):
    """Two views of a point in the plane; the class is its quarter."""
    random = np.random.default_rng(0)
    point = random.normal(size=(120, 2))
    frame = pd.DataFrame(point @ random.normal(size=(2, 3)), columns=["a", "b", "c"])
    frame[["d", "e"]] = point @ random.normal(size=(2, 2)) + 0.1 * random.normal(size=(120, 2))
    frame["quarter"] = [f"q{int(x > 0)}{int(y > 0)}" for x, y in point]
    frame.to_csv(tmp_path / "own.csv", index=False)
    schema = Schema([Tabular("left", ["a", "b", "c"]), Tabular("right", ["d", "e"])], "quarter")
    schema.save(tmp_path / "own.json")
    return tmp_path


def options(table, out="out"):
    return [
        "--data",
        f"{table}/own.csv",
        "--schema",
        f"{table}/own.json",
        "--out",
        f"{table}/{out}",
    ]


def test_every_method_is_searched_both_ways_with_each_seed(main, table):
    results = main([*options(table), "--seeds", "3", "5", "--test", "0.25", *QUICK])
    learnt = results[results["method"].str.startswith("contrastive")]
    assert sorted(set(learnt["seed"])) == [3, 5] and len(learnt) == 2 * 2 * 2
    assert set(results["method"]) - set(learnt["method"]) == {"CCA", "SM", "SCM"}
    assert set(results["direction"]) == {"left to right", "right to left"}
    classical = results[results["method"] == "CCA"]
    assert (classical["class map"] > 0.6).all() and (classical["recall@5"] > 0.5).all()
    assert (table / "out" / "results.csv").is_file() and (table / "out" / "probe.csv").is_file()
    written = (table / "out" / "summary.md").read_text()
    assert "left to right: contrastive (rows)" in written and "±" in written
    assert "| chance" in written and "Linear probe" in written


def test_validation_rows_are_searched_on_demand_and_test_rows_are_not(main, table, capsys):
    arguments = [*options(table), "--seeds", "0", "--positives", "rows", *QUICK]
    with pytest.raises(ValueError, match="no validation rows: give --validation a share"):
        main([*arguments, "--search", "validation"])
    main([*arguments, "--search", "validation", "--validation", "0.25", "--test", "0.25"])
    assert "60 rows to learn from, 30 validation rows" in capsys.readouterr().out


def test_a_single_modality_and_several_labels_a_row_are_refused(main, table):
    schema = Schema.load(table / "own.json")
    schema.select(["left"]).save(table / "own.json")
    with pytest.raises(ValueError, match="between modalities"):
        main([*options(table), *QUICK])
    dataclasses.replace(schema, target=Labels("quarter")).save(table / "own.json")
    with pytest.raises(ValueError, match="one class per row"):
        main([*options(table), *QUICK])
