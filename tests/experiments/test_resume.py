"""`train.py --resume`: what it continues, what it trains on, and what it refuses in clear words."""

import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mmkeras
from mmkeras import interrupts

pytestmark = pytest.mark.eager

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(scope="module")
def train():
    if str(EXPERIMENTS) not in sys.path:
        sys.path.append(str(EXPERIMENTS))
    return importlib.import_module("train").main


@pytest.fixture(scope="module")
def begun(train, shared_table, tmp_path_factory):
    """A finished run of one epoch, by the script."""
    frame, _ = shared_table
    folder = tmp_path_factory.mktemp("own")
    frame[["note", "place", "when"]].to_csv(folder / "own.csv", index=False)
    arguments = ["--data", str(folder / "own.csv"), "--target", "when", "--models", "fused"]
    arguments += ["--runs", str(folder / "runs"), "--epochs", "1", "--rounds", "1"]
    train([*arguments, "--floor", "off"])
    (run,) = (folder / "runs" / "train-own").iterdir()
    return run


def changed(run, folder, change):
    """A copy of a run folder with another `config.json`."""
    copy = shutil.copytree(run, folder / run.name)
    config = json.loads((copy / "config.json").read_text())
    change(config)
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def test_training_on_begins_with_the_old_weights_in_a_new_run(begun, train, capsys):
    before = {path.name for path in begun.parent.iterdir()}
    comparison = train(["--resume", str(begun), "--epochs=2", "--learning-rate", "1e-12"])
    (new,) = (path for path in begun.parent.iterdir() if path.name not in before)
    assert list(comparison.index)[:2] == ["fused before", "fused"]
    assert "2 epochs begins with the weights of epoch 1 of 1" in capsys.readouterr().out
    config = json.loads((new / "config.json").read_text())
    assert config["started_from"] == str(begun)
    assert config["starting_weights"]["epochs"] == 1
    assert config["settings"]["training"]["epochs"] == 2
    old, new = mmkeras.Run(begun), mmkeras.Run(new)
    # Those of the epoch that it names: what has learnt the validation rows since, does not go on.
    assert old.was_refitted
    begins = old.model_of_epoch(1).get_weights()
    for a, b in zip(begins, new.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # Interrupted, it goes on from the same weights, and again under the first command's name.
    weights, command = new.model.get_weights(), config["environment"]["command"]
    for name in ("metrics.json", "model.keras"):
        (new.path / name).unlink()
    train([f"--resume={new.path}"])
    assert json.loads((new.path / "config.json").read_text())["environment"]["command"] == command
    for a, b in zip(weights, mmkeras.Run(new.path).model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_finished_run_says_so(begun, train, capsys):
    train(["--resume", str(begun)])
    printed = capsys.readouterr().out
    assert "has finished" in printed and "--epochs N" in printed


def test_what_is_trained_after_a_resume_shows_the_first_command(begun, train, tmp_path):
    def first(config):
        config["environment"]["command"] = "train.py --first"
        config["experiment"]["models"] = "all"

    copy = changed(begun, tmp_path / "runs" / "train-own", first)
    train(["--resume", str(copy)])
    others = [path for path in copy.parent.iterdir() if path != copy]
    assert len(others) == 2
    assert all("train.py --first" in (path / "report.md").read_text() for path in others)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--fusion", "gmu"], "--fusion beside --resume: rows, inputs and model are those of"),
        (["--fusion=gmu", "--epochs=3"], "--fusion beside --resume"),
        (["--set", "image.size=3,3"], "--set beside --resume"),
        (["--learning-rate=0.1"], "--learning-rate beside --resume.* only with --epochs N"),
        (["--batch_size", "4"], "--batch-size beside --resume.* only with --epochs N"),
        (["--resume", "other"], "takes one run folder"),
        (["--epochs=0"], "`epochs` must be at least 1"),
    ],
)
def test_what_may_not_be_given_beside_resume_is_said(begun, train, more, says):
    for first in (["--resume", str(begun)], [f"--resume={begun}"]):
        with pytest.raises((ValueError, SystemExit), match=says):
            train([*first, *more])


