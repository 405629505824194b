import numpy as np
import pytest

from mmkeras.audit.model_inputs import Rows
from mmkeras.data.pipeline import Pipeline


def rows_of(run, frame, **options):
    return Rows(run.model, Pipeline(frame, run.preprocessing, cache="memory"), **options)


@pytest.fixture(scope="module")
def four(four_modalities):
    run, splits, _ = four_modalities
    return rows_of(run, splits.test), run, splits


def test_unchanged_rows_are_predicted_as_the_pipeline_predicts_them(four):
    rows, run, splits = four
    pipeline = Pipeline(splits.test, run.preprocessing)
    expected = run.model.predict(pipeline.evaluate(), verbose=0)
    np.testing.assert_allclose(rows.outputs, expected, atol=1e-5)


def test_inputs_are_those_of_the_pipeline(four):
    rows, run, splits = four
    pipeline = Pipeline(splits.test, run.preprocessing, batch_size=len(splits.test))
    expected = next(pipeline.evaluate().as_numpy_iterator())[0]
    assert set(rows.inputs) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(rows.inputs[name], values, atol=1e-5)


def test_a_swapped_modality_is_another_rows_and_nothing_else_changes(four):
    rows, _, _ = four
    changed = rows.swapped("facts", 0)
    assert set(changed) == {"facts"}
    before, after = rows.inputs["facts"], changed["facts"]
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    assert (before != after).any(axis=1).all()
    assert (rows.swapped("facts", 1)["facts"] != after).any()
    np.testing.assert_array_equal(rows.swapped("facts", 0)["facts"], after)


def test_what_is_hidden_is_averaged_over_other_rows(four):
    rows, _, _ = four
    kept = ("picture", "note", "hum")
    drawn = [rows.predict(rows.swapped("facts", draw)) for draw in range(5)]
    np.testing.assert_allclose(rows.predict_from(kept), np.mean(drawn, axis=0), atol=1e-6)
    np.testing.assert_array_equal(rows.predict_from(rows.names), rows.outputs)


def test_hidden_modalities_come_from_one_other_row(four):
    rows, _, _ = four
    note, facts = (rows.swapped(name, 0)[name] for name in ("note", "facts"))
    pairs = {(a.tobytes(), b.tobytes()) for a, b in zip(note, facts, strict=True)}
    own = zip(rows.inputs["note"], rows.inputs["facts"], strict=True)
    assert pairs == {(a.tobytes(), b.tobytes()) for a, b in own}


def test_a_model_that_knows_of_holes_is_told_what_is_missing(two_modalities):
    runs, splits = two_modalities
    run = runs["picture+note"]
    rows = rows_of(run, splits.test)
    assert rows.inputs["present"].all()
    holes = splits.test.assign(note=None)
    expected = rows_of(run, holes).outputs
    np.testing.assert_allclose(rows.predict_from(["picture"]), expected, atol=1e-5)


def test_a_swap_takes_the_holes_along(two_modalities):
    runs, splits = two_modalities
    frame = splits.test.copy()
    frame["note"] = [None if place < 6 else text for place, text in enumerate(frame["note"])]
    rows = rows_of(runs["picture+note"], frame)
    changed = rows.swapped("note", 0)
    present = changed["present"][:, 1]
    assert present.sum() == len(frame) - 6
    assert (present != rows.inputs["present"][:, 1]).any()
    np.testing.assert_array_equal(changed["note"].any(axis=1), present)
    assert changed["present"][:, 0].all()
