import json

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds.tabular import TabularPreprocessor, TabularSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.scaling import choose_scaling, mean_and_deviation
from mmkeras.schema import Number, Schema, Tabular

COLUMN = Tabular("table", numeric=("x",))
EXTREMES = [1e39, -3.4e38, 1.7e308, 0.3, np.nan]


def fit(values, **settings):
    frame = pd.DataFrame({"x": values})
    return TabularPreprocessor.fit(frame, COLUMN, TabularSettings(**settings))


@pytest.mark.parametrize(
    "values",
    [
        np.full(100, 0.1),
        np.full(7, 0.1) * np.array([1, 1, 1, 1, 1, 1, 1 + 1e-16]),
        np.append(np.random.default_rng(0).normal(5, 2, 199), 1e200),
        np.exp(np.random.default_rng(0).normal(6, 3, 500)),
        np.append(np.arange(50.0), [1.7e308, -1.7e308]),
        np.full(40, 1e308),
        np.array([1e308, -1e308] * 20),
        np.arange(10) * 1e-301,
        np.append(np.zeros(95), np.arange(5) + 10.0),
        np.array([3.0]),
    ],
)
@pytest.mark.parametrize("scaling", ["auto", "standard", "robust", "log", "quantile"])
def test_numbers_are_finite_and_survive_json_whatever_the_training_rows_hold(values, scaling):
    fitted = fit(values, scaling=scaling)
    rows = pd.DataFrame({"x": np.concatenate([values, EXTREMES])})
    vectors = fitted.vectors(rows)
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
    schema = Schema([COLUMN])
    state = json.loads(json.dumps(Preprocessing(schema, {"table": fitted}, None).to_dict()))
    again = Preprocessing.from_dict(state).modalities["table"]
    np.testing.assert_array_equal(again.vectors(rows), vectors)


def test_a_column_that_is_constant_but_for_rounding_is_only_centred():
    fitted = fit(np.full(49, 0.1))
    vectors = fitted.vectors(pd.DataFrame({"x": [0.1, 0.6]}))
    np.testing.assert_allclose(vectors, [[0], [0.5]], atol=1e-9)
    mean, deviation = mean_and_deviation(np.array([[1e200], [3e200]]))
    np.testing.assert_allclose([mean[0], deviation[0]], [2e200, 1e200])
    assert mean_and_deviation(np.array([1e-300, 3e-300]))[1] == pytest.approx(1e-300)


def test_a_few_rows_do_not_decide_the_scale_of_all_others():
    area = np.exp(np.random.default_rng(1).normal(6, 3, 500))
    assert choose_scaling(area) == "log"
    assert fit(area).vectors(pd.DataFrame({"x": area})).std() == pytest.approx(1, abs=0.01)
    hit = np.append(np.random.default_rng(2).normal(5, 2, 199), 1e200)
    assert choose_scaling(hit) == "quantile"
    usual = fit(hit).vectors(pd.DataFrame({"x": hit[:199]}))
    assert 0.8 < usual.std() < 1.2 and len(np.unique(usual)) > 150
    normal = np.random.default_rng(3).normal(5, 2, 500)
    assert choose_scaling(normal) == "standard" and not fit(normal).methods
    expected = (normal - normal.mean()) / normal.std()
    vectors = fit(normal).vectors(pd.DataFrame({"x": normal}))
    np.testing.assert_array_equal(vectors[:, 0], expected.astype(np.float32))


def test_an_older_state_still_scales_as_it_did():
    old = TabularPreprocessor(TabularSettings(), {"x": 1.0}, {"x": 2.0}, (), {})
    np.testing.assert_array_equal(old.vectors(pd.DataFrame({"x": [5.0, 1.0]})), [[2.0], [0.0]])


def test_what_training_did_not_prepare_for_is_counted_by_column_and_said():
    columns = Tabular("table", numeric=("size", "age"), categorical=("colour", "kind"))
    schema = Schema([columns], target=Number("price"))
    frame = pd.DataFrame(
        {
            "size": np.arange(6.0),
            "age": [1.0, None, 3.0, 4.0, 5.0, 6.0],
            "colour": list("rrrggb"),
            "kind": ["k", None] * 3,
            "price": np.arange(6.0),
        }
    )
    fitted = fit_preprocessing(frame, schema, {"table": TabularSettings(max_categories=2)})
    new = pd.DataFrame(
        {
            "size": [1e30, None, 2.0, 3.0],
            "age": [None, 1.0, 1.0, 1.0],
            "colour": ["x", "b", None, "r"],
            "kind": [None, "k", "k", "new"],
        }
    )
    with pytest.warns(UserWarning, match=r"column 'size': 1 of 4 cells are far outside"):
        pipeline = Pipeline(new, fitted)
    counted = [(found.column, found.cells, found.what.split()[1]) for found in pipeline.unprepared]
    assert counted == [
        ("size", 1, "far"),
        ("size", 1, "empty,"),
        ("colour", 1, "in"),
        ("colour", 1, "one"),
        ("colour", 1, "empty,"),
        ("kind", 1, "in"),
    ]
    with pytest.warns(UserWarning, match=r"'colour': 1 of 6 cells have one of the rarer"):
        Pipeline(frame, fitted)


def test_training_rows_are_never_far_outside_and_targets_that_overflow_are_refused():
    for values in (np.full(40, 1e308), np.array([1e308, -1e308] * 20)):
        fitted = fit(values)
        assert not fitted.unprepared(pd.DataFrame({"x": values}))
        assert np.abs(fitted.vectors(pd.DataFrame({"x": values}))).max() <= 1
    schema = Schema([COLUMN], target=Number("y"))
    train = pd.DataFrame({"x": np.arange(4.0), "y": np.arange(4.0)})
    task = fit_preprocessing(train, schema).task
    with pytest.raises(ValueError, match=r"index 1: the target 'y' is 1e\+300, too far"):
        task.encode(pd.DataFrame({"y": [1.0, 1e300]}))
