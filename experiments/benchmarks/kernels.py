"""Seconds and memory of multiple kernel learning, for each way to weigh kernels.

    python experiments/benchmarks/kernels.py                 # 5,000 rows, 6 views, 10 classes
    python experiments/benchmarks/kernels.py --rows 20000    # Nyström features instead of kernels

Draws views of normal features around each class's means and fits `MultipleKernelClassifier` once
per way, each in a process of its own: the memory is the most that the process has held. Next to the
time by the clock stands that of all processors together, which other programs do not lengthen.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tyro

from mmkeras.classical import MultipleKernelClassifier


@dataclass(frozen=True)
class KernelsConfig:
    """What is measured.

    Args:
        rows: Training rows.
        views: How many.
        features: Of each view.
        classes: How many.
        weights: Which ways to weigh kernels.
        seed: Decides the rows.
    """

    rows: int = 5000
    views: int = 6
    features: int = 50
    classes: int = 10
    weights: tuple[str, ...] = ("mean", "alignment", "simple", "easy")
    seed: int = 0


def measure(config: KernelsConfig, weights: str) -> dict[str, float]:
    """Seconds of one fit, the process's gigabytes, accuracy on a tenth as many new rows."""
    random = np.random.default_rng(config.seed)
    rows = config.rows + config.rows // 10
    y = random.integers(0, config.classes, rows)
    means = random.normal(scale=0.25, size=(config.views, config.classes, config.features))
    X = np.hstack([m[y] + random.normal(size=(rows, config.features)) for m in means])
    machine = MultipleKernelClassifier(
        weights=weights, C=10.0, views=[config.features] * config.views, random_state=0
    )
    started, busy = time.perf_counter(), time.process_time()
    machine.fit(X[: config.rows], y[: config.rows])
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "processor": busy,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9,
        "accuracy": machine.score(X[config.rows :], y[config.rows :]),
        "machines": getattr(machine, "n_fits_", 1),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Measures and prints; returns the figures of each way."""
    config = tyro.cli(KernelsConfig, args=arguments, description=__doc__)
    figures = {}
    print(f"{config.rows:,} rows, {config.views} views, {config.classes} classes")
    print(
        f"{'weights':<24}{'seconds':>9}{'processor':>11}{'GB':>7}{'accuracy':>10}{'machines':>10}"
    )
    for weights in config.weights:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            figures[weights] = found = pool.apply(measure, (config, weights))
        print(
            f"{weights:<24}{found['seconds']:>9.1f}{found['processor']:>11.1f}{found['gigabytes']:>7.2f}"
            f"{found['accuracy']:>10.3f}{found['machines']:>10}"
        )
    return figures


if __name__ == "__main__":
    main()
