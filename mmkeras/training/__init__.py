"""Training a model: fit, checkpoints, seeds, ensembles."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "TrainingSettings": "settings",
        "set_seed": "seeds",
        "FitResult": "fit",
        "SeedsResult": "vectorized",
        "fit_seeds": "vectorized",
        "LateEnsemble": "ensemble",
        "TensorBoardReport": "tensorboard",
        "TensorBoardScalars": "tensorboard",
    },
)
