"""Trainings in half precision."""

import keras
import numpy as np
import pytest

from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.training.precision import computing_in
from mmkeras.training.settings import TrainingSettings
from tests.training.test_fit import Interrupt, assert_same_weights, figures, trained

pytestmark = pytest.mark.eager


def half(table, precision, **options):
    training = TrainingSettings(epochs=2, batch_size=20, precision=precision, auxiliary=0.5)
    model = Settings(
        ModelSettings("gmu", hidden=(4,)),
        training,
        encoders={"text": Encoder("bag_of_words", {"units": (4,)})},
    )
    return trained(table, training, model=model, names=["note", "facts"], **options)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_of_this_run_alone_resumes_and_loads_back(
    shared_table, tmp_path, precision
):
    whole, expected = half(shared_table, precision)
    assert keras.config.dtype_policy().name == "float32"
    assert whole.get_layer("note_encoder").compute_dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in whole.trainable_variables} == {"float32"}
    path = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        half(shared_table, precision, checkpoint=path, callbacks=[Interrupt(epoch=1)])
    assert keras.config.dtype_policy().name == "float32"
    resumed, result = half(shared_table, precision, checkpoint=path)
    assert_same_weights(resumed, whole)
    assert figures(result).equals(figures(expected))
    whole.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == precision
    assert loaded.get_layer("note_encoder").compute_dtype == precision.removeprefix("mixed_")
    inputs = {
        name: np.random.default_rng(0).random((3, *tensor.shape[1:])).astype("float32")
        for name, tensor in whole.input.items()
    }
    np.testing.assert_array_equal(
        loaded.predict(inputs, verbose=0), whole.predict(inputs, verbose=0)
    )


def test_small_gradients_of_float16_are_scaled_also_in_a_model_around_the_model(shared_table):
    class Scaled(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            assert isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)

    half(shared_table, "mixed_float16", callbacks=[Scaled()])


def test_a_model_of_another_precision_is_refused(shared_table):
    with pytest.raises(ValueError, match="computes in float32, and `precision` is"):
        trained(shared_table, TrainingSettings(precision="mixed_bfloat16"))
    with pytest.raises(ValueError, match="`precision` must be one of"):
        TrainingSettings(precision="float64")
    with pytest.raises(RuntimeError), computing_in("mixed_float16"):
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"
