"""One training run: what is trained, how it is judged, and what its folder gets."""

from mmkeras.experiment.train.building import fitted_pipelines, make_model
from mmkeras.experiment.train.judging import TrainedModel, in_own_unit, judge, train_and_judge
from mmkeras.experiment.train.results import floor_of, write_results
from mmkeras.experiment.train.run import FEATURES, remove_checkpoint, train_run

__all__ = [
    "FEATURES",
    "TrainedModel",
    "fitted_pipelines",
    "floor_of",
    "in_own_unit",
    "judge",
    "make_model",
    "remove_checkpoint",
    "train_and_judge",
    "train_run",
    "write_results",
]
