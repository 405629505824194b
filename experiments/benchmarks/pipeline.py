"""Rows per second from files to a model's batches, next to PyTorch's DataLoader.

    python experiments/benchmarks/pipeline.py
    python experiments/benchmarks/pipeline.py --rows 500 --repeats 3
    python experiments/benchmarks/pipeline.py --files jpeg640
    python experiments/benchmarks/pipeline.py --modality audio

Images: both sides decode files, resize (anti-aliased), flip, rotate and shift them, turn sentences
into token ids and pad them. Sounds: both decode WAV files, bring them to one second and turn them
into log-mel spectrograms. Both make shuffled batches; they take turns in one process. What decodes
in every epoch is compared with what decodes in every epoch, what keeps decoded media with what
keeps them. A bare loop of the fastest decoder, which makes no batches, shows what is left to gain.
With images, a model is then trained, and the share of time in which it waits for its
next batch is measured.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import image_rows
import pandas as pd
import sound_rows
import tyro

import mmkeras

CACHES = {"decode every epoch": None, "memory": "memory", "file": "file"}
# Makes the batches of one epoch: the first one, or (`warm`) one in the middle of training.
Epochs = Callable[[bool], Iterable[Any]]
BARE = "bare loop of OpenCV, decode every epoch"
NO_TORCH = "torch is not installed: no comparison"
MODALITIES = {"image": image_rows, "audio": sound_rows}


@dataclass(frozen=True)
class PipelineConfig:
    """What is measured.

    Args:
        modality: `image` (with sentences) or `audio`.
        files: Which images: `png128` (128×128 to 64×64), `emoji` (the data set's, 72×72 to 64×64),
            `jpeg640` (640×480 to 224×224) or `jpeg1080` (1920×1080 to 224×224).
        rows: Files. Of sounds, those in `MMKERAS_DATA` if it is set, and made ones otherwise.
        side: Height and width of the images, if not those of `files`.
        size: Height and width of the model's input, if not that of `files`.
        batch_size: Rows a batch.
        repeats: Measured epochs of each contestant.
        workers: The DataLoader's `num_workers`, each a contestant; the best one counts.
        train_steps: Steps of training on images in which waiting is measured; 0 for none.
        seed: Decides files, order and augmentation.
    """

    modality: Literal["image", "audio"] = "image"
    files: Literal["png128", "emoji", "jpeg640", "jpeg1080"] = "png128"
    rows: int = 2000
    side: int | None = None
    size: int | None = None
    batch_size: int = 32
    repeats: int = 5
    workers: tuple[int, ...] = (0, 1, 2)
    train_steps: int = 40
    seed: int = 0

    @property
    def image_files(self) -> tuple[str, int, int]:
        """Format, height and width."""
        kind, height, width, _ = image_rows.FILES[self.files]
        return kind, self.side or height, self.side or width

    @property
    def input_size(self) -> int:
        return self.size or image_rows.FILES[self.files][3]


def cpu_seconds() -> float:
    """Of this process and of its living children, which are the DataLoader's workers."""
    total = time.process_time()
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError):  # not on Linux, or it has just ended
            fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


class Contestant:
    """Something that feeds batches.

    Args:
        prepare: Does what is done once.
        rows: Rows in an epoch.

    Attributes:
        first: Rows per second of the first epoch, preparation included.
        rates: Rows per second of each later epoch.
        cpu: Processor seconds of each later epoch, per 1,000 rows.
    """

    def __init__(self, prepare: Callable[[], Epochs], rows: int):
        started = time.perf_counter()
        self._epoch, self._rows = prepare(), rows
        self._drain(self._epoch(False))
        self.first = rows / (time.perf_counter() - started)
        self.rates: list[float] = []
        self.cpu: list[float] = []

    def measure(self) -> None:
        batches = self._epoch(True)
        started, used = time.perf_counter(), cpu_seconds()
        self._drain(batches)
        self.rates.append(self._rows / (time.perf_counter() - started))
        self.cpu.append(1000 * (cpu_seconds() - used) / self._rows)

    def _drain(self, batches: Iterable[Any]) -> None:
        rows = sum(len(targets) for _, targets in batches)
        if rows != self._rows:
            raise RuntimeError(f"An epoch had {rows} rows instead of {self._rows}.")


