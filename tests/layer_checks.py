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


def check_layer(make_layer, arguments, expected_output_shape, tmp_path):
    """Runs all checks that hold for any layer.

    Args:
        make_layer: Makes a new layer of the kind under test, without arguments.
        arguments: What to call it with; see above.
        expected_output_shape: With the batch axis.
        tmp_path: An empty folder.
    """
    layer = make_layer()
    outputs = call(layer, arguments)
    assert outputs.shape == tuple(expected_output_shape)
    assert outputs.dtype == "float32"
    assert np.isfinite(outputs).all()
    check_config(layer, arguments)
    check_saving(layer, arguments, tmp_path)
    check_rows_alone(layer, arguments)
    check_training_step(make_layer(), arguments)
    check_float16(make_layer, arguments)


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


def model_around(layer, arguments):
    """A functional model whose inputs are the layer's arguments, in a flat list."""
    symbolic = keras.tree.map_structure(
        lambda x: None if x is None else keras.Input(x.shape[1:], dtype=str(x.dtype)), arguments
    )
    return keras.Model(flat(symbolic), layer(**symbolic))


def flat(arguments):
    return [x for x in keras.tree.flatten(arguments) if x is not None]


def check_config(layer, arguments):
    """The configuration is the constructor's arguments, and makes the same layer again."""
    config = layer.get_config()
    inherited = set(keras.layers.Layer().get_config())
    constructor = set(inspect.signature(type(layer)).parameters) - {"kwargs"}
    assert set(config) - inherited == constructor - inherited
    clone = type(layer).from_config(config)
    assert clone.get_config() == config
    call(clone, arguments)
    assert [tuple(w.shape) for w in clone.weights] == [tuple(w.shape) for w in layer.weights]


def check_saving(layer, arguments, tmp_path):
    model = model_around(layer, arguments)
    path = tmp_path / "layer.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    expected = to_numpy(model(to_tensors(flat(arguments))))
    np.testing.assert_array_equal(to_numpy(loaded(to_tensors(flat(arguments)))), expected)


def check_rows_alone(layer, arguments):
    """A row gives the same alone as among the others of its batch."""
    together = call(layer, arguments)
    for row in (0, len(together) - 1):
        alone = keras.tree.map_structure(
            lambda x, row=row: None if x is None else x[row : row + 1], arguments
        )
        check_close(call(layer, alone)[0], together[row])


def check_training_step(layer, arguments):
    model = model_around(layer, arguments)
    if not model.trainable_weights:
        return
    before = model.get_weights()
    # XLA takes seconds to compile what runs once; on JAX it is the ordinary way.
    jit_compile = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=jit_compile)
    targets = np.ones(call(layer, arguments).shape, "float32")
    loss = model.train_on_batch(flat(arguments), targets)
    assert np.isfinite(loss)
    after = model.get_weights()
    assert all(np.isfinite(w).all() for w in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


def check_float16(make_layer, arguments):
    """Under the mixed precision policy the output is finite float16, near that of float32."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = make_layer()
        outputs = call(half, arguments)
    finally:
        keras.config.set_dtype_policy(policy)
    assert outputs.dtype == "float16"
    assert all(w.dtype == "float32" for w in half.trainable_weights)
    full = make_layer()
    call(full, arguments)
    full.set_weights(half.get_weights())
    np.testing.assert_allclose(outputs, call(full, arguments), rtol=0.05, atol=0.05)


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
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return layer


def check_absent_modality(layer, tokens, masks=None):
    """Bit for bit the same, whatever is in an absent modality's tokens and in padding."""
    call(layer, {"tokens": tokens})
    randomize(layer)
    batch = len(tokens[0])
    for absent in range(len(tokens)):
        present = np.ones((batch, len(tokens)), bool)
        present[::2, absent] = False
        expected = call(layer, {"tokens": tokens, "masks": masks, "present": present})
        assert np.isfinite(expected).all()
        for garbage in (np.nan, np.inf, -np.inf, 1e30):
            spoilt = [x.copy() for x in tokens]
            spoilt[absent][::2] = garbage
            for x, mask in zip(spoilt, masks or [None] * len(tokens), strict=True):
                if mask is not None:
                    x[~mask] = garbage
            outputs = call(layer, {"tokens": spoilt, "masks": masks, "present": present})
            np.testing.assert_array_equal(outputs, expected)


def check_more_padding(layer, tokens, masks):
    """Longer padding, of whatever content, changes nothing."""
    call(layer, {"tokens": tokens})
    randomize(layer)
    expected = call(layer, {"tokens": tokens, "masks": masks})
    longer, longer_masks = [], []
    for x, mask in zip(tokens, masks, strict=True):
        if mask is not None:
            padding = np.full((len(x), 3, x.shape[-1]), np.nan, x.dtype)
            x = np.concatenate([x, padding], axis=1)
            mask = np.concatenate([mask, np.zeros((len(x), 3), bool)], axis=1)
        longer.append(x)
        longer_masks.append(mask)
    outputs = call(layer, {"tokens": longer, "masks": longer_masks})
    check_close(outputs, expected)


_PREDICT = """
import sys, pathlib, numpy as np, keras
import mmkeras.models.build
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    inputs = np.load(path.with_suffix(".npz"))
    inputs = [inputs[f"arr_{i}"] for i in range(len(inputs.files))]
    outputs = keras.saving.load_model(path, safe_mode=True).predict_on_batch(inputs)
    np.save(path.with_suffix(".npy"), outputs)
"""


def check_same_numbers(cases, backend, tmp_path):
    """Saves a model around each layer, and loads and runs them all on another backend.

    Args:
        cases: `(layer, arguments)` by name.
        backend: `"tensorflow"`, `"jax"` or `"torch"`.
        tmp_path: An empty folder.
    """
    expected = {}
    for name, (layer, arguments) in cases.items():
        model = model_around(layer, arguments)
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", *flat(arguments))
        expected[name] = to_numpy(model(to_tensors(flat(arguments))))
    run_python(_PREDICT, str(tmp_path), backend=backend)
    for name, outputs in expected.items():
        assert np.ptp(outputs) > 0, name
        check_close(np.load(tmp_path / f"{name}.npy"), outputs, 1e-4, name)


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
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
