"""Groups of rows that several views agree on; no labels needed."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "MultiviewKMeans": "kmeans",
        "MultiviewSpectralClustering": "spectral",
        "SelfOrganizingMap": "som",
        "choose_clusters": "choose",
        "map_figure": "drawing",
    },
)
