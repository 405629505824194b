"""A few numbers per row that say what its views say."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "GCCA": "gcca",
        "MultiviewKernelPCA": "kernel_pca",
        "MultiviewLSA": "lsa",
        "MultiviewPCA": "pca",
        "ScaledViews": "scaled",
    },
)
