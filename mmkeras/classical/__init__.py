"""Classical models of multimodal features, as scikit-learn estimators; see docs/classical.md."""

from mmkeras.lazy import lazy_names

# Every estimator, with the submodule that defines it. Each passes scikit-learn's own checks.
ESTIMATORS = {
    # Supervised.
    "LateFusionClassifier": "late",
    "LateFusionRegressor": "late",
    "MultipleKernelClassifier": "kernels.machines",
    "MultipleKernelRegressor": "kernels.machines",
    "MultiviewNaiveBayes": "naive_bayes",
    "StackingViewsClassifier": "stacking",
    "StackingViewsRegressor": "stacking",
    # Feature filtering.
    "ViewFilter": "filters",
    # Retrieval: every modality in one space.
    "CorrelationMatching": "retrieval",
    "SemanticCorrelationMatching": "retrieval",
    "SemanticMatching": "retrieval",
    # Decomposition: a few numbers per row.
    "GCCA": "decomposition.gcca",
    "MultiviewKernelPCA": "decomposition.kernel_pca",
    "MultiviewLSA": "decomposition.lsa",
    "MultiviewPCA": "decomposition.pca",
    "ScaledViews": "decomposition.scaled",
    # Clustering.
    "MultiviewKMeans": "clustering.kmeans",
    "MultiviewSpectralClustering": "clustering.spectral",
    "SelfOrganizingMap": "clustering.som",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, ESTIMATORS)
