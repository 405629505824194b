"""Loss, metrics and optimizer of a model, by the task of its target."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from mmkeras.schema import TASKS


def compile_model(
    model: keras.Model,
    task: str,
    *,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    global_clipnorm: float | None = None,
    auxiliary: float = 0.5,
    per_step: bool = False,
    jit_compile: bool | str | None = None,
) -> keras.Model:
    """Compiles a model with the loss and metrics of its task, and Adam.

    Args:
        model: A model of `build_model` or `auxiliary_model`.
        task: `"classification"` (one-hot targets; categorical cross-entropy, accuracy),
            `"multilabel"` (0 and 1 targets; binary cross-entropy, accuracy over labels) or
            `"regression"` (mean squared error, mean absolute error).
        learning_rate: A number or a schedule.
        weight_decay: Decoupled weight decay (AdamW), of kernels and embeddings only.
        label_smoothing: Share of a classification target that is spread over all classes.
        global_clipnorm: The largest norm of all gradients together.
        auxiliary: The weight of each auxiliary output's loss, where the model has such outputs.
        per_step: Whether outputs and targets are `(batch, steps, outputs)`. Fit the model with
            `sample_weight` `(batch, steps)`: 0 at steps that are padding.
        jit_compile: As in `keras.Model.compile`. By default off on the TensorFlow backend, where
            it slows convolutions down on CPUs and compiles anew for every text length, and
            `"auto"` elsewhere.

    Returns:
        The same model.

    References:
        - [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980) (Adam)
        - [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101) (AdamW)
    """
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {TASKS}. Received: {task!r}.")
    if task == "regression" and label_smoothing:
        raise ValueError(
            f"Regression has no labels for `label_smoothing`. Received: {label_smoothing}."
        )
    if weight_decay:
        optimizer = keras.optimizers.AdamW(
            learning_rate, weight_decay=weight_decay, global_clipnorm=global_clipnorm
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scores"])
    else:
        optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=global_clipnorm)
    weights = None
    if isinstance(model.output, Mapping):
        loss = {name: _loss(task, label_smoothing, per_step) for name in model.output}
        metrics = {name: _metrics(task) for name in model.output}
        weights = {name: 1.0 if name == "output" else auxiliary for name in model.output}
    else:
        loss, metrics = _loss(task, label_smoothing, per_step), _metrics(task)
    if jit_compile is None:
        jit_compile = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(
        optimizer=optimizer,
        loss=loss,
        loss_weights=weights,
        # Weighted, so that steps of padding do not count.
        **{"weighted_metrics" if per_step else "metrics": metrics},
        jit_compile=jit_compile,
    )
    return model


def _loss(task: str, label_smoothing: float, per_step: bool) -> keras.losses.Loss:
    if task == "classification":
        return keras.losses.CategoricalCrossentropy(
            label_smoothing=label_smoothing,
            # The mean over real steps; the other would count padding as steps without loss.
            reduction="mean_with_sample_weight" if per_step else "sum_over_batch_size",
        )
    if task == "multilabel":
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    return keras.losses.MeanSquaredError()


def _metrics(task: str) -> list[keras.metrics.Metric]:
    if task == "classification":
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if task == "multilabel":
        return [keras.metrics.BinaryAccuracy(name="accuracy")]
    return [keras.metrics.MeanAbsoluteError(name="mae")]
