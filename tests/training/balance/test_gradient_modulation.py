import keras
import numpy as np
import pytest

from mmkeras.models.parts import auxiliary_model
from mmkeras.training.balance.gradient_modulation import ogm_coefficients, true_class_score
from mmkeras.training.balance.methods import balanced_model
from tests.layer_checks import run_python
from tests.training.balance.balance_checks import CLASSES, batch, one_step, owner, vectors_model

pytestmark = pytest.mark.eager


def coefficients(scores, strength):
    values = ogm_coefficients(keras.ops.array(scores, "float32"), strength)
    return keras.ops.convert_to_numpy(values)


def test_only_the_modality_that_is_ahead_is_slowed_down():
    expected = [1 - np.tanh(0.5 * 3.0), 1.0]
    np.testing.assert_allclose(coefficients([6.0, 2.0], 0.5), expected, rtol=1e-5)
    np.testing.assert_array_equal(coefficients([2.0, 2.0], 0.5), [1, 1])


def test_of_three_modalities_each_is_compared_with_the_mean_of_the_others():
    # 6 over (4 + 1) / 2, 4 over 3.5, 1 over 5.
    expected = [1 - np.tanh(0.3 * 6 / 2.5), 1 - np.tanh(0.3 * 4 / 3.5), 1.0]
    np.testing.assert_allclose(coefficients([6.0, 4.0, 1.0], 0.3), expected, rtol=1e-5)


def test_a_score_is_the_sum_of_the_true_classes_probabilities():
    targets = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], "float32")
    probabilities = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.3, 0.7], [0.2, 0.8]]], "float32")
    assert float(true_class_score(targets, probabilities)) == pytest.approx(0.9 + 0.6 + 0.7 + 0.2)
    padded = np.array([[1, 1], [1, 0]], "float32")
    assert float(true_class_score(targets, probabilities, padded)) == pytest.approx(2.2)


def plain_and_modulated(fusion, modalities, balance):
    """Changes by weight, and the coefficients worked out from the model's own outputs."""
    inputs, targets = batch(modalities)
    plain = auxiliary_model(vectors_model(fusion, modalities), CLASSES)
    outputs = plain.predict_on_batch(inputs)
    names = "abcde"[:modalities]
    scores = np.array([(targets * outputs[f"{n}_auxiliary"]).sum() for n in names])
    expected = {}
    for name, score in zip(names, scores, strict=True):
        ratio = score / ((scores.sum() - score) / (modalities - 1))
        expected[name] = 1 - np.tanh(0.4 * ratio) if ratio > 1 else 1.0
    assert min(expected.values()) < 0.7
    other = vectors_model(fusion, modalities)
    trained = balanced_model(other, CLASSES, balance, strength=0.4, auxiliary=0.5)
    # The same weights, whatever was drawn for the auxiliary heads.
    for source, target in zip(plain.trainable_variables, trained.trainable_variables, strict=True):
        assert source.shape == target.shape
        target.assign(source.value)
    return one_step(plain, inputs, targets), one_step(trained, inputs, targets), expected


def check_exact(fusion, modalities):
    plain, modulated, expected = plain_and_modulated(fusion, modalities, "ogm")
    slowed = 0
    for (path, change), (_, scaled) in zip(plain, modulated, strict=True):
        k = expected.get(owner(path, modalities), 1.0)
        np.testing.assert_allclose(scaled, k * change, rtol=1e-3, atol=1e-6)
        slowed += k < 1 and np.abs(change).max() > 1e-3
    assert slowed


@pytest.mark.parametrize(("fusion", "modalities"), [("late", 2), ("late", 3), ("concat", 2)])
def test_an_encoders_gradient_is_scaled_and_no_others(fusion, modalities):
    check_exact(fusion, modalities)


def test_the_noise_is_added_to_encoders_with_their_gradients_spread():
    plain, noisy, expected = plain_and_modulated("late", 2, "ogm_ge")
    for (path, change), (_, moved) in zip(plain, noisy, strict=True):
        name = owner(path)
        if name is None:
            np.testing.assert_allclose(moved, change, rtol=1e-3, atol=1e-6)
        elif change.ndim == 2:
            noise = moved - expected[name] * change
            # 320 draws: their standard deviation is within a fifth.
            assert noise.std() == pytest.approx(change.std(), rel=0.2)
            assert abs(np.corrcoef(noise.ravel(), change.ravel())[0, 1]) < 0.3


_ON_JAX = """
import jax, numpy as np, keras
from tests.training.balance.balance_checks import batch, vectors_model, CLASSES
from tests.training.balance.test_gradient_modulation import check_exact
from mmkeras.models.compile import compile_model
from mmkeras.training.balance.methods import balanced_model

check_exact("late", 2)
check_exact("concat", 2)

# Two seeds side by side are what they are one after the other.
inputs, targets = batch()
states = []
for seed in (0, 1):
    model = vectors_model("late", seed=seed)
    trained = balanced_model(model, CLASSES, "ogm_ge", strength=0.4, auxiliary=0.5)
    compile_model(trained, "label")
    trained.optimizer.build(trained.trainable_variables)
    data = (inputs, dict.fromkeys(trained.output, targets))
    trained._symbolic_build(data_batch=data)
    trained.reset_metrics()
    parts = (trained.trainable_variables, trained.non_trainable_variables,
             trained.optimizer.variables, trained.metrics_variables)
    states.append(tuple([np.asarray(v.value) for v in part] for part in parts))
step = jax.jit(trained.train_step)
alone = [step(step(state, data)[1], data)[1] for state in states]
both = jax.tree.map(lambda *values: np.stack(values), *states)
vectorized = jax.jit(jax.vmap(trained.train_step, in_axes=(0, None)))
both = vectorized(vectorized(both, data)[1], data)[1]
for place, state in enumerate(alone):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y[place], rtol=1e-3, atol=1e-4),
                 state[:3], both[:3])
assert not np.allclose(alone[0][0][0], alone[1][0][0])
# The noise's seed has moved on.
moved = [not np.array_equal(x, y) for x, y in zip(states[0][1], alone[0][1])]
assert any(moved), moved
"""


@pytest.mark.slow
def test_the_step_on_jax_is_the_same_and_can_be_vectorized():
    run_python(_ON_JAX, backend="jax")
