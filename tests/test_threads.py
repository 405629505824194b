"""Threads: recorded, pinned, and what they change."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from mmkeras import threads as module
from mmkeras.cli import pinned
from mmkeras.threads import pin_threads, pinned_threads, processor, threads
from tests.layer_checks import run_python


@pytest.fixture(autouse=True)
def nothing_is_left_pinned(monkeypatch):
    for variable in ("TF_NUM_INTRAOP_THREADS", "NPROC"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    monkeypatch.setattr(module, "_pinned", [])


def test_threads_and_processor_are_known():
    assert threads() >= 1 and len(processor()) > 2


def test_a_number_of_threads_that_cannot_be_is_refused():
    for words in (["--threads", "0"], ["--threads=two"]):
        with pytest.raises(ValueError, match=r"1( or more|\.)"):
            pinned(words)


def test_once_tensorflow_computes_its_threads_cannot_be_changed():
    import tensorflow as tf

    assert float(tf.reduce_sum(tf.ones(3))) == 3.0
    with pytest.raises(ValueError, match=r"TF_NUM_INTRAOP_THREADS=77 before Python starts"):
        pin_threads(77)


TRAINED = """
import sys
from mmkeras.cli import pinned
rest = pinned(sys.argv[1:])

import numpy as np
from mmkeras.threads import pinned_threads, threads
from tests.conftest import make_small_table
from tests.training.test_fit import trained

model, _ = trained(make_small_table())
np.save(rest[0], np.concatenate([weight.ravel() for weight in model.get_weights()]))
print(threads(), *pinned_threads())
"""


@pytest.mark.slow
def test_as_many_threads_give_the_same_bits_in_another_process(tmp_path, monkeypatch):
    weights = {}
    for name, count, variable in [("a", 2, ""), ("b", 2, ""), ("c", 1, ""), ("d", 1, "2")]:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", variable)
        path = tmp_path / f"{name}.npy"
        said = run_python(TRAINED, str(path), "--threads", str(count), backend="tensorflow")
        assert said.split() == [str(count), "--threads", str(count)]
        weights[name] = np.load(path)
    np.testing.assert_array_equal(weights["a"], weights["b"])
    np.testing.assert_array_equal(weights["c"], weights["d"])
    np.testing.assert_allclose(weights["a"], weights["c"], rtol=0, atol=1e-5)


def test_pinned_threads_are_said_as_the_option_that_repeats_them(monkeypatch):
    monkeypatch.setattr(module, "sys", SimpleNamespace(modules={}))  # nothing has begun
    assert pinned(["--threads", "1", "--epochs=2", "--threads=3"]) == ["--epochs=2"]
    assert pinned_threads() == ["--threads", "3"] and os.environ["NPROC"] == "3"
