"""From a table to one matrix: views, names, holes, and that it is an estimator like any other."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from mmkeras.classical.features import (
    ImageFeatures,
    ModalityFeatures,
    PreparedFeatures,
    TextFeatures,
)
from mmkeras.classical.filters import ViewFilter
from mmkeras.classical.views import ViewsMixin, split_views
from mmkeras.data.kinds import AudioSettings, ImageSettings, SequenceSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Audio, Image, Schema, Sequence, Video

SETTINGS = {"hum": AudioSettings(rate=2000, seconds=0.2)}
SMALL = {"image": ImageFeatures(size=16), "note": TextFeatures(components=3)}


@pytest.fixture(scope="module")
def all_kinds(shared_table):
    frame, schema = shared_table
    random = np.random.default_rng(1)
    frame = frame.assign(
        hum=[random.integers(-999, 999, 400).astype(np.int16) for _ in frame.index],
        walk=[random.normal(size=(3 + row % 4, 2)).astype(np.float32) for row in frame.index],
        clip=[random.integers(0, 256, (3, 16, 16, 3)).astype(np.uint8) for _ in frame.index],
    )
    more = (Audio("hum"), Sequence("walk"), Video("clip"))
    return frame, Schema([*schema.modalities, *more], schema.target)


@pytest.fixture(scope="module")
def fitted(all_kinds):
    frame, schema = all_kinds
    return ModalityFeatures(schema, SETTINGS).fit(frame[:40])


def test_every_kind_is_a_view(fitted, all_kinds):
    frame, schema = all_kinds
    X = fitted.transform(frame[40:])
    assert sparse.issparse(X)  # the note's TF-IDF
    views = split_views(X, fitted.views_)
    assert list(views) == list(schema.names)
    assert [view.shape[0] for view in views.values()] == [20] * 6
    names = fitted.get_feature_names_out()
    assert len(names) == len(set(names)) == X.shape[1]
    by_name = split_views(X, "names", names)
    assert all((views[name] != by_name[name]).nnz == 0 for name in schema.names)
    assert np.isfinite(X.toarray()).all()


def test_a_row_depends_on_no_other(fitted, all_kinds):
    rows = all_kinds[0][40:]
    together = fitted.transform(rows).toarray()
    alone = fitted.transform(rows[7:8]).toarray()[0]
    np.testing.assert_allclose(together[7], alone, rtol=1e-5, atol=1e-5)


def test_tables_are_what_deep_models_get(fitted, all_kinds):
    frame, schema = all_kinds
    schema = Schema([schema["facts"]], schema.target)
    pipeline = Pipeline(frame[40:], fit_preprocessing(frame[:40], schema))
    inputs = np.concatenate([inputs["facts"] for inputs, _ in pipeline.evaluate()])
    view = fitted.transform(frame[40:])[:, fitted.views_["facts"]]
    np.testing.assert_allclose(view.toarray(), inputs, rtol=1e-6)
    names = [n for n in fitted.get_feature_names_out() if n.startswith("facts")]
    expected = ["warmth", "place unknown", "place=north", "place=sea", "place=south"]
    assert sorted(names) == sorted(f"facts__{name}" for name in expected)


def test_it_pickles(fitted, all_kinds):
    rows = all_kinds[0][:3]
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    again = joblib.load(file).transform(rows)
    assert (fitted.transform(rows) != again).nnz == 0


class FirstView(ViewsMixin, BaseEstimator):
    """A logistic regression of the first view; remembers the views."""

    def __init__(self, views=None):
        self.views = views

    def fit(self, X, y):
        views, y = self._fit_views(X, y)
        self.model_ = LogisticRegression().fit(views[0], y)
        return self

    def predict(self, X):
        return self.model_.predict(self._views_of(X)[0])

    def score(self, X, y):
        return (self.predict(X) == y).mean()


def test_pipelines_and_searches_name_the_views(shared_table):
    frame, schema = shared_table
    features = ModalityFeatures(schema, extractors=SMALL).set_output(transform="pandas")
    search = GridSearchCV(
        make_pipeline(features, FirstView("names")),
        {"modalityfeatures__extractors": [SMALL, {"image": ImageFeatures(size=32)}]},
        cv=2,
    )
    search.fit(frame, frame["when"])
    assert search.best_score_ == 1
    assert list(search.best_estimator_[-1].views_) == list(schema.names)
    assert clone(features).get_params()["extractors"]["note"].components == 3


@pytest.fixture
def with_holes(small_table):
    frame, schema = small_table
    frame = frame.copy()
    frame.loc[[3, 4], "picture"] = None
    frame.loc[[4, 5], "note"] = None
    return frame, schema


def test_absent_modalities_are_the_training_mean_and_marked(with_holes):
    frame, schema = with_holes
    features = ModalityFeatures(schema)
    X = features.fit_transform(frame).toarray()
    assert features.empty_ == {"picture": 2, "note": 2, "facts": 0}
    names = list(features.get_feature_names_out())
    assert [name for name in names if name.endswith("__present")] == [
        "picture__present",
        "note__present",
    ]
    for name, rows in (("picture", [3, 4]), ("note", [4, 5])):
        view = X[:, features.views_[name]]
        here = ~np.isin(np.arange(60), rows)
        np.testing.assert_array_equal(view[:, -1], here)
        np.testing.assert_allclose(view[rows, :-1], np.tile(view[here, :-1].mean(axis=0), (2, 1)))
    again = features.transform(frame[3:6]).toarray()
    np.testing.assert_allclose(again, X[3:6], rtol=1e-6, atol=1e-9)
    # Not the mean of the rows that are looked at.
    alone = features.transform(frame[4:5]).toarray()
    np.testing.assert_allclose(alone, X[4:5], rtol=1e-6, atol=1e-9)


def test_holes_that_no_training_row_has_are_said(with_holes):
    frame, schema = with_holes
    features = ModalityFeatures(schema).fit(frame[6:])
    with pytest.warns(UserWarning, match="'picture': 1 of 2 cells are empty, and no training"):
        features.transform(frame[2:4])


def test_a_kind_without_features_has_its_inputs(small_table):
    frame, schema = small_table
    frame = frame.assign(walk=[np.full((1 + row % 3, 2), row * 1.0) for row in range(60)])
    schema = Schema([*schema.modalities, Sequence("walk")], "when")
    settings = {
        "note": TextSettings(representation="tokens", max_length=8),
        "picture": ImageSettings(size=(4, 4)),
        "walk": SequenceSettings(scaling="none"),
    }
    own = dict.fromkeys(("image", "text", "sequence"), PreparedFeatures())
    features = ModalityFeatures(schema, settings, own).set_output(transform="pandas")
    features.fit(frame)
    X = features.transform(frame[7:9])
    views = split_views(X.to_numpy(), features.views_)
    assert [view.shape[1] for view in views.values()] == [4 * 4 * 3, 19, 5, 2]
    assert np.all(views["note"].sum(axis=1) == 5)
    np.testing.assert_array_equal(views["walk"], [[7, 7], [8, 8]])


def test_features_are_filtered_by_view(with_holes):
    frame, schema = with_holes
    selected = ViewFilter("mutual_information", keep=3)
    features = ModalityFeatures(schema, filter=selected).set_output(transform="pandas")
    X = features.fit_transform(frame, frame["when"])
    assert {name: columns.stop - columns.start for name, columns in features.views_.items()} == {
        "picture": 4,
        "note": 4,
        "facts": 3,
    }
    assert "facts__warmth" in X and "note__present" in X and "note__hill" not in X
    again = ModalityFeatures(schema).set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_frame_equal(X, again[X.columns])
    pd.testing.assert_frame_equal(features.transform(frame[:7]), X[:7])
    with pytest.raises(ValueError, match="requires y"):
        ModalityFeatures(schema, filter=selected).fit(frame)


def test_cells_may_hold_several_images(small_table):
    frame, schema = small_table
    several = [tuple(frame["picture"].iloc[row : row + 1 + row % 3]) for row in range(60)]
    schema = Schema([Image("picture", several=True)], schema.target)
    table = read_table(frame.assign(picture=several), schema)
    features = ModalityFeatures(schema).fit(table)
    one = ModalityFeatures(Schema([Image("picture")], "when"))
    one.fit(frame).extractors_["picture"].scales_ = features.extractors_["picture"].scales_
    found, alone = features.transform(table), one.transform(frame)
    np.testing.assert_allclose(found[4], alone[4:6].mean(axis=0), rtol=1e-5, atol=1e-7)


def test_mistakes_are_told(small_table):
    frame, schema = small_table
    for arguments, words in (
        ({"settings": {"sound": AudioSettings()}}, r"`settings` has \['sound'\]"),
        ({"extractors": {"audio": ImageFeatures()}}, r"`extractors` has \['audio'\]"),
    ):
        with pytest.raises(ValueError, match=words):
            ModalityFeatures(schema, **arguments).fit(frame)
    with pytest.raises(ValueError, match="takes rows of a table"):
        ModalityFeatures(schema).fit(np.ones((3, 4)))
    with pytest.raises(ValueError, match="No training row has the modality 'note'"):
        ModalityFeatures(schema).fit(frame.assign(note=None))
    broken = frame.assign(picture=[b"no image", *frame["picture"][1:]])
    with pytest.raises(
        ValueError, match=r"1 cell.* of column 'picture' cannot be read:\n  .*corrupt"
    ):
        ModalityFeatures(schema).fit(broken)
    renamed = frame.rename(columns={"note": "my__note"})
    own = Schema([type(schema["note"])("my__note")], "when")
    with pytest.raises(ValueError, match="two underscores"):
        ModalityFeatures(own).fit(pd.DataFrame(renamed))
