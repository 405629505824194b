"""One training on several devices and in several processes: the same training, but for last digits.

What a backend computes on is decided before it begins, so that these run in processes of their own.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.experiment.run_folder import Run
from mmkeras.training import distribution
from mmkeras.training.distribution import (
    Devices,
    ProcessLost,
    agreed,
    check_batches,
    check_last_batch,
    leads,
    on_devices,
    process_lost,
    use_devices,
)

HERE = Path(__file__).resolve().parents[2]

TRAININGS = """
import json, sys
import keras, numpy as np, pandas as pd
import mmkeras
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.models import build_model
from mmkeras.training.distribution import on_one_device, use_devices
from mmkeras.training.fit import OwnTraining, fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings

counts, folder = json.loads(sys.argv[1]), sys.argv[2]
use_devices(max(counts))
on_jax = keras.backend.backend() == "jax"
random, rows = np.random.default_rng(0), 60
frame = pd.DataFrame({
    "picture": [random.integers(0, 255, (8, 8, 3), np.uint8) for _ in range(rows)],
    "words": [" ".join("abcde"[: 1 + row % 5]) for row in range(rows)],
    "label": ["yes" if row % 2 else "no" for row in range(rows)],
})
schema = mmkeras.Schema([mmkeras.Image("picture"), mmkeras.Text("words")], mmkeras.Label("label"))
fitted = fit_preprocessing(frame[:46], schema, {"picture": ImageSettings(size=(8, 8), flip=True)})
# On JAX, epochs end with batches that 4 devices cannot divide.
cut = 46 if on_jax else 40
train = Pipeline(frame[:cut], fitted, batch_size=8)
validation = Pipeline(frame[cut : cut + (14 if on_jax else 16)], fitted, batch_size=8)


def trained(name, epochs=3, stop=None):
    set_seed(0)
    # On TensorFlow each device has its own dropout, and its own statistics of its rows.
    options = {"filters": (4, 8), "batch_norm": on_jax}
    model = build_model(
        schema, fitted.inputs, num_outputs=2, encoders={"picture": "cnn"},
        encoder_options={"picture": options}, dropout=0.3 if on_jax else 0.0,
    )
    settings = TrainingSettings(epochs=epochs, auxiliary=0.5, watch=("macro_f1",), ema=0.9)
    checkpoint = f"{folder}/{name}.npz"
    stopping = [keras.callbacks.LambdaCallback(on_epoch_end=stop)] if stop else []
    own = OwnTraining(metrics=[keras.metrics.AUC(name="area")])
    result = fit(model, train, validation, settings, seed=0, checkpoint=checkpoint,
                 callbacks=stopping, own=own)
    answers = model.predict(validation.evaluate(), verbose=0)
    np.savez(f"{folder}/{name}-end.npz", *model.get_weights(), answers=answers)
    result.history.to_csv(f"{folder}/{name}.csv", index=False)


def stop(epoch, logs):
    if epoch == 1:
        raise KeyboardInterrupt


for count in counts:
    on_one_device() if count == 1 else use_devices(count)
    trained(str(count))
try:
    trained("resumed", stop=stop)
except KeyboardInterrupt:
    trained("resumed")
