"""Resident memory while batches are made from more data than the memory may hold.

    python experiments/benchmarks/memory.py
    python experiments/benchmarks/memory.py --rows 2000

Draws a table of images and sounds, and goes through it for some epochs without a model: once with
a memory budget of a quarter of the decoded data, so that `cache="auto"` keeps them in memory-mapped
files, and once without a cache. Each has a process of its own. Prints the peak of the resident
memory within each epoch and, on Linux, its anonymous part at the epoch's end: the rest is mostly
pages of mapped files, which the system takes back when it needs them. Ends with exit code 1 if
either grows by more than `limit` from the first epoch to the last.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import tyro
from image_rows import draw_image
from PIL import Image as PillowImage
from sound_rows import draw_sound

import mmkeras
from mmkeras.data.kinds import KINDS
from mmkeras.progress import ProgressBar

SIDE, RATE, SECONDS = 64, 16000, 1.0
CLASSES, DRAWN = 10, 100
MB = 1_000_000
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MODES = {"auto, over its budget": "auto", "none": None}


@dataclass(frozen=True)
class MemoryConfig:
    """What is measured.

    Args:
        rows: Images of 64×64 pixels, each with a sound of one second at 16 kHz.
        epochs: How often each process goes through them.
        batch_size: Rows a batch.
        limit: Most megabytes that the memory may grow by, from the first epoch to the last.
        folder: Where a folder for the files is made, and removed at the end; by default the
            system's place for temporary files. Takes about 85 kB a row.
        seed: Decides files and order.
    """

    rows: int = 20_000
    epochs: int = 3
    batch_size: int = 32
    limit: float = 200.0
    folder: Path | None = None
    seed: int = 0


def make_table(folder: Path, rows: int, seed: int) -> pd.DataFrame:
    """A few drawn images and sounds, moved a little differently in each row."""
    rng = np.random.default_rng(seed)
    images = [draw_image(rng, SIDE, SIDE) for _ in range(DRAWN)]
    sounds = [np.int16(draw_sound(rng, RATE, SECONDS) * 32767) for _ in range(DRAWN)]
    table = []
    with ProgressBar("making images and sounds", rows) as progress:
        for row in range(rows):
            image, sound = folder / f"{row:06d}.png", folder / f"{row:06d}.wav"
            moved = np.roll(images[row % DRAWN], rng.integers(0, SIDE, 2), axis=(0, 1))
            PillowImage.fromarray(moved).save(image, compress_level=1)
            later = np.roll(sounds[row % DRAWN], rng.integers(0, len(sounds[0])))
            soundfile.write(sound, later, RATE, subtype="PCM_16")
            table.append((str(image), str(sound), f"class {row % CLASSES}"))
            progress.add(1)
    return pd.DataFrame(table, columns=["image", "audio", "label"])


def memory_use() -> dict[str, float]:
    """Megabytes: the `peak` of resident memory so far and, on Linux, the `anonymous` part now."""
    if not STATUS.exists():
        import resource

        scale = 1 if sys.platform == "darwin" else 1024
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / MB}
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    names = {"peak": "VmHWM", "anonymous": "RssAnon"}
    return {
        name: int(lines[field].split()[0]) * 1024 / MB
        for name, field in names.items()
        if field in lines
    }


def forget_peak() -> None:
    """Lets the peak start again from what is resident now, where the system can do so (Linux)."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError as error:
        print(f"peaks are counted from the start of the process ({error})", file=sys.stderr)


def go_through(
    frame: pd.DataFrame, config: MemoryConfig, cache: str | None, cache_dir: Path
) -> list[dict[str, float]]:
    """Memory after the pipeline was made, then after each epoch. Meant for a fresh process."""
    mmkeras.set_seed(config.seed)
    schema = mmkeras.Schema([mmkeras.Image("image"), mmkeras.Audio("audio")], target="label")
    settings = {
        "image": mmkeras.ImageSettings(size=(SIDE, SIDE)),
        "audio": mmkeras.AudioSettings(rate=RATE, seconds=SECONDS),
    }
    preprocessing = mmkeras.fit_preprocessing(frame, schema, settings)
    decoded = sum(KINDS[k].decoded_bytes(frame[k], own) for k, own in settings.items())
    pipeline = mmkeras.Pipeline(
        frame,
        preprocessing,
        batch_size=config.batch_size,
        cache=cache,
        cache_dir=cache_dir,
        cache_budget=decoded // 4,
    )
    if cache is not None and sum(file.stat().st_size for file in cache_dir.iterdir()) < decoded:
        raise RuntimeError(f"The decoded data are not in {cache_dir}, as they should be.")
    use = [memory_use()]
    batches = iter(pipeline.train(seed=config.seed, epochs=config.epochs))
    for epoch in range(config.epochs):
        forget_peak()
        rows = 0
        with ProgressBar(f"epoch {epoch + 1}/{config.epochs}", len(frame)) as progress:
            for _ in range(pipeline.steps):
                _, targets = next(batches)
                rows += len(targets)
                progress.add(len(targets))
        if rows != len(frame):
            raise RuntimeError(f"An epoch had {rows} rows instead of {len(frame)}.")
        use.append(memory_use())
    return use


def growth(use: list[dict[str, float]]) -> dict[str, float]:
    """Megabytes from the first epoch to the last; `use` starts with the memory before it."""
    return {name: use[-1][name] - use[1][name] for name in use[0]}


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, object]]:
    """Measures and prints; returns, by cache, the `use` of memory, its `growth` and if it is `ok`.

    `use` has one entry for the pipeline made and one for each epoch.
    """
    config = tyro.cli(MemoryConfig, args=arguments, description=__doc__)
    if config.epochs < 2:
        raise SystemExit(f"error: growth needs at least 2 epochs. Received: {config.epochs}.")
    results = {}
    with tempfile.TemporaryDirectory(dir=config.folder) as temporary:
        folder = Path(temporary)
        frame = make_table(folder, config.rows, config.seed)
        for name, cache in MODES.items():
            print(f"cache: {name}", file=sys.stderr, flush=True)
            # Not a fork: the new process shall have no memory from this one.
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                use = pool.submit(go_through, frame, config, cache, folder / "cache").result()
            grown = growth(use)
            ok = all(value < config.limit for value in grown.values())
            results[name] = {"use": use, "growth": grown, "ok": ok}
    report(results, config)
    return results


def report(results: dict[str, dict[str, object]], config: MemoryConfig) -> None:
    moments = ["before", *(f"epoch {epoch + 1}" for epoch in range(config.epochs)), "growth"]
    print(f"{config.rows:,} images and sounds, batch {config.batch_size}; megabytes\n")
    print(f"{'cache':<24}{'memory':<12}" + "".join(f"{moment:>10}" for moment in moments))
    for name, result in results.items():
        for part, grown in result["growth"].items():
            values = [*(use[part] for use in result["use"]), grown]
            print(f"{name:<24}{part:<12}" + "".join(f"{value:>10,.0f}" for value in values))
    missed = [name for name, result in results.items() if not result["ok"]]
    verdict = f"grew by {config.limit:g} MB or more: {'; '.join(missed)}" if missed else "passed"
    print(f"\ngrowth from the first epoch to the last under {config.limit:g} MB: {verdict}")


if __name__ == "__main__":
    sys.exit(0 if all(result["ok"] for result in main().values()) else 1)
