import numpy as np

from mmkeras.fusion.parts.projection import (
    append_one,
    build_projections,
    masked_softmax,
    presence,
    project,
    zero_empty_rows,
)
from tests.fusion.pooled import MEANS, PRESENT, TOKENS, affine_each
from tests.layer_checks import to_numpy


def test_presence_is_everywhere_where_none_is_given():
    assert to_numpy(presence(TOKENS, None)).tolist() == np.ones((4, 3), bool).tolist()
    assert to_numpy(presence(TOKENS, PRESENT.astype("int32"))).tolist() == PRESENT.tolist()


def test_projections_have_one_width_and_no_bias_where_a_modality_is_absent():
    projections = build_projections(
        [x.shape for x in TOKENS], 7, "mean", "float32", bias_initializer="ones"
    )
    projected = to_numpy(project(projections, MEANS, PRESENT))
    expected = np.stack(affine_each(projections), axis=1)
    np.testing.assert_allclose(projected[PRESENT], expected[PRESENT], atol=1e-5)
    assert (projected[~PRESENT] == 0).all()


def test_masked_softmax_runs_over_true_places_only():
    weights = to_numpy(masked_softmax(np.log([[6.0, 3.0, 1.0]] * 4), PRESENT))
    expected = [[0.6, 0.3, 0.1], [0, 0.75, 0.25], [6 / 7, 0, 1 / 7], [0, 0, 0]]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert (weights[~PRESENT] == 0).all()


def test_rows_without_any_modality_become_zeros():
    cleared = to_numpy(zero_empty_rows(np.ones((4, 2), "float32"), PRESENT))
    assert cleared.tolist() == [[1, 1], [1, 1], [1, 1], [0, 0]]


def test_append_one_widens_the_last_axis():
    assert to_numpy(append_one(np.zeros((1, 2, 2)))).tolist() == [[[0, 0, 1], [0, 0, 1]]]
