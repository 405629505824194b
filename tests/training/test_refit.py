"""A second training on the validation rows, too. Whole runs: tests/experiment/test_refit_run.py."""

import dataclasses

import numpy as np
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.training.fit import fit
from mmkeras.training.refit import beginning_of, refit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings

MODEL = Settings(model=ModelSettings(fusion="gmu", dropout=0.3))
TRAINING = TrainingSettings(
    epochs=4, batch_size=16, schedule="cosine", learning_rate=0.01, auxiliary=1.0, patience=2
)


def parts(table):
    frame, schema = table
    fitted = fit_preprocessing(frame[:40], schema.select(["note", "facts"]))
    return fitted, [Pipeline(rows, fitted, batch_size=16) for rows in (frame[:40], frame[40:])]


def built(fitted):
    set_seed(0)
    return make_model(fitted, MODEL)


def assert_same_weights(one, other):
    for mine, others in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, others)


@pytest.mark.eager
def test_the_second_training_is_one_of_the_same_model_on_all_rows(shared_table):
    fitted, (train, validation) = parts(shared_table)
    model = built(fitted)
    beginning = beginning_of(model)
    fit(model, train, validation, TRAINING, seed=0)
    settings = dataclasses.replace(TRAINING, refit=True)
    about = refit(model, beginning, train, validation, settings, epochs=3, seed=0)
    assert (about.rows, about.epochs) == (60, 3) and about.loss > 0

    other = built(fitted)
    set_seed(0)
    whole = Pipeline(shared_table[0], fitted, batch_size=16)
    result = fit(other, whole, None, dataclasses.replace(TRAINING, epochs=3), seed=0)
    assert_same_weights(model, other)
    assert about.loss == result.history["loss"].iloc[-1]


@pytest.mark.eager
@pytest.mark.parametrize(("best", "moved"), [(2, False), (3, True)])
def test_parts_that_were_frozen_in_the_best_epoch_stay_so(shared_table, best, moved):
    fitted, (train, validation) = parts(shared_table)
    model = built(fitted)
    beginning, before = beginning_of(model), model.get_layer("facts_encoder").get_weights()
    settings = dataclasses.replace(
        TRAINING, freeze=("facts",), freeze_epochs=2, rounds=2, auxiliary=0.0
    )
    about = refit(model, beginning, train, validation, settings, epochs=best, seed=0)
    assert about.epochs == best
    after = model.get_layer("facts_encoder").get_weights()
    assert moved != all(map(np.array_equal, before, after))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "plateau"}, "no validation rows for its second training, and schedule"),
        ({"balance": "gradient_blending"}, "balance='gradient_blending' needs some"),
        ({"balance": "distillation"}, "balance='distillation' needs some"),
    ],
)
def test_what_watches_validation_rows_is_refused_beside_it(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(refit=True, **options)


def test_one_training_alone_has_no_second(shared_table):
    fitted, (train, validation) = parts(shared_table)
    with pytest.raises(ValueError, match="no effect in a single training"):
        fit(built(fitted), train, validation, TrainingSettings(refit=True), seed=0)
