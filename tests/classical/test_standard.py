"""Every estimator does what scikit-learn expects of one."""

import pytest
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mmkeras import classical

# Settings for the tests, where the defaults take long or need wider views.
SETTINGS = {
    "GCCA": {"n_components": 1},
    "MultiviewKernelPCA": {"n_components": 1},
    "MultiviewKMeans": {"n_clusters": 2, "n_init": 1},
    "MultiviewLSA": {"n_components": 1},
    "MultiviewPCA": {"n_components": 1},
    "MultiviewSpectralClustering": {"n_clusters": 2, "n_neighbors": 5},
    "SelfOrganizingMap": {"shape": (2, 3), "epochs": 3},
    "CorrelationMatching": {"n_components": 1},
    "LateFusionClassifier": {
        "estimator": DecisionTreeClassifier(random_state=0),
        "rule": "weights",
        "cv": 2,
    },
    "LateFusionRegressor": {"rule": "weights", "cv": 2},
    "SemanticCorrelationMatching": {"n_components": 1},
    "StackingViewsClassifier": {"estimator": DecisionTreeClassifier(random_state=0), "cv": 2},
    "StackingViewsRegressor": {"cv": 2},
}
ESTIMATORS = [
    getattr(classical, name)(**SETTINGS.get(name, {})) for name in sorted(classical.ESTIMATORS)
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_estimators_do_what_scikit_learn_expects(estimator, check):
    check(estimator)


def test_every_name_is_that_of_an_estimator_with_views():
    assert set(SETTINGS) <= set(classical.ESTIMATORS)
    for estimator in ESTIMATORS:
        assert estimator.get_params()["views"] is None