def make_pipeline(
    frame: pd.DataFrame, preprocessing: Any, config: PipelineConfig, cache: str | None, folder: Path
) -> mmkeras.Pipeline:
    return mmkeras.Pipeline(
        frame, preprocessing, batch_size=config.batch_size, cache=cache, cache_dir=folder / "cache"
    )


def our_epochs(
    frame: pd.DataFrame, preprocessing: Any, config: PipelineConfig, cache: str | None, folder: Path
) -> Epochs:
    pipeline = make_pipeline(frame, preprocessing, config, cache, folder)

    def epoch(warm: bool):
        # `fit` draws all epochs from one iterator. Here each is the second of an iterator of two:
        # one that pauses between turns would continue to prefetch, at the others' expense and to
        # its own advantage.
        batches = iter(pipeline.train(seed=config.seed, epochs=2 if warm else 1))
        for _ in range(pipeline.steps if warm else 0):
            next(batches)
        return batches

    return epoch


def bare_epochs(frame: pd.DataFrame, config: PipelineConfig) -> Epochs:
    decode = image_rows.bare_epoch(list(frame["image"]), config.input_size, os.cpu_count() or 1)

    def epoch(warm: bool):
        rows = decode()
        yield None, range(rows)

    return epoch


def torch_epochs(
    frame: pd.DataFrame,
    preprocessing: Any,
    config: PipelineConfig,
    keep: bool,
    workers: int,
    threads: int,
) -> Epochs:
    import torch
    from torch_loader import make_loader

    rows = MODALITIES[config.modality].torch_rows(frame, preprocessing, keep)
    loader = make_loader(rows, batch_size=config.batch_size, workers=workers, seed=config.seed)

    def epoch(warm: bool):
        torch.set_num_threads(threads)
        yield from loader

    return epoch


