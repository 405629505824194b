"""Each encoder and each fusion of the tables of names: compiled, and on other backends."""

import functools
import importlib.util

import keras
import numpy as np
import pytest

from mmkeras.encoders import ENCODERS
from mmkeras.fusion import FUSIONS, fusion_class
from tests.encoders.standard import case
from tests.fusion.standard import example, small
from tests.layer_checks import (
    call,
    check_same_numbers,
    check_training_step,
    flat,
    model_around,
    to_numpy,
    to_tensors,
)

pytestmark = pytest.mark.slow


def every_layer():
    """By name, what makes the layer and what to call it with."""
    cases = {}
    for kind, table in ENCODERS.items():
        for name in table:
            make, _, inputs = case(kind, name)
            cases[f"{kind}-{name}"] = make, {"inputs": inputs}
    for name in FUSIONS:
        arguments = example(aligned=fusion_class(name).aligned)
        cases[f"fusion-{name}"] = functools.partial(small, name), arguments
    return cases


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a model around each layer, and what each gives on this backend."""
    folder, expected = tmp_path_factory.mktemp("layers"), {}
    for name, (make, arguments) in every_layer().items():
        model = model_around(make(), arguments)
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", *flat(arguments))
        expected[name] = to_numpy(model(to_tensors(flat(arguments))))
    return folder, expected


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_layer_gives_the_same_numbers_on_another_backend(backend, saved):
    if backend == keras.config.backend() or importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is this process's backend, or is not installed.")
    check_same_numbers(*saved, backend)


@pytest.mark.parametrize("name", every_layer())
def test_a_compiled_training_step(name):
    make, arguments = every_layer()[name]
    layer = make()
    outputs = call(layer, arguments)
    check_training_step(model_around(layer, arguments), arguments, outputs, run_eagerly=False)
