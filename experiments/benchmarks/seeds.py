"""Many seeds of one model: in one program on JAX, against a `fit` for each on TensorFlow.

    python experiments/benchmarks/seeds.py                        # 10 seeds of the MOSI model
    python experiments/benchmarks/seeds.py --encoders sequence=mlp
    python experiments/benchmarks/seeds.py --dataset mosi-utterance --seeds 5 --fusion gmu

Both sides build, train for the same number of epochs on the same rows, and end with every seed's
weights; the time of tracing and compiling is part of it, that of reading the data is not. Each side
is a process of its own, and they take turns.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import tyro

SIDES = {"vectorized": "jax", "separate": "tensorflow"}


@dataclass(frozen=True)
class SeedsConfig:
    """What is measured.

    Args:
        dataset: Whose preset is trained.
        fusion: With which fusion; by default the preset's.
        encoders: With which encoders, as kind=name[,kind=name]; by default the preset's.
        seeds: How many runs.
        epochs: Passes over the training rows; by default the preset's.
        repeats: Turns of each side.
        side: Internal: be the process of this side.
    """

    dataset: str = "mosi"
    fusion: str | None = None
    encoders: str = ""
    seeds: int = 10
    epochs: int | None = None
    repeats: int = 3
    side: str | None = None


def train(config: SeedsConfig) -> float:
    """Trains all seeds on this process's side; returns the seconds that it took."""
    # mmkeras first: it keeps the backend quiet.
    from mmkeras.experiment.data_config import DataConfig
    from mmkeras.experiment.presets import preset
    from mmkeras.experiment.rows import open_rows
    from mmkeras.experiment.train import fitted_pipelines, make_model
    from mmkeras.studies.comparison.comparison_config import with_encoders
    from mmkeras.training.fit import fit
    from mmkeras.training.seeds import set_seed
    from mmkeras.training.vectorized import fit_seeds

    settings = with_encoders(preset(config.dataset), config.encoders)
    training = settings.training
    if config.epochs is not None:
        training = dataclasses.replace(training, epochs=config.epochs)
    if config.fusion is not None:
        model = settings.model.with_fusion(config.fusion)
        settings = dataclasses.replace(settings, model=model)
    data = DataConfig(dataset=config.dataset)
    rows = open_rows(data, settings, validation=0.15, test=0.15, seed=0)
    preprocessing, pipelines = fitted_pipelines(rows.splits, rows.schema, settings, "runs/cache")
    parts = (pipelines["train"], pipelines["validation"], training)
    started = time.perf_counter()
    if config.side == "vectorized":
        seeds = tuple(range(config.seeds))
        fit_seeds(lambda: make_model(preprocessing, settings), *parts, seeds=seeds)
    else:
        for seed in range(config.seeds):
            set_seed(seed)
            fit(make_model(preprocessing, settings), *parts, seed=seed)
    return time.perf_counter() - started


def turn(config: SeedsConfig, side: str) -> float:
    """One measurement of a side, in a process of its own."""
    options = dataclasses.asdict(dataclasses.replace(config, side=side))
    command = [sys.executable, __file__]
    for name, value in options.items():
        if value is not None and value != "":
            command += [f"--{name}", str(value)]
    done = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": SIDES[side]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Measures and prints a table; returns the seconds of each side's turns."""
    config = tyro.cli(SeedsConfig, args=arguments, description=__doc__)
    if config.side is not None:
        print(json.dumps(train(config)))
        return {}
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for repeat in range(config.repeats):
        # Back and forth, so that nobody always comes after the same neighbour.
        for side in list(SIDES) if repeat % 2 == 0 else list(SIDES)[::-1]:
            seconds[side].append(turn(config, side))
            print(f"turn {repeat + 1}, {side}: {seconds[side][-1]:.1f} s", file=sys.stderr)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(*seconds.values(), strict=True))
    named = " ".join(filter(None, (config.dataset, config.encoders, config.fusion)))
    print(f"{config.seeds} seeds of {named}, {config.repeats} turns each")
    for side, backend in SIDES.items():
        spread = f"({min(seconds[side]):.0f} to {max(seconds[side]):.0f})"
        print(f"{side:<11} {backend:<11} {statistics.median(seconds[side]):7.1f} s  {spread}")
    print(f"ratio {ratio:.2f}: below 1, all seeds in one program are faster")
    return seconds


if __name__ == "__main__":
    main()
