"""Optimizers, learning rates, accumulated gradients and averaged weights."""

import keras
import numpy as np
import pytest

from mmkeras.data.kinds import TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.models.optimizers import OPTIMIZERS
from mmkeras.training.fit import fit
from mmkeras.training.rates import learning_rate, optimizer_of
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings
from tests.training.test_fit import Interrupt, assert_same_weights, figures, small

pytestmark = pytest.mark.eager


def rates(settings, steps):
    rate = learning_rate(settings, settings.epochs * steps)
    return [float(rate(step)) for step in range(settings.epochs * steps)]


def test_the_rate_rises_in_the_warm_up_and_falls_with_the_cosine_or_stays():
    half = {"epochs": 2, "learning_rate": 0.1, "warmup": 0.5}
    rising = [0.0, 0.02, 0.04, 0.06, 0.08]
    constant = rates(TrainingSettings(**half), 5)
    assert constant == pytest.approx([*rising, *[0.1] * 5])
    cosine = rates(TrainingSettings(**half, schedule="cosine"), 5)
    down = 0.05 * (1 + np.cos(np.pi * np.arange(5) / 5))
    assert cosine == pytest.approx([*rising, *down], rel=1e-5)
    # A tenth, where nothing is said.
    usual = rates(TrainingSettings(epochs=2, learning_rate=0.1, schedule="cosine"), 10)
    assert np.argmax(usual) == 2 and usual[0] == 0
    assert learning_rate(TrainingSettings(), 5) == 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_trains_with_all_options(name):
    settings = TrainingSettings(optimizer=name, weight_decay=0.1, accumulate=2, ema=0.9)
    optimizer = optimizer_of(settings, 10)
    weight = keras.Variable([1.0, 2.0])
    optimizer.build([weight])
    for _ in range(2):
        optimizer.apply([np.array([1.0, -1.0], np.float32)])
    assert not np.allclose(weight, [1.0, 2.0])
    keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))


# What has a state of its own that a checkpoint must hold.
RESUMED = {
    "averages": {
        **{"ema": 0.9, "accumulate": 2, "optimizer": "sgd", "momentum": 0.9, "loss": "focal"},
        **{"class_weights": "balanced", "monitor": "val_macro_f1"},
    },
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 0.5},
}


@pytest.mark.parametrize("options", RESUMED.values(), ids=RESUMED)
def test_an_interrupted_training_ends_where_the_uninterrupted_one_ends(
    shared_table, tmp_path, options
):
    # 3 steps an epoch: gradients are accumulated across the end of one.
    settings = TrainingSettings(epochs=3, batch_size=16, **options)
    whole, expected = small(shared_table, settings)
    path = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        small(shared_table, settings, checkpoint=path, callbacks=[Interrupt(epoch=2)])
    resumed, result = small(shared_table, settings, checkpoint=path)
    assert_same_weights(resumed, whole)
    assert figures(result).equals(figures(expected))


class Rates(keras.callbacks.Callback):
    """The learning rate that each epoch was trained with."""

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def test_the_rate_gets_smaller_where_validation_does_not_get_better(shared_table):
    seen = Rates()
    settings = TrainingSettings(
        epochs=4, batch_size=16, learning_rate=50.0, schedule="plateau", plateau_patience=1
    )
    _, result = small(shared_table, settings, callbacks=[seen])
    losses, rate, expected = result.history["val_loss"], 50.0, []
    for epoch in range(4):
        expected.append(rate)
        if epoch and losses[epoch] >= losses[:epoch].min():
            rate /= 2
    assert seen.rates == pytest.approx(expected) and len(set(expected)) > 1


def test_validation_judges_the_averaged_weights_and_they_are_kept(shared_table):
    raw = []

    class Raw(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raw.append(self.model.get_weights())

    settings = TrainingSettings(epochs=2, batch_size=16, learning_rate=0.1, ema=0.9)
    model, result = small(shared_table, settings, callbacks=[Raw()])
    kept = model.get_weights()
    assert not np.allclose(kept[-1], raw[result.best_epoch - 1][-1])
    # The average of the weights after each step, by hand.
    steps = []

    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(self.model.get_weights()[-1])

    small(shared_table, settings, callbacks=[Steps()])
    average = steps[0]
    for weights in steps[1 : 3 * result.best_epoch]:
        average = 0.9 * average + 0.1 * weights
    np.testing.assert_allclose(kept[-1], average, rtol=1e-4, atol=1e-6)
    frame, schema = shared_table
    fitted = fit_preprocessing(frame[:40], schema.select(["facts"]))
    loss = model.evaluate(Pipeline(frame[40:], fitted).evaluate(), verbose=0)[0]
    assert loss == pytest.approx(result.history["val_loss"].min(), rel=1e-4)


def test_accumulated_gradients_are_those_of_a_larger_batch(shared_table):
    frame, schema = shared_table
    fitted = fit_preprocessing(
        frame[:32], schema.select(["note"]), {"note": TextSettings(representation="tokens")}
    )
    settings = Settings(
        ModelSettings(hidden=(4,), dropout=0.0),
        encoders={"text": Encoder("self_attention", {"dropout": 0.0})},
    )

    def trained(batch, accumulate):
        set_seed(0)
        model = make_model(fitted, settings)
        rows = Pipeline(frame[:32], fitted, batch_size=batch)
        options = TrainingSettings(
            epochs=1, optimizer="sgd", learning_rate=0.1, accumulate=accumulate
        )
        fit(model, rows, None, options, seed=0)
        return model.get_weights()

    # Without dropout, four quarters of the rows are the rows.
    for one, other in zip(trained(32, 1), trained(8, 4), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_settings_without_effect_are_refused(shared_table):
    for options, words in (
        ({"momentum": 0.9}, "momentum.*sgd or rmsprop"),
        ({"plateau_factor": 0.1}, "plateau_factor.*plateau"),
        ({"warmup": 0.1, "schedule": "plateau"}, "warmup.*constant or cosine"),
        ({"optimizer": "adamw"}, "weight_decay"),
        ({"optimizer": "adan"}, "adam"),
        ({"ema": 1.0}, "ema"),
    ):
        with pytest.raises(ValueError, match=words):
            TrainingSettings(**options)
    with pytest.raises(ValueError, match="would never change"):
        small(shared_table, TrainingSettings(epochs=1, accumulate=100))
