"""A trial's side of the search: a process that trains one model and reports every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna

from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.studies.tuning.space import acting_values, with_values
from mmkeras.studies.tuning.trial import train_trial
from mmkeras.studies.tuning.tuning_config import TuneConfig, load_rows
from mmkeras.tasks import Figure

JOURNAL = "journal.log"


def open_study(folder: Path, main: Figure) -> optuna.Study:
    """The search's study, from its journal of JSON lines; `main` is the figure it searches by."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    return optuna.create_study(
        study_name="tune",
        storage=optuna.storages.JournalStorage(journal),
        direction="maximize" if main.higher_is_better else "minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        load_if_exists=True,
    )


def trial_folder(folder: Path, number: int) -> Path:
    return folder / f"trial{number:03d}"


def run_trial(
    config: TuneConfig, main: Figure, trial_id: int, number: int, values: dict[str, Any]
) -> dict[str, Any]:
    """One trial's outcome (`train_trial`), or the `error` that it ended with."""
    rows = load_rows(config)
    splits, schema = rows.splits, rows.schema
    trial = optuna.trial.Trial(open_study(config.folder, main), trial_id)

    def judge(epoch: int, value: float) -> bool:
        trial.report(value, step=epoch)
        return trial.should_prune()

    try:
        return train_trial(
            splits.train,
            splits.validation,
            schema,
            with_values(config.settings, values),
            trial_folder(config.folder, number),
            values={**name_and_tags_words(name_and_tags(config)), **acting_values(values)},
            judged=judge,
            cache_dir=config.folder / "cache",
        )
    except Exception as error:  # Whatever settings break must not end the search.
        first_line = str(error).partition("\n")[0]
        return {"error": f"{type(error).__name__}: {first_line[:300]}"}
