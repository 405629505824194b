"""What scikit-learn expects of the unsupervised estimators, and they of views."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from mmkeras.classical.clustering import (
    MultiviewKMeans,
    MultiviewSpectralClustering,
    SelfOrganizingMap,
)
from mmkeras.classical.decomposition import (
    GCCA,
    MultiviewKernelPCA,
    MultiviewLSA,
    MultiviewPCA,
    ScaledViews,
)

ESTIMATORS = [
    ScaledViews(),
    ScaledViews(weigh="spread"),
    MultiviewPCA(1),
    GCCA(1),
    MultiviewKernelPCA(1),
    MultiviewLSA(1),
    MultiviewKMeans(2, n_init=1),
    SelfOrganizingMap((2, 3), epochs=3),
    MultiviewSpectralClustering(2, n_neighbors=5),
    MultiviewSpectralClustering(2, affinity="cosine", combine="graphs"),
]


@parametrize_with_checks(ESTIMATORS)
def test_it_is_what_scikit_learn_expects(estimator, check):
    check(estimator)
