"""Where a run's rows came from: its table and splits, rebuilt from the run's configuration."""

from __future__ import annotations

from mmkeras.cli import data_config_from_json
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits, k_folds, split_table
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import drop_unreadable


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
    table, schema = data.load()
    settings = Settings.from_dict(run.config["settings"])
    if settings.on_error == "skip":
        table, _ = drop_unreadable(table, schema, settings)
    if "fold" in run.config:
        seed = experiment["fold_seed"]
        folds = list(k_folds(table, schema, folds=experiment["folds"], seed=seed))
        train, test = folds[run.config["fold"]]
        validation = experiment["validation"]
        inner = split_table(table.iloc[train], schema, validation=validation, test=0.0, seed=seed)
        splits = Splits(inner.train, inner.validation, table.iloc[test])
    else:
        splits = data.split(
            table,
            schema,
            validation=experiment["validation"],
            test=experiment["test"],
            seed=experiment["split_seed"],
        )
    own = run.preprocessing.schema
    if changed := [
        name for name, part in splits.items() if fingerprint(part, own) != run.config["data"][name]
    ]:
        raise ValueError(
            f"The {' and '.join(changed)} rows of {data.name!r} are no longer those of {run.path}. "
            "Give the labelled rows to audit as a table."
        )
    return splits
