import numpy as np
import pytest

from mmkeras.fusion.misa import MISAFusion, alignment, central_moment_discrepancy
from tests.fusion.by_hand import dense, norm, sigmoid
from tests.layer_checks import call, randomize, to_numpy, to_tensors

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(6, 5, 3), (6, 1, 2), (6, 3, 6)]]
PRESENT = np.array(
    [[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]],
    bool,
)
ARGUMENTS = {"tokens": TOKENS, "present": PRESENT}


def built(**options):
    fusion = MISAFusion(dim=4, num_heads=2, **options)
    fusion.build([x.shape for x in TOKENS])
    return randomize(fusion)


def vectors_by_hand(fusion):
    """The projected, the invariant and the specific vectors, and their reconstruction."""
    projected, shared, own, rebuilt = [], [], [], []
    for i, x in enumerate(TOKENS):
        u = norm(fusion.norms[i], dense(fusion.projections[i], x.mean(axis=1)))
        projected.append(u)
        shared.append(sigmoid(dense(fusion.invariant, u)))
        own.append(sigmoid(dense(fusion.specific[i], u)))
        rebuilt.append(dense(fusion.decoders[i], shared[i] + own[i]))
    return projected, shared, own, rebuilt


def discrepancy_by_hand(x, y):
    distance = np.linalg.norm(x.mean(0) - y.mean(0))
    for k in (2, 3, 4, 5):
        moments = [((z - z.mean(0)) ** k).mean(0) for z in (x, y)]
        distance += np.linalg.norm(moments[0] - moments[1])
    return distance


def alignment_by_hand(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.linalg.norm(x.T @ y / len(x), "fro") ** 2


def ones(x):
    return np.ones((len(x), 1), "float32")


def on_tensors(function, *arrays):
    return float(to_numpy(function(*to_tensors(arrays))))


def test_the_transformer_reads_invariant_and_specific_vectors():
    fusion = built()
    _, shared, own, _ = vectors_by_hand(fusion)
    stacked = np.stack(shared + own, axis=1).astype("float32")
    expected = to_numpy(fusion.transformer(stacked)).reshape(6, -1)
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


def test_an_absent_modality_is_no_key_and_gives_zeros():
    fusion = built()
    outputs = call(fusion, ARGUMENTS)
    parts = outputs.reshape(6, 2, 3, 4)
    assert (parts[~PRESENT.repeat(2, axis=0).reshape(6, 2, 3)] == 0).all()
    _, shared, own, _ = vectors_by_hand(fusion)
    # Row 1 lacks modality 2.
    four = np.stack([shared[0], shared[1], own[0], own[1]], axis=1)[1:2].astype("float32")
    expected = to_numpy(fusion.transformer(four)).reshape(2, 2, 4)
    np.testing.assert_allclose(parts[1][:, :2], expected, atol=1e-5)


@pytest.mark.parametrize("present", [None, PRESENT])
def test_the_losses_are_those_of_the_equations(present):
    weights = {"similarity": 2.0, "difference": 3.0, "reconstruction": 5.0}
    fusion = built(**weights)
    call(fusion, {"tokens": TOKENS, "present": present}, training=True)
    losses = to_numpy(fusion.losses)
    here = np.ones((6, 3), bool) if present is None else present
    projected, shared, own, rebuilt = vectors_by_hand(fusion)
    pairs = [(0, 1), (0, 2), (1, 2)]
    similarity = np.mean(
        [discrepancy_by_hand(shared[i][here[:, i]], shared[j][here[:, j]]) for i, j in pairs]
    )
    difference = sum(alignment_by_hand(shared[i][here[:, i]], own[i][here[:, i]]) for i in range(3))
    for i, j in pairs:
        both = here[:, i] & here[:, j]
        difference += alignment_by_hand(own[i][both], own[j][both])
    reconstruction = np.mean(
        [np.mean((projected[i] - rebuilt[i])[here[:, i]] ** 2) for i in range(3)]
    )
    expected = [2 * similarity, 3 * difference, 5 * reconstruction]
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


def test_losses_are_for_training_alone():
    fusion = built()
    call(fusion, ARGUMENTS)
    assert fusion.losses == []


@pytest.mark.parametrize("present", [np.zeros((6, 3), bool), np.eye(6, 3, dtype=bool)])
def test_losses_are_finite_with_hardly_any_rows(present):
    fusion = built()
    call(fusion, {"tokens": TOKENS, "present": present}, training=True)
    losses = np.array(to_numpy(fusion.losses))
    assert losses.shape == (3,)
    assert np.isfinite(losses).all()
    if not present.any():
        assert (losses == 0).all()


def test_equal_sets_have_no_discrepancy_and_distant_ones_have_some():
    x = RANDOM.uniform(size=(8, 3)).astype("float32")
    assert on_tensors(central_moment_discrepancy, x, x[::-1].copy(), ones(x), ones(x)) < 1e-4
    # A shift leaves all central moments as they are: only the means differ, by 0.5 three times.
    shifted = on_tensors(central_moment_discrepancy, x, x + 0.5, ones(x), ones(x))
    np.testing.assert_allclose(shifted, 0.5 * np.sqrt(3), rtol=1e-3)


def test_alignment_is_zero_for_uncorrelated_and_large_for_equal_vectors():
    # One coordinate, made of length 1, is plus or minus 1 in each row.
    x = np.array([[1], [1], [-1], [-1]], "float32")
    y = np.array([[1], [-1], [1], [-1]], "float32")
    np.testing.assert_allclose(on_tensors(alignment, x, y, ones(x)), 0.0, atol=1e-6)
    np.testing.assert_allclose(on_tensors(alignment, x, 3 * x + 1, ones(x)), 1.0, rtol=1e-5)


def test_the_parameters_are_those_of_the_equations():
    def size(inputs, outputs):
        return (inputs + 1) * outputs

    projections = sum(size(width, 4) + 2 * 4 for width in (3, 2, 6))
    encoders_and_decoders = (1 + 3 + 3) * size(4, 4)
    transformer = 4 * size(4, 4) + size(4, 8) + size(8, 4) + 3 * 2 * 4
    assert built().count_params() == projections + encoders_and_decoders + transformer


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="`dim` must be a multiple of `num_heads`"):
        MISAFusion(dim=6, num_heads=4)
