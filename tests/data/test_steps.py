import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import SequenceSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model, train_run
from mmkeras.models.compile import compile_model
from mmkeras.schema import Schema, Sequence, StepLabels
from mmkeras.tasks import StepLabelsTask
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SCHEMA = Schema([Sequence("voice"), Sequence("words")], StepLabels("mood"), id="name")
LENGTHS = (3, 5, 1, 4)
MODEL = Settings(
    ModelSettings("weighted_sum", hidden=(8,), dropout=0.0),
    encoders={"sequence": Encoder("mlp", {"units": (8,)})},
)


def make_table(lengths=LENGTHS, seed=0):
    """The mood of a step is the sign of its first number, in both modalities."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, length in enumerate(lengths):
        up = rng.random(length) < 0.5
        up[: 2 if number == 0 else 0] = (True, False)[: 2 if number == 0 else 0]
        sign = np.where(up, 1.0, -1.0)[:, None]
        rows.append(
            {
                "voice": np.hstack([sign, rng.normal(size=(length, 2))]),
                "words": np.hstack([3 * sign, rng.normal(size=(length, 1))]),
                "mood": ["up" if each else "down" for each in up],
                "name": f"talk{number}",
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def fed():
    frame = read_table(make_table(), SCHEMA)
    return frame, fit_preprocessing(frame, SCHEMA)


def test_lists_and_joined_strings_of_labels_are_the_same():
    lists = make_table()
    joined = lists.assign(mood=["|".join(names) for names in lists["mood"]])
    arrays = lists.assign(mood=[np.array(names) for names in lists["mood"]])
    tables = [read_table(frame, SCHEMA) for frame in (lists, joined, arrays)]
    assert tables[0]["mood"].tolist() == joined["mood"].tolist()
    for table in tables[1:]:
        assert table["mood"].tolist() == tables[0]["mood"].tolist()
    assert StepLabelsTask.class_counts(tables[0], SCHEMA.target).sum() == sum(LENGTHS)


@pytest.mark.parametrize("mood", [["up", "", "up"], "up||up", ["up", None, "up"]])
def test_a_step_without_a_label_is_refused(mood):
    frame = make_table()
    frame.at[0, "mood"] = mood
    with pytest.raises(TableError, match=r"row 1, column 'mood': step 2 has no label of its own"):
        read_table(frame, SCHEMA)


def test_a_row_without_labels_or_with_the_separator_in_one_is_refused():
    frame = make_table()
    frame.at[1, "mood"] = []
    with pytest.raises(TableError, match=r"row 2, column 'mood'"):
        read_table(frame, SCHEMA)
    frame.at[1, "mood"] = ["up|down"] * 5
    with pytest.raises(TableError, match=r"row 2, column 'mood': step 1.*joined by '\|'"):
        read_table(frame, SCHEMA)


def test_lengths_that_differ_are_refused_with_the_rows_name(fed):
    frame, fitted = fed
    short = frame.copy()
    short.at[1, "words"] = frame["words"][1][:4]
    with pytest.raises(ValueError, match=r"index 1, id 'talk1': 'words' has 4 steps.* 5\."):
        Pipeline(short, fitted)
    mislabelled = frame.copy()
    mislabelled.at[3, "mood"] = "up|down"
    with pytest.raises(ValueError, match=r"index 3, id 'talk3': 'mood' has 2 steps.* 4\."):
        Pipeline(mislabelled, fitted)


def test_a_row_longer_than_max_length_is_refused(fed):
    frame, _ = fed
    settings = {name: SequenceSettings(max_length=4) for name in SCHEMA.names}
    fitted = fit_preprocessing(frame, SCHEMA, settings)
    with pytest.raises(ValueError, match=r"id 'talk1'.*5 steps, and `max_length` is 4"):
        Pipeline(frame, fitted)


def test_targets_weights_and_inputs_line_up(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=3)
    batches = list(pipeline.evaluate())
    assert [len(weights) for _, _, weights in batches] == [3, 1]
    row = 0
    for inputs, targets, weights in batches:
        # All batches are of one length, so that Keras can put their outputs side by side.
        assert inputs["voice"].shape[1:] == (8, 3) and inputs["words"].shape[1:] == (8, 2)
        assert targets.shape[1:] == (8, 2) and weights.shape[1:] == (8,)
        for voice, target, weight in zip(inputs["voice"], targets, weights, strict=True):
            length = LENGTHS[row]
            np.testing.assert_array_equal(weight, np.arange(8) < length)
            moods = np.array(fitted.task.classes)[target.numpy()[:length].argmax(axis=1)]
            assert "|".join(moods) == frame["mood"].iloc[row]
            assert (target.numpy()[length:] == 0).all()
            first = np.sign(frame["voice"].iloc[row][:, 0])
            np.testing.assert_array_equal(np.where(moods == "up", 1, -1), first)
            assert (voice.numpy()[length:] == 0).all()
            row += 1
    for inputs, targets, weights in pipeline.train(seed=0, epochs=1):
        assert inputs["voice"].shape[:2] == targets.shape[:2] == weights.shape


def test_examples_targets_and_unpadded_outputs_have_an_entry_for_each_step(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=3)
    examples = pipeline.examples
    assert len(examples) == len(pipeline.targets) == sum(LENGTHS)
    assert examples.index.tolist() == np.repeat(range(4), LENGTHS).tolist()
    assert examples["step"].tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 1, 1, 2, 3, 4]
    assert fitted.task.decode(pipeline.targets).tolist() == examples["mood"].tolist()
    padded = np.concatenate([targets for _, targets, _ in pipeline.evaluate()])
    np.testing.assert_array_equal(pipeline.unpad(padded), pipeline.targets)
    places = np.arange(4 * 8).reshape(4, 8)
    expected = np.concatenate([places[row, :length] for row, length in enumerate(LENGTHS)])
    np.testing.assert_array_equal(pipeline.unpad(places), expected)


def test_rows_without_targets_are_fed_too(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame.drop(columns="mood"), fitted)
    ((inputs,),) = pipeline.evaluate()
    assert inputs["voice"].shape == (4, 8, 3)
    assert len(pipeline.examples) == 13 and "mood" not in pipeline.examples


def test_an_absent_sequence_has_no_steps_of_its_own(fed):
    frame, _ = fed
    frame.at[2, "words"] = None
    fitted = fit_preprocessing(frame, SCHEMA)
    pipeline = Pipeline(frame, fitted)
    inputs, _, weights = next(iter(pipeline.evaluate()))
    assert weights.numpy().sum(axis=1).tolist() == list(LENGTHS)
    assert inputs["present"].numpy().tolist() == [[True, True]] * 2 + [[True, False], [True, True]]


def test_losses_and_metrics_count_real_steps_only(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=4)
    model = make_model(fitted, MODEL)
    compile_model(model, "step_labels")
    scores = model.evaluate(pipeline.evaluate(), verbose=0, return_dict=True)
    outputs = pipeline.unpad(model.predict(pipeline.evaluate(), verbose=0))
    right = outputs.argmax(axis=1) == pipeline.targets.argmax(axis=1)
    losses = -np.log((outputs * pipeline.targets).sum(axis=1))
    assert scores["accuracy"] == pytest.approx(right.mean(), abs=1e-5)
    assert scores["loss"] == pytest.approx(losses.mean(), rel=1e-4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    lengths = [3, 5, 1, 4] * 6
    frame = read_table(make_table(lengths), SCHEMA)
    settings = dataclasses.replace(
        MODEL,
        training=TrainingSettings(epochs=6, batch_size=4, patience=0, learning_rate=0.02),
    )
    folder = tmp_path_factory.mktemp("runs") / "steps"
    return train_run(Splits(frame[:16], frame[16:20], frame[20:]), SCHEMA, folder, settings), frame


def test_a_run_learns_predicts_and_reports_by_step(finished):
    run, _ = finished
    predictions = run.predictions
    assert predictions["step"].tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 1, 1, 2, 3, 4]
    assert (
        predictions["name"].tolist()
        == np.repeat(["talk20", "talk21", "talk22", "talk23"], LENGTHS).tolist()
    )
    accuracy = (predictions["true"] == predictions["predicted"]).mean()
    assert run.metrics["test"]["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.8
    np.testing.assert_allclose(predictions[["p(down)", "p(up)"]].sum(axis=1), 1, atol=1e-5)


def test_prediction_gives_a_row_for_each_step(finished):
    run, frame = finished
    new = frame[20:].drop(columns="mood")
    predicted = run.predict(new)
    assert len(predicted) == 13
    assert predicted["predicted"].tolist() == run.predictions["predicted"].tolist()
    # In another batch, padded to another length.
    alone = run.predict(new[2:3])
    assert len(alone) == 1
    np.testing.assert_allclose(alone["p(up)"], predicted["p(up)"][8:9], atol=1e-5)


def test_a_modality_called_like_the_target_is_checked_too():
    frame = pd.DataFrame({"f": [np.ones((4, 2))] * 2, "y": ["a|b|a", "b|a|b"]})
    schema = Schema([Sequence("y", column="f")], StepLabels("y"))
    with pytest.raises(
        ValueError, match="'y' has 3 steps, and the labels or sequences before it have 4"
    ):
        Pipeline(frame, fit_preprocessing(frame, schema))
