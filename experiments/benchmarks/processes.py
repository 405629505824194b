"""One training in two JAX processes that share each batch, next to the same training in one.

    python experiments/benchmarks/processes.py                        # a minute or two
    python experiments/benchmarks/processes.py --rows 256 --epochs 2  # quickly

Every process computes with one thread, so that two use two cores. Says whether the losses are the
same, the time of a step, and what part of it a process has waited: for the other, for the exchange
of gradients, or because other programs had the core.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tyro

from mmkeras.reports.markdown import format_table


@dataclass(frozen=True)
class ProcessesConfig:
    """The benchmark.

    Args:
        processes: How many, next to one.
        rows: Rows, each an image of 32×32×3 and 8 words.
        batch_size: Of all processes together.
        filters: Channels of the image encoder's blocks.
        epochs: The first, in which programs are compiled, does not count.
        rounds: Of both, one after the other.
    """

    processes: tuple[int, ...] = (2,)
    rows: int = 1024
    batch_size: int = 64
    filters: tuple[int, ...] = (32, 64)
    epochs: int = 4
    rounds: int = 3


def work(config: ProcessesConfig) -> dict[str, list[float]]:
    """One process's training; returns its losses, and the seconds of its epochs."""
    import keras

    import mmkeras
    from mmkeras.data.kinds import ImageSettings, TextSettings
    from mmkeras.data.pipeline import Pipeline
    from mmkeras.data.preprocessing import fit_preprocessing
    from mmkeras.models import build_model
    from mmkeras.training.fit import fit
    from mmkeras.training.seeds import set_seed
    from mmkeras.training.settings import TrainingSettings

    class Clock(keras.callbacks.Callback):
        """Seconds of each epoch's steps, and how many of them the process had a core."""

        def __init__(self):
            super().__init__()
            self.seconds: list[float] = []
            self.computed: list[float] = []

        def on_epoch_begin(self, epoch, logs=None):
            self._began = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self._began[0])
            self.computed.append(time.process_time() - self._began[1])

    random = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(500)])
    frame = pd.DataFrame(
        {
            "picture": list(random.integers(0, 255, (config.rows, 32, 32, 3), np.uint8)),
            "text": [" ".join(random.choice(words, 8)) for _ in range(config.rows)],
            "label": random.integers(0, 10, config.rows).astype(str),
        }
    )
    schema = mmkeras.Schema(
        [mmkeras.Image("picture"), mmkeras.Text("text")], mmkeras.Label("label")
    )
    cells = {
        "picture": ImageSettings(size=(32, 32)),
        "text": TextSettings(representation="binary"),
    }
    fitted = fit_preprocessing(frame, schema, cells)
    set_seed(0)
    model = build_model(
        schema,
        fitted.inputs,
        num_outputs=10,
        encoders={"picture": "cnn", "text": "bag_of_words"},
        encoder_options={"picture": {"filters": config.filters}},
    )
    clock = Clock()
    pipeline = Pipeline(frame, fitted, batch_size=config.batch_size)
    settings = TrainingSettings(epochs=config.epochs, batch_size=config.batch_size, patience=0)
    result = fit(model, pipeline, None, settings, seed=0, callbacks=[clock])
    return {
        "loss": result.history["loss"].tolist(),
        "seconds": clock.seconds,
        "computed": clock.computed,
    }


def trained_by(processes: int, config: ProcessesConfig, arguments: Sequence[str]) -> list[dict]:
    """What each of so many processes says of the training that they do together."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    env = {**os.environ, "KERAS_BACKEND": "jax", "NPROC": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    env |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", str(number), str(processes), address]
            + [str(word) for word in arguments],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("A process of the training has failed; see above.")
    return [json.loads(each.splitlines()[-1]) for each in said]


def main(arguments: list[str] | None = None) -> list[dict]:
    """Runs the benchmark; returns a row for each number of processes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    config = tyro.cli(ProcessesConfig, args=arguments, description=__doc__)
    counts = (1, *config.processes)
    found: dict[int, list[dict]] = {count: [] for count in counts}
    for _ in range(config.rounds):
        for count in counts:
            found[count] += trained_by(count, config, arguments)
    steps = -(-config.rows // config.batch_size)
    (of_one,) = {tuple(each["loss"]) for each in found[1]}
    rows = []
    for count in counts:
        seconds = np.array([each["seconds"][1:] for each in found[count]])
        computed = np.array([each["computed"][1:] for each in found[count]])
        rows.append(
            {
                "processes": count,
                "ms per step": 1000 * float(np.median(seconds)) / steps,
                "waiting": 1 - float(np.median(computed / seconds)),
                # Adam divides small gradients by their own size, so that last digits grow.
                **{
                    f"loss differs by ({name} epoch)": max(
                        abs(each["loss"][place] - of_one[place]) for each in found[count]
                    )
                    for name, place in (("first", 0), ("last", -1))
                },
            }
        )
    for row in rows:
        row["speed"] = rows[0]["ms per step"] / row["ms per step"]
    table = pd.DataFrame(rows).set_index("processes")
    for column in table.columns[table.columns.str.startswith("loss")]:
        table[column] = table[column].map("{:.1e}".format)
    print(format_table(table, 2))
    return rows


def run_worker(number: str, processes: str, address: str, arguments: list[str]) -> None:
    """One process of a training: prints what it says."""
    from mmkeras.training.distribution import use_devices

    if processes != "1":
        use_devices(processes=int(processes), process=int(number), coordinator=address)
    print("\n" + json.dumps(work(tyro.cli(ProcessesConfig, args=arguments))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        run_worker(*sys.argv[2:5], sys.argv[5:])
    else:
        main()
