"""A deep ensemble: the same model, trained from several seeds, that answers by the mean."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.train import in_own_unit

_BATCH = 64


def ensemble_figures(folders: Sequence[Path], splits: Splits) -> dict[str, float]:
    """The main figure of the mean of several runs' answers, on validation and test rows.

    Probabilities are averaged, and numbers in the target's own unit, also where they were learnt as
    logarithms.

    Args:
        folders: Of runs on the same rows, whose models differ by their seed.
        splits: Their rows.

    Returns:
        The target's main figure, such as R², by the name of the part.

    References:
        - [Lakshminarayanan et al., 2017](https://arxiv.org/abs/1612.01474)
    """
    if not folders:
        raise ValueError("An ensemble needs the folder of one run or more. Received: none.")
    figures = {}
    for part in ("validation", "test"):
        answers = []
        for folder in folders:
            run = Run(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # said when it was trained
                pipeline = Pipeline(getattr(splits, part), run.preprocessing, batch_size=_BATCH)
            if part == "validation" and run.was_refitted:
                model = run.answering_validation
                outputs = pipeline.unpad(model.predict(pipeline.evaluate(), verbose=0))
            else:
                outputs = run.outputs_of(pipeline)
            true, said = in_own_unit(pipeline, outputs)
            answers.append(said)
        task = run.preprocessing.task
        figures[part] = float(task.figures(true, np.mean(answers, axis=0))[task.main.key])
    return figures
