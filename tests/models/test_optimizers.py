"""Optimizers leave nothing behind when their models are gone."""

import gc

import keras
import numpy as np
import pytest

from mmkeras.models.optimizers import leaving_nothing, make_optimizer

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras sums over devices on TensorFlow only"
)


def trained(optimizer):
    """A small model's weights after a few compiled steps."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Dense(8)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
    rows = np.random.default_rng(0).normal(size=(30, 4))
    model.fit(rows, np.eye(2)[(rows[:, 0] > 0).astype(int)], epochs=2, verbose=0)
    return model.get_weights()


def training_graphs():
    from tensorflow.python.framework.func_graph import FuncGraph

    gc.collect()
    return sum(
        # Not `isinstance`, which asks what weak references stand for, and that may be gone.
        issubclass(type(each), FuncGraph) and each.name.startswith("one_step_on_data")
        for each in gc.get_objects()
    )


@on_tensorflow
def test_a_training_step_is_forgotten_with_its_model():
    before = training_graphs()
    weights = trained(make_optimizer("adam", global_clipnorm=1.0))
    assert training_graphs() == before
    plain = trained(keras.optimizers.Adam(1e-3, global_clipnorm=1.0))
    for one, other in zip(weights, plain, strict=True):
        np.testing.assert_array_equal(one, other)


@on_tensorflow
def test_over_several_devices_gradients_are_summed(monkeypatch):
    import tensorflow as tf

    class Two:
        num_replicas_in_sync = 2

    optimizer = keras.optimizers.SGD()
    monkeypatch.setattr(optimizer, "_all_reduce_sum_gradients", lambda pairs: [*pairs, "summed"])
    leaving_nothing(optimizer)
    assert optimizer._all_reduce_sum_gradients([1]) == [1]
    monkeypatch.setattr(tf.distribute, "get_strategy", Two)
    assert optimizer._all_reduce_sum_gradients([1]) == [1, "summed"]
