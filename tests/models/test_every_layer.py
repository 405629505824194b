"""Each encoder, fusion and decoder of the tables of names: compiled, and on other backends."""

import functools
import importlib.util

import keras
import numpy as np
import pytest

from mmkeras.decoders import DECODERS
from mmkeras.encoders import ENCODERS
from mmkeras.fusion import FUSIONS, fusion_class
from tests.decoders.standard import CASES, answers, arguments_for
from tests.decoders.standard import small as small_decoder
from tests.encoders.standard import case
from tests.fusion.standard import example, small
from tests.layer_checks import (
    call,
    check_close,
    check_same_numbers,
    check_training_step,
    flat,
    model_around,
    run_python,
    to_numpy,
    to_tensors,
)

pytestmark = pytest.mark.slow
_ANSWER = """
import pathlib, sys
import numpy as np
import mmkeras
from tests.decoders.standard import answers
np.savez(pathlib.Path(sys.argv[1]) / "answers.npz", **answers(pathlib.Path(sys.argv[1])))
"""


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
    for name in DECODERS:
        arguments = arguments_for(small_decoder(name), CASES[name].target)
        cases[f"decoder-{name}"] = functools.partial(small_decoder, name), arguments
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


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_decoder_answers_the_same_on_another_backend(backend, saved):
    if backend == keras.config.backend() or importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is this process's backend, or is not installed.")
    folder, _ = saved
    expected = answers(folder)
    run_python(_ANSWER, str(folder), backend=backend)
    there = np.load(folder / "answers.npz")
    for name, answer in expected.items():
        check_close(there[name], answer, 1e-4, name)


@pytest.mark.parametrize("name", every_layer())
def test_a_compiled_training_step(name):
    make, arguments = every_layer()[name]
    layer = make()
    outputs = call(layer, arguments)
    check_training_step(model_around(layer, arguments), arguments, outputs, run_eagerly=False)
