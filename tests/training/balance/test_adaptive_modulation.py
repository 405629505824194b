import keras
import numpy as np
import pytest

from mmkeras.models.parts import attention_model
from mmkeras.training.balance.adaptive_modulation import agm_coefficients, shapley_shares
from mmkeras.training.balance.methods import balanced_model
from tests.layer_checks import run_python
from tests.training.balance.balance_checks import (
    CLASSES,
    batch,
    one_step,
    owner,
    softmax,
    vectors_model,
)

pytestmark = pytest.mark.eager


def test_shapley_shares_of_three_are_those_of_all_orders():
    import itertools

    expected = {}
    for order in itertools.permutations(range(3)):
        for place, m in enumerate(order):
            for subset, sign in ((order[: place + 1], 1), (order[:place], -1)):
                if subset:
                    shares = expected.setdefault(tuple(sorted(subset)), [0.0] * 3)
                    shares[m] += sign / 6
    shares = shapley_shares(3)
    assert set(shares) == set(expected)
    for subset, values in shares.items():
        np.testing.assert_allclose(values, expected[subset], atol=1e-12)


def test_coefficients_compare_with_the_running_mean():
    scores, running = np.array([0.5, 1.5], "float32"), np.array([1.0, 1.2], "float32")
    values = keras.ops.convert_to_numpy(agm_coefficients(scores, running, 0.7))
    expected = [
        np.exp(0.7 * (np.exp(1.2 - 1.0) - np.exp(1.5 - 0.5))),
        np.exp(0.7 * (np.exp(1.0 - 1.2) - np.exp(0.5 - 1.5))),
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert values[0] < 1 < values[1]


def test_no_coefficient_grows_without_bound():
    scores, running = np.array([60.0, 0.0], "float32"), np.array([0.0, 60.0], "float32")
    values = keras.ops.convert_to_numpy(agm_coefficients(scores, running, 0.5))
    np.testing.assert_allclose(values, [np.exp(5.0), 0.0], rtol=1e-5)


def test_late_fusions_responses_are_its_modalities_logits():
    inputs, _ = batch(3)
    model = vectors_model("late", 3)
    outputs = balanced_model(model, CLASSES, "agm").predict_on_batch(inputs)
    logits = attention_model(model).predict_on_batch(inputs)["weights"]
    for place, name in enumerate("abc"):
        np.testing.assert_allclose(
            outputs[f"{name}_auxiliary"], softmax(logits[:, place]), atol=1e-5
        )


@pytest.mark.parametrize("fusion", ["late", "concat", "attention"])
def test_the_fused_prediction_is_the_models_own(fusion):
    inputs, _ = batch()
    model = vectors_model(fusion, dropout=0.5)
    outputs = balanced_model(model, CLASSES, "agm").predict_on_batch(inputs)
    np.testing.assert_allclose(outputs["output"], model.predict_on_batch(inputs), atol=1e-5)


def check_step():
    """In late fusion a modality's response is its own branch, which is scaled as a whole."""
    inputs, targets = batch()
    model, other = vectors_model("late"), vectors_model("late")
    other.set_weights(model.get_weights())
    logits = attention_model(model).predict_on_batch(inputs)["weights"]
    log = np.log(np.stack([softmax(logits[:, place]) for place in (0, 1)]))
    scores = -(targets * log).sum(axis=-1).mean(axis=-1)
    ratios = np.exp(scores[::-1] - scores)
    scales = dict(zip("ab", np.exp(0.6 * np.minimum(1 - ratios, 10)), strict=True))
    assert abs(scales["a"] - 1) > 0.1 and abs(scales["b"] - 1) > 0.1
    model.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy", jit_compile=False)
    before = [w.copy() for w in other.get_weights()]
    model.train_on_batch(inputs, targets)
    trained = balanced_model(other, CLASSES, "agm", strength=0.6)
    one_step(trained, inputs, targets, auxiliary=0.0)
    checked = 0
    for old, plain, scaled, weight in zip(
        before, model.get_weights(), other.get_weights(), model.weights, strict=True
    ):
        name = owner(weight.path)
        if name:
            np.testing.assert_allclose(
                scaled - old, scales[name] * (plain - old), rtol=1e-2, atol=1e-5
            )
            checked += 1
    assert checked == 4
    np.testing.assert_allclose(keras.ops.convert_to_numpy(trained.running), scores, rtol=1e-4)
    assert float(trained.steps) == 1


def test_the_gradient_through_a_response_is_scaled():
    check_step()


@pytest.mark.slow
def test_the_step_on_jax_is_the_same():
    code = "from tests.training.balance.test_adaptive_modulation import check_step; check_step()"
    run_python(code, backend="jax")


def test_validating_leaves_the_running_means_alone():
    inputs, targets = batch()
    trained = balanced_model(vectors_model("concat"), CLASSES, "agm")
    one_step(trained, inputs, targets)
    before = keras.ops.convert_to_numpy(trained.running).copy()
    trained.test_on_batch(inputs, dict.fromkeys(trained.output, targets))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(trained.running), before)


def test_too_many_modalities_are_refused():
    with pytest.raises(ValueError, match="at most 4"):
        balanced_model(vectors_model("concat", 5), CLASSES, "agm")
