"""Time per training step of MoPoE with five pictures: TensorFlow, JAX, and MultiVae in PyTorch.

    python experiments/benchmarks/generation.py --multivae-python OTHER/bin/python
    python experiments/benchmarks/generation.py --batch-size 128 --threads 0 --repeats 9

The layers, batch, optimizer (Adam) and density (Laplace) are the same: five modalities of 28x28x3,
three blocks of a convolution, a latent of 64 numbers, decoders of transposed convolutions; all 31
sets of modalities. MultiVae is installed in an environment of its own, whose Python is named;
without one the rest is measured. Each contestant is a process of its own; they take turns.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from contestants import Contestant, answer_turns, check_weights

KERAS_BACKENDS = ("tensorflow", "jax")
RIVALS = ("multivae", "multivae-channels-last")


@dataclass(frozen=True)
class GenerationConfig:
    """What is measured.

    Args:
        multivae_python: The Python of an environment that has `multivae`.
        modalities: Pictures of a row.
        side: Of the pictures, in pixels.
        batch_size: Rows per step.
        encoder_filters: Channels of the encoders' blocks.
        decoder_filters: Channels of the decoders at full size.
        latent_dim: The width of the latent.
        threads: Of each contestant; 0 for as many as it likes.
        repeats: Turns of each contestant.
        steps: Steps in a turn.
        seed: Decides weights and data.
        contestant: Internal: be the process of this one contestant.
    """

    multivae_python: Path | None = None
    modalities: int = 5
    side: int = 28
    batch_size: int = 64
    encoder_filters: tuple[int, ...] = (16, 32, 64)
    decoder_filters: int = 16
    latent_dim: int = 64
    threads: int = 1
    repeats: int = 7
    steps: int = 5
    seed: int = 0
    contestant: str | None = None


def keras_step(config: GenerationConfig) -> tuple[Callable[[], float], int]:
    """A function that trains one step and gives the loss, and how many weights there are."""
    # mmkeras first: it keeps the backend quiet.
    from mmkeras.generation import build_vae
    from mmkeras.schema import Image, InputSpec, Schema
    from mmkeras.training.seeds import set_seed

    import keras  # isort: skip

    set_seed(config.seed)
    names = [f"view_{place}" for place in range(config.modalities)]
    shape = (config.side, config.side, 3)
    encoder = {"filters": config.encoder_filters, "convs_per_block": 1}
    model = build_vae(
        Schema([Image(name) for name in names], None),
        {name: InputSpec(shape) for name in names},
        "mopoe",
        latent_dim=config.latent_dim,
        filters=config.decoder_filters,
        densities=dict.fromkeys(names, "laplace"),
        density_options={name: {"scale": 0.75} for name in names},
        encoder_options=dict.fromkeys(names, encoder),
    )
    # As a run compiles it (`mmkeras.training.generative`).
    jit = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit)
    random = np.random.default_rng(config.seed)
    batch = {
        name: keras.ops.convert_to_tensor(
            random.random((config.batch_size, *shape), dtype=np.float32)
        )
        for name in names
    }
    weights = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return lambda: float(model.train_on_batch(batch)[0]), weights


def start(name: str, config: GenerationConfig) -> Contestant:
    """The process of one contestant."""
    here = Path(__file__).parent
    environment = {}
    if config.threads:
        # JAX has no number of threads; all of them share the cores that they are given.
        environment = {
            variable: str(config.threads)
            for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        }
        if config.threads == 1:
            flags = os.environ.get("XLA_FLAGS", "")
            environment["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    options = asdict(config)
    del options["multivae_python"], options["contestant"]
    if name in RIVALS:
        options["channels_last"] = name != "multivae"
        command = [str(config.multivae_python), str(here / "multivae_step.py"), json.dumps(options)]
        return Contestant(name, command, environment)
    command = [sys.executable, __file__, "--contestant", name]
    for option, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        command += [f"--{option.replace('_', '-')}", *map(str, values)]
    return Contestant(name, command, {**environment, "KERAS_BACKEND": name})


def measure(config: GenerationConfig, names: list[str]) -> dict[str, dict[str, float]]:
    """Each contestant's milliseconds for a step, and its ratio to the faster rival's."""
    contestants: list[Contestant] = []
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    try:
        for name in names:
            print(f"building {name}", file=sys.stderr, flush=True)
            contestants.append(start(name, config))
        check_weights(contestants)
        for repeat in range(config.repeats):
            # Back and forth, so that nobody always comes after the same neighbour.
            for contestant in contestants if repeat % 2 == 0 else contestants[::-1]:
                taken = zip(*contestant.turn(config.steps), strict=True)
                wall, used = (statistics.median(seconds) for seconds in taken)
                turns[contestant.name].append((wall, used))
            print(f"turn {repeat + 1}/{config.repeats}", file=sys.stderr, flush=True)
    finally:
        for contestant in contestants:
            contestant.close()
    results = {}
    for name, pairs in turns.items():
        walls, used = zip(*pairs, strict=True)
        results[name] = {
            "milliseconds": 1000 * statistics.median(walls),
            "processor": 1000 * statistics.median(used),
        }
    rivals = [name for name in names if name in RIVALS]
    for kind, place in (("milliseconds", 0), ("processor", 1)):
        rival = min(rivals, key=lambda name: results[name][kind], default=None)
        for name, pairs in turns.items() if rival else ():
            both = zip(pairs, turns[rival], strict=True)
            ratios = [ours[place] / theirs[place] for ours, theirs in both]
            results[name][f"{kind}_ratio"] = statistics.median(ratios)
    return results


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Measures and prints a table; returns its figures by contestant."""
    config = tyro.cli(GenerationConfig, args=arguments, description=__doc__)
    if config.contestant is not None:
        answer_turns(*keras_step(config))
        return {}
    names = [*KERAS_BACKENDS, *(RIVALS if config.multivae_python else ())]
    results = measure(config, names)
    print(
        f"MoPoE, {config.modalities} modalities of {config.side}x{config.side}x3, batch "
        f"{config.batch_size}, {config.threads or 'all'} threads each, {os.cpu_count()} CPU cores, "
        f"{config.repeats} turns of {config.steps} steps"
    )
    print("ratio: over that of the faster layout of MultiVae; below 1 is faster than MultiVae\n")
    print("| contestant | ms per step | ratio | processor's ms | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, row in results.items():
        cells = [name]
        for kind in ("milliseconds", "processor"):
            ratio = row.get(f"{kind}_ratio")
            cells += [f"{row[kind]:,.0f}", "-" if ratio is None else f"{ratio:.2f}"]
        print(f"| {' | '.join(cells)} |")
    if config.multivae_python is None:
        print("\nno --multivae-python: no comparison")
    return results


if __name__ == "__main__":
    main()
