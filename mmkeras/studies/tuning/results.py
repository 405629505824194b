"""What a search found: a table of its trials, the best settings, and which values mattered."""

from __future__ import annotations

from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import TrialState

from mmkeras.csv_files import write_csv
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.experiment.settings import Settings
from mmkeras.files import write_json
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.studies.tuning.space import acting_values, with_values
from mmkeras.studies.tuning.tuning_config import TuneConfig
from mmkeras.tasks import Figure

TRIALS, BEST = "trials.csv", "best.json"
# Too small for the three digits of other numbers.
_RATES = ("learning_rate", "weight_decay")


def write_results(study: optuna.Study, folder: Path, settings: Settings) -> None:
    """Writes `trials.csv` and, as soon as a trial has ended well, `best.json`."""
    write_csv(folder / TRIALS, trials_table(study), index=True)
    if study.get_trials(states=[TrialState.COMPLETE]):
        best = study.best_trial
        write_json(
            folder / BEST,
            {
                "trial": best.number,
                "validation": best.user_attrs["metrics"],
                "values": acting_values(best.params),
                "settings": with_values(settings, best.params).to_dict(),
            },
        )


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """One row per trial: how it ended, its figures on the validation rows, and its values."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            **trial.user_attrs.get("metrics", {}),
            **{k: "own" if v is None else v for k, v in acting_values(trial.params).items()},
            **{k: v for k, v in trial.user_attrs.items() if k not in ("metrics", "stopped")},
        }
        for trial in study.trials
    ]
    return pd.DataFrame(rows).set_index("trial")


def search_report(study: optuna.Study, main: Figure, config: TuneConfig) -> Report:
    """The best trials, and which values mattered.

    Args:
        study: The finished search.
        main: The figure that was searched by.
        config: The search.
    """
    table = best_trials(study, main.key)
    best = table.iloc[0]
    parts = [
        Table(
            "trials",
            table,
            "The validation rows chose among the trials, so that the best figures are a little "
            "too good: judge the best settings on the test rows (--final-seeds). Where the first "
            "trials are nearly alike, their settings do not matter much.",
        )
    ]
    if shares := importances(study):
        explained = {name: f"{100 * share:.0f} %" for name, share in shares.items()}
        frame = pd.DataFrame({"share": explained}).rename_axis("value")
        parts.append(
            Table(
                "importances",
                frame,
                "Share of the differences between trials that each value explains (fANOVA). "
                "Search further in those at the top; leave the others at their defaults.",
            )
        )
    states = pd.Series([trial.state.name.lower() for trial in study.trials]).value_counts()
    return Report(
        f"{config.data.name}: settings searched",
        "On the validation rows. " + ", ".join(f"{n} {state}" for state, n in states.items()) + ".",
        [],
        {
            **name_and_tags_words(name_and_tags(config)),
            "every trial": TRIALS,
            "the best settings": BEST,
        },
        [
            Section(
                "trials",
                "The best trials",
                f"Trial {best.name} is the best: {main.words} {main.shown(best[main.key])}.",
                parts,
            )
        ],
    )


def importances(study: optuna.Study) -> dict[str, float]:
    """What share of the differences between trials each value explains (fANOVA); none if few.

    References:
        - [Hutter et al., 2014](https://proceedings.mlr.press/v32/hutter14.html)
    """
    values = [t.value for t in study.get_trials(states=[TrialState.COMPLETE])]
    if len(values) < 4 or len(set(values)) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def best_trials(study: optuna.Study, figure: str, count: int = 10) -> pd.DataFrame:
    """The best trials' figure and values, the best first."""
    table = trials_table(study)
    values = list(dict.fromkeys(name for trial in study.trials for name in trial.params))
    values = [name for name in values if name in table]
    table = table[table["state"] == "complete"]
    upwards = study.direction == optuna.study.StudyDirection.MINIMIZE
    table = table.sort_values(figure, ascending=upwards, kind="stable")[[figure, *values]]
    columns = {name: table[name].map(lambda x: f"{x:.2g}") for name in table if name in _RATES}
    return table.assign(**columns).head(count)