def compare(
    frame: pd.DataFrame, preprocessing: Any, config: PipelineConfig, folder: Path
) -> dict[str, dict[str, float]]:
    """Rows per second of each contestant; ours with the ratio to the best DataLoader."""
    contestants = {}
    if find_spec("torch"):
        cores = os.cpu_count() or 1
        # Without workers the batches are made by the main process, with one thread or with all.
        ways = [(w, t) for w in config.workers for t in ((1,) if w else sorted({1, cores}))]
        for setting in ("decode every epoch", "memory"):
            for workers, threads in ways:
                name = f"DataLoader, {setting}, {workers} workers"
                name += f", {threads} threads" if threads > 1 else ""
                contestants[name] = Contestant(
                    partial(
                        torch_epochs,
                        frame,
                        preprocessing,
                        config,
                        keep=setting == "memory",
                        workers=workers,
                        threads=threads,
                    ),
                    len(frame),
                )
    if config.modality == "image":
        contestants[BARE] = Contestant(partial(bare_epochs, frame, config), len(frame))
    for setting, cache in CACHES.items():
        contestants[f"mmkeras, {setting}"] = Contestant(
            partial(our_epochs, frame, preprocessing, config, cache, folder), len(frame)
        )
    for repeat in range(config.repeats):
        names = list(contestants) if repeat % 2 == 0 else list(contestants)[::-1]
        for name in names:
            contestants[name].measure()
        print(f"repeat {repeat + 1}/{config.repeats}", file=sys.stderr, flush=True)
    results = {}
    for name, contestant in contestants.items():
        results[name] = {
            "rows_per_second": statistics.median(contestant.rates),
            "slowest": min(contestant.rates),
            "fastest": max(contestant.rates),
            "first_epoch": contestant.first,
            "cpu": statistics.median(contestant.cpu),
        }

    def ratio(one: str, other: str) -> float:
        pairs = zip(contestants[one].rates, contestants[other].rates, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    if BARE in contestants:
        ours = "mmkeras, decode every epoch"
        results[ours]["ratio_bare"] = ratio(ours, BARE)
    for setting, cache in CACHES.items():
        # The DataLoader knows no memory-mapped file: its images in memory are the rival of both.
        rival_setting = "memory" if cache else setting
        rivals = [name for name in contestants if name.startswith(f"DataLoader, {rival_setting},")]
        if rivals:
            rival = max(rivals, key=lambda name: results[name]["rows_per_second"])
            results[f"mmkeras, {setting}"]["ratio"] = ratio(f"mmkeras, {setting}", rival)
    return results


def waiting(model: Any, pipeline: mmkeras.Pipeline, config: PipelineConfig) -> dict[str, float]:
    """Trains a model and times `next(batches)` and the step that follows apart.

    The batches are made in the background while the model computes, as in `fit`; what is counted
    as waiting is what is left. Making them takes processor time from the model, which shows in
    `milliseconds` next to `milliseconds_held`, the time of a step on one batch used repeatedly.
    """
    warm_up = 3
    epochs = -(-(warm_up + config.train_steps) // pipeline.steps)
    batches = iter(pipeline.train(seed=config.seed, epochs=epochs))
    held = next(batches)
    for _ in range(warm_up - 1):
        model.train_on_batch(*next(batches))
    waited = computed = 0.0
    for _ in range(config.train_steps):
        started = time.perf_counter()
        batch = next(batches)
        ready = time.perf_counter()
        model.train_on_batch(*batch)
        waited += ready - started
        computed += time.perf_counter() - ready
    del batches
    started = time.perf_counter()
    for _ in range(config.train_steps):
        model.train_on_batch(*held)
    alone = time.perf_counter() - started
    return {
        "waiting_share": waited / (waited + computed),
        "milliseconds": 1000 * (waited + computed) / config.train_steps,
        "milliseconds_held": 1000 * alone / config.train_steps,
    }


def report(
    results: dict[str, dict[str, dict[str, float]]], config: PipelineConfig, rows: int
) -> None:
    if config.modality == "image":
        kind, height, width = config.image_files
        size = config.input_size
        work = f"{rows} {kind}s of {width}×{height} to {size}×{size}"
    else:
        work = (
            f"{rows} WAV files to {sound_rows.SECONDS:g} s at {sound_rows.RATE} Hz and "
            f"{sound_rows.MEL_BANDS} mel bands"
        )
    print(
        f"{work}, batch {config.batch_size}, {os.cpu_count()} CPU cores, {config.repeats} repeats"
    )
    print("ratio: over the best DataLoader that decodes, or keeps in memory, as this one does\n")
    print(
        f"{'':<46}{'rows/s':>8}  {'(min to max)':<18}{'first epoch':>11}  {'CPU s/1000':>10}  ratio"
    )
    for name, row in results["rates"].items():
        spread = f"({row['slowest']:,.0f} to {row['fastest']:,.0f})"
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
        print(
            f"{name:<46}{row['rows_per_second']:>8,.0f}  {spread:<18}{row['first_epoch']:>11,.0f}"
            f"  {row['cpu']:>10.2f}  {ratio}"
        )
        if "ratio_bare" in row:
            print(f"{'    over the bare loop':<99}{row['ratio_bare']:.2f}")
    if not find_spec("torch"):
        print(NO_TORCH)
    for setting, row in results["waiting"].items():
        print(
            f"training, {setting}: waits for data {100 * row['waiting_share']:.2f} % of the time, "
            f"{row['milliseconds']:.0f} ms/step ({row['milliseconds_held']:.0f} on a held batch)"
        )


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """Measures and prints; returns `rates` and `waiting`, by contestant and by cache."""
    config = tyro.cli(PipelineConfig, args=arguments, description=__doc__)
    # As training does: deterministic operations may cost tf.data some of its parallel work.
    mmkeras.set_seed(config.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if config.modality == "image":
            if config.files == "emoji" and config.side is None:
                frame, schema = image_rows.emoji_table(config.rows, config.seed)
            else:
                frame, schema = image_rows.make_table(
                    folder, config.rows, config.image_files, config.seed
                )
            settings = image_rows.settings(config.input_size)
        else:
            frame, schema = sound_rows.make_table(folder, config.rows, config.seed)
            settings = sound_rows.settings()
        preprocessing = mmkeras.fit_preprocessing(frame, schema, settings)
        results = {"rates": compare(frame, preprocessing, config, folder), "waiting": {}}
        if config.modality == "image" and config.train_steps:
            model = image_rows.make_model(preprocessing)
            for setting, cache in CACHES.items():
                pipeline = make_pipeline(frame, preprocessing, config, cache, folder)
                results["waiting"][setting] = waiting(model, pipeline, config)
    report(results, config, len(frame))
    return results


if __name__ == "__main__":
    main()
