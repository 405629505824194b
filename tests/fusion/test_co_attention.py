import numpy as np
import pytest

from mmkeras.fusion.co_attention import CoAttentionFusion
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = CoAttentionFusion(dim=4)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def co_attend(fusion, hidden, target, guide):
    """The target's attention and attended vector in one row, by the paper's equations 3 to 5."""
    pair = tuple(sorted((target, guide)))
    index = fusion.pairs.index(pair)
    side = pair.index(target)
    w_b = fusion.affinities[index].get_weights()[0]
    w_target, w_guide = (fusion.to_hidden[index][s].get_weights()[0] for s in (side, 1 - side))
    w = fusion.to_scores[index][side].get_weights()[0][:, 0]
    x = hidden[target]
    h = x @ w_target
    if hidden[guide] is not None:
        c = np.tanh(hidden[pair[0]] @ w_b @ hidden[pair[1]].T)
        h = h + (c if side == 0 else c.T) @ hidden[guide] @ w_guide
    a = by_hand.softmax(np.tanh(h) @ w)
    return a, a @ x


def test_each_modality_is_attended_to_with_each_present_partner_as_guide(fusion):
    vectors, weights = call(fusion, ARGUMENTS, return_weights=True)
    for row in range(4):
        rows = by_hand.rows_that_count(ARGUMENTS, row)
        hidden = [
            None if x is None else by_hand.dense(projection, x)
            for projection, x in zip(fusion.projections, rows, strict=True)
        ]
        total = np.zeros(4)
        for target in range(3):
            if hidden[target] is None:
                continue
            others = [j for j in range(3) if j != target]
            partners = [j for j in others if hidden[j] is not None]
            attended = []
            for guide in partners or others:
                a, x = co_attend(fusion, hidden, target, guide)
                attended.append(x)
                if partners:
                    given = weights[f"{guide}_to_{target}"][row, 0, 0]
                    np.testing.assert_allclose(given[: len(a)], a, atol=1e-5)
                    assert (given[len(a) :] == 0).all()
            total += np.mean(attended, axis=0)
        expected = np.tanh(total @ fusion.output_dense.get_weights()[0])
        np.testing.assert_allclose(vectors[row], expected, atol=1e-4)


def test_a_modality_alone_is_attended_to_by_its_own_tokens():
    arguments = example(2)
    arguments["present"] = np.array([[True, False]] * 4)
    fusion = CoAttentionFusion(dim=4)
    fusion.build([x.shape for x in arguments["tokens"]])
    randomize(fusion)
    vectors = call(fusion, arguments)
    for row, vector in enumerate(vectors):
        x = by_hand.rows_that_count(arguments, row)[0]
        _, attended = co_attend(fusion, [by_hand.dense(fusion.projections[0], x), None], 0, 1)
        expected = np.tanh(attended @ fusion.output_dense.get_weights()[0])
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_weights_add_up_to_one_where_both_modalities_are_present(fusion):
    _, weights = call(fusion, ARGUMENTS, return_weights=True)
    assert set(weights) == {"0_to_1", "1_to_0", "0_to_2", "2_to_0", "1_to_2", "2_to_1"}
    present = ARGUMENTS["present"]
    for direction, tensor in weights.items():
        guide, target = map(int, direction.split("_to_"))
        assert tensor.shape == (4, 1, 1, ARGUMENTS["tokens"][target].shape[1])
        both = present[:, guide] & present[:, target]
        np.testing.assert_allclose(tensor.sum(axis=(1, 2, 3)), both, atol=1e-5)


def test_a_row_without_any_modality_gives_zeros(fusion):
    assert (call(fusion, ARGUMENTS)[3] == 0).all()


def test_the_order_of_a_modalitys_tokens_does_not_matter(fusion):
    tokens = ARGUMENTS["tokens"]
    np.testing.assert_allclose(
        call(fusion, {"tokens": [x[:, ::-1] for x in tokens]}),
        call(fusion, {"tokens": tokens}),
        atol=1e-5,
    )


def test_has_as_many_weights_as_the_formula(fusion):
    projections = (3 + 1) * 4 + (2 + 1) * 4 + (6 + 1) * 4
    pair = 3 * 4 * 4 + 2 * 4  # W_b, W_v, W_q; w_v, w_q
    assert fusion.count_params() == projections + 3 * pair + 4 * 4 == 240
