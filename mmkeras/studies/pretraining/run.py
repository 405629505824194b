"""Run all trials of pre-training and fine-tuning, and say what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.experiment.rows import experiment_rows, look_at_rows, save_findings
from mmkeras.reading import read_json
from mmkeras.reports.markdown import write_markdown
from mmkeras.studies.jobs import refuse_missing, run_jobs
from mmkeras.studies.pretraining.pretrain_config import PretrainConfig
from mmkeras.studies.pretraining.report import gains, pretraining_report, summary, verdict
from mmkeras.studies.pretraining.trial import Trial, judged_rows
from mmkeras.tasks import task_class

RESULTS = "results.csv"


def pretrain_and_tune(config: PretrainConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its table; returns one row per share, way and seed.

    Leaves `results.csv`, `summary.md`, and a folder for each way and seed with its encoders, which
    `source` fine-tunes again.

    Raises:
        ValueError: The rows have no class each, or there are none to judge by.
        JobsMissing: Some trials failed; the table shows the others.
    """
    name_and_tags(config)  # what is wrong is reported before any work
    rows = experiment_rows(config)
    findings = look_at_rows(rows)
    schema = rows.schema
    if schema.target is None or not task_class(schema.target).stratified:
        raise ValueError("Labelled rows are drawn by class: the target needs one class per row.")
    judged = judged_rows(config, rows).test
    out = experiment_folder(config.out, Path("runs") / f"pretrain-{config.data.name}")
    # Seed by seed, so that an experiment that is stopped has whole comparisons.
    trials = [Trial(config, way, seed, out) for seed in config.seeds for way in config.ways]
    with locked(out):
        save_findings(out, findings)
        opened = None if config.workers else rows
        jobs = [trial.job(opened) for trial in trials if not trial.finished(rows)]
        print(f"{len(jobs)} of {len(trials)} trials are to be run")
        failed = [each for each in run_jobs(jobs, workers=config.workers) if each.error is not None]
        results, scores = collect(trials)
        if len(results):
            write_csv(out / RESULTS, results)
            main = task_class(schema.target).main_of(schema.target)
            groups = None if schema.group is None else judged[schema.group].to_numpy(str)
            apart = gains(scores, groups)
            counts = {"train": len(rows.splits.train), "judged": len(judged)}
            table = summary(results, apart, main)
            report = pretraining_report(config, table, verdict(apart, main), counts)
            print("\n" + write_markdown(report, out / "summary.md"))
    refuse_missing(failed, len(trials))
    return results


def collect(
    trials: Sequence[Trial],
) -> tuple[pd.DataFrame, dict[tuple[float, str], np.ndarray]]:
    """What the trials found: one row each, and `(seeds, rows)` of scores by share and way.

    Scores are of the seeds that all ways have finished.
    """
    found, scores = [], {}
    config = trials[0].config
    for share in config.labels:
        for way in config.ways:
            for trial in trials:
                if trial.way == way and trial.file(share).exists():
                    keys = {"rows": int, "probe": float, "figures": Mapping[str, Any]}
                    keys |= {"epochs": int, "seconds": float}
                    values = read_json(trial.file(share), keys)
                    about = {"labels": share, "rows": values["rows"], "way": way}
                    rest = {key: values[key] for key in ("probe", "epochs", "seconds")}
                    found.append({**about, "seed": trial.seed, **values["figures"], **rest})
                    scores[share, way, trial.seed] = np.array(values["scores"])
    whole = [
        seed
        for seed in config.seeds
        if all((share, way, seed) in scores for share in config.labels for way in config.ways)
    ]
    by_way = {
        (share, way): np.stack([scores[share, way, seed] for seed in whole])
        for share in config.labels
        for way in config.ways
        if whole
    }
    return pd.DataFrame(found), by_way
