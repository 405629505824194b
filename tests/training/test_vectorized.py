"""Seeds trained side by side are the runs that they would have been apart."""

import json

import keras
import numpy as np
import pytest

from mmkeras.training.settings import TrainingSettings
from mmkeras.training.vectorized import _side_by_side, fit_seeds
from tests.layer_checks import run_python

# Augmentation, dropout, texts of varying length, auxiliary losses, a last batch that is smaller,
# accumulated gradients, rates of parts, a weighted focal loss, and early stopping, which comes at
# another epoch for each seed.
SAME = """
import dataclasses, json
import numpy as np
from tests.conftest import make_small_table
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.kinds import ImageSettings, TextSettings
from mmkeras.experiment.train import make_model
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.training.fit import fit
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.seeds import set_seed
from mmkeras.training.vectorized import fit_seeds

frame, schema = make_small_table()
settings = TrainingSettings(
    epochs=6, batch_size=16, learning_rate=0.02, schedule="cosine", weight_decay=1e-3,
    auxiliary=0.5, patience=2, clip_norm=1.0, accumulate=2, class_weights="balanced",
    part_rates={"note": 0.5}, loss="focal",
)
patches = {"patch_size": 4, "dim": 8, "ff_dim": 16, "num_layers": 1}
model = Settings(
    ModelSettings("gmu", hidden=(4,)),
    encoders={"image": Encoder("patches", patches),
              "text": Encoder("self_attention", {"dropout": 0.2})},
)
fitted = fit_preprocessing(
    frame[:40], schema,
    {"picture": ImageSettings(size=(12, 12), flip=True),
     "note": TextSettings(representation="tokens")},
)
parts = [Pipeline(part, fitted, batch_size=16) for part in (frame[:40], frame[40:])]
seeds = (0, 3, 5)
result = fit_seeds(lambda: make_model(fitted, model), *parts, settings, seeds=seeds)
report = []
for seed, weights, happened in zip(seeds, result.weights, result.fits):
    set_seed(seed)
    alone = make_model(fitted, model)
    expected = fit(alone, *parts, settings, seed=seed)
    apart = [float(np.abs(a - b).max()) for a, b in zip(weights, alone.get_weights(), strict=True)]
    columns = [c for c in expected.history if c != "seconds"]
    assert sorted(columns) == sorted(c for c in happened.history if c != "seconds")
    np.testing.assert_allclose(
        happened.history[columns], expected.history[columns], rtol=1e-3, atol=1e-3
    )
    assert happened.best_epoch == expected.best_epoch
    report.append([max(apart), len(happened.history), float(weights[0].sum())])
print("REPORT" + json.dumps(report))
"""


@pytest.mark.slow
def test_each_seed_ends_with_the_weights_of_a_run_of_its_own():
    pytest.importorskip("jax")
    printed = run_python(SAME, backend="jax")
    report = json.loads(printed.split("REPORT")[1])
    distances, epochs, sums = zip(*report, strict=True)
    assert max(distances) < 1e-4
    assert len(set(sums)) == 3, "the seeds differ"
    assert all(1 <= number <= 6 for number in epochs)


def test_sequences_of_several_lengths_are_padded_to_the_longest():
    short, long = np.ones((2, 3, 4)), np.ones((2, 5, 4))
    joined = _side_by_side(short, long)
    assert joined.shape == (2, 2, 5, 4)
    assert (joined[0, :, 3:] == 0).all() and (joined[0, :, :3] == 1).all()
    assert _side_by_side(np.arange(3), np.arange(3)).shape == (2, 3)


def test_what_works_between_epochs_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    for options in (
        {"schedule": "plateau"},
        {"ema": 0.9},
        {"freeze": ("note",)},
        {"precision": "mixed_bfloat16"},
    ):
        (name,) = options
        with pytest.raises(ValueError, match=f"{name}=.*run of its own for each seed"):
            fit_seeds(lambda: None, None, None, TrainingSettings(**options), seeds=(0,))


@pytest.mark.skipif(keras.config.backend() == "jax", reason="it is this backend that works")
def test_other_backends_are_refused():
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        fit_seeds(lambda: None, None, None, TrainingSettings(), seeds=(0,))
