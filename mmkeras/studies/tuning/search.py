"""The search itself, with Optuna: resumable, a process for each trial."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from mmkeras.experiment.run_folder import read_json
from mmkeras.files import write_json
from mmkeras.reports.run_report import differences
from mmkeras.studies.tuning.results import write_results
from mmkeras.studies.tuning.space import distributions
from mmkeras.studies.tuning.trial import CHECKPOINT
from mmkeras.studies.tuning.tuning_config import TuneConfig, describe
from mmkeras.studies.tuning.worker import open_study, run_trial, trial_folder
from mmkeras.tasks import task_class

SEARCH = "search.json"
# After so many trials, one at least must have ended well.
_MAY_FAIL = 3


def search(config: TuneConfig) -> tuple[optuna.Study, str]:
    """Runs the trials that are still missing; returns the study and the kind of target.

    A trial that was interrupted goes on where it stopped. Each trial's draw depends on the search's
    seed, the trial's number and the trials before it, so that an interrupted search ends where an
    uninterrupted one does.

    Raises:
        ValueError: The folder holds another search; there are no validation rows; no trial ends.
    """
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    stored = read_json(folder / SEARCH) if (folder / SEARCH).exists() else None
    about = in_new_process(describe, config, None if stored is None else stored["choices"])
    if stored is None:
        write_json(folder / SEARCH, about)
    else:
        _check_same_search(stored, about, folder)
    drawn_from = distributions(config.space, about["choices"])
    study = open_study(folder, about["kind"])
    if not study.trials:
        study.enqueue_trial(about["first"])
    jobs = [
        optuna.trial.Trial(study, trial._trial_id)
        for trial in study.get_trials(states=[TrialState.RUNNING])
    ]
    with ThreadPoolExecutor(config.workers) as threads:
        running = {}
        while True:
            while len(running) < config.workers:
                if not jobs:
                    number = sum(t.state != TrialState.WAITING for t in study.get_trials())
                    if number >= config.trials:
                        break
                    seed = np.random.SeedSequence([config.search_seed, number])
                    study.sampler = optuna.samplers.TPESampler(
                        seed=int(seed.generate_state(1)[0]), constant_liar=True
                    )
                    jobs.append(study.ask(drawn_from))
                trial = jobs.pop(0)
                job = (config, about["kind"], trial._trial_id, trial.number, trial.params)
                running[threads.submit(in_new_process, run_trial, *job)] = trial
            if not running:
                if not study.get_trials(states=[TrialState.COMPLETE]):
                    raise ValueError("No trial ended well; `--trials` allows more.")
                return study, about["kind"]
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                trial = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    outcome = {"error": "the process died; the memory may not have sufficed"}
                finish_trial(study, trial, outcome, about["kind"])
                write_results(study, folder, config.settings)
                checkpoint = trial_folder(folder, trial.number) / CHECKPOINT
                shutil.rmtree(checkpoint.parent, ignore_errors=True)
                _refuse_only_failures(study)


def in_new_process(function: Callable, *arguments: Any) -> Any:
    """Calls it in a process of its own: models trained one after the other leak memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(function, *arguments).result()


def finish_trial(
    study: optuna.Study, trial: optuna.trial.Trial, outcome: dict[str, Any], kind: str
) -> None:
    for name, value in outcome.items():
        trial.set_user_attr(name, value)
    figure = task_class(kind).main.key
    if "error" in outcome:
        study.tell(trial, state=TrialState.FAIL)
        says = f"failed, {outcome['error']}"
    elif outcome["stopped"]:
        study.tell(trial, state=TrialState.PRUNED)
        says = f"stopped as hopeless after {outcome['epochs']} epochs"
    else:
        study.tell(trial, outcome["metrics"][figure])
        best = study.best_trial
        says = (
            f"{figure} {outcome['metrics'][figure]:.4f} in {outcome['seconds']:.0f} s "
            f"(best {best.value:.4f}, trial {best.number})"
        )
    print(f"trial {trial.number}: {says}; {shown(trial.params)}", flush=True)


def shown(values: Mapping[str, Any]) -> str:
    numbers = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in values.items()}
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _refuse_only_failures(study: optuna.Study) -> None:
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    if len(ended) >= _MAY_FAIL and all(trial.state == TrialState.FAIL for trial in ended):
        raise ValueError(
            f"All {len(ended)} trials failed; the last: {ended[-1].user_attrs['error']}"
        )


def _check_same_search(stored: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    old, new = ({name: x[name] for name in ("config", "data")} for x in (stored, now))
    if said := differences(old, new):
        raise ValueError(
            f"{folder} holds another search; it cannot go on. {said}. Give another --out."
        )
