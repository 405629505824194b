import keras
import numpy as np
import pytest

from mmkeras.sum_order import sum_in_order
from mmkeras.training.seeds import set_seed

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's sums", allow_module_level=True)

import tensorflow as tf
from tensorflow.python.eager import backprop, context


def sums(call) -> list[int]:
    """How many terms the sums have in all graphs that a call runs, before and after optimizing."""
    context.context().ensure_initialized()
    context.enable_run_metadata()
    try:
        call()
        graphs = context.export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    found = []
    for graph in graphs:
        for each in (graph.pre_optimization_graph, graph.post_optimization_graph):
            nodes = [*each.node, *(n for own in each.library.function for n in own.node_def)]
            for node in nodes:
                if node.op == "AddN":
                    found.append(sum(not name.startswith("^") for name in node.input))
    return found


@tf.function(autograph=False)
def gradient_of_many_uses(x, weight):
    """Of something used at five places; and in a loop at three places."""
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        h = tf.matmul(x, weight)
        used = tf.tanh(h) + tf.sigmoid(h) + tf.sin(h) + tf.exp(h) * h
        _, looped = tf.while_loop(
            lambda step, h: step < 3,
            lambda step, h: (step + 1, tf.tanh(h) + tf.sigmoid(h) + tf.sin(h)),
            (0, h),
        )
        loss = tf.reduce_sum(used) + tf.reduce_sum(looped)
    return tape.gradient(loss, [x, weight])


def test_no_sum_has_more_than_two_terms():
    """Which of three is the first depends on what other threads do; of two it does not matter."""
    set_seed(0)
    x, weight = (tf.random.stateless_normal((8, 8), (seed, 0)) for seed in (1, 2))
    found = sums(lambda: gradient_of_many_uses(x, weight))
    assert found and max(found) == 2


def test_gradients_are_what_they_were():
    """Dense ones in a graph and step by step, and the rows of an embedding used twice."""
    set_seed(0)
    x, weight = (tf.random.stateless_normal((8, 8), (seed, 0)) for seed in (1, 2))
    for one, other in zip(
        gradient_of_many_uses(x, weight),
        gradient_of_many_uses.python_function(x, weight),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    table = tf.Variable(tf.ones((4, 2)))
    with tf.GradientTape() as tape:
        one, two, three = (tf.gather(table, rows) for rows in ([0, 1], [1, 1], [3, 0]))
        loss = tf.reduce_sum(one + 10 * two + 100 * three)
    gradient = tf.convert_to_tensor(tape.gradient(loss, table))
    np.testing.assert_array_equal(gradient[:, 0], [101, 21, 0, 100])


def test_a_tensorflow_that_cannot_be_told_is_said(monkeypatch):
    monkeypatch.delattr(backprop, "_default_vspace")
    with pytest.warns(UserWarning, match="differ in their last bits"):
        sum_in_order.__wrapped__()