def test_no_folder_and_no_run_folder_are_said(train, tmp_path):
    with pytest.raises(ValueError, match="takes one run folder"):
        train(["--resume", "--epochs", "9"])
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        train(["--resume", str(tmp_path)])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("experiment"), "was not made by train.py.*made by"),
        (lambda c: c.update(experiment=[1]), "was not made by train.py"),
        (lambda c: c["experiment"].pop("validation"), "`experiment.validation` is missing"),
        (lambda c: c["experiment"].update(folds=3), r"unknown keys \['folds'\]"),
        (lambda c: c["experiment"].update(test="x"), "`experiment.test` must be a finite number"),
        (lambda c: c["experiment"]["data"].update(sheep=1), "sheep"),
        (lambda c: c.update(stamp="../../out"), "its folder's name begins with '../../out'"),
        (lambda c: c.update(stamp=""), "begins with ''"),
        (lambda c: c.update(stamp=7), "`stamp` must be str"),
        (lambda c: c.pop("environment"), "`environment` is missing"),
    ],
)
def test_a_run_of_another_script_or_hand_is_refused_and_not_written_to(
    begun, train, tmp_path, change, says
):
    copy = changed(begun, tmp_path, change)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=says) as raised:
        train(["--resume", str(copy)])
    assert str(copy) in str(raised.value)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_an_unfinished_run_is_first_continued(begun, train, tmp_path):
    copy = shutil.copytree(begun, tmp_path / begun.name)
    (copy / "metrics.json").unlink()
    with pytest.raises(ValueError, match=r"has not finished.*give --resume FOLDER alone"):
        train(["--resume", str(copy), "--epochs", "2"])


def test_the_command_that_goes_on_is_the_last_that_can(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-u", "experiments/train.py", "--a", "b c"])
    monkeypatch.setattr(sys, "argv", ["experiments/train.py", "--a", "b c"])
    monkeypatch.setattr(interrupts, "_resumed_by", [])
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert interrupts.resume_command() == "python -u experiments/train.py --a 'b c'"
    interrupts.resume_with(["--resume", tmp_path], once=tmp_path / "config.json")
    assert interrupts.resume_command() == interrupts.same_command()
    (tmp_path / "config.json").write_text("{}")
    expected = f"python -u experiments/train.py --resume {tmp_path}"
    assert interrupts.resume_command() == expected
    interrupts.resume_with_more("--out", "runs/x")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    expected = "KERAS_BACKEND=jax python -u experiments/train.py --a 'b c' --out runs/x"
    assert interrupts.resume_command() == expected


def interrupted(arguments, folder, moment):
    """What a script says that gets Ctrl-C at a moment, and its exit code."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while not moment() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[0], process.returncode
    finally:
        process.kill()


@pytest.mark.slow
def test_ctrl_c_prints_the_command_that_goes_on(begun, tmp_path):
    script = str(EXPERIMENTS / "train.py")
    own = ["--data", str(begun.parents[2] / "own.csv"), "--target", "when", "--models", "fused"]
    started = time.monotonic()
    said, code = interrupted([script, *own], tmp_path, lambda: time.monotonic() > started + 0.7)
    assert code == 130 and "Traceback" not in said
    assert said.strip().splitlines()[-1].endswith(f"{script} {' '.join(own)}")
    own += ["--epochs", "100000", "--patience", "0"]

    def training():
        return any(tmp_path.glob("runs/train-own/*-fused/checkpoint/last.npz"))

    said, code = interrupted([script, *own], tmp_path, training)
    (run,) = tmp_path.glob("runs/train-own/*-fused")
    assert code == 130 and "Traceback" not in said
    last = said.strip().splitlines()[-1]
    command = f"{sys.executable} {script} --resume {run.relative_to(tmp_path)}"
    assert last == f"interrupted; go on with: {command}"
