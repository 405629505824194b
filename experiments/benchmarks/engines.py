"""What it costs to hand trainings to Ray instead of to processes of this machine.

    python experiments/benchmarks/engines.py                        # 20 jobs of 30 s, two at a time
    python experiments/benchmarks/engines.py --jobs 4 --seconds 3   # quickly

Each job imports what a training imports and then computes for so many seconds of processor time,
which a busy machine makes longer for both alike. Ray is running when its time begins.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import pandas as pd
import tyro

from mmkeras.reports.markdown import format_table
from mmkeras.studies.jobs import Job, run_jobs, use_engine
from mmkeras.studies.ray_jobs import RayEngine


@dataclass(frozen=True)
class EnginesConfig:
    """The benchmark.

    Args:
        jobs: How many.
        seconds: Of processor time, each.
        workers: Jobs at a time.
        rounds: Of both engines, one after the other.
    """

    jobs: int = 20
    seconds: float = 30.0
    workers: int = 2
    rounds: int = 1


def compute(seconds: float) -> float:
    """Computes for so many seconds of processor time, after the imports of a training."""
    import mmkeras.experiment.train  # noqa: F401

    until = time.process_time() + seconds
    total = 0.0
    while time.process_time() < until:
        total += sum(range(10_000))
    return total


def timed(engine: RayEngine | None, config: EnginesConfig) -> float:
    """Seconds until all jobs have ended."""
    jobs = [Job(f"job {n}", compute, (config.seconds,)) for n in range(config.jobs)]
    began = time.perf_counter()
    with use_engine(engine):
        failed = [each for each in run_jobs(jobs, workers=config.workers) if each.error is not None]
    if failed:
        raise failed[0].error or RuntimeError(failed[0].reason)
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the benchmark; returns the seconds of each round."""
    import ray

    config = tyro.cli(EnginesConfig, args=arguments, description=__doc__)
    rows = []
    for _ in range(config.rounds):
        rows.append({"processes": timed(None, config)})
        # A core a job, so that as many run at a time.
        ray.init(num_cpus=config.workers, include_dashboard=False, logging_level="ERROR")
        try:
            rows[-1]["ray"] = timed(RayEngine(), config)
        finally:
            ray.shutdown()
    table = pd.DataFrame(rows).rename_axis("round")
    table["ratio"] = table["ray"] / table["processes"]
    print(format_table(table, 2))
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
