import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mmkeras.evaluation.retrieval import (
    average_precision,
    chance,
    chance_metrics,
    retrieval_metrics,
    same_class,
    search,
)


def test_ranks_and_average_precision_by_hand():
    similarity = np.array([[0.9, 0.5, 0.1, 0.3], [0.2, 0.4, 0.6, 0.8], [0.1, 0.2, 0.3, 0.4]])
    relevant = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [1, 0, 0, 0]], bool)
    # First relevant items at 2, 1 and 4. Precisions: (1/2 + 2/3) / 2, 1, 1/4.
    expected = {
        "recall@1": 1 / 3,
        "recall@2": 2 / 3,
        "mean_rank": 7 / 3,
        "median_rank": 2.0,
        "map": (7 / 12 + 1 + 1 / 4) / 3,
    }
    assert retrieval_metrics(similarity, relevant, ks=(1, 2)) == pytest.approx(expected)


def test_average_precision_is_that_of_scikit_learn_with_and_without_ties():
    random = np.random.default_rng(0)
    relevant = random.random((40, 30)) < 0.2
    relevant[:, 0] = True
    for similarity in (random.normal(size=(40, 30)), random.integers(0, 4, (40, 30)).astype(float)):
        expected = [average_precision_score(*each) for each in zip(relevant, similarity)]  # noqa: B905
        np.testing.assert_allclose(average_precision(similarity, relevant), expected, rtol=1e-12)


def test_equal_similarities_count_against_the_model():
    metrics = retrieval_metrics(np.zeros((5, 5)), np.eye(5, dtype=bool), ks=(1, 4))
    assert (metrics["recall@1"], metrics["recall@4"], metrics["mean_rank"]) == (0.0, 0.0, 5.0)


def test_queries_without_a_relevant_item_are_left_out():
    relevant = np.array([[True, False], [False, False]])
    similarity = np.array([[0.1, 0.2], [0.3, 0.4]])
    assert retrieval_metrics(similarity, relevant, ks=(1,)) == retrieval_metrics(
        similarity[:1], relevant[:1], ks=(1,)
    )
    assert chance_metrics(relevant, ks=(1,)) == chance_metrics(relevant[:1], ks=(1,))
    with pytest.raises(ValueError, match="No query has a relevant item"):
        retrieval_metrics(similarity, np.zeros((2, 2), bool))


def test_relevance_by_class_compares_labels():
    assert same_class(["a", "b"], ["b", "b", "a"]).tolist() == [
        [False, False, True],
        [True, True, False],
    ]


@pytest.mark.parametrize("relevant_items", [1, 2, 4, 5])
def test_chance_is_the_mean_over_all_orders(relevant_items):
    relevant = np.arange(5) < relevant_items
    orders = np.array(list(itertools.permutations(range(5))), float)
    all_orders = retrieval_metrics(orders, np.tile(relevant, (len(orders), 1)), ks=(1, 2, 3))
    assert chance_metrics(relevant[None], ks=(1, 2, 3)) == pytest.approx(all_orders)


def test_wrong_shapes_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        retrieval_metrics(np.zeros((2, 3)), np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="1 similarities are NaN"):
        retrieval_metrics(np.array([[np.nan, 1.0]]), np.ones((1, 2), bool))


def test_a_search_goes_both_ways_and_leaves_rows_with_holes_out():
    vectors = {
        "image": np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [1.0, 0.0]]),
        "text": np.array([[0.8, 0.6], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]),
    }
    # Image to text, without the last row:  0.8 0 1 | 0.6 1 0 | 0.96 0.8 0.6. The partner's rank is
    # 2, 1, 3; that of the first of the class (a, b, b) 2, 1, 2. Text to image, the partner's: 0.8
    # behind 0.96; 1 first; 0.6 behind 1.
    there, back = search(vectors, ["a", "b", "b", "a"])
    assert (there["direction"], back["direction"]) == ("image to text", "text to image")
    assert there["recall@1"] == pytest.approx(1 / 3) and there["median_rank"] == 2.0
    assert there["class recall@1"] == pytest.approx(1 / 3)
    assert there["class map"] == pytest.approx((1 / 2 + (1 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2) / 3)
    assert back["recall@1"] == pytest.approx(1 / 3) and back["recall@5"] == 1.0
    assert set(chance(["a", "b", "b"])) == set(there) - {"direction"}
    assert chance(["a", "b", "b"])["recall@1"] == pytest.approx(1 / 3)
    assert chance(["a", "b", "b"])["class recall@1"] == pytest.approx((1 + 2 + 2) / 9)
