"""What every encoder and every fusion must do, checked the same way for each of them.

A layer's arguments are given as a dict, `{"inputs": images}` for an encoder and
`{"tokens": [...], "masks": [...], "present": ...}` for a fusion, of NumPy arrays and `None`.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def check_layer(make_layer, arguments, expected_output_shape, tmp_path, shapes=None):
    """Runs all checks that hold for any layer.

    Args:
        make_layer: Makes a new layer of the kind under test, without arguments.
        arguments: What to call it with; see above.
        expected_output_shape: With the batch axis; `None` for whatever a model knows of it.
        tmp_path: An empty folder.
        shapes: For the arguments, in a flat list, the shapes that a model knows of them, without
            the batch axis. By default those of the arguments.

    Returns:
        The layer, built, with random weights, and what it gives for the arguments.
    """
    layer = make_layer()
    model = model_around(layer, arguments, shapes)
    outputs = call(layer, arguments)
    if expected_output_shape is not None:
        assert outputs.shape == tuple(expected_output_shape)
    assert model.output.shape[-1] == outputs.shape[-1]
    assert all(n in (None, m) for n, m in zip(model.output.shape, outputs.shape, strict=True))
    assert outputs.dtype == "float32"
    assert np.isfinite(outputs).all()
    check_config(layer)
    check_float16(make_layer, layer, arguments, outputs)
    check_saving(model, arguments, outputs, tmp_path)
    check_training_step(model, arguments, outputs)
    return layer, check_rows_alone(randomize(layer), arguments)


def some_always(names, always):
    """Parameters of a test: some names in every test run, the others only among the slow tests."""
    return [pytest.param(n, marks=() if n in always else pytest.mark.slow) for n in names]


def call(layer, arguments, **more):
    return to_numpy(layer(**to_tensors(arguments), **more))


def to_tensors(arguments):
    return keras.tree.map_structure(
        lambda x: None if x is None else keras.ops.convert_to_tensor(x), arguments
    )


def to_numpy(outputs):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def model_around(layer, arguments, shapes=None):
    """A functional model whose inputs are the layer's arguments, in a flat list."""
    shapes = iter([x.shape[1:] for x in flat(arguments)] if shapes is None else shapes)
    symbolic = keras.tree.map_structure(
        lambda x: None if x is None else keras.Input(next(shapes), dtype=str(x.dtype)), arguments
    )
    return keras.Model(flat(symbolic), layer(**symbolic))


def flat(arguments):
    return [x for x in keras.tree.flatten(arguments) if x is not None]


def check_config(layer):
    """The configuration is the constructor's arguments, and makes the same layer again."""
    config = layer.get_config()
    inherited = set(keras.layers.Layer().get_config())
    constructor = set()
    for cls in type(layer).__mro__[: type(layer).__mro__.index(keras.layers.Layer)]:
        constructor |= set(inspect.signature(cls).parameters) - {"args", "kwargs"}
    assert set(config) - inherited == constructor - inherited
    assert type(layer).from_config(config).get_config() == config


def check_saving(model, arguments, expected, tmp_path):
    """A model that is saved and loaded gives what is expected of it, to the bit."""
    path = tmp_path / "layer.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    assert [tuple(w.shape) for w in loaded.weights] == [tuple(w.shape) for w in model.weights]
    np.testing.assert_array_equal(to_numpy(loaded(to_tensors(flat(arguments)))), expected)


def check_rows_alone(layer, arguments):
    """A row gives the same alone as among the others of its batch; returns what all give."""
    together = call(layer, arguments)
    for row in (0, len(together) - 1):
        alone = keras.tree.map_structure(
            lambda x, row=row: None if x is None else x[row : row + 1], arguments
        )
        check_close(call(layer, alone)[0], together[row])
    return together


