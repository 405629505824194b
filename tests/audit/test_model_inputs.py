import numpy as np
import pytest

from mmkeras.audit.model_inputs import Rows
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.train import make_model
from mmkeras.training.seeds import set_seed
from tests.audit.small import SETTINGS, WITH_HOLES, with_hum

pytestmark = pytest.mark.eager


def untrained(frame, schema, settings, presence):
    """A model of random weights, its preprocessing and the rows to judge it by."""
    set_seed(0)
    fitted = fit_preprocessing(
        frame[:30], schema, settings.preprocessing(schema), presence=presence
    )
    return make_model(fitted, settings), fitted, frame[42:]


def rows_of(model, fitted, frame, **options):
    return Rows(model, Pipeline(frame, fitted, cache="memory"), **options)


@pytest.fixture(scope="module")
def four(shared_table):
    made = untrained(*with_hum(*shared_table), SETTINGS, presence=False)
    return rows_of(*made), *made


@pytest.fixture(scope="module")
def two(shared_table):
    frame, schema = shared_table
    return untrained(frame, schema.select(["picture", "note"]), WITH_HOLES, presence=True)


def test_unchanged_rows_are_predicted_as_the_pipeline_predicts_them(four):
    rows, model, fitted, frame = four
    expected = model.predict(Pipeline(frame, fitted).evaluate(), verbose=0)
    np.testing.assert_allclose(rows.outputs, expected, atol=1e-5)


def test_inputs_are_those_of_the_pipeline(four):
    rows, _, fitted, frame = four
    pipeline = Pipeline(frame, fitted, batch_size=len(frame))
    expected = next(pipeline.evaluate().as_numpy_iterator())[0]
    assert set(rows.inputs) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(rows.inputs[name], values, atol=1e-5)


def test_a_swapped_modality_is_another_rows_and_nothing_else_changes(four):
    rows, *_ = four
    changed = rows.swapped("facts", 0)
    assert set(changed) == {"facts"}
    before, after = rows.inputs["facts"], changed["facts"]
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    assert (before != after).any(axis=1).all()
    assert (rows.swapped("facts", 1)["facts"] != after).any()
    np.testing.assert_array_equal(rows.swapped("facts", 0)["facts"], after)


def test_what_is_hidden_is_averaged_over_other_rows(four):
    rows, *_ = four
    kept = ("picture", "note", "hum")
    drawn = [rows.predict(rows.swapped("facts", draw)) for draw in range(5)]
    np.testing.assert_allclose(rows.predict_from(kept), np.mean(drawn, axis=0), atol=1e-6)
    np.testing.assert_array_equal(rows.predict_from(rows.names), rows.outputs)


def test_hidden_modalities_come_from_one_other_row(four):
    rows, *_ = four
    note, facts = (rows.swapped(name, 0)[name] for name in ("note", "facts"))
    pairs = {(a.tobytes(), b.tobytes()) for a, b in zip(note, facts, strict=True)}
    own = zip(rows.inputs["note"], rows.inputs["facts"], strict=True)
    assert pairs == {(a.tobytes(), b.tobytes()) for a, b in own}


def test_a_model_that_knows_of_holes_is_told_what_is_missing(two):
    model, fitted, frame = two
    rows = rows_of(model, fitted, frame)
    assert rows.inputs["present"].all()
    expected = rows_of(model, fitted, frame.assign(note=None)).outputs
    np.testing.assert_allclose(rows.predict_from(["picture"]), expected, atol=1e-5)


def test_a_swap_takes_the_holes_along(two):
    model, fitted, frame = two
    frame = frame.copy()
    frame["note"] = [None if place < 6 else text for place, text in enumerate(frame["note"])]
    rows = rows_of(model, fitted, frame)
    changed = rows.swapped("note", 0)
    present = changed["present"][:, 1]
    assert present.sum() == len(frame) - 6
    assert (present != rows.inputs["present"][:, 1]).any()
    np.testing.assert_array_equal(changed["note"].any(axis=1), present)
    assert changed["present"][:, 0].all()
