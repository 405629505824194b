"""Train one model with many seeds in one compiled program, on the JAX backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.pipeline import Pipeline
from mmkeras.training.callbacks import EpochLine, Keeper, PlainNames
from mmkeras.training.compiled import compiled_for_training
from mmkeras.training.fit import FitResult, batches_for
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.watching import figures_to_compute, monitor_mode

# What works between epochs, or around the step that is vectorized.
_ALONE = {
    "balance": ("gradient_blending", "distillation"),
    "schedule": ("plateau",),
    "precision": ("mixed_float16", "mixed_bfloat16"),
}


@dataclass(frozen=True)
class SeedsResult:
    """What came of `fit_seeds`.

    Args:
        model: The built model, to put a seed's weights into with `set_weights`.
        weights: Of each seed's best epoch, as `model.get_weights()` gives them.
        fits: What happened in each seed's training. An epoch's seconds are its share of the time
            that the epoch took for all seeds.
    """

    model: keras.Model
    weights: list[list[np.ndarray]]
    fits: list[FitResult]


def fit_seeds(
    make: Callable[[], keras.Model],
    train: Pipeline,
    validation: Pipeline | None,
    settings: TrainingSettings,
    *,
    seeds: Sequence[int],
    label: str = "training",
) -> SeedsResult:
    """Trains a model once with each seed, all of them side by side.

    What a seed decides, it decides as in a run of its own on the JAX backend (`set_seed`,
    `make()`, `fit`): initial weights, dropout, the order of the rows and their augmentation; and
    each seed has its own best epoch and early stopping. Only the step that Keras compiles for one
    model is vectorized over the seeds (`jax.vmap`): the cost of a small model's step is mostly
    not arithmetic, and is paid once for all. The weights agree with those of separate runs up to
    rounding.

    Models whose steps are mostly arithmetic do not gain. An LSTM's steps take as long as those of
    as many separate runs; only building and compiling are saved. Convolutions lose: with kernels
    for each seed they take a slow path on CPUs, many times slower than one seed after the other.
    For images and spectrograms there is the encoder `patches`, which has none.

    Args:
        make: Builds the model; called once for each seed.
        train: Rows to learn from.
        validation: Rows that choose each seed's epoch. Without them the last epoch's weights are
            kept.
        settings: How to train.
        seeds: One run for each.
        label: What progress lines begin with.

    Raises:
        ValueError: Keras runs on another backend; a way of balancing that works between epochs;
            a seed's loss is not a number.
    """
    _check_can_vectorize(settings)
    import jax

    task = train.preprocessing.task
    settings = dataclasses.replace(settings, monitor=settings.monitored(task))
    model, trained, stacked = _initial(make, train, settings, seeds)
    if figures := figures_to_compute(settings, model, task):
        raise ValueError(
            f"Figures of all validation rows need a run of its own for each seed: use `fit`. "
            f"Received: {list(figures)} in `watch` or `monitor`."
        )
    settings = dataclasses.replace(settings, monitor_mode=monitor_mode(settings))
    targets = batches_for(trained)
    # One iterator for all: a call of each seed's own would cost more than a small batch.
    streams = [train.train(seed=seed, epochs=settings.epochs).map(targets) for seed in seeds]
    batches = tf.data.Dataset.zip(tuple(streams)).prefetch(1).as_numpy_iterator()
    held_out = []
    if validation is not None:
        held_out = list(validation.evaluate().map(targets).as_numpy_iterator())
    first = next(train.train(seed=0, epochs=1).map(targets).as_numpy_iterator())
    # `fit` does the same at its first batch: it makes the metrics' variables.
    trained._symbolic_build(data_batch=first)
    train_step = jax.jit(jax.vmap(trained.train_step), donate_argnums=0)
    test_step = jax.jit(jax.vmap(trained.test_step, in_axes=(0, None)))

    keepers = _keepers(trained, settings, seeds, has_validation=bool(held_out))
    line = EpochLine(f"{label}, {len(seeds)} seeds", settings.epochs, train.steps)
    for epoch in range(settings.epochs):
        callbacks: list[keras.callbacks.Callback] = [*keepers, line]
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        state = (*stacked, _new_metrics(trained, len(seeds)))
        for step in range(train.steps):
            _, state = train_step(state, jax.tree.map(_side_by_side, *next(batches)))
            line.on_train_batch_end(step)
        *stacked, metrics = state
        validated = (*stacked[:2], _new_metrics(trained, len(seeds)))
        for batch in held_out:
            _, validated = test_step(validated, batch)
        ended = jax.tree.map(np.asarray, (*stacked[:2], metrics, validated[2]))
        for place, keeper in enumerate(keepers):
            if not keeper.finished:
                own = jax.tree.map(lambda value, place=place: value[place], ended)
                _end_epoch(epoch, keeper, trained, own, len(seeds), bool(held_out))
        running = pd.DataFrame([keeper.history[-1] for keeper in keepers])
        line.on_epoch_end(epoch, running.mean().to_dict())
        if all(keeper.finished for keeper in keepers):
            break
    line.on_train_end()
    return _result(model, trained, keepers)


def _check_can_vectorize(settings: TrainingSettings) -> None:
    if keras.config.backend() != "jax":
        raise ValueError(
            "Seeds are trained in one program on the JAX backend only: set KERAS_BACKEND=jax "
            f"before Python starts. Received: the {keras.config.backend()} backend."
        )
    for name, values in _ALONE.items():
        if getattr(settings, name) in values:
            raise ValueError(
                f"{name}={getattr(settings, name)!r} needs a run of its own for each seed: use "
                "`fit`."
            )
    if settings.refit:
        raise ValueError("refit needs a run of its own for each seed: use `fit`.")
    if settings.rounds > 1:
        raise ValueError(
            f"rounds={settings.rounds} needs a run of its own for each seed: use `fit`."
        )
    for name in ("ema", "freeze"):
        if value := getattr(settings, name):
            raise ValueError(f"{name}={value} needs a run of its own for each seed: use `fit`.")


def _initial(
    make: Callable[[], keras.Model],
    train: Pipeline,
    settings: TrainingSettings,
    seeds: Sequence[int],
) -> tuple[keras.Model, keras.Model, list[list[np.ndarray]]]:
    """The last seed's model, the same compiled for training, and the state of all seeds.

    A state is trainable, other and the optimizer's variables, each `(seeds, ...)`.
    """
    states = []
    for seed in seeds:
        set_seed(seed)
        model = make()
        trained = compiled_for_training(model, train, settings)
        states.append(
            [
                [np.asarray(variable.value) for variable in variables]
                for variables in (
                    trained.trainable_variables,
                    trained.non_trainable_variables,
                    trained.optimizer.variables,
                )
            ]
        )
    stacked = [
        [np.stack(values) for values in zip(*variables, strict=True)]
        for variables in zip(*states, strict=True)
    ]
    return model, trained, stacked


def _result(model: keras.Model, trained: keras.Model, keepers: Sequence[Keeper]) -> SeedsResult:
    weights, fits = [], []
    for keeper in keepers:
        trained.set_weights(keeper.best_weights)
        weights.append(model.get_weights())
        fits.append(FitResult(pd.DataFrame(keeper.history), keeper.best_epoch))
    return SeedsResult(model, weights, fits)


def _keepers(
    trained: keras.Model,
    settings: TrainingSettings,
    seeds: Sequence[int],
    *,
    has_validation: bool,
) -> list[Keeper]:
    """What keeps each seed's best weights."""
    keepers = [Keeper(settings, None, has_validation=has_validation) for _ in seeds]
    for keeper in keepers:
        keeper.set_model(trained)
    return keepers


