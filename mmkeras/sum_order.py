"""TensorFlow's sums of several gradients, in one order."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import keras


@cache
def sum_in_order() -> None:
    """Makes TensorFlow add up gradients in the same order every time, in this process.

    What is used at several places has a gradient from each, and TensorFlow adds them up with one
    operation, `AddN`. It writes the sum into the first of its inputs that nobody else holds any
    more, and begins with that one: which it is, depends on what other threads have finished by
    then, also with `enable_op_determinism`. The sum of three numbers then differs in its last bit
    once in some dozens of trainings (seen with TensorFlow 2.17.1 and attention between modalities;
    `tensorflow/core/kernels/aggregate_ops.cc`). Of two numbers the order does not matter: here,
    all gradients are added in pairs, and TensorFlow's optimizer of graphs, which makes one sum of
    many again, leaves arithmetic alone. A step takes as long as before.
    """
    if keras.config.backend() != "tensorflow":
        return
    import tensorflow as tf

    # Inside loops, branches and functions.
    tf.AggregationMethod.DEFAULT = tf.AggregationMethod.EXPERIMENTAL_TREE
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    try:
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.eager import backprop

        whole, register = backprop._default_vspace, pywrap_tfe.TFE_Py_RegisterVSpace
    except (ImportError, AttributeError):
        warnings.warn(
            f"TensorFlow {tf.__version__} is not known to add up gradients in one order: runs of "
            "one seed may differ in their last bits.",
            stacklevel=3,
        )
        return

    def in_pairs(gradients: Sequence[Any]) -> Any:
        if not all(isinstance(gradient, tf.Tensor) for gradient in gradients):
            return whole.aggregate_fn(gradients)  # of rows of an embedding: they are put in a row
        total = gradients[0]
        for gradient in gradients[1:]:
            total = tf.raw_ops.AddN(inputs=[total, gradient])
        return total

    register(whole._replace(aggregate_fn=in_pairs))
