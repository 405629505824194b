"""The mean of what models from several seeds answer."""

import dataclasses

import numpy as np
import pytest

from mmkeras.data.tables.splits import split_table
from mmkeras.experiment.settings import Encoder, Settings
from mmkeras.experiment.train import train_run
from mmkeras.studies.deep_ensemble import ensemble_figures
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager


def test_the_probabilities_of_several_seeds_are_averaged(small_table, tmp_path):
    table, schema = small_table
    schema = schema.select(schema.names[-1:])
    splits = split_table(table, schema, validation=0.2, test=0.2)
    settings = Settings(
        encoders={"tabular": Encoder("mlp", {"units": (8,)})},
        training=TrainingSettings(epochs=1, batch_size=16, patience=0),
    )
    runs = [
        train_run(splits, schema, tmp_path / str(seed), dataclasses.replace(settings, seed=seed))
        for seed in (0, 1)
    ]
    figures = ensemble_figures([run.path for run in runs], splits)
    classes = runs[0].preprocessing.task.classes
    columns = [f"p({name})" for name in classes]
    mean = np.mean([run.predictions[columns].to_numpy() for run in runs], axis=0)
    said = np.asarray(classes)[mean.argmax(axis=1)]
    assert figures["test"] == pytest.approx(np.mean(said == runs[0].predictions["true"]))
    assert set(figures) == {"validation", "test"}
    with pytest.raises(ValueError, match="needs the folder of one run or more"):
        ensemble_figures([], splits)
