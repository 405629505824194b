"""A run that was killed at any moment, or met a full disk, ends bit for bit as one that was not."""

import errno
import multiprocessing
import os
import random
import time

import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.experiment.train import train_run
from mmkeras.training.settings import TrainingSettings

# Dropout, augmentation, early stopping and kept epochs: all that a checkpoint has to hold.
SETTINGS = Settings(
    encoders={"image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1})},
    training=TrainingSettings(epochs=16, batch_size=8, patience=15, keep_best=2, schedule="cosine"),
    image=ImageSettings(size=(8, 8), rotation=10.0, shift=0.1),
)
RESULTS = ("history.csv", "preprocessing.json", "model.keras", "predictions.parquet", "report.md")
KILLS = 8


def train(frame, schema, folder):
    """Trains in this process, which may be killed; slowly, so that there is time to."""
    splits = Splits(frame[:30], frame[30:45], frame[45:])
    train_run(splits, schema, folder, SETTINGS, label="run")


def state(folder):
    """All that must be the same bit for bit; times are not."""
    run = mmkeras.Run(folder)
    metrics = {k: v for k, v in run.metrics.items() if "seconds" not in k}
    history = run.history.drop(columns="seconds")
    weights = [weight.tobytes() for weight in run.model.get_weights()]
    epochs = [run.model_of_epoch(epoch).get_weights() for epoch in run.kept_epochs]
    kept = [weight.tobytes() for each in epochs for weight in each]
    text = (run.path / "preprocessing.json").read_bytes()
    return weights, kept, run.kept_epochs, metrics, history, run.predictions, text


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        else:
            assert a == b
    for folder in (one, other):
        names = [path.name for path in folder.rglob("*")]
        assert not [name for name in names if "tmp" in name or name == "checkpoint"]


@pytest.fixture(scope="module")
def processes():
    """Makes processes that need not import everything again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mmkeras.experiment.train", "mmkeras.experiment.run_folder"])
    first = context.Process(target=time.sleep, args=(0,))
    first.start()
    first.join()
    return context


@pytest.fixture(scope="module")
def whole(processes, shared_table, tmp_path_factory):
    """The run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = processes.Process(target=train, args=(*shared_table, folder))
    process.start()
    process.join()
    assert process.exitcode == 0
    return folder


def after_epochs(folder, epochs, seconds):
    """The moment so many epochs and seconds after a process began or went on."""
    seen, since = [], []

    def written():
        path = folder / "checkpoint" / "last.npz"
        try:
            return path.stat().st_mtime_ns
        except FileNotFoundError:  # not yet, or being replaced by the next one
            return None

    def moment():
        if folder.exists() and (now := written()) not in (None, *seen):
            seen.append(now)
        if len(seen) > epochs and not since:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() > since[0] + seconds

    return moment


def killed(processes, arguments, moment):
    """Trains until a moment; whether it was killed then, or had finished."""
    process = processes.Process(target=train, args=arguments)
    process.start()
    while process.is_alive() and not moment():
        time.sleep(0.001)
    process.kill()
    process.join()
    return process.exitcode != 0


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_moments_ends_as_one_that_is_not(
    processes, whole, shared_table, tmp_path
):
    folder, draws, kills = tmp_path / "run", random.Random(0), 0
    arguments = (*shared_table, folder)
    for _ in range(KILLS):
        moment = after_epochs(folder, draws.randrange(3), draws.uniform(0, 0.1))
        kills += killed(processes, arguments, moment)
    process = processes.Process(target=train, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0 and kills >= KILLS // 2
    assert_same(folder, whole)


@pytest.mark.slow
def test_a_run_that_is_killed_when_a_result_appears_ends_as_one_that_is_not(
    processes, whole, shared_table, tmp_path
):
    folder, arguments = tmp_path / "run", (*shared_table, tmp_path / "run")
    for name in RESULTS:

        def there(path=folder / name):
            return path.exists()

        if there():
            (folder / name).unlink()
        assert killed(processes, arguments, there)
    killed(processes, arguments, (folder / "metrics.json").exists)
    process = processes.Process(target=train, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert_same(folder, whole)


@pytest.mark.slow
def test_a_run_that_meets_a_full_disk_ends_as_one_that_does_not(
    whole, shared_table, tmp_path, monkeypatch
):
    folder, fsync = tmp_path / "run", os.fsync
    met = []
    for moment in (1, 4, 9, 13, 17, 21):
        left = [moment]

        def full(number, left=left):
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(number)

        monkeypatch.setattr(os, "fsync", full)
        try:
            train(*shared_table, folder)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            met.append(moment)
        assert not list(folder.rglob(".tmp-*")), moment
    monkeypatch.setattr(os, "fsync", fsync)
    assert len(met) == 6
    train(*shared_table, folder)
    assert np.isfinite(mmkeras.Run(folder).metrics["total_seconds"])
    assert_same(folder, whole)