def check_training_step(model, arguments, outputs, run_eagerly=True):
    """A step of gradient descent changes weights, and all stay finite; the model is trained."""
    if not model.trainable_weights:
        return
    before = model.get_weights()
    # XLA takes seconds to compile what runs once; on JAX it is the ordinary way.
    jit_compile = False if keras.config.backend() == "tensorflow" or run_eagerly else "auto"
    model.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss="mse",
        jit_compile=jit_compile,
        run_eagerly=run_eagerly,
    )
    loss = model.train_on_batch(flat(arguments), np.ones_like(outputs))
    assert np.isfinite(loss)
    after = model.get_weights()
    assert all(np.isfinite(w).all() for w in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


def check_float16(make_layer, full, arguments, expected):
    """Under the mixed precision policy the output is finite float16, near that of float32.

    Args:
        make_layer: Makes a new layer.
        full: One that is built, in float32.
        arguments: What to call both with.
        expected: What the latter gives.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = make_layer()
        half.build_from_config(full.get_build_config())
        half.set_weights(full.get_weights())
        outputs = call(half, arguments)
    finally:
        keras.config.set_dtype_policy(policy)
    assert outputs.dtype == "float16"
    assert all(w.dtype == "float32" for w in half.trainable_weights)
    check_close(outputs, expected, tolerance=0.05)


def check_close(outputs, expected, tolerance=1e-5, name=""):
    """Equal but for rounding, which differs between processors and sizes of batches.

    float32 rounds each sum relative to the numbers that were added up, so that the tolerance is
    relative to the largest output, for small ones too; among outputs below 1 it is absolute.
    """
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(outputs, expected, atol=tolerance * scale, err_msg=name)


def randomize(layer):
    """Random weights for a built layer: new biases are zeros, and would hide mistakes."""
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return layer


# What may stand where nothing counts.
GARBAGE = (np.nan, np.inf, -np.inf, 1e30)


def spoilt(tokens, masks, present):
    """The tokens with garbage of each sort, side by side, in absent modalities and in padding."""
    found = []
    for index, (x, mask) in enumerate(zip(tokens, masks or [None] * len(tokens), strict=True)):
        counts = np.repeat(present[:, index : index + 1], x.shape[1], axis=1)
        if mask is not None:
            counts = counts & mask
        x = x.copy()
        x[~counts] = np.resize(np.array(GARBAGE, x.dtype), x[~counts].shape)
        found.append(x)
    return found


def check_absent_modality(layer, tokens, masks=None):
    """Bit for bit the same, whatever is in an absent modality's tokens and in padding.

    Each modality is absent in one row, in the first by the last.
    """
    present = np.ones((len(tokens[0]), len(tokens)), bool)
    for row in range(len(present)):
        present[row, (row - 1) % len(tokens)] = False
    expected = call(layer, {"tokens": tokens, "masks": masks, "present": present})
    assert np.isfinite(expected).all()
    other = spoilt(tokens, masks, present)
    outputs = call(layer, {"tokens": other, "masks": masks, "present": present})
    np.testing.assert_array_equal(outputs, expected)


def check_more_padding(layer, tokens, masks):
    """Longer padding, of whatever content, changes nothing."""
    expected = call(layer, {"tokens": tokens, "masks": masks})
    longer, longer_masks = [], []
    for x, mask in zip(tokens, masks, strict=True):
        if mask is not None:
            padding = np.full((len(x), 3, x.shape[-1]), np.nan, x.dtype)
            x = np.concatenate([x, padding], axis=1)
            mask = np.concatenate([mask, np.zeros((len(x), 3), bool)], axis=1)
        longer.append(x)
        longer_masks.append(mask)
    check_close(call(layer, {"tokens": longer, "masks": longer_masks}), expected)


_PREDICT = """
import sys, pathlib, numpy as np, keras
import mmkeras
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    inputs = np.load(path.with_suffix(".npz"))
    inputs = [inputs[f"arr_{i}"] for i in range(len(inputs.files))]
    outputs = keras.saving.load_model(path, safe_mode=True).predict_on_batch(inputs)
    np.save(path.with_suffix(f".{keras.config.backend()}.npy"), outputs)
"""


def check_same_numbers(folder, expected, backend):
    """Loads and runs the models of a folder on another backend, in one process.

    Args:
        folder: Of each name, `NAME.keras` and `NAME.npz` with its inputs, in a flat list.
        expected: What each gives here, by name.
        backend: `"tensorflow"`, `"jax"` or `"torch"`.
    """
    run_python(_PREDICT, str(folder), backend=backend)
    for name, outputs in expected.items():
        assert np.ptp(outputs) > 0, name
        check_close(np.load(folder / f"{name}.{backend}.npy"), outputs, 1e-4, name)


def run_python(code, *arguments, backend):
    """Runs code in a fresh interpreter on a Keras backend and returns what it printed."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(REPOSITORY),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