def _side_by_side(*parts: np.ndarray) -> np.ndarray:
    """The seeds' batches on a new first axis; sequences are padded to the longest."""
    lengths = [part.shape[1] if part.ndim > 1 else 0 for part in parts]
    if len(set(lengths)) > 1:
        longest = max(lengths)
        parts = tuple(
            np.pad(part, [(0, 0), (0, longest - part.shape[1]), *[(0, 0)] * (part.ndim - 2)])
            for part in parts
        )
    return np.stack(parts)


def _new_metrics(trained: keras.Model, seeds: int) -> list[np.ndarray]:
    trained.reset_metrics()
    return [np.stack([np.asarray(v.value)] * seeds) for v in trained.metrics_variables]


def _end_epoch(
    epoch: int,
    keeper: Keeper,
    trained: keras.Model,
    own: Sequence[list[np.ndarray]],
    seeds: int,
    has_validation: bool,
) -> None:
    """What `fit` does for one seed's model at the end of an epoch."""
    trainable, others, metrics, validated = own
    _assign(trained.metrics_variables, metrics)
    logs = dict(trained.get_metrics_result())
    if has_validation:
        _assign(trained.metrics_variables, validated)
        logs |= {f"val_{name}": value for name, value in trained.get_metrics_result().items()}
    plain = PlainNames()
    plain.set_model(trained)
    plain.on_epoch_end(epoch, logs)
    _assign(trained.trainable_variables, trainable)
    _assign(trained.non_trainable_variables, others)
    keeper.on_epoch_end(epoch, logs)
    keeper.history[-1]["seconds"] = round(keeper.history[-1]["seconds"] / seeds, 4)


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
