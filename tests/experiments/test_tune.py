"""The search from the command line's side."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest

from mmkeras.experiment.listing import list_runs

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "tune.py"


def main(arguments):
    spec = importlib.util.spec_from_file_location("experiment_tune", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(arguments)


@pytest.fixture
def table(shared_table, tmp_path):
    path = tmp_path / "own.csv"
    shared_table[0].drop(columns="picture").to_csv(path, index=False)
    return path


def test_a_value_that_is_no_choice_is_refused(table, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(table), "--target", "when", "--fusions", "glue"])
    assert "glue" in capsys.readouterr().err


@pytest.mark.slow
def test_trials_run_in_processes_and_the_best_settings_on_the_test_rows(table, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--data", str(table), "--target", "when", "--epochs", "2", "--out", str(out)]
    arguments += ["--fusions", "concat", "late", "--validation", "0.3", "--workers", "2"]
    trials = main([*arguments, "--trials", "2", "--final-seeds", "1", "--tags", "paper"])
    assert len(trials) == 2 and (trials["state"] == "complete").all()
    best = json.loads((out / "best.json").read_text())
    final = pd.read_csv(out / f"final-trial{best['trial']:03d}" / "results.csv")
    assert final["model"].tolist() == ["fused"] and final["accuracy"].between(0, 1).all()
    printed = capsys.readouterr().out
    assert "On the validation rows" in printed and "1 seeds, test rows" in printed
    summary = (out / "summary.md").read_text()
    assert "| accuracy" in summary and "- tags: paper" in summary
    final_run = f"final-trial{best['trial']:03d}/seed0-fused"
    assert list(list_runs(out, ["paper"]).index) == [final_run]
