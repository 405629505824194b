"""Whether generative models stay finite on extreme inputs: 50 seeds of 200 steps, three precisions.

    python experiments/benchmarks/generation_numerics.py
    python experiments/benchmarks/generation_numerics.py --models mopoe --precisions float32

Each batch has counts of 100,000 words, numbers of 10,000 standard deviations, rows of zeros, rows
of ones, and rows with holes, in one modality for each density. Half of the seeds start with
decoders whose logits are saturated. The steps are one compiled loop on JAX. A loss, weight or
latent that is not finite ends the program with exit code 1.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass

os.environ["KERAS_BACKEND"] = "jax"

from mmkeras.generation import MODELS, MultimodalVAE, build_vae  # isort: skip
from mmkeras.schema import Image, InputSpec, Schema, Tabular, Text  # isort: skip

import jax  # isort: skip
import keras  # isort: skip
import numpy as np
import tyro

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
ROWS = 8
SCHEMA = Schema(
    [
        Image("photo"),
        Image("sketch"),
        Text("words"),
        Tabular("facts", ["number", "class"]),
        Tabular("features", ["one", "two"]),
    ],
    None,
)
INPUTS = {
    "photo": InputSpec((4, 4, 1)),
    "sketch": InputSpec((4, 4, 1)),
    "words": InputSpec((6,)),
    "facts": InputSpec((3,), groups=(1, 2)),
    "features": InputSpec((2,)),
}


@dataclass(frozen=True)
class NumericsConfig:
    """What is tried.

    Args:
        models: Names of generative models.
        precisions: Keras' dtype policies.
        seeds: Starts of each model in each precision.
        steps: Training steps from each start.
        learning_rate: Adam's.
    """

    models: tuple[str, ...] = tuple(MODELS)
    precisions: tuple[str, ...] = PRECISIONS
    seeds: int = 50
    steps: int = 200
    learning_rate: float = 1e-2


def extreme_batch(seed: int = 0) -> dict[str, np.ndarray]:
    """Rows that are ordinary, huge, zero or one, some with holes."""
    random = np.random.default_rng(seed)
    batch = {
        name: random.random((ROWS, *spec.shape), dtype="float32") for name, spec in INPUTS.items()
    }
    batch["facts"][:, 1:] = np.eye(2)[random.integers(0, 2, ROWS)]
    batch["words"][0] = 1e5
    batch["words"][1] = [1e5, 0, 0, 0, 0, 0]
    for row, value in ((0, 1e4), (1, -1e4)):
        batch["features"][row] = batch["facts"][row, 0] = batch["sketch"][row] = value
    for row, value in ((2, 0.0), (3, 1.0)):
        for name in INPUTS:
            batch[name][row] = value
    present = np.ones((ROWS, len(INPUTS)), bool)
    present[4, :4] = present[5, 1:] = present[6] = False
    return {**batch, "present": present}


def build(name: str, learning_rate: float) -> MultimodalVAE:
    """A model of five tiny modalities, one for each density."""
    encoder = {"filters": (2,), "convs_per_block": 1}
    model = build_vae(
        SCHEMA,
        INPUTS,
        name,
        latent_dim=4,
        filters=2,
        units=(8,),
        densities={"sketch": "laplace", "features": "gaussian"},
        encoder_options={"photo": encoder, "sketch": encoder},
        seed=0,
    )
    model.compile(keras.optimizers.Adam(learning_rate))
    model.optimizer.build(model.trainable_variables)
    return model


def starts(model: MultimodalVAE, seeds: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights `(seeds, ...)`, with saturated decoders where the seed is odd, and random states."""
    last = {id(view.steps[-1].weights[-2]) for view in model.views}
    weights = [np.stack([np.asarray(w)] * seeds) for w in model.trainable_variables]
    states = [np.stack([np.asarray(w)] * seeds) for w in model.non_trainable_variables]
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        for variable, values in zip(model.trainable_variables, weights, strict=True):
            if len(variable.shape) > 1:
                spread = (2 / np.prod(variable.shape[:-1])) ** 0.5
                values[seed] = random.normal(0, spread, variable.shape)
                if seed % 2 and id(variable) in last:
                    values[seed] *= 1e3
        for variable, values in zip(model.non_trainable_variables, states, strict=True):
            if variable is model.seed_generator.state:
                values[seed] = [seed, 0]
    return weights, states


def finite_starts(model: MultimodalVAE, config: NumericsConfig) -> np.ndarray:
    """Of each start, whether all losses, and all weights and latents in the end, are finite."""
    batch = {name: jax.numpy.asarray(values) for name, values in extreme_batch().items()}
    # What the optimizer and the metrics have at the start.
    fresh = [
        [variable.value for variable in variables]
        for variables in (model.optimizer.variables, model.metrics_variables)
    ]

    def step(state: tuple, _: None) -> tuple[tuple, jax.Array]:
        logs, state = model.train_step(state, (batch,))
        return state, jax.numpy.isfinite(jax.numpy.stack(list(logs.values()))).all()

    def train(start: tuple) -> jax.Array:
        state, finite = jax.lax.scan(step, (*start, *fresh), length=config.steps)
        said, _ = model.stateless_call(*state[:2], batch, training=False)
        ends = [*state[0], *said]
        return finite.all() & jax.numpy.stack([jax.numpy.isfinite(x).all() for x in ends]).all()

    return np.asarray(jax.jit(lambda s: jax.lax.map(train, s))(starts(model, config.seeds)))


def main(arguments: list[str] | None = None) -> dict[tuple[str, str], int]:
    """Prints how many starts stayed finite; returns the numbers by model and precision."""
    config = tyro.cli(NumericsConfig, args=arguments, description=__doc__)
    kept = {}
    print(f"{'model':<12} {'precision':<15} finite of {config.seeds} starts, {config.steps} steps")
    for precision in config.precisions:
        keras.config.set_dtype_policy(precision)
        for name in config.models:
            began = time.process_time()
            finite = finite_starts(build(name, config.learning_rate), config)
            kept[name, precision] = int(finite.sum())
            seconds = time.process_time() - began
            print(f"{name:<12} {precision:<15} {finite.sum():>3}   ({seconds:.0f} s)", flush=True)
            if not finite.all():
                print(f"  not finite: starts {np.flatnonzero(~finite).tolist()}", flush=True)
    return kept


if __name__ == "__main__":
    sys.exit(min(main().values()) < tyro.cli(NumericsConfig).seeds)
