import keras
import numpy as np
import pytest

from mmkeras.fusion.cca import DeepCCAFusion, squared_correlations
from tests.layer_checks import call, randomize

RANDOM = np.random.default_rng(0)
ROWS = 40
SHARED = RANDOM.standard_normal((ROWS, 1))
# The first two have a noisy signal in common, as one of their features.
TOKENS = [
    np.expand_dims(np.hstack([SHARED, SHARED, SHARED]) @ mix + noise, 1).astype("float32")
    for mix, noise in [
        (RANDOM.standard_normal((3, dim)), RANDOM.standard_normal((ROWS, dim))) for dim in (3, 4, 2)
    ]
]
ALL = np.ones((ROWS, 1), bool)


def built(**options):
    fusion = DeepCCAFusion(dim=2, **options)
    fusion.build([x.shape for x in TOKENS])
    return randomize(fusion)


def canonical_correlations(x, y):
    """By orthonormal bases of the centred columns: the singular values of their product."""
    x, y = (np.linalg.qr(part - part.mean(axis=0))[0] for part in (x, y))
    return np.linalg.svd(x.T @ y, compute_uv=False)


def test_the_correlations_are_the_canonical_ones():
    x, y = TOKENS[0][:, 0], TOKENS[1][:, 0]
    expected = (canonical_correlations(x, y) ** 2).sum()
    assert 0.1 < expected < 2.9
    np.testing.assert_allclose(squared_correlations(x, y, ALL, 1e-6), expected, rtol=1e-3)
    # Neither the scale of a feature nor any invertible mixture matters.
    mixture = (x * [1e4, 1.0, 1e-3]).astype("float32")
    np.testing.assert_allclose(squared_correlations(mixture, y, ALL, 1e-6), expected, rtol=1e-3)
    np.testing.assert_allclose(
        squared_correlations((x @ RANDOM.standard_normal((3, 3))).astype("float32"), y, ALL, 1e-6),
        expected,
        rtol=1e-3,
    )


def test_the_ridge_is_that_of_the_equations():
    x, y = TOKENS[0][:, 0], TOKENS[1][:, 0]
    x_rows, y_rows = ((part - part.mean(0)) / part.std(0, ddof=1) for part in (x, y))
    within = [part.T @ part / (ROWS - 1) + 0.3 * np.eye(part.shape[1]) for part in (x_rows, y_rows)]
    between = x_rows.T @ y_rows / (ROWS - 1)
    roots = []
    for matrix in within:
        values, vectors = np.linalg.eigh(matrix)
        roots.append(vectors @ np.diag(values**-0.5) @ vectors.T)
    expected = np.linalg.norm(roots[0] @ between @ roots[1]) ** 2
    np.testing.assert_allclose(squared_correlations(x, y, ALL, 0.3), expected, rtol=1e-4)


@pytest.mark.parametrize("present", [None, RANDOM.random((ROWS, 3)) < 0.7])
def test_the_loss_is_the_mean_over_pairs_of_the_rows_that_have_both(present):
    fusion = built(weight=3.0, ridge=1e-6)
    vectors = call(fusion, {"tokens": TOKENS, "present": present}, training=True)
    here = np.ones((ROWS, 3), bool) if present is None else present
    parts = np.split(vectors, 3, axis=1)
    expected = 0.0
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        both = here[:, i] & here[:, j]
        expected += (canonical_correlations(parts[i][both], parts[j][both]) ** 2).mean() / 3
    (loss,) = fusion.losses
    np.testing.assert_allclose(float(loss), -3 * expected, rtol=1e-3)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_pair_with_fewer_than_two_rows_adds_nothing(rows):
    fusion = built()
    present = np.arange(ROWS)[:, None] < np.array([[rows, rows, ROWS]])
    call(fusion, {"tokens": TOKENS, "present": present}, training=True)
    assert float(fusion.losses[0]) == 0


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_fewer_rows_than_features_and_constant_features_stay_finite(dtype):
    fusion = DeepCCAFusion(dim=16, weight=1.0, dtype=dtype)
    tokens = [x[:5] * 1000 for x in TOKENS]
    tokens[0][:, :, 0] = 7
    call(fusion, {"tokens": tokens}, training=True)
    loss = float(fusion.losses[0])
    assert -1 <= loss < 0
    same = [np.ones((4, 1, 3), "float32")] * 3
    fusion = DeepCCAFusion(dim=16, dtype=dtype)
    call(fusion, {"tokens": same}, training=True)
    np.testing.assert_allclose(float(fusion.losses[0]), 0, atol=1e-6)


def test_training_finds_what_two_modalities_have_in_common():
    keras.utils.set_random_seed(0)
    fusion = DeepCCAFusion(dim=1, weight=1.0)
    inputs = [keras.Input(x.shape[1:]) for x in TOKENS[:2]]
    model = keras.Model(inputs, fusion(inputs))
    jit_compile = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(0.1), "mse", loss_weights=[0.0], jit_compile=jit_compile)
    for _ in range(100):
        model.train_on_batch(TOKENS[:2], np.zeros((ROWS, 2)))
    found = np.corrcoef(call(fusion, {"tokens": TOKENS[:2]}).T)[0, 1]
    best = canonical_correlations(TOKENS[0][:, 0], TOKENS[1][:, 0]).max()
    np.testing.assert_allclose(abs(found), best, rtol=1e-2)


def test_the_vector_is_the_projections_and_zeros_for_absent_modalities():
    fusion = built()
    present = np.ones((ROWS, 3), bool)
    present[::2, 1] = False
    outputs = call(fusion, {"tokens": TOKENS, "present": present})
    expected = []
    for x, projection, there in zip(TOKENS, fusion.projections, present.T, strict=True):
        kernel, bias = projection.get_weights()
        expected.append((x[:, 0] @ kernel + bias) * there[:, None])
    np.testing.assert_allclose(outputs, np.hstack(expected), atol=1e-5)
    assert fusion.count_params() == 2 * ((3 + 1) + (4 + 1) + (2 + 1))


def test_the_loss_is_for_training_and_for_those_who_want_it():
    fusion = built()
    call(fusion, {"tokens": TOKENS})
    assert fusion.losses == []
    fusion = built(weight=0)
    call(fusion, {"tokens": TOKENS}, training=True)
    assert fusion.losses == []


def test_a_ridge_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"`ridge` must be positive.*Received: 0"):
        DeepCCAFusion(ridge=0)
