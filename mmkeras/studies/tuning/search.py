"""The search itself, with Optuna: resumable, a process for each trial."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from mmkeras.experiment.folders import locked
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.files import write_json
from mmkeras.nested import differences
from mmkeras.reading import read_json
from mmkeras.studies.jobs import Job, Outcome, open_workers, refuse_missing, run_job
from mmkeras.studies.tuning.results import write_results
from mmkeras.studies.tuning.space import acting_values, distributions
from mmkeras.studies.tuning.trial import CHECKPOINT
from mmkeras.studies.tuning.tuning_config import TuneConfig, describe
from mmkeras.studies.tuning.worker import open_study, run_trial, trial_folder
from mmkeras.tasks import FIGURES, Figure

SEARCH = "search.json"
# After this many trials, at least one must have succeeded.
_MAY_FAIL = 3


def search(config: TuneConfig) -> tuple[optuna.Study, Figure]:
    """Runs the trials that are still missing; returns the study and the figure that it searches by.

    A trial that was interrupted resumes where it stopped. Each trial's draw depends on the search's
    seed, the trial's number and the trials before it, so that an interrupted search ends where an
    uninterrupted one does.

    Raises:
        ValueError: The folder holds another search; there are no validation rows; no trial ends.
        JobsMissing: The processes of some trials died.
    """
    name_and_tags(config)  # what is wrong is reported before any work
    folder = config.folder
    with locked(folder):
        keys = {"choices": Any, "figure": str}
        stored = read_json(folder / SEARCH, keys) if (folder / SEARCH).exists() else None
        choices = None if stored is None else stored["choices"]
        about = run_job(Job("describe", describe, (config, choices)), workers=config.workers)
        if stored is None:
            write_json(folder / SEARCH, about)
        else:
            _check_same_search(stored, about, folder)
        main = FIGURES[about["figure"]]
        study = open_study(folder, main)
        if not study.trials:
            study.enqueue_trial(about["first"])
        dead = _run_trials(config, study, about)
    refuse_missing(dead, config.trials)
    if not study.get_trials(states=[TrialState.COMPLETE]):
        raise ValueError("No trial ended well; `--trials` allows more.")
    return study, main


def _run_trials(config: TuneConfig, study: optuna.Study, about: Mapping[str, Any]) -> list[Outcome]:
    """Resumes interrupted trials, then draws new ones, until there are `config.trials`.

    Returns:
        The trials whose process died: they stay unfinished, for the next call.
    """
    main, drawn_from = FIGURES[about["figure"]], distributions(config.space, about["choices"])
    waiting = [
        optuna.trial.Trial(study, trial._trial_id)
        for trial in study.get_trials(states=[TrialState.RUNNING])
    ]
    trials, dead = {}, []
    with open_workers(config.workers) as workers:
        while True:
            while workers.has_room and (trial := _next_trial(config, study, waiting, drawn_from)):
                arguments = (config, main, trial._trial_id, trial.number, trial.params)
                # Trials see each other's figures in the study's file, to stop when hopeless.
                job = Job(f"trial {trial.number}", run_trial, arguments, config.folder,
                          travels=False)  # fmt: skip
                trials[job.name] = trial
                workers.start(job)
            if not workers.running:
                return dead
            outcome = workers.wait()
            if outcome.error is not None:
                print(f"{outcome.job.name}: {outcome.reason}", flush=True)
                dead.append(outcome)
            else:
                trial = trials[outcome.job.name]
                finish_trial(study, trial, outcome.result, main)
                write_results(study, config.folder, config.settings)
                checkpoint = trial_folder(config.folder, trial.number) / CHECKPOINT
                shutil.rmtree(checkpoint.parent, ignore_errors=True)
            _refuse_only_failures(study, dead)


def _next_trial(
    config: TuneConfig,
    study: optuna.Study,
    waiting: list[optuna.trial.Trial],
    drawn_from: Mapping[str, BaseDistribution],
) -> optuna.trial.Trial | None:
    """One of the interrupted trials, then a new one; `None` if there are enough."""
    if waiting:
        return waiting.pop(0)
    number = sum(t.state != TrialState.WAITING for t in study.get_trials())
    if number >= config.trials:
        return None
    seed = np.random.SeedSequence([config.search_seed, number])
    study.sampler = optuna.samplers.TPESampler(
        seed=int(seed.generate_state(1)[0]), constant_liar=True
    )
    return study.ask(dict(drawn_from))


def finish_trial(
    study: optuna.Study, trial: optuna.trial.Trial, outcome: dict[str, Any], main: Figure
) -> None:
    for name, value in outcome.items():
        trial.set_user_attr(name, value)
    if "error" in outcome:
        study.tell(trial, state=TrialState.FAIL)
        says = f"failed, {outcome['error']}"
    elif outcome["stopped"]:
        study.tell(trial, state=TrialState.PRUNED)
        says = f"stopped as hopeless after {outcome['epochs']} epochs"
    else:
        study.tell(trial, outcome["metrics"][main.key])
        best = study.best_trial
        says = (
            f"{main.key} {outcome['metrics'][main.key]:.4f} in {outcome['seconds']:.0f} s "
            f"(best {best.value:.4f}, trial {best.number})"
        )
    print(f"trial {trial.number}: {says}; {shown(acting_values(trial.params))}", flush=True)


def shown(values: Mapping[str, Any]) -> str:
    numbers = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in values.items()}
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _refuse_only_failures(study: optuna.Study, dead: Sequence[Outcome]) -> None:
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    failed = len(ended) + len(dead)
    if failed >= _MAY_FAIL and all(trial.state == TrialState.FAIL for trial in ended):
        last = ended[-1].user_attrs["error"] if ended else dead[-1].reason
        raise ValueError(f"All {failed} trials failed; the last: {last}")


def _check_same_search(stored: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    old, new = ({name: x[name] for name in ("config", "data")} for x in (stored, now))
    if said := differences(old, new):
        raise ValueError(
            f"{folder} holds another search; it cannot resume. {said}. Give another --out."
        )
