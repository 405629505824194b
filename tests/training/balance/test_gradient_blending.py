import keras
import numpy as np
import pytest

from mmkeras.models.parts import auxiliary_model
from mmkeras.training.balance.gradient_blending import (
    GradientBlending,
    blended_model,
    blending_weights,
)
from tests.training.balance.balance_checks import CLASSES, batch, one_step, vectors_model

pytestmark = pytest.mark.eager


def test_weights_by_hand():
    weights = blending_weights(
        {
            # Generalised by 0.6, overfitted by 0.2 - 0.1.
            "a": {"loss": [1.9, 1.5, 1.2], "val_loss": [2.0, 1.9, 1.4]},
            # By 0.5, by 0.6 - 0.1.
            "fused": {"loss": [1.9, 1.0, 0.9], "val_loss": [2.0, 1.9, 1.5]},
        }
    )
    raw = {"a": 0.6 / 0.1**2, "fused": 0.5 / 0.5**2}
    for name, value in raw.items():
        assert weights[name] == pytest.approx(value / sum(raw.values()))


def test_what_does_not_generalise_counts_nothing():
    worse = {"loss": [1.0, 0.5], "val_loss": [1.0, 1.2]}
    better = {"loss": [1.0, 0.5], "val_loss": [1.0, 0.9]}
    assert blending_weights({"a": worse, "b": better}) == {"a": 0.0, "b": 1.0}
    assert blending_weights({"a": worse, "b": worse}) == {"a": 0.5, "b": 0.5}


def test_a_gap_of_nothing_does_not_take_all_weight():
    same = {"loss": [1.0, 0.9], "val_loss": [1.0, 0.9]}
    other = {"loss": [1.0, 0.88], "val_loss": [1.0, 0.9]}
    weights = blending_weights({"a": same, "b": other})
    assert weights["a"] == pytest.approx(4 * weights["b"], rel=1e-3)


def test_losses_that_are_missing_are_named():
    both = {"loss": [1.0, 0.9], "val_loss": [1.0, 0.9]}
    with pytest.raises(ValueError, match=r"'b'.*val_loss"):
        blending_weights({"a": both, "b": {"loss": [1.0, 0.9]}})
    with pytest.raises(ValueError, match="two or more"):
        blending_weights({"a": both})
    with pytest.raises(ValueError, match="2 epochs"):
        GradientBlending(1)


def test_scaling_an_outputs_gradient_weighs_its_loss():
    inputs, targets = batch()
    weighted = blended_model(vectors_model("concat"), CLASSES)
    plain = auxiliary_model(vectors_model("concat"), CLASSES)
    for source, target in zip(weighted.trainable_variables, plain.trainable_variables, strict=True):
        target.assign(source.value)
    expected = plain.predict_on_batch(inputs)
    for name, values in weighted.predict_on_batch(inputs).items():
        np.testing.assert_array_equal(values, expected[name])
    weighted.get_layer("output_blend").blend.assign([0.2, 0.2, 0.5])  # a, b, fused
    changes = one_step(weighted, inputs, targets, auxiliary=1.0)
    # Weights of 1 and 0.4, of which the above are half.
    expected = one_step(plain, inputs, targets, auxiliary=0.4)
    for (_, scaled), (_, change) in zip(changes, expected, strict=True):
        np.testing.assert_allclose(scaled, 0.5 * change, rtol=1e-3, atol=1e-6)


def losses(fused, a, b):
    names = {"": fused, "a_auxiliary_": a, "b_auxiliary_": b}
    return {
        f"{side}{name}loss": value
        for name, values in names.items()
        for side, value in zip(("", "val_"), values, strict=True)
    }


def test_every_few_epochs_the_weights_follow_the_models_own_losses():
    model = blended_model(vectors_model("late"), CLASSES)
    rows = [
        losses((2.0, 2.0), (2.0, 2.0), (2.0, 2.0)),
        losses((1.0, 1.2), (1.5, 1.6), (1.9, 2.1)),
        losses((0.8, 1.1), (1.4, 1.5), (1.8, 1.9)),
    ]
    callback = GradientBlending(2)
    callback.set_model(model)
    for epoch, row in enumerate(rows):
        callback.on_epoch_end(epoch, logs := dict(row))
        used = [logs["a_auxiliary_blend"], logs["b_auxiliary_blend"], logs["blend"]]
        if epoch < 2:
            np.testing.assert_allclose(used, 1 / 3, rtol=1e-6)
    raw = np.array([0.4 / 0.1**2, 0.0, 0.8 / 0.2**2])
    np.testing.assert_allclose(used, raw / raw.sum(), rtol=1e-5)
    # Of a resumed run the earlier epochs are handed over.
    resumed = GradientBlending(2, history=rows[:1])
    other = blended_model(vectors_model("late"), CLASSES)
    resumed.set_model(other)
    resumed.on_epoch_end(1, dict(rows[1]))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(other.get_layer("output_blend").blend),
        keras.ops.convert_to_numpy(model.get_layer("output_blend").blend),
    )
