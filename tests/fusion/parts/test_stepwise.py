import keras
import numpy as np
import pytest

from mmkeras.fusion import (
    FUSIONS,
    ConcatFusion,
    CrossAttentionFusion,
    StepwiseFusion,
    WeightedSumFusion,
    fusion_class,
    get_fusion,
)
from tests.layer_checks import (
    call,
    check_absent_modality,
    check_close,
    check_layer,
    randomize,
    some_always,
)

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal((4, 5, dim), "float32") for dim in (3, 2, 6)]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, np.ones((4, 5), bool)]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}
# Aligned ones read the steps themselves. Most are in the slow tests, as each takes seconds.
NAMES = some_always(
    [name for name in FUSIONS if not getattr(fusion_class(name), "aligned", False)],
    always=("concat", "weighted_sum", "attention", "late"),
)


def make(name):
    options = {"num_outputs": 3} if getattr(fusion_class(name), "gives_logits", False) else {}
    if name == "attention":
        options = {"num_heads": 2, "key_dim": 4}
    return StepwiseFusion(get_fusion(name, **options))


def random_fusion(name):
    layer = make(name)
    call(layer, {"tokens": TOKENS})
    return randomize(layer)


@pytest.mark.parametrize("name", NAMES)
def test_any_fusion_can_work_step_by_step(name, tmp_path):
    _, outputs = check_layer(lambda: make(name), ARGUMENTS, None, tmp_path)
    assert outputs.shape[:2] == (4, 5) and outputs.ndim == 3


@pytest.mark.parametrize("name", NAMES)
def test_it_equals_the_fusion_applied_at_each_step_by_hand(name):
    layer = random_fusion(name)
    outputs = call(layer, ARGUMENTS)
    for step in range(5):
        # A step that is padding in one modality is absent there.
        there = np.stack(
            [np.ones(4, bool) if mask is None else mask[:, step] for mask in MASKS], axis=1
        )
        by_hand = call(
            layer.fusion,
            {"tokens": [x[:, step : step + 1] for x in TOKENS], "present": PRESENT & there},
        )
        check_close(outputs[:, step], by_hand)


@pytest.mark.parametrize("name", NAMES)
def test_absent_modalities_and_padded_steps_do_not_matter(name):
    check_absent_modality(random_fusion(name), TOKENS, MASKS)


@pytest.mark.parametrize("name", NAMES)
def test_a_steps_output_does_not_depend_on_the_other_steps(name):
    layer = random_fusion(name)
    outputs = call(layer, {"tokens": TOKENS})
    changed = [x.copy() for x in TOKENS]
    for x in changed:
        x[:, 3] += 1
    other = call(layer, {"tokens": changed})
    np.testing.assert_allclose(
        np.delete(other, 3, axis=1), np.delete(outputs, 3, axis=1), atol=1e-6
    )
    assert np.abs(other[:, 3] - outputs[:, 3]).max() > 1e-3
    shorter = call(layer, {"tokens": [x[:, :2] for x in TOKENS]})
    check_close(shorter, outputs[:, :2])


def test_a_single_modality_keeps_its_tokens():
    outputs = call(StepwiseFusion(ConcatFusion()), {"tokens": TOKENS[:1]})
    np.testing.assert_allclose(outputs, TOKENS[0], atol=1e-6)


def test_concatenation_puts_the_steps_side_by_side():
    outputs = call(StepwiseFusion(ConcatFusion()), {"tokens": TOKENS})
    np.testing.assert_allclose(outputs, np.concatenate(TOKENS, axis=-1), atol=1e-6)


def test_weights_have_an_axis_for_the_steps():
    layer = StepwiseFusion(WeightedSumFusion(dim=4))
    assert layer.has_weights
    outputs, weights = call(layer, ARGUMENTS, return_weights=True)
    assert weights.shape == (4, 5, 3)
    np.testing.assert_allclose(outputs, call(layer, ARGUMENTS), atol=1e-6)
    np.testing.assert_allclose(weights[0].sum(axis=-1), 1, atol=1e-5)
    assert (weights[1, 2:, 0] == 0).all() and (weights[2, :, 1:] == 0).all()
    layer = StepwiseFusion(CrossAttentionFusion(num_heads=2, key_dim=4))
    _, weights = call(layer, ARGUMENTS, return_weights=True)
    assert all(value.shape == (4, 5, 2, 1, 1) for value in weights.values())


def test_it_says_of_its_fusion_what_that_says_of_itself():
    assert make("late").gives_logits and not make("concat").gives_logits
    assert make("attention").has_weights and not make("concat").has_weights
    assert make("concat").pooling == make("concat").fusion.pooling


def test_lengths_that_vary_are_only_known_when_called():
    inputs = [keras.Input((None, dim)) for dim in (3, 2, 6)]
    model = keras.Model(inputs, make("weighted_sum")(inputs))
    assert model.output_shape[:2] == (None, None)
    for steps in (1, 5):
        assert model.predict([x[:, :steps] for x in TOKENS], verbose=0).shape[:2] == (4, steps)


def test_sequences_of_different_lengths_are_refused():
    tokens = [TOKENS[0], TOKENS[1][:, :4]]
    with pytest.raises(ValueError, match=r"one length.*\(4, 5, 3\), \(4, 4, 2\)"):
        make("concat")(tokens)


def test_the_configuration_makes_the_same_layer_again():
    layer = StepwiseFusion(WeightedSumFusion(dim=7), name="fusion")
    config = layer.get_config()
    clone = StepwiseFusion.from_config(config)
    assert clone.get_config() == config
    assert clone.name == "fusion" and clone.fusion.dim == 7 and clone.fusion is not layer.fusion


def test_longer_padding_changes_nothing():
    masks = [np.arange(5) < np.array([[5], [2], [1], [3]])] * 3
    layer = random_fusion("weighted_sum")
    expected = call(layer, {"tokens": TOKENS, "masks": masks})
    longer = [np.pad(x, ((0, 0), (0, 3), (0, 0)), constant_values=np.nan) for x in TOKENS]
    masks = [np.pad(mask, ((0, 0), (0, 3))) for mask in masks]
    outputs = call(layer, {"tokens": longer, "masks": masks})
    np.testing.assert_allclose(outputs[:, :5], expected, atol=1e-6)
    assert np.isfinite(outputs).all()
