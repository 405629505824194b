"""Which metrics of one's own can be monitored, and which way they are better."""

import keras
import numpy as np
import pytest

from mmkeras.training.callbacks import EPOCHS, epoch_file
from mmkeras.training.fit import OwnTraining
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.watching import metrics_by_name, monitor_mode
from tests.training.test_fit import Interrupt, assert_same_weights, figures, small

pytestmark = pytest.mark.eager


def farFromHalf(y_true, y_pred):
    return keras.ops.abs(y_pred - 0.5)


class Tracking(keras.Model):
    """A model that watches its own answers."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, activation="sigmoid")
        self.mean_answer = keras.metrics.Mean(name="mean_answer")

    def call(self, x):
        answer = self.dense(x)
        self.mean_answer.update_state(answer)
        return answer


def test_metrics_have_the_names_that_keras_writes_and_their_own_direction():
    own = [
        *("mse", "acc", "AUC", farFromHalf),
        keras.metrics.BinaryCrossentropy(name="output_entropy"),
    ]
    model = Tracking()
    before = metrics_by_name(model, own)
    model.compile("sgd", "binary_crossentropy", metrics=own)
    x = np.linspace(-1, 1, 8)[:, None]
    logs = model.fit(x, (x > 0).astype(float), verbose=0).history
    assert set(before) == set(metrics_by_name(model, own)) == set(logs) - {"loss"}
    ways = {"mse": "min", "acc": "max", "AUC": "max", "output_entropy": "min"}
    for name in before:
        for monitor in (name, f"val_{name}"):
            settings = TrainingSettings(monitor=monitor)
            if name in ways:
                assert monitor_mode(settings, before) == ways[name]
            else:
                with pytest.raises(ValueError, match=f"'{monitor}', a metric of one's own"):
                    monitor_mode(settings, before)
            least = TrainingSettings(monitor=monitor, monitor_mode="min")
            assert monitor_mode(least, before) == "min" and least.monitor_sign == -1


def leaning(y_true, y_pred):
    """Of each row the first class's probability: nothing says which way is better."""
    return y_pred[:, 0]


class LogsTheRate(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["rate"] = float(self.model.optimizer.learning_rate)


@pytest.mark.parametrize(("mode", "sign"), [("min", -1), ("max", 1)])
def test_a_metric_of_ones_own_decides_what_training_does(mode, sign, shared_table, tmp_path):
    settings = TrainingSettings(
        epochs=5, batch_size=20, learning_rate=0.1, schedule="plateau", plateau_patience=1,
        patience=2, keep_best=2, monitor="val_leaning", monitor_mode=mode,
    )  # fmt: skip

    def trained(name, **options):
        own = OwnTraining(metrics=[leaning], callbacks=[LogsTheRate()])
        checkpoint = tmp_path / name / "last.npz"
        checkpoint.parent.mkdir(exist_ok=True)
        return small(shared_table, settings, own=own, checkpoint=checkpoint, **options)

    model, result = trained("whole")
    scores = sign * result.history["val_leaning"].to_numpy()
    assert result.best_epoch == 1 + scores.argmax()
    assert len(scores) == min(5, result.best_epoch + 2)
    kept = {path.name for path in (tmp_path / "whole" / EPOCHS).iterdir()}
    assert kept == {epoch_file(1 + epoch) for epoch in np.argsort(scores)[-2:]}
    # The rate is halved after each epoch that is not better.
    worse = [0, *(scores[1:] <= np.maximum.accumulate(scores)[:-1])]
    rates = 0.1 * 0.5 ** np.cumsum(worse)
    np.testing.assert_allclose(result.history["rate"], rates, rtol=1e-6)
    with pytest.raises(KeyboardInterrupt):
        trained("stopped", callbacks=[Interrupt(2)])
    again, resumed = trained("stopped")
    assert_same_weights(model, again)
    assert figures(resumed).equals(figures(result))
