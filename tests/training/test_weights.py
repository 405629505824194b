"""Rare classes and rows that count more: weights of classes and of rows."""

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.errors import TableError
from mmkeras.data.tables.read import read_table
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.experiment.train import make_model
from mmkeras.schema import Label, Labels, Number, Schema, Sequence, StepLabels, Tabular
from mmkeras.training.fit import fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager
SMALL = Settings(encoders={"tabular": Encoder("mlp", {"units": (8,)})})


def skewed_rows(rows=120):
    """One row in ten is of the rare class, which the number tells with some noise."""
    rng = np.random.default_rng(0)
    rare = np.arange(rows) % 10 == 0
    return pd.DataFrame(
        {
            "x": rare + 0.7 * rng.normal(size=rows),
            "kind": np.where(rare, "rare", "usual"),
            "tags": np.where(rare, "rare", ""),
            "weight": np.where(rare, 9.0, 1.0),
        }
    )


FRAME = skewed_rows()


def rare_ones(target, weight=None, **options):
    """How many rows a model takes for the rare class."""
    schema = Schema([Tabular("facts", ("x",))], target, weight=weight)
    set_seed(0)
    fitted = fit_preprocessing(FRAME, schema)
    rows = Pipeline(FRAME, fitted)
    settings = TrainingSettings(epochs=4, learning_rate=0.02, **options)
    model = make_model(fitted, SMALL)
    result = fit(model, rows, None, settings, seed=0)
    said = fitted.task.said(model.predict(rows.evaluate(), verbose=0))
    return int(said[:, fitted.task.classes.index("rare")].sum()), result


@pytest.mark.parametrize("target", [Label("kind"), Labels("tags")])
def test_classes_that_weigh_the_same_are_predicted_more_often(target):
    plain, balanced = rare_ones(target)[0], rare_ones(target, class_weights="balanced")[0]
    assert plain < 10 and balanced > plain + 10


def test_rows_that_weigh_as_much_as_their_classes_do_the_same():
    # Nine usual rows to a rare one of weight nine: balanced, but for a factor of the loss.
    assert rare_ones(Label("kind"), weight="weight")[0] > rare_ones(Label("kind"))[0] + 10


def test_a_row_without_weight_does_not_count(tmp_path):
    schema = Schema([Tabular("facts", ("x",))], Number("y"), weight="weight")
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 50.0], "weight": [1.0, 1.0, 0.0]})
    fitted = fit_preprocessing(frame, schema)
    assert Schema.from_json(schema.to_json()) == schema

    def trained(changed):
        set_seed(0)
        model = make_model(fitted, SMALL)
        rows = Pipeline(frame.assign(y=changed), fitted)
        return fit(model, rows, rows, TrainingSettings(epochs=2), seed=0).history

    history, other = trained([0.0, 1.0, 50.0]), trained([0.0, 1.0, -50.0])
    assert history["loss"].tolist() == other["loss"].tolist()
    assert history["val_loss"].tolist() == other["val_loss"].tolist()
    _, _, weights = next(iter(Pipeline(frame, fitted).evaluate()))
    assert weights.numpy().tolist() == [1.0, 1.0, 0.0]
    # To predict, rows need no weight; to train they do.
    unweighted = Pipeline(frame.drop(columns="weight"), fitted)
    assert len(next(iter(unweighted.evaluate()))) == 2
    with pytest.raises(ValueError, match="column of their weights, 'weight'"):
        unweighted.train(seed=0, epochs=1)


def test_weights_that_are_none_are_refused_by_row():
    schema = Schema([Tabular("facts", ("x",))], Label("kind"), weight="weight")
    bad = FRAME.head(4).assign(weight=["1", "", "-2", "much"])
    with pytest.raises(TableError) as caught:
        read_table(bad, schema)
    found = "\n".join(caught.value.problems)
    assert "row 4, column 'weight'" in found
    with pytest.raises(TableError) as caught:
        read_table(bad.head(3), schema)
    assert [problem.split("row ")[1] for problem in caught.value.problems] == [
        "2, column 'weight': the weight is empty",
        "3, column 'weight': the weight is -2; give a number from 0",
    ]
    with pytest.raises(TableError, match="no row has a weight above 0"):
        read_table(FRAME.assign(weight=0), schema)
    fitted = fit_preprocessing(FRAME, schema)
    with pytest.raises(ValueError, match=r"index 1: the weight is -1"):
        Pipeline(FRAME.head(3).assign(weight=[1.0, -1.0, 1.0]), fitted)
    # New rows are predicted whatever stands there.
    read_table(bad, schema, require_target=False)


def test_weights_where_they_have_no_effect_are_refused():
    facts = Tabular("facts", ("x",))
    with pytest.raises(ValueError, match="also an input"):
        Schema([facts], Label("kind"), weight="x")
    with pytest.raises(ValueError, match="cannot be the weight"):
        Schema([facts], Label("kind"), weight="kind")
    with pytest.raises(ValueError, match="weighed in the loss of classes and numbers"):
        Schema([Sequence("walk")], StepLabels("moods"), weight="weight")
    schema = Schema([facts], Number("weight"))
    fitted = fit_preprocessing(FRAME, schema)
    rows = Pipeline(FRAME, fitted)
    for options in ({"class_weights": "balanced"}, {"loss": "focal"}):
        with pytest.raises(ValueError, match="regression"):
            fit(make_model(fitted, SMALL), rows, None, TrainingSettings(**options), seed=0)
    with pytest.raises(ValueError, match="`focal_gamma` is of loss=focal"):
        TrainingSettings(focal_gamma=1.0)
