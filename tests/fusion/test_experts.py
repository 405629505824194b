import numpy as np
import pytest

from mmkeras.fusion.experts import MixtureOfExpertsFusion
from tests.fusion.by_hand import dense
from tests.layer_checks import call, randomize

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2)]]
PRESENT = np.array([[1, 1], [0, 1], [1, 0], [0, 0]], bool)


def built(**options):
    fusion = MixtureOfExpertsFusion(dim=4, **options)
    fusion.build([x.shape for x in TOKENS])
    return randomize(fusion)


def by_hand(fusion, vectors, available):
    """The fused vector and the gates of one row."""
    h = [
        dense(projection, x) if there else np.zeros(4)
        for projection, x, there in zip(fusion.projections, vectors, available, strict=False)
    ]
    together = np.concatenate(h)
    gates = np.exp(dense(fusion.router, together)) * available
    gates /= gates.sum()
    inputs = [*h, *[together] * fusion.num_joint]
    opinions = [
        dense(outer, np.maximum(dense(inner, x), 0))
        for (inner, outer), x in zip(fusion.experts, inputs, strict=True)
    ]
    return gates @ np.stack(opinions), gates


@pytest.mark.parametrize("num_joint", [0, 1, 2])
def test_the_experts_are_mixed_by_their_gates(num_joint):
    fusion = built(num_joint=num_joint)
    fused, weights = call(fusion, {"tokens": TOKENS}, return_weights=True)
    for row in range(4):
        vectors = [x[row].mean(axis=0) for x in TOKENS]
        expected, gates = by_hand(fusion, vectors, np.ones(2 + num_joint))
        np.testing.assert_allclose(fused[row], expected, atol=1e-5)
        np.testing.assert_allclose(weights["experts"][row], gates, atol=1e-5)


def test_experts_of_absent_modalities_are_not_asked():
    fusion = built()
    arguments = {"tokens": TOKENS, "present": PRESENT}
    fused, weights = call(fusion, arguments, return_weights=True)
    for row, available in [(1, [0, 1, 1]), (2, [1, 0, 1])]:
        vectors = [x[row].mean(axis=0) for x in TOKENS]
        expected, gates = by_hand(fusion, vectors, np.array(available))
        np.testing.assert_allclose(fused[row], expected, atol=1e-5)
        np.testing.assert_allclose(weights["experts"][row], gates, atol=1e-5)
    assert (fused[3] == 0).all() and (weights["experts"][3] == 0).all()


def test_training_starts_with_equal_gates_of_the_available_experts():
    arguments = {"tokens": [100 * x for x in TOKENS], "present": PRESENT}
    _, weights = call(MixtureOfExpertsFusion(dim=4), arguments, return_weights=True)
    expected = [[1 / 3] * 3, [0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [0] * 3]
    np.testing.assert_allclose(weights["experts"], expected, rtol=1e-6)


def added_loss(fusion, arguments):
    _, weights = call(fusion, arguments, return_weights=True, training=True)
    (loss,) = fusion.losses
    return float(loss), weights["experts"]


def test_the_balance_loss_is_the_squared_variation_of_the_importance():
    loss, gates = added_loss(built(balance=0.5), {"tokens": TOKENS})
    importance = gates.mean(axis=0)
    assert loss > 0
    np.testing.assert_allclose(loss, 0.5 * importance.var() / importance.mean() ** 2, rtol=1e-4)


def test_importance_is_the_mean_over_the_rows_that_have_the_modality():
    loss, gates = added_loss(built(balance=0.5), {"tokens": TOKENS, "present": PRESENT})
    importance = gates.sum(axis=0) / [2, 2, 3]
    np.testing.assert_allclose(loss, 0.5 * importance.var() / importance.mean() ** 2, rtol=1e-4)


def test_an_expert_without_rows_does_not_count():
    present = np.array([[1, 0]] * 4, bool)
    loss, gates = added_loss(built(balance=0.5), {"tokens": TOKENS, "present": present})
    importance = gates.mean(axis=0)[[0, 2]]
    np.testing.assert_allclose(loss, 0.5 * importance.var() / importance.mean() ** 2, rtol=1e-4)
    nobody = {"tokens": TOKENS, "present": np.zeros((4, 2), bool)}
    assert added_loss(built(), nobody)[0] == 0


def test_the_loss_is_for_training_and_for_those_who_want_it():
    fusion = built()
    call(fusion, {"tokens": TOKENS})
    assert fusion.losses == []
    fusion = built(balance=0)
    call(fusion, {"tokens": TOKENS}, training=True)
    assert fusion.losses == []


def test_the_parameters_are_those_of_the_equations():
    def dense(inputs, outputs):
        return (inputs + 1) * outputs

    projections = dense(3, 4) + dense(2, 4)
    experts = 2 * (dense(4, 4) + dense(4, 4)) + dense(8, 4) + dense(4, 4)
    assert built().count_params() == projections + experts + dense(8, 3)


@pytest.mark.parametrize("options", [{"num_joint": -1}, {"balance": -0.1}])
def test_negative_numbers_are_refused(options):
    with pytest.raises(ValueError, match="`num_joint` and `balance` are 0 or more"):
        MixtureOfExpertsFusion(**options)
