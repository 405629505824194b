"""Auxiliary losses: every modality also learns to predict alone."""

import numpy as np
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.models.compile import compile_model
from mmkeras.models.parts import attention_model, auxiliary_model, embedding_model
from mmkeras.training.fit import fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

IMAGES = {"picture": ImageSettings(size=(12, 12))}


def built(table, fusion, **settings):
    frame, schema = table
    set_seed(0)
    fitted = fit_preprocessing(frame, schema, IMAGES)
    small = Encoder("cnn", {"filters": (4,), "convs_per_block": 1})
    settings = Settings(ModelSettings(fusion=fusion, **settings), encoders={"image": small})
    return make_model(fitted, settings), fitted


@pytest.mark.parametrize("fusion", ["late", "concat"])
def test_the_fused_prediction_is_the_models_own(small_table, fusion):
    model, fitted = built(small_table, fusion)
    auxiliary = auxiliary_model(model, fitted.num_outputs)
    assert list(auxiliary.output) == [
        "output",
        "picture_auxiliary",
        "note_auxiliary",
        "facts_auxiliary",
    ]
    inputs = next(Pipeline(small_table[0], fitted).evaluate().as_numpy_iterator())[0]
    outputs = auxiliary.predict_on_batch(inputs)
    np.testing.assert_allclose(outputs["output"], model.predict_on_batch(inputs), atol=1e-6)
    for name in ("picture", "note", "facts"):
        np.testing.assert_allclose(outputs[f"{name}_auxiliary"].sum(axis=1), 1, atol=1e-5)


def test_late_fusions_auxiliary_outputs_are_its_own_logits(small_table):
    model, fitted = built(small_table, "late")
    inputs = next(Pipeline(small_table[0], fitted).evaluate().as_numpy_iterator())[0]
    logits = attention_model(model).predict_on_batch(inputs)["weights"]
    outputs = auxiliary_model(model, fitted.num_outputs).predict_on_batch(inputs)
    exponentials = np.exp(logits[:, 1])
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs["note_auxiliary"], expected, atol=1e-5)


def test_late_fusions_embedding_is_what_each_modality_decides_on(small_table):
    model, _ = built(small_table, "late", pooling="flatten")
    pooled = sum(
        int(np.prod(model.get_layer(f"{name}_encoder").output.shape[1:]))
        for name in ("picture", "note", "facts")
    )
    assert embedding_model(model).output_shape == (None, pooled)


def test_rows_with_holes_have_auxiliary_outputs(small_table):
    frame, schema = small_table
    frame = frame.copy()
    frame.loc[::3, "note"] = None
    model, fitted = built((frame, schema), "concat")
    outputs = auxiliary_model(model, fitted.num_outputs).predict(
        Pipeline(frame, fitted).evaluate(), verbose=0
    )
    assert np.isfinite(outputs["note_auxiliary"]).all()


def test_training_with_it_names_the_fused_models_figures_plainly(small_table):
    frame, _ = small_table
    model, fitted = built(small_table, "late")
    train, validation = (Pipeline(part, fitted) for part in (frame[:40], frame[40:]))
    settings = TrainingSettings(epochs=2, auxiliary=0.5, monitor="val_accuracy", clip_norm=1.0)
    before = [w.copy() for w in model.get_weights()]
    result = fit(model, train, validation, settings, seed=0)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(result.history)
    assert {"note_auxiliary_accuracy", "val_note_auxiliary_loss"} <= set(result.history)
    assert not any(name.startswith(("output_", "val_output_")) for name in result.history)
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    compile_model(model, "label")
    loss, accuracy = model.evaluate(validation.evaluate(), verbose=0)
    best = result.history.iloc[result.best_epoch - 1]
    np.testing.assert_allclose([loss, accuracy], [best.val_loss, best.val_accuracy], rtol=1e-4)


def test_without_validation_rows_the_last_epoch_is_kept(small_table):
    frame, _ = small_table
    model, fitted = built(small_table, "late")
    settings = TrainingSettings(epochs=2, auxiliary=1.0)
    result = fit(model, Pipeline(frame, fitted), None, settings, seed=0)
    assert result.best_epoch == 2 and "val_loss" not in result.history
