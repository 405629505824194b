"""Gradients of a model's outputs with respect to its inputs, or to what an inner layer gives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.models.parts import output_layer


def gradient_function(
    model: keras.Model, points: Sequence[str | layers.Layer], *, logits: bool = False
) -> Callable[..., tuple[np.ndarray, list[np.ndarray]]]:
    """A function that gives each row's output, and its gradient at some points of the model.

    A point is an input, or a layer anywhere in the model, also inside an encoder. What the layer
    would give is then replaced by the values at which the gradient is wanted; what the layer is
    given counts for everything else, such as masks. No row sees another (batch statistics are
    fixed when a model predicts), so all rows are done at once.

    Args:
        model: A model of `build_model`.
        points: Names of float inputs, and layers that are called once.
        logits: Whether to differentiate what stands before the softmax or sigmoid instead.

    Returns:
        A function of `inputs` (a dict of arrays, `(rows, ...)` each), `outputs` (the index of an
        output for each row) and `values` (an array for each of the points). It returns the rows'
        scores `(rows,)` and a gradient of the form of the values for each point.

    Raises:
        ValueError: On a backend other than TensorFlow and JAX.

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import InputSpec, Schema, Tabular
    >>> facts = Schema([Tabular("facts", ("a", "b"))], "label")
    >>> model = build_model(facts, {"facts": InputSpec((2,))}, num_outputs=3)
    >>> x = np.ones((4, 2), "float32")
    >>> scores, (gradient,) = gradient_function(model, ["facts"])({"facts": x}, [0, 0, 1, 2], [x])
    >>> scores.shape, gradient.shape
    ((4,), (4, 2))
    """
    ways = {"tensorflow": _with_tensorflow, "jax": _with_jax}
    backend = keras.config.backend()
    if backend not in ways:
        raise ValueError(
            f"Gradients are taken with TensorFlow or JAX. Received: the {backend} backend. Set "
            "KERAS_BACKEND to one of them; a saved model can be loaded on either."
        )
    forward = _logits(model) if logits else model

    def scores(values, inputs, outputs):
        at_points = list(zip(points, values, strict=True))
        inputs = {**inputs, **{point: x for point, x in at_points if isinstance(point, str)}}
        with contextlib.ExitStack() as stack:
            for point, x in at_points:
                if not isinstance(point, str):
                    stack.enter_context(_giving(point, x))
            found = forward(inputs, training=False)
        return ops.take_along_axis(found, ops.expand_dims(outputs, axis=1), axis=1)[:, 0]

    differentiate = ways[backend](scores, model)

    def scores_and_gradients(
        inputs: Mapping[str, Any], outputs: Sequence[int], values: Sequence[Any]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        found, gradients = differentiate(
            [ops.convert_to_tensor(x, "float32") for x in values],
            {name: ops.convert_to_tensor(x) for name, x in inputs.items()},
            ops.convert_to_tensor(check_outputs(model, outputs, len(values[0])), "int32"),
        )
        return ops.convert_to_numpy(found), [ops.convert_to_numpy(g) for g in gradients]

    return scores_and_gradients


def check_outputs(model: keras.Model, outputs: Sequence[int], rows: int) -> np.ndarray:
    """The index of the output to explain for each row, `(rows,)`.

    Raises:
        ValueError: For numbers that are not such indices, and models with an output at each step.
    """
    if len(model.output_shape) != 2:
        raise ValueError(
            "Explanations are of one prediction per row. Received: a model with outputs of shape "
            f"{model.output_shape}."
        )
    number = model.output_shape[1]
    chosen = np.asarray(outputs)
    whole = np.issubdtype(chosen.dtype, np.integer)
    if chosen.shape != (rows,) or not whole or ((chosen < 0) | (chosen >= number)).any():
        raise ValueError(
            f"`outputs` says for each of {rows} rows which output to explain, from 0 to "
            f"{number - 1}. Received: {outputs!r}. The predicted class is "
            "`model.predict(inputs).argmax(axis=1)`."
        )
    return chosen


def _logits(model: keras.Model) -> Callable[..., Any]:
    output = output_layer(model)
    before = keras.Model(model.input, output.input)
    if not isinstance(output, layers.Dense):
        return before  # The fusion has already given the logits; the output is their activation.

    def logits(inputs, training):
        x = ops.cast(before(inputs, training=training), "float32")
        return ops.matmul(x, output.kernel) + output.bias

    return logits


@contextlib.contextmanager
def _giving(layer: layers.Layer, tensor: Any):
    """Lets a layer give this tensor, whatever it is called with."""
    # On the object it hides the class's method, and only until it is deleted.
    layer.call = lambda *args, **kwargs: ops.cast(tensor, layer.compute_dtype)
    try:
        yield
    finally:
        del layer.call


def _with_tensorflow(scores: Callable[..., Any], model: keras.Model) -> Callable[..., Any]:
    import tensorflow as tf

    def differentiate(values, inputs, outputs):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            found = scores(values, inputs, outputs)
        gradients = tape.gradient(found, values, unconnected_gradients="zero")
        return found, [tf.convert_to_tensor(gradient) for gradient in gradients]

    return differentiate


def _with_jax(scores: Callable[..., Any], model: keras.Model) -> Callable[..., Any]:
    import jax

    def total(values, weights, inputs, outputs):
        with keras.StatelessScope(list(zip(model.variables, weights, strict=True))):
            found = scores(values, inputs, outputs)
        return ops.sum(found), found

    step = jax.jit(jax.value_and_grad(total, has_aux=True))

    def differentiate(values, inputs, outputs):
        weights = [variable.value for variable in model.variables]
        (_, found), gradients = step(values, weights, inputs, outputs)
        return found, gradients

    return differentiate
