import numpy as np
import pytest

from mmkeras.fusion.memory import MemoryFusion
from tests.fusion.by_hand import sigmoid, softmax
from tests.layer_checks import call, randomize

RANDOM = np.random.default_rng(0)
DIM = 2
TOKENS = [RANDOM.standard_normal((3, 5, dim), "float32") for dim in (3, 2)]


def built(**options):
    fusion = MemoryFusion(dim=DIM, **options)
    fusion.build([x.shape for x in TOKENS])
    return randomize(fusion)


def by_hand(fusion, xs):
    """The fused vector of one row, by the equations; `xs` has the row's steps by modality."""
    cell = fusion.recurrence.cell
    lstms = [lstm.get_weights() for lstm in cell.lstms]

    def network(layers, x):
        (k1, b1), (k2, b2) = (layer.get_weights() for layer in layers)
        return np.maximum(x @ k1 + b1, 0) @ k2 + b2

    h, c = [np.zeros(DIM) for _ in xs], [np.zeros(DIM) for _ in xs]
    u = np.zeros(DIM)
    for step in range(len(xs[0])):
        before = list(c)
        for m, (kernel, recurrent, bias) in enumerate(lstms):
            i, f, g, o = np.split(xs[m][step] @ kernel + h[m] @ recurrent + bias, 4)
            c[m] = sigmoid(f) * c[m] + sigmoid(i) * np.tanh(g)
            h[m] = sigmoid(o) * np.tanh(c[m])
        both = np.concatenate([*before, *c])
        attended = softmax(network(cell.attention, both)) * both
        gates = np.concatenate([attended, u])
        u = sigmoid(network(cell.retain, gates)) * u + sigmoid(
            network(cell.write, gates)
        ) * np.tanh(network(cell.candidate, attended))
    return np.concatenate([*h, u])


def test_it_follows_the_equations():
    fusion = built()
    expected = [by_hand(fusion, [x[row] for x in TOKENS]) for row in range(3)]
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


def test_each_step_gives_what_the_steps_so_far_give():
    fusion = built(return_sequences=True)
    expected = [by_hand(fusion, [x[0, : t + 1] for x in TOKENS]) for t in range(5)]
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS})[0], expected, atol=1e-5)


def test_steps_that_are_padding_everywhere_are_skipped():
    fusion = built()
    mask = np.array([[0, 1, 0, 1, 0]] * 3, bool)
    outputs = call(fusion, {"tokens": TOKENS, "masks": [mask, mask]})
    expected = [by_hand(fusion, [x[row, [1, 3]] for x in TOKENS]) for row in range(3)]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    steps = call(built(return_sequences=True), {"tokens": TOKENS, "masks": [mask, mask]})
    assert (steps[:, [0, 2, 4]] == 0).all()
    np.testing.assert_allclose(steps[:, 3], expected, atol=1e-5)


def test_a_modalitys_lstm_stands_still_while_its_steps_are_padding():
    fusion = built()
    masks = [np.arange(5) < np.array([[3]] * 3), None]
    outputs = call(fusion, {"tokens": TOKENS, "masks": masks})
    first_three = call(fusion, {"tokens": [x[:, :3] for x in TOKENS]})
    np.testing.assert_allclose(outputs[:, :DIM], first_three[:, :DIM], atol=1e-5)
    whole = call(fusion, {"tokens": TOKENS})
    np.testing.assert_allclose(outputs[:, DIM : 2 * DIM], whole[:, DIM : 2 * DIM], atol=1e-5)


def test_an_absent_modality_has_no_part_in_the_attention():
    fusion = built()
    present = np.array([[1, 0], [0, 0], [1, 1]], bool)
    arguments = {"tokens": TOKENS, "present": present}
    before = call(fusion, arguments)
    # Places 2, 3, 6 and 7 of the attention belong to the cells of modality 1.
    kernel, bias = fusion.recurrence.cell.attention[1].get_weights()
    bias[[2, 3, 6, 7]] += 5
    fusion.recurrence.cell.attention[1].set_weights([kernel, bias])
    after = call(fusion, arguments)
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[2] != before[2]).any()
    assert (before[0, DIM : 2 * DIM] == 0).all()
    assert (before[1] == 0).all()


def test_the_parameters_are_those_of_the_equations():
    def dense(inputs, outputs):
        return (inputs + 1) * outputs

    cells = 2 * 2 * DIM
    lstms = sum(4 * DIM * (width + DIM + 1) for width in (3, 2))
    attention = dense(cells, DIM) + dense(DIM, cells)
    candidate = dense(cells, DIM) + dense(DIM, DIM)
    gate = dense(cells + DIM, DIM) + dense(DIM, DIM)
    assert built().count_params() == lstms + attention + candidate + 2 * gate


def test_sequences_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"MemoryFusion takes sequences of one length"):
        MemoryFusion()([np.zeros((2, 5, 3)), np.zeros((2, 4, 2))])
