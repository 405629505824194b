"""Balanced training by its settings: what it asks for, resuming, and what is saved."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.experiment.train import make_model
from mmkeras.schema import Schema, Tabular
from mmkeras.training.balance.methods import BALANCES, balanced_model
from mmkeras.training.fit import fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings
from tests.layer_checks import some_always
from tests.training.balance.balance_checks import CLASSES, vectors_model
from tests.training.test_fit import Interrupt, assert_same_weights, figures

pytestmark = pytest.mark.eager

SETTINGS = TrainingSettings(
    epochs=3, batch_size=32, auxiliary=0.5, balance_epochs=2, patience=0, learning_rate=0.01
)


@pytest.fixture(scope="module")
def table():
    """Three classes: two numbers that almost say which, and two that hint at it."""
    random = np.random.default_rng(0)
    labels = random.integers(3, size=60)
    frame = pd.DataFrame({"class": np.array(["x", "y", "z"])[labels]})
    for name, distance in (("strong", 3.0), ("weak", 1.0)):
        for place in range(2):
            frame[f"{name}{place}"] = distance * (labels == place) + random.normal(0, 1, 60)
    modalities = [Tabular(name, (f"{name}0", f"{name}1")) for name in ("strong", "weak")]
    return frame, Schema(modalities, "class")


def trained(table, balance, fusion="late", validation=True, schema=None, **options):
    frame, whole = table
    set_seed(0)
    fitted = fit_preprocessing(frame[:40], schema or whole)
    train, held_out = (
        Pipeline(part, fitted, batch_size=SETTINGS.batch_size) for part in (frame[:40], frame[40:])
    )
    model = make_model(fitted, Settings(ModelSettings("concat", hidden=(8,)).with_fusion(fusion)))
    changes = {n: options.pop(n) for n in ("auxiliary", "epochs") if n in options}
    settings = dataclasses.replace(SETTINGS, balance=balance, **changes)
    return model, fit(model, train, held_out if validation else None, settings, seed=0, **options)


@pytest.fixture(scope="module")
def plain(table):
    return trained(table, "none")


@pytest.mark.parametrize("balance", some_always(BALANCES[2:], ["ogm_ge"]))
def test_an_interrupted_run_ends_where_the_uninterrupted_one_ends(table, plain, balance, tmp_path):
    whole, expected = trained(table, balance)
    path = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        trained(table, balance, checkpoint=path, callbacks=[Interrupt(epoch=2)])
    resumed, result = trained(table, balance, checkpoint=path)
    assert_same_weights(resumed, whole)
    assert figures(result).equals(figures(expected))
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(result.history)
    weights = zip(plain[0].get_weights(), resumed.get_weights(), strict=True)
    assert any(not np.array_equal(a, b) for a, b in weights)


def test_blending_has_changed_its_weights_by_the_end(table):
    _, result = trained(table, "gradient_blending", "concat")
    blend = result.history[["blend", "strong_auxiliary_blend", "weak_auxiliary_blend"]].to_numpy()
    np.testing.assert_allclose(blend.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(blend[:2], 1 / 3, rtol=1e-5)
    assert np.abs(blend[2:] - 1 / 3).max() > 0.05


def test_what_is_saved_is_the_plain_model(table, tmp_path):
    model, _ = trained(table, "agm", "concat", epochs=1)
    names = [layer.name for layer in model.layers]
    assert names[-1] == "output" and "weak_auxiliary_head" not in names
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert [layer.name for layer in loaded.layers] == names
    assert_same_weights(loaded, model)


def test_one_modality_has_nothing_to_balance(table):
    _, schema = table
    for balance in ("ogm", "distillation"):
        model, _ = trained(table, balance, schema=schema.select(["weak"]), epochs=1)
        assert "weak_encoder" in [layer.name for layer in model.layers]


def test_what_a_way_of_balancing_lacks_is_said():
    def balanced(balance, model, **options):
        return balanced_model(model, CLASSES, balance, **options)

    with pytest.raises(ValueError, match="two or more modalities"):
        balanced("ogm", vectors_model("late", 1))
    with pytest.raises(ValueError, match="auxiliary above 0"):
        balanced("ogm_ge", vectors_model("concat"))
    for balance in ("ogm", "agm"):
        with pytest.raises(ValueError, match="in classification"):
            balanced(balance, vectors_model("late", task="number"), auxiliary=1.0)
    with pytest.raises(ValueError, match="needs `teachers`"):
        balanced("distillation", vectors_model("late"))
    with pytest.raises(ValueError, match="must be one of"):
        balanced("fairly", vectors_model("late"))


def test_blending_needs_validation_rows(table):
    with pytest.raises(ValueError, match="no validation rows"):
        trained(table, "gradient_blending", validation=False)


def test_impossible_settings_are_refused():
    for options in ({"balance": "best"}, {"balance_strength": 0.0}, {"balance_epochs": 1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            TrainingSettings(**options)
