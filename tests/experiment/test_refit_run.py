"""Runs that are trained again on the validation rows, too: what is of which of the two models."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.audit import AuditSettings
from mmkeras.audit.opening import open_subject
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.experiment.train import floor_of
from mmkeras.schema import Labels, Schema, Tabular, Text
from mmkeras.studies.deep_ensemble import ensemble_figures
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.tensorboard import TensorBoardScalars

pytestmark = pytest.mark.eager

SCHEMA = Schema([Tabular("facts", ("x",)), Text("note")], Labels("tags"))
ONCE = Settings(
    model=ModelSettings(fusion="gmu", dropout=0.2),
    training=TrainingSettings(
        epochs=3, batch_size=16, learning_rate=0.01, schedule="cosine", auxiliary=0.5
    ),
)
TWICE = dataclasses.replace(ONCE, training=dataclasses.replace(ONCE.training, refit=True))


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=90)})
    rare = (frame["x"] > 0.5) & (rng.random(90) < 0.6)
    frame["tags"] = np.where(rare, "rare", "")
    frame["note"] = np.where(rng.random(90) < 0.8, np.where(rare, "odd", "plain"), "unclear")
    return Splits(frame[:40], frame[40:70], frame[70:])


@pytest.fixture(scope="module")
def once(splits, tmp_path_factory):
    return mmkeras.train_run(splits, SCHEMA, tmp_path_factory.mktemp("once") / "run", ONCE)


@pytest.fixture(scope="module")
def twice(splits, tmp_path_factory):
    return mmkeras.train_run(splits, SCHEMA, tmp_path_factory.mktemp("twice") / "run", TWICE)


def answers(model, rows, run):
    pipeline = mmkeras.Pipeline(rows, run.preprocessing)
    return model.predict(pipeline.evaluate(), verbose=0)


def test_what_is_said_of_validation_rows_is_of_the_model_that_did_not_learn_them(
    once, twice, splits
):
    assert twice.metrics["validation"] == once.metrics["validation"]
    assert twice.metrics["best_epoch"] == once.metrics["best_epoch"]
    assert twice.preprocessing.task.thresholds == once.preprocessing.task.thresholds != ()
    columns = [name for name in once.history if name != "seconds"]
    pd.testing.assert_frame_equal(twice.history[columns], once.history[columns])
    before = twice.model_of_epoch(twice.metrics["best_epoch"])
    for mine, others in zip(before.get_weights(), once.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, others)
    rows = splits.validation
    np.testing.assert_array_equal(
        answers(twice.answering_validation, rows, twice), answers(once.answering, rows, once)
    )
    assert once.answering_validation is once.answering and not once.was_refitted


def test_what_is_said_of_test_rows_is_of_the_model_that_did(once, twice, splits):
    assert twice.was_refitted
    assert {"rows": 70, "epochs": once.metrics["best_epoch"]}.items() <= twice.metrics[
        "refit"
    ].items()
    said = answers(twice.answering, splits.test, twice)
    np.testing.assert_allclose(twice.predictions[["p(rare)"]], said, atol=1e-6)
    assert not np.allclose(said, answers(once.answering, splits.test, once), atol=1e-3)
    expected = twice.preprocessing.task.figures(
        (splits.test[["tags"]] == "rare").to_numpy(float), said
    )
    assert twice.metrics["test"] == pytest.approx(expected, abs=1e-5)


def test_its_pages_and_curves_say_so(twice):
    report, card = ((twice.path / name).read_text() for name in ("report.md", "README.md"))
    assert "trained again from its beginning, for" in report and "all 70 training" in report
    assert "validation figures are of the model before it learnt these rows" in report
    assert "parameters, trained on 70 rows." in card
    assert "trained on 40 rows, chosen on 30, trained again on both and judged on 20" in card
    assert len(list((twice.path / "refit").glob("events.out.*"))) == 1


def test_an_audit_fits_on_validation_rows_what_the_model_before_says_of_them(
    once, twice, splits, tmp_path
):
    subjects = [
        open_subject(run, AuditSettings(), tmp_path, splits=splits) for run in (once, twice)
    ]
    mine, others = (subject.validation.outputs for subject in subjects)
    np.testing.assert_array_equal(mine, others)
    mine, others = (subject.outputs for subject in subjects)
    assert not np.allclose(mine, others, atol=1e-3)


def test_an_ensemble_is_chosen_by_it_too(once, twice, splits):
    mine, others = (ensemble_figures([run.path], splits) for run in (once, twice))
    assert mine["validation"] == others["validation"] and mine["test"] != others["test"]


def test_the_floor_learns_the_same_rows(splits):
    assert set(floor_of(splits, SCHEMA, ONCE).figures) == {"validation", "test"}
    assert set(floor_of(splits, SCHEMA, TWICE).figures) == {"test"}
    np.testing.assert_array_equal(splits.all_learnt.train.index, np.arange(70))


@pytest.mark.parametrize("epoch", [0, 1])
def test_interrupted_in_its_second_training_it_ends_with_the_same_bits(
    twice, splits, tmp_path, monkeypatch, epoch
):
    written = TensorBoardScalars.on_epoch_end

    def stop(self, number, logs=None):
        if self._train == "refit" and number == epoch:
            raise KeyboardInterrupt
        written(self, number, logs)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TensorBoardScalars, "on_epoch_end", stop)
        mmkeras.train_run(splits, SCHEMA, folder, TWICE)
    keras.utils.set_random_seed(epoch + 5)
    run = mmkeras.train_run(splits, SCHEMA, folder, TWICE)
    for mine, others in zip(run.model.get_weights(), twice.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, others)
    assert run.metrics["test"] == twice.metrics["test"]
    assert run.kept_epochs == twice.kept_epochs == (run.metrics["best_epoch"],)
    assert not (folder / "checkpoint").exists()


def test_without_validation_rows_there_is_nothing_more_to_learn(splits, tmp_path):
    both = Splits(splits.train, splits.validation[:0], splits.test)
    run = mmkeras.train_run(both, SCHEMA, tmp_path / "run", TWICE)
    assert not run.was_refitted
    recorded = json.loads((run.path / "config.json").read_text())["settings"]["training"]
    assert recorded["refit"] is True


def test_callbacks_of_ones_own_are_of_one_training(splits, tmp_path):
    with pytest.raises(ValueError, match="callbacks of one's own are made for one training"):
        mmkeras.train_run(
            splits, SCHEMA, tmp_path / "run", TWICE, callbacks=[keras.callbacks.Callback()]
        )
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_from_it_begins_with_what_validation_rows_can_judge(
    once, twice, splits, tmp_path
):
    """The very run that goes on from the one that was trained once."""
    runs = [
        mmkeras.train_run(splits, SCHEMA, tmp_path / name, ONCE, start_from=run.path)
        for name, run in (("of_once", once), ("of_twice", twice))
    ]
    for mine, others in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_array_equal(mine, others)
