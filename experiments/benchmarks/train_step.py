"""Time per training step of the corrected image-text model: TensorFlow, JAX and PyTorch.

    python experiments/benchmarks/train_step.py                  # 64×64 and 224×224, batch 32
    python experiments/benchmarks/train_step.py --sizes 64 --repeats 9

The same architecture, batch, optimizer (Adam) and loss everywhere. Each contestant is a process of
its own that is built and warmed up once; then they take turns, so that whatever else the machine
does hits all of them alike. 224×224 takes seconds per step and several GB of memory on two cores.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import tyro
from contestants import Contestant, answer_turns, check_weights

KERAS_BACKENDS = ("tensorflow", "jax")
TORCH_LAYOUTS = ("torch", "torch-channels-last")
CONTESTANTS = ("tensorflow", *TORCH_LAYOUTS, "jax")
NO_TORCH = "torch is not installed: no comparison"


@dataclass(frozen=True)
class StepConfig:
    """What is measured.

    Args:
        sizes: Sides of the square images, in pixels.
        batch_size: Rows per step.
        repeats: Turns of each contestant.
        steps: Steps in a turn at 64×64; larger images get fewer, at least one.
        vocabulary_size: The length of the bag-of-words vector.
        seed: Decides weights and data.
        contestants: Who takes part, of those that are installed.
        contestant: Internal: be the process of this one contestant.
    """

    sizes: tuple[int, ...] = (64, 224)
    batch_size: int = 32
    repeats: int = 5
    steps: int = 5
    vocabulary_size: int = 1000
    seed: int = 0
    contestants: tuple[str, ...] = CONTESTANTS
    contestant: str | None = None


def make_batch(config: StepConfig, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random images `(batch, size, size, 3)`, bags of words and one-hot labels of ten classes."""
    rng = np.random.default_rng(config.seed)
    images = rng.random((config.batch_size, size, size, 3), dtype=np.float32)
    texts = (rng.random((config.batch_size, config.vocabulary_size)) < 0.01).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[rng.integers(0, 10, config.batch_size)]
    return images, texts, labels


def keras_step(config: StepConfig, size: int) -> tuple[Callable[[], float], int]:
    """Trains one step on the backend of `KERAS_BACKEND` and gives the loss; how many weights."""
    # mmkeras first: it keeps the backend quiet.
    from mmkeras import compile_model, image_text_classifier

    import keras  # isort: skip

    keras.utils.set_random_seed(config.seed)
    model = image_text_classifier((size, size, 3), config.vocabulary_size, num_classes=10)
    compile_model(model, "label")
    images, texts, labels = (keras.ops.convert_to_tensor(x) for x in make_batch(config, size))
    weights = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return lambda: float(model.train_on_batch({"image": images, "text": texts}, labels)[0]), weights


def torch_step(
    config: StepConfig, size: int, channels_last: bool
) -> tuple[Callable[[], float], int]:
    """The same in PyTorch; `channels_last` is the layout of images and convolutions in memory."""
    import torch
    from torch_model import ImageTextClassifier

    torch.manual_seed(config.seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = ImageTextClassifier(config.vocabulary_size).to(memory_format=layout).train()
    optimizer = torch.optim.Adam(model.parameters())
    images, texts, labels = (torch.from_numpy(x) for x in make_batch(config, size))
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=layout)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(images, texts), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, sum(weights.numel() for weights in model.parameters())


def be_contestant(config: StepConfig) -> None:
    """Builds, warms up, then answers each number of steps on standard input with their times."""
    (size,) = config.sizes
    if config.contestant in TORCH_LAYOUTS:
        made = torch_step(config, size, channels_last=config.contestant != "torch")
    else:
        made = keras_step(config, size)
    answer_turns(*made)


def start(name: str, config: StepConfig, size: int) -> Contestant:
    """The process of one contestant."""
    options = {
        "contestant": name,
        "sizes": size,
        "batch-size": config.batch_size,
        "vocabulary-size": config.vocabulary_size,
        "seed": config.seed,
    }
    command = [sys.executable, __file__]
    for option, value in options.items():
        command += [f"--{option}", str(value)]
    return Contestant(name, command, {"KERAS_BACKEND": name} if name in KERAS_BACKENDS else {})


def measure(config: StepConfig, size: int, names: list[str]) -> dict[str, dict[str, float]]:
    """Each contestant's step time in milliseconds, and its ratio to the faster PyTorch layout."""
    steps = max(1, round(config.steps * (64 / size) ** 2))
    contestants, turns = [], {name: [] for name in names}
    try:
        for name in names:
            print(f"{size}×{size}: building {name}", file=sys.stderr, flush=True)
            contestants.append(start(name, config, size))
        check_weights(contestants)
        for repeat in range(config.repeats):
            # Back and forth, so that nobody always comes after the same neighbour.
            for contestant in contestants if repeat % 2 == 0 else contestants[::-1]:
                seconds = [wall for wall, _ in contestant.turn(steps)]
                turns[contestant.name].append(statistics.median(seconds))
            print(f"{size}×{size}: turn {repeat + 1}/{config.repeats}", file=sys.stderr, flush=True)
    finally:
        for contestant in contestants:
            contestant.close()
    rivals = [name for name in names if name in TORCH_LAYOUTS]
    rival = min(rivals, key=lambda name: statistics.median(turns[name]), default=None)
    results = {}
    for name, seconds in turns.items():
        results[name] = {
            "milliseconds": 1000 * statistics.median(seconds),
            "fastest": 1000 * min(seconds),
            "slowest": 1000 * max(seconds),
        }
        if rival is not None:
            pairs = zip(seconds, turns[rival], strict=True)
            results[name]["ratio"] = statistics.median(ours / theirs for ours, theirs in pairs)
    return results


def main(arguments: list[str] | None = None) -> dict[int, dict[str, dict[str, float]]]:
    """Measures and prints a table; returns its figures by size and contestant."""
    config = tyro.cli(StepConfig, args=arguments, description=__doc__)
    if config.contestant is not None:
        be_contestant(config)
        return {}
    unknown = sorted(set(config.contestants) - set(CONTESTANTS))
    if unknown:
        raise SystemExit(f"error: unknown contestants {unknown}. There are: {CONTESTANTS}.")
    names = [name for name in config.contestants if find_spec(name.removesuffix("-channels-last"))]
    results = {size: measure(config, size, names) for size in config.sizes}
    print(f"batch {config.batch_size}, {os.cpu_count()} CPU cores, {config.repeats} turns each")
    print("ratio: step time over that of the faster PyTorch layout; below 1 is faster than PyTorch")
    print(f"\n{'size':>9}  {'contestant':<20} {'ms/step':>9}  {'(min to max)':<18} ratio")
    for size, by_name in results.items():
        for name, row in by_name.items():
            spread = f"({row['fastest']:,.0f} to {row['slowest']:,.0f})"
            ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
            print(
                f"{f'{size}×{size}':>9}  {name:<20} {row['milliseconds']:>9,.0f}  {spread:<18} "
                f"{ratio}"
            )
    if not find_spec("torch"):
        print(NO_TORCH)
    return results


if __name__ == "__main__":
    main()