"""


def run_script(words: list, backend: str) -> subprocess.Popen:
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path, "XLA_FLAGS": ""}
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen, seconds: float = 300) -> tuple[int, str]:
    out, errors = process.communicate(timeout=seconds)
    return process.returncode, out + errors


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "counts"), [("jax", [1, 2, 4]), ("tensorflow", [1, 2])])
def test_several_devices_train_as_one(backend, counts, tmp_path):
    words = ["-c", TRAININGS, json.dumps(counts), tmp_path]
    code, said = ended(run_script(words, backend))
    assert code == 0, said
    of_one = dict(np.load(tmp_path / "1-end.npz"))
    history = pd.read_csv(tmp_path / "1.csv").drop(columns="seconds")
    for count in counts[1:]:
        for name, values in np.load(tmp_path / f"{count}-end.npz").items():
            np.testing.assert_allclose(values, of_one[name], atol=1e-5, err_msg=name)
        own = pd.read_csv(tmp_path / f"{count}.csv").drop(columns="seconds")
        pd.testing.assert_frame_equal(own, history, rtol=1e-5, atol=1e-5)
    # Interrupted on the last number of devices, and resumed: bit for bit.
    for name, values in np.load(tmp_path / "resumed-end.npz").items():
        np.testing.assert_array_equal(values, np.load(tmp_path / f"{counts[-1]}-end.npz")[name])


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 150)
    table = pd.DataFrame(
        {
            "a": label + random.normal(size=150),
            "b": random.normal(size=150),
            "label": np.where(label, "yes", "no"),
        }
    )
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    table.to_csv(path, index=False)
    return path


def command(rows: Path, runs: Path, *more) -> list:
    words = ["--data", rows, "--target", "label", "--runs", runs, "--floor", "off"]
    settings = ["--epochs", "6", "--rounds", "1", "--batch-size", "8"]
    words += ["--models", "fused"]
    return [HERE / "experiments" / "train.py", *words, *settings, *more]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def start_two(words: list, of_second: list | None = None) -> list[subprocess.Popen]:
    where = ["--processes", 2, "--coordinator", f"localhost:{free_port()}"]
    own = [[], of_second or []]
    return [
        run_script([*words, *own[number], *where, "--process", number], "jax")
        for number in range(2)
    ]


def only_run(runs: Path) -> Run:
    (folder,) = runs.glob("train-rows/*")
    return Run(folder)


def predictions(run: Run) -> np.ndarray:
    return pd.read_parquet(run.path / "predictions.parquet").select_dtypes("number").to_numpy()


@pytest.mark.slow
def test_two_processes_train_as_one_and_go_on_after_one_was_killed(rows, tmp_path):
    code, said = ended(run_script(command(rows, tmp_path / "one"), "jax"))
    assert code == 0, said
    one = only_run(tmp_path / "one")

    pair = start_two(command(rows, tmp_path / "two"))
    for process in pair:
        code, said = ended(process)
        assert code == 0, said
    assert "On the 22 test rows" not in said  # the second process prints nothing
    two = only_run(tmp_path / "two")
    assert two.config["environment"]["devices"] == 2
    np.testing.assert_allclose(predictions(two), predictions(one), atol=1e-5)
    losses = ["loss", "val_loss"]
    np.testing.assert_allclose(two.history[losses], one.history[losses], atol=1e-5)

    pair = start_two(command(rows, tmp_path / "killed"))
    deadline = time.monotonic() + 200
    while not list((tmp_path / "killed").glob("*/*/checkpoint/before_last.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pair[1].kill()
    code, said = ended(pair[0], 150)
    assert code == 1, said
    assert "process 0 of 2 cannot go on: another process of this training has ended" in said
    assert f"--resume {tmp_path}" in said and "--processes 2" in said
    ended(pair[1])

    (folder,) = (tmp_path / "killed").glob("train-rows/*")
    for process in start_two([HERE / "experiments" / "train.py", "--resume", folder]):
        code, said = ended(process)
        assert code == 0, said
    assert len(Run(folder).history) == 6
    np.testing.assert_array_equal(predictions(Run(folder)), predictions(two))


@pytest.mark.slow
def test_a_process_with_other_settings_is_refused(rows, tmp_path):
    pair = start_two(command(rows, tmp_path), of_second=["--seed", "1"])
    for process, words in zip(pair[::-1], ["of other rows or settings than", ""], strict=True):
        code, said = ended(process, 150)
        assert code != 0 and words in said


@pytest.mark.slow
def test_slurm_says_who_is_who(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", str(free_port()))
    for name, value in {"STEP_NODELIST": "localhost", "NTASKS": 2, "STEP_NUM_NODES": 1}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    pair = []
    for number in range(2):
        monkeypatch.setenv("SLURM_PROCID", str(number))
        monkeypatch.setenv("SLURM_LOCALID", str(number))
        words = command(rows, tmp_path, "--epochs", "1", "--processes", "auto")
        pair.append(run_script(words, "jax"))
    for process in pair:
        code, said = ended(process)
        assert code == 0, said
    assert only_run(tmp_path).config["environment"]["devices"] == 2


def test_one_device_changes_nothing():
    model = object()
    with on_devices(model) as trained:
        assert trained is model
    assert leads() and agreed("anything") == "anything"


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"`count` must be at least 1\. Received: 0"):
        use_devices(0)
    with pytest.raises(ValueError, match="on JAX only: set KERAS_BACKEND=jax"):
        use_devices(1, processes=2, process=0, coordinator="localhost:1")
    with pytest.raises(ValueError, match="are for several processes: say how many"):
        use_devices(1, process=0, coordinator="localhost:1")


def test_batches_that_devices_cannot_divide_are_refused(monkeypatch):
    check_batches(7)  # one device
    monkeypatch.setattr(distribution, "_used", [Devices(2)])
    check_batches(8)
    check_last_batch(26, 8)
    with pytest.raises(ValueError, match="2 devices cannot divide batches of 7 rows"):
        check_batches(7)
    with pytest.raises(ValueError, match=r"The last batch of 25 rows has 1, too few for 2 devices"):
        check_last_batch(25, 8)


def test_only_what_another_process_caused_is_called_so(monkeypatch):
    monkeypatch.setattr(distribution, "_used", [Devices(1, 1, 2)])
    lost = pytest.raises(ProcessLost, match="process 1 of 2 cannot go on: another process")
    with lost, process_lost():
        raise ValueError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer")
    with pytest.raises(ValueError, match="loss became nan"), process_lost():
        raise ValueError("loss became nan in epoch 1")
