"""Loss, metrics and optimizer of a model, by the task of its target."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from mmkeras.models.optimizers import make_optimizer
from mmkeras.models.parts import decoder_layer
from mmkeras.schema import Target
from mmkeras.tasks import Task, task_class


def compile_model(
    model: keras.Model,
    target: str | Target | Task | None,
    *,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    class_weights: Any = None,
    global_clipnorm: float | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    auxiliary: float = 0.5,
    jit_compile: bool | str | None = None,
) -> keras.Model:
    """Compiles a model with the loss and metrics of its task, and an optimizer.

    Args:
        model: A model of `build_model` or `auxiliary_model`.
        target: What is predicted: the schema's target, or a name of `TASKS`. `"label"`: one-hot
            targets, categorical cross-entropy, accuracy. `"labels"`: 0 and 1, binary
            cross-entropy, accuracy over labels and F1 over rows. `"number"`: z-scores, mean
            squared error, mean absolute error and R². `"step_labels"`: as `"label"`, of outputs
            and targets `(batch, steps, classes)`; fit the model with `sample_weight`
            `(batch, steps)`, 0 at steps that are padding. A model's decoder brings its own loss.
        learning_rate: A number or a schedule.
        weight_decay: Decoupled weight decay (AdamW), of kernels and embeddings only.
        label_smoothing: Share of a classification target that is spread over all classes.
        focal_gamma: gamma of the focal loss, `(1 - p)^gamma` times the cross-entropy of a class of
            probability `p`: what is right already counts less. 0 for the cross-entropy.
        class_weights: What each class weighs in the loss, as `Task.class_weights` gives it.
        global_clipnorm: The largest norm of all gradients together.
        optimizer: Instead of Adam with the rate, decay and norm above.
        loss: Instead of the task's or the decoder's: what Keras takes as one.
        metrics: More than the task's: what Keras takes as such.
        auxiliary: The weight of each auxiliary output's loss, where the model has such outputs.
        jit_compile: As in `keras.Model.compile`. By default off on the TensorFlow backend, where
            it slows convolutions down on CPUs and compiles again for every text length, and
            `"auto"` elsewhere.

    Returns:
        The same model.

    Raises:
        ValueError: `focal_gamma` or `class_weights` for an answer without classes, or one of them
            or `label_smoothing` with a loss of one's own.

    References:
        - [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980) (Adam)
        - [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101) (AdamW)
        - [Lin et al., 2017](https://arxiv.org/abs/1708.02002) (focal loss)
    """
    task: Any = target if isinstance(target, Task) else task_class(target)
    of_classes = {"gamma": focal_gamma, "class_weights": class_weights}
    of_classes = {name: value for name, value in of_classes.items() if value}
    if of_classes and not task.learns_classes:
        raise ValueError(
            f"A focal loss and class weights are of classes, which {task.words} does not learn. "
            "Leave them out."
        )
    if loss is not None and (of_classes or label_smoothing):
        raise ValueError(
            "A focal loss, class weights and label smoothing belong to the task's own loss. "
            f"Received: loss={loss!r}. Leave them out, or the loss."
        )
    loss_of: Any = functools.partial((decoder_layer(model) or task).loss, **of_classes)
    optimizer = optimizer or make_optimizer(
        "adam", learning_rate, weight_decay=weight_decay, global_clipnorm=global_clipnorm
    )
    weights = None
    chosen: Any = loss_of(label_smoothing) if loss is None else loss
    watched: Any = [*metrics_of(model, task), *metrics]
    if names := output_names(model):
        chosen = {name: loss_of(label_smoothing) if loss is None else loss for name in names}
        # Of its own, besides the task's, for the model's answer only.
        watched = {x: watched if x == "output" else metrics_of(model, task) for x in names}
        weights = {name: 1.0 if name == "output" else auxiliary for name in names}
    if jit_compile is None:
        jit_compile = default_jit()
    model.compile(
        optimizer=optimizer,
        loss=chosen,
        loss_weights=weights,
        # Weighted, so that steps of padding do not count.
        **{"weighted_metrics" if task.per_step else "metrics": watched},
        jit_compile=jit_compile,
    )
    return model


def output_names(model: keras.Model) -> list[str]:
    """The names of a model's outputs where it has several: its own and auxiliary ones."""
    output = getattr(model, "output", None)
    return list(output) if isinstance(output, Mapping) else []


def metrics_of(model: keras.Model, task: Task | type[Task]) -> list[keras.metrics.Metric]:
    """What Keras computes of a model's answers in training, besides the loss."""
    decoder = decoder_layer(model)
    return task.metrics() if decoder is None else decoder.training_metrics()  # type: ignore[call-arg]


def default_jit() -> bool | str:
    """What `jit_compile` is where nothing is said: XLA slows TensorFlow's convolutions on CPUs."""
    return False if keras.config.backend() == "tensorflow" else "auto"
