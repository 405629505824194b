"""Speech to text: models trained with several seeds, and searches through what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from mmkeras.csv_files import write_csv
from mmkeras.data.leakage.finding import count_of
from mmkeras.data.pipeline import Pipeline
from mmkeras.evaluation.bootstrap import bootstrap_interval
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import Named, name_and_tags
from mmkeras.experiment.rows import Rows, experiment_rows, look_at_rows, save_findings
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.reports.markdown import format_table, write_markdown
from mmkeras.reports.parts import Picture, Report, Section, Table
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.schema import Text
from mmkeras.studies.jobs import refuse_missing
from mmkeras.studies.repeat import summary
from mmkeras.studies.text_searches import searched
from mmkeras.studies.trainings import Training, train_missing, with_each_seed
from mmkeras.tasks.text_figures import character_errors, word_errors
from mmkeras.tasks.text_pictures import plot_edits

SEARCHES = "searches.csv"


@dataclass(frozen=True)
class SpeechConfig(Named):
    """The experiment.

    Args:
        data: Which rows. The target is a text.
        seeds: Each model is trained once with each of these seeds.
        models: Modality names and "fused"; all by default.
        validation: Share of the training rows that choose the epoch and the languages' weights.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        beams: How many texts a search keeps.
        weights: Weights of a language, to choose from; none tries no language.
        bonuses: What each piece adds to a text's score beside a language, to choose from.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/speech-NAME/TIME. The same folder resumes.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    seeds: tuple[int, ...] = (0, 1, 2)
    models: tuple[str, ...] = ()
    validation: float = 0.12
    test: float = 0.15
    split_seed: int = 0
    beams: int = 16
    weights: tuple[float, ...] = (0.3, 0.6, 1.0)
    bonuses: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    workers: int = 1
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def recognize(config: SpeechConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per model, seed and search.

    Leaves `results.csv` (the models, each with its decoder's own search), `searches.csv`,
    `summary.md` with a picture of answers and their edits, and a run folder for each model and
    seed.

    Raises:
        ValueError: The target is not a text, or there are no validation rows.
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    rows = experiment_rows(config)
    if not isinstance(rows.schema.target, Text):
        raise ValueError(f"Speech is written as a text. The target is {rows.schema.target}.")
    if not len(rows.splits.validation):
        raise ValueError(
            "Validation rows choose the weight of a language; there are none. Received: "
            f"validation={config.validation}."
        )
    if config.settings.training.refit:
        raise ValueError(
            "Validation rows choose the weight of a language, and `refit` learns them. Leave it "
            "out."
        )
    findings = look_at_rows(rows)
    out = experiment_folder(config.out, Path("runs") / f"speech-{config.data.name}")
    trainings = with_each_seed(config, rows, out, findings)
    with locked(out):
        save_findings(out, findings)
        _, failed = train_missing(
            trainings,
            out,
            workers=config.workers,
            summary=lambda results: summary(results, ("wer", "cer", "exact_match")),
        )
        answers = search_all(config, rows, [each for each in trainings if each.finished])
        if answers:
            table = speech_table(answers)
            print(f"\n{format_table(table)}\n")
            write_csv(out / SEARCHES, _each_seed(answers))
            write_markdown(_report(config, table, answers), out / "summary.md")
    print(f"every seed: {out / SEARCHES}; answers with their edits: {out / 'summary.md'}")
    refuse_missing(failed, len(trainings))
    return _each_seed(answers)


@dataclass(frozen=True, eq=False)
class Answers:
    """The texts that one search found with one trained model.

    Args:
        model: A modality's name, or "fused".
        seed: The model's.
        search: The search's name.
        true, said: Texts of the test rows, `(rows,)`.
        validation: The main figure of the validation rows.
        weight, bonus: As chosen for the search's language; `None` without one.
    """

    model: str
    seed: int
    search: str
    true: np.ndarray
    said: np.ndarray
    validation: float
    weight: float | None = None
    bonus: float | None = None

    @property
    def rates(self) -> dict[str, np.ndarray]:
        """What each row adds to the word, character and sentence error rate, their means."""
        words, of_words = word_errors(self.true, self.said)
        characters, of_characters = character_errors(self.true, self.said)
        return {
            "word errors": words / of_words.mean(),
            "character errors": characters / of_characters.mean(),
            "wrong sentences": (self.true != self.said).astype(float),
        }


def search_all(config: SpeechConfig, rows: Rows, trainings: Sequence[Training]) -> list[Answers]:
    """The answers of trained models, by each search."""
    found = []
    for training in trainings:
        run = Run(training.folder)
        pipelines = {
            name: Pipeline(part, run.preprocessing, batch_size=config.settings.training.batch_size)
            for name, part in rows.splits.items()
        }
        task = run.preprocessing.task
        true = task.own_unit(pipelines["test"].targets)
        options = {"weights": config.weights, "bonuses": config.bonuses}
        for each in searched(run.model, pipelines, beams=config.beams, **options):
            print(f"{training.folder.name}: {each.search}: validation {each.validation:.3f}")
            own = dataclasses.asdict(each)
            found.append(Answers(training.model, training.about["seed"], true=true, **own))
    return found


def _each_seed(answers: Sequence[Answers]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": each.model,
            "seed": each.seed,
            "search": each.search,
            **{name: rate.mean() for name, rate in each.rates.items()},
            "validation": each.validation,
            "weight": each.weight,
            "bonus": each.bonus,
        }
        for each in answers
    )


def speech_table(answers: Sequence[Answers]) -> pd.DataFrame:
    """Error rates in percent, a row per model and search.

    Returns:
        Of each rate its mean over the seeds, their standard deviation, and its 95 % interval by
        the bootstrap over sentences and seeds.
    """
    lines = {}
    for name in dict.fromkeys((each.model, each.search) for each in answers):
        rates = [each.rates for each in answers if (each.model, each.search) == name]
        line: dict[str, float | str] = {}
        for rate in rates[0]:
            by_seed = 100 * np.array([each[rate] for each in rates])
            mean, low, high = bootstrap_interval(by_seed)
            line[f"{rate}, %"] = round(mean, 1)
            line[f"± ({rate})"] = by_seed.mean(axis=1).std(ddof=1) if len(rates) > 1 else np.nan
            line[f"95 % ({rate})"] = f"{low:.1f} to {high:.1f}"
        lines[": ".join(name)] = {**line, "seeds": len(rates)}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model: search")


def _report(config: SpeechConfig, table: pd.DataFrame, answers: Sequence[Answers]) -> Report:
    best = max(answers, key=lambda each: each.validation)
    name = f"{best.model}: {best.search}"
    return Report(
        f"{config.data.name}: speech to text",
        f"Each model was trained with {count_of(len(config.seeds), 'seed')} and judged by the same "
        "test rows. The epoch and the weights of languages were chosen on validation rows.",
        [f"Best on validation rows: {name}, with {table.loc[name].iloc[0]} % of words wrong."],
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per seed and search": SEARCHES,
        },
        [
            Section(
                "searches",
                "Errors on the test rows",
                "Of words, of characters, and sentences that have an error.",
                [
                    Table(
                        "searches",
                        table,
                        "Means over the seeds, ± the standard deviation between them, and the "
                        "95 % interval over sentences and seeds.",
                        digits=1,
                    ),
                    Picture(
                        "edits",
                        plot_edits(best.true, best.said),
                        f"What was said, and below it what {best.model} wrote with seed "
                        f"{best.seed} by the search that was best on validation rows "
                        f"({best.search}), from small to large errors. Orange words were written "
                        "for others, red ones are missing, blue ones should not be there.",
                    ),
                ],
            )
        ],
    )
