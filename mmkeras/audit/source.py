"""Where a run's rows came from: its table and splits, rebuilt from the run's configuration."""

from __future__ import annotations

from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.data_config import data_config_from_json
from mmkeras.experiment.rows import open_fold, open_rows
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings


def splits_of(run: Run) -> Splits:
    """The very rows that a run of an experiment script was trained, chosen and tested on.

    Args:
        run: A run of `experiments/train.py`, of a script that repeats it with several seeds, or of
            `experiments/cross_validate.py`. Its data must still be where they were.

    Returns:
        The splits, with all columns of the table.

    Raises:
        ValueError: The run does not say where its rows came from; or the data have changed.
        FileNotFoundError: The data are gone.
    """
    experiment = run.config.get("experiment", {})
    if "data" not in experiment or not ("split_seed" in experiment or "fold" in run.config):
        raise ValueError(
            f"{run.path} does not say where its rows came from (it was not made by an experiment "
            "script). Give the labelled rows to audit, or the `splits`."
        )
    data = data_config_from_json(experiment["data"])
    settings = Settings.from_dict(run.config["settings"])
    validation = experiment["validation"]
    if "fold" in run.config:
        splits = open_fold(
            data,
            settings,
            folds=experiment["folds"],
            fold=run.config["fold"],
            validation=validation,
            seed=experiment["fold_seed"],
        ).splits
    else:
        splits = open_rows(
            data,
            settings,
            validation=validation,
            test=experiment["test"],
            seed=experiment["split_seed"],
        ).splits
    own = run.preprocessing.schema
    if changed := [
        name for name, part in splits.items() if fingerprint(part, own) != run.config["data"][name]
    ]:
        raise ValueError(
            f"The {' and '.join(changed)} rows of {data.name!r} are no longer those of {run.path}. "
            "Give the labelled rows to audit as a table."
        )
    return splits
