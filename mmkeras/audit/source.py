"""Where a run's rows came from: its table and splits, rebuilt from the run's configuration."""

from __future__ import annotations

from mmkeras.data.datasets import load_dataset
from mmkeras.data.datasets.multabench import PROTOCOL, protocol_split
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.data_config import data_config_from_json
from mmkeras.experiment.rows import open_fold, open_rows
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings


def splits_of(run: Run) -> Splits:
    """The very rows that a run of an experiment script was trained, chosen and tested on.

    Args:
        run: A run of `experiments/train.py`, of a script that repeats it with several seeds, or of
            `experiments/cross_validate.py` or `experiments/multabench.py`. Its data must still be
            where they were.

    Returns:
        The splits, with all columns of the table.

    Raises:
        ValueError: The run does not say where its rows came from; or the data have changed.
        FileNotFoundError: The data are gone.
    """
    splits = _rebuilt(run)
    if splits is None:
        raise ValueError(
            f"{run.path} does not say where its rows came from (it was not made by an experiment "
            "script). Give the labelled rows to audit, or the `splits`."
        )
    own = run.preprocessing.schema
    if changed := [
        name for name, part in splits.items() if fingerprint(part, own) != run.config["data"][name]
    ]:
        data = data_config_from_json(run.config["experiment"]["data"])
        raise ValueError(
            f"The {' and '.join(changed)} rows of {data.name!r} are no longer those of {run.path}. "
            "Give the labelled rows to audit as a table."
        )
    return splits


def _rebuilt(run: Run) -> Splits | None:
    """The rows, split as the experiment says; `None` where it does not say how."""
    experiment = run.config.get("experiment", {})
    if "data" not in experiment:
        return None
    data = data_config_from_json(experiment["data"])
    settings = Settings.from_dict(run.config["settings"])
    fold = run.config.get("fold")
    if fold is not None and run.config.get("protocol") == PROTOCOL:
        return protocol_split(read_table(*load_dataset(data.name)), fold)
    if fold is not None and {"validation", "folds", "fold_seed"} <= set(experiment):
        return open_fold(
            data,
            settings,
            folds=experiment["folds"],
            fold=fold,
            validation=experiment["validation"],
            seed=experiment["fold_seed"],
        ).splits
    if fold is None and {"validation", "test", "split_seed"} <= set(experiment):
        return open_rows(
            data,
            settings,
            validation=experiment["validation"],
            test=experiment["test"],
            seed=experiment["split_seed"],
        ).splits
    return None
