"""Shared by all tests: quiet libraries, small tables of each kind of modality, eager training."""

import os

# A thread for each worker of pytest-xdist, and sums in one order: what is compared bit for bit
# does not depend on what else the machine does.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import mmkeras  # noqa: F401, I001  (sets TensorFlow's log level before anything imports it)

from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.schema import Image, Schema, Tabular, Text


def make_small_table() -> tuple[pd.DataFrame, Schema]:
    """60 rows, two classes: bright pictures say "day" and dark ones "night"."""
    rng = np.random.default_rng(0)
    rows = 60
    day = np.arange(rows) % 2 == 0
    brightness = np.where(day, 190, 60)[:, None, None, None]
    pictures = np.clip(rng.normal(brightness, 30, (rows, 12, 12, 3)), 0, 255).astype(np.uint8)
    words = {True: ["sun", "noon", "bright"], False: ["moon", "stars", "dark"]}
    frame = pd.DataFrame(
        {
            "picture": list(pictures),
            "note": [f"{rng.choice(words[bool(d)])} over the hill {rng.integers(9)}" for d in day],
            "warmth": np.where(day, 20.0, 8.0) + rng.normal(0, 4, rows),
            "place": rng.choice(["north", "south", "sea"], rows),
            "when": np.where(day, "day", "night"),
        }
    )
    schema = Schema(
        [Image("picture"), Text("note"), Tabular("facts", ("warmth",), ("place",))], "when"
    )
    return frame, schema


@pytest.fixture(scope="session", autouse=True)
def no_floor_unless_asked_for():
    """Classical models beside every small run would take longer than the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmkeras.classical.floor.budget.AUTO_SECONDS", 0.0)
        yield


@pytest.fixture
def small_table() -> tuple[pd.DataFrame, Schema]:
    return make_small_table()


@pytest.fixture(scope="session")
def shared_table() -> tuple[pd.DataFrame, Schema]:
    """The same table, for fixtures that outlive a test; copy before changing it."""
    return make_small_table()


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """One-hot targets and a model's outputs for 200 rows of four classes."""
    rng = np.random.default_rng(0)
    # Rounded, so that scores have ties.
    outputs = np.round(rng.dirichlet(np.ones(4), 200), 1) + 1e-3
    outputs /= outputs.sum(axis=1, keepdims=True)
    return np.eye(4)[rng.integers(0, 4, 200)], outputs


@contextmanager
def eager_models():
    """Models train and predict step by step, as `run_eagerly=True` makes them."""
    with pytest.MonkeyPatch.context() as patch:
        eager = property(lambda model: True, lambda model, value: None)
        patch.setattr(keras.Model, "run_eagerly", eager)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Every test starts from one seed; one marked `eager`, and its new fixtures, runs eagerly.

    Weights, and with them what a tolerance has to bear, are then the same in each run of a test.

    TensorFlow traces a graph for each new model, which costs more than a few small steps. Without
    the mark models are compiled, as for users.
    """
    keras.utils.set_random_seed(0)
    # JAX compiles each operation for each shape: step by step it would be slower.
    if item.get_closest_marker("eager") is None or keras.backend.backend() != "tensorflow":
        return (yield)
    with eager_models():
        return (yield)
