"""What holds for every kind, by its name in the table."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.raw import RawModality
from mmkeras.schema import MODALITIES, Schema, Tabular

RNG = np.random.default_rng(0)
CELLS = {
    "image": lambda: RNG.integers(0, 256, (6, 5, 3)).astype(np.uint8),
    "text": lambda: " ".join(RNG.choice(["red", "green", "pear", "plum"], 3)),
    "audio": lambda: RNG.integers(-9000, 9000, 16000).astype(np.int16),
    "video": lambda: RNG.integers(0, 256, (3, 6, 5, 3)).astype(np.uint8),
    "sequence": lambda: RNG.normal(size=(RNG.integers(2, 9), 3)),
    "tabular": lambda: float(RNG.normal()),
}


def table(kind, rows=9):
    frame = pd.DataFrame({"x": [CELLS[kind]() for _ in range(rows)]})
    # Some cells stand twice: positions are not places among the distinct cells.
    frame["x"] = [*frame["x"][:6], *frame["x"][:3]]
    frame["label"] = (["a", "b"] * rows)[:rows]
    make = MODALITIES[kind]
    modality = make("facts", ("x",)) if make is Tabular else make("facts", "x")
    return frame, Schema([modality], "label")


def test_every_modality_of_a_schema_has_its_kind():
    assert list(KINDS) == list(MODALITIES)
    for name, kind in KINDS.items():
        assert kind.name == name and isinstance(kind.settings(), kind.settings)


@pytest.mark.parametrize("name", KINDS)
def test_a_source_loads_and_batches_by_kept_position(name):
    frame, schema = table(name)
    fitted = fit_preprocessing(frame, schema)
    whole = RawModality(Pipeline(frame, fitted, cache="memory"), "facts").inputs()
    for cache in ("memory", None):
        source = Pipeline(frame, fitted, cache=cache).source("facts")
        batch = source.batch(source.load(tf.constant([7, 2])), None).numpy()
        assert batch.shape[2:] == whole.shape[2:]
        steps = batch.shape[1]  # of a sequence, as many as the longest of these two has
        np.testing.assert_allclose(batch, whole[[7, 2]][:, :steps], atol=1e-5)
        assert not whole[[7, 2]][:, steps:].any()


@pytest.mark.parametrize("name", KINDS)
def test_what_people_can_see_is_a_picture_of_each_row(name):
    kind, (frame, schema) = KINDS[name], table(name)
    pictures = kind.pictures(frame["x"], fit_preprocessing(frame, schema).modalities["facts"])
    if not (kind.is_visual or kind.is_audible):
        assert pictures is None
        return
    assert pictures.shape[:3] == (9, 96, 96) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures[0], pictures[6])
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.has_files])
def test_an_array_can_be_a_cell_and_a_dict_is_told_what_can(name, tmp_path):
    frame, _ = table(name)
    kind = KINDS[name]
    cell = np.asarray(frame["x"][0])
    assert kind.array_problem(cell) is None
    cells, problems = kind.read_cells(pd.Series([{"a": 1}], dtype=object), tmp_path)
    assert len(cells) == 1
    ((row, problem),) = problems
    assert row == 1 and f"is not {kind.a_noun}; give {kind.forms}" in problem
