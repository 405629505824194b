"""A table with a text, by the protocol of MulTaBench: does each add, and does tuning the text pay?

The text is read from scratch, by a network that was trained elsewhere and stays as it is, in both
ways at once, and (if asked for) by the same network, tuned. Which fusions of the table with the
frozen network are shown is decided by the validation rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro

from mmkeras.csv_files import write_csv
from mmkeras.data.datasets import load_dataset
from mmkeras.data.datasets.multabench import FOLDS, PROTOCOL, SETS, protocol_split
from mmkeras.data.tables.read import read_table
from mmkeras.evaluation.significance import corrected_resampled_t_test
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import Named, name_and_tags, run_details
from mmkeras.experiment.rows import Rows
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.settings import Encoder, FusionName, Settings
from mmkeras.experiment.train import floor_of
from mmkeras.files import write_json, write_text
from mmkeras.reading import read_json
from mmkeras.reports.markdown import report_markdown, write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.schema import Text
from mmkeras.studies.deep_ensemble import ensemble_figures
from mmkeras.studies.jobs import refuse_missing
from mmkeras.studies.trainings import FUSED, Training, train_missing

SUMMARY = "summary.csv"
TABLE, SCRATCH, FROZEN, TUNED = "table", "text from scratch", "text frozen", "text tuned"
TWICE = f"{SCRATCH} + {FROZEN}"
BOTH = " + "
MEANING = "meaning"  # the text's name where it is read again
FLOOR = "classical floor"
TEST_SHARE = 1 / 9  # of a fold: its test rows by its other rows

# Means over the five folds that the comparison itself publishes (arXiv 2605.10616).
PUBLISHED: dict[str, dict[str, float]] = {
    "babies_r_us": {
        "LightGBM, text frozen": 0.848,
        "CatBoost, text frozen": 0.872,
        "TabM, text frozen": 0.900,
        "TabPFN-2.5, text frozen": 0.914,
        "LightGBM, text tuned": 0.876,
        "CatBoost, text tuned": 0.893,
        "TabM, text tuned": 0.903,
        "TabPFN-2.5, text tuned": 0.927,
    },
    "bikewale": {
        "XGBoost, text frozen": 0.409,
        "TabM, text frozen": 0.505,
        "CatBoost, text frozen": 0.571,
        "TabPFN-2, text frozen": 0.614,
        "TabICL-2, text frozen": 0.704,
        "TabM, text tuned": 0.581,
        "CatBoost, text tuned": 0.670,
        "TabICL-2, text tuned": 0.732,
    },
}


@dataclass(frozen=True)
class MulTaBenchConfig(Named):
    """The experiment.

    Args:
        data: Which set: bikewale or babies_r_us, all its rows.
        source: The folder of the text network: config.json, model.safetensors, tokenizer.json.
        fusions: Those of the table and the frozen network that are tried.
        shown: How many of them are shown: the best ones on the validation rows.
        tune: Whether the network is tuned, too: alone, and in the best fusion.
        train: What of it is tuned: all, or from which layer on, such as layer_4.
        tuned_rate: Its learning rate where it is tuned; all else keeps its own.
        tuned_epochs: The most epochs of models in which it is tuned.
        seeds: Each model is trained once with each of these.
        members: How many of the best model on the validation rows, each from a seed of its own,
            answer together by their mean (a deep ensemble); 1 leaves it out.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/multabench-NAME/TIME. The same folder again
            resumes.
        results: A folder to which the table is copied, under the data set's name.
        settings: Model, training and preprocessing of all models.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    source: Path | None = None
    fusions: tuple[FusionName, ...] = ("concat", "gmu", "film", "multiplicative")
    shown: int = 3
    tune: bool = False
    train: str = "all"
    tuned_rate: float = 1e-4
    tuned_epochs: int = 8
    seeds: tuple[int, ...] = (0,)
    members: int = 1
    workers: int = 1
    out: Path | None = None
    results: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)

    def __post_init__(self):
        if self.data.dataset not in SETS:
            raise ValueError(
                f"The sets of MulTaBench here are {', '.join(SETS)}. Received: "
                f"{self.data.dataset!r}. Give --dataset."
            )
        if self.source is not None and not self.source.is_dir():
            raise FileNotFoundError(f"There is no folder {self.source} of a text network.")
        if self.members < 1:
            raise ValueError(f"`members` are 1 or more. Received: {self.members}.")

    @property
    def dataset(self) -> str:
        return self.data.dataset


@dataclass(frozen=True)
class Variant:
    """One model of the comparison.

    Args:
        name: In the table.
        model: The modality alone, or "fused".
        settings: How it is trained.
        twice: Whether the text is read twice: from scratch, and by the network.
    """

    name: str
    model: str
    settings: Settings
    twice: bool = False


def run_multabench(config: MulTaBenchConfig) -> pd.DataFrame:
    """Runs the experiment, saves its tables; returns one row per model.

    Leaves `results.csv` (one row per model, fold and seed), `summary.csv`, `summary.md`, a run
    folder for each training, and the figures of the classical floor on each fold.

    Raises:
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    if config.source is None:
        raise ValueError("Give --source, the folder of a text network such as all-MiniLM-L6-v2.")
    out = experiment_folder(config.out, f"runs/multabench-{config.dataset}")
    folds = [fold_rows(config.dataset, fold) for fold in range(FOLDS)]
    text, table = folds[0].schema.names
    frozen = with_network(config, text, None)
    first = [
        Variant(TABLE, table, config.settings),
        Variant(SCRATCH, text, config.settings),
        Variant(FROZEN, text, frozen),
        Variant(_both(SCRATCH, config.settings.model.fusion), FUSED, config.settings),
        *(_fused(FROZEN, frozen, fusion) for fusion in config.fusions),
    ]
    with locked(out):
        trainings = _trainings(config, out, folds, first)
        failed = _train(config, out, trainings)
        best = _best_fusions(config, _results(trainings))[0]
        second = [_fused(TWICE, read_twice(config), best, twice=True)]
        if config.tune:
            tuned = with_network(config, text, config.train)
            second += [Variant(TUNED, text, tuned), _fused(TUNED, tuned, best)]
        trainings += _trainings(config, out, folds, second)
        failed = _train(config, out, trainings)
        together = None
        if config.members > 1:
            members = _members(config, out, folds, [*first, *second], _results(trainings))
            known = {training.folder for training in trainings}
            more = [member for member in members if member.folder not in known]
            failed = _train(config, out, [*trainings, *more])
            together = _together(out, members)
        floors = [_floor(config, out, fold, rows) for fold, rows in enumerate(folds)]
        summary = _summary(config, _results(trainings), floors, together)
        write_csv(out / SUMMARY, summary, index=True)
        report = _report(config, summary, best=_best_fusions(config, _results(trainings)))
        write_markdown(report, out / "summary.md")
        if config.results is not None:
            config.results.mkdir(parents=True, exist_ok=True)
            write_csv(config.results / f"{config.dataset}.csv", summary, index=True)
            write_text(config.results / f"{config.dataset}.md", report_markdown(report))
    refuse_missing(failed, len(trainings))
    return summary


def fold_rows(dataset: str, fold: int, twice: bool = False) -> Rows:
    """The rows of one fold of the protocol; the same in every process.

    Args:
        dataset: Which set.
        fold: 0 to 4.
        twice: Whether the schema has the text twice, to be read in two ways.
    """
    table, schema = load_dataset(dataset)
    if twice:
        again = Text(MEANING, schema.modalities[0].column)
        schema = dataclasses.replace(schema, modalities=(*schema.modalities, again))
    frame = read_table(table, schema)
    return Rows(frame, schema, protocol_split(frame, fold), [])


def with_network(config: MulTaBenchConfig, text: str, train: str | None) -> Settings:
    """The experiment's settings with a network for the text, frozen (`None`) or tuned."""
    options = {"source": str(config.source), "train": train}
    encoders = {**config.settings.encoders, "text": Encoder("pretrained", options)}
    settings = dataclasses.replace(config.settings, encoders=encoders)
    if train is None:
        return settings
    training = settings.training
    rates = {**training.part_rates, text: config.tuned_rate / training.learning_rate}
    training = dataclasses.replace(training, part_rates=rates, epochs=config.tuned_epochs)
    return dataclasses.replace(settings, training=training)


def read_twice(config: MulTaBenchConfig) -> Settings:
    """The experiment's settings for the text twice: from scratch, and by the frozen network."""
    own = {"encoder": "pretrained", "encoder_options": {"source": str(config.source)}}
    return dataclasses.replace(config.settings, modalities={MEANING: own})


def _both(text: str, fusion: str) -> str:
    return f"{TABLE}{BOTH}{text}, {fusion}"


def _fused(text: str, settings: Settings, fusion: str, twice: bool = False) -> Variant:
    settings = dataclasses.replace(settings, model=settings.model.with_fusion(fusion))
    return Variant(_both(text, fusion), FUSED, settings, twice)


def _trainings(
    config: MulTaBenchConfig, out: Path, folds: Sequence[Rows], variants: Sequence[Variant]
) -> list[Training]:
    details = run_details(config)
    return [
        Training(
            variant.model,
            {"variant": variant.name, "fold": fold, "seed": seed},
            out / f"{variant.name}-fold{fold}-seed{seed}".replace(" ", "_").replace(",", ""),
            dataclasses.replace(variant.settings, seed=seed),
            fold_rows(config.dataset, fold, True) if variant.twice else rows,
            functools.partial(fold_rows, config.dataset, fold, variant.twice),
            {**details, "protocol": PROTOCOL, "fold": fold},
        )
        for seed in config.seeds
        for fold, rows in enumerate(folds)
        for variant in variants
    ]


def _train(config: MulTaBenchConfig, out: Path, trainings: Sequence[Training]) -> list[Any]:
    def shown(_: pd.DataFrame) -> pd.DataFrame:
        return _summary(config, _results(trainings), [])

    return train_missing(trainings, out, workers=config.workers, summary=shown)[1]


def _results(trainings: Sequence[Training]) -> pd.DataFrame:
    """One row per finished training: R² on its validation and its test rows, seconds."""
    rows = []
    for training in trainings:
        if (training.folder / METRICS).exists():
            metrics = Run(training.folder).metrics
            figures = {part: metrics[part]["r2"] for part in ("validation", "test")}
            rows.append({**training.about, **figures, "seconds": metrics["total_seconds"]})
    return pd.DataFrame(rows)


def _floor(config: MulTaBenchConfig, out: Path, fold: int, rows: Rows) -> dict[str, Any]:
    """The classical floor on a fold, found once."""
    path = out / f"floor-fold{fold}.json"
    if not path.exists():
        floor = floor_of(rows.splits, rows.schema, config.settings)
        figures = {part: floor.figures.get(part, {}).get("r2") for part in ("validation", "test")}
        seconds = round(floor.seconds, 1)
        write_json(path, {"method": floor.method, **figures, "seconds": seconds})
    return read_json(path)


def _members(
    config: MulTaBenchConfig,
    out: Path,
    folds: Sequence[Rows],
    variants: Sequence[Variant],
    results: pd.DataFrame,
) -> list[Training]:
    """The best model on the validation rows, from as many seeds as the ensemble has members."""
    best = results.groupby("variant")["validation"].mean().idxmax()
    first = config.seeds[0]
    seeds = tuple(range(first, first + config.members))
    chosen = [variant for variant in variants if variant.name == best]
    return _trainings(dataclasses.replace(config, seeds=seeds), out, folds, chosen)


def _together(out: Path, members: Sequence[Training]) -> tuple[str, pd.DataFrame] | None:
    """What the ensemble is called, and its R² by fold; `None` where no fold is complete."""
    figures = {}
    seeds = {training.about["seed"] for training in members}
    for fold in {training.about["fold"] for training in members}:
        own = [training for training in members if training.about["fold"] == fold]
        if not all(training.finished for training in own):
            continue
        variant = own[0].folder.name.rpartition("-seed")[0]
        path = out / f"mean-of-{len(seeds)}-{variant}.json"
        if not path.exists():
            of_parts = ensemble_figures([each.folder for each in own], own[0].rows.splits)
            seconds = sum(Run(each.folder).metrics["total_seconds"] for each in own)
            write_json(path, {**of_parts, "seconds": round(seconds, 1)})
        figures[fold] = read_json(path)
    name = f"{members[0].about['variant']}, mean of {len(seeds)} seeds"
    return (name, pd.DataFrame(figures).T) if figures else None


def _best_fusions(config: MulTaBenchConfig, results: pd.DataFrame) -> list[str]:
    """The fusions of the table and the frozen network, the best on validation rows first."""
    if results.empty:
        return []
    validation = results.groupby("variant")["validation"].mean()
    tried = [f for f in config.fusions if _both(FROZEN, f) in validation.index]
    return sorted(tried, key=lambda fusion: -validation[_both(FROZEN, fusion)])


def _summary(
    config: MulTaBenchConfig,
    results: pd.DataFrame,
    floors: Sequence[dict[str, Any]],
    together: tuple[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """One row per model: R² on test rows, its deviation over folds and each fold's, seconds."""
    found = {}
    hidden = {_both(FROZEN, f) for f in _best_fusions(config, results)[config.shown :]}
    for name, own in results.groupby("variant", sort=False) if len(results) else ():
        if name in hidden:
            continue
        by_fold = own.groupby("fold")[["test", "validation", "seconds"]].mean()
        found[name] = _row(by_fold)
    if together is not None:
        name, by_fold = together
        found[name] = _row(by_fold)
    if floors:
        found[FLOOR] = _row(pd.DataFrame(floors))
    return pd.DataFrame(found).T.rename_axis("model")


def _row(by_fold: pd.DataFrame) -> dict[str, float]:
    test = by_fold["test"]
    folds = {f"fold {fold}": value for fold, value in test.items()}
    return {
        "R²": test.mean(),
        "± folds": test.std(),
        **folds,
        "validation": by_fold["validation"].mean(),
        "seconds": by_fold["seconds"].mean(),
    }


def _report(config: MulTaBenchConfig, summary: pd.DataFrame, best: Sequence[str]) -> Report:
    published = pd.DataFrame({"R²": PUBLISHED[config.dataset]}).rename_axis("model")
    chosen = summary["validation"].astype(float).idxmax()
    return Report(
        f"{config.dataset}: a table with a text, by MulTaBench's protocol",
        f"R² on the test rows, the mean of {FOLDS} folds.",
        findings(summary.filter(like="fold ").astype(float), best[0] if best else ""),
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "fusions tried": ", ".join(config.fusions),
        },
        [
            Section(
                "models",
                "Models trained here",
                f"{chosen} is best on the validation rows; on the test rows it has R² "
                f"{summary.loc[chosen, 'R²']:.3f}.",
                [
                    Table(
                        "models",
                        summary,
                        f"Of the fusions with the frozen network, the {config.shown} best on the "
                        "validation rows. Seconds are of one fold.",
                    ),
                ],
            ),
            Section(
                "published",
                "Published by the comparison itself",
                "Means over the same five folds, their figures, with other text networks.",
                [Table("published", published, "From arXiv 2605.10616.")],
            ),
        ],
    )


def findings(folds: pd.DataFrame, fusion: str) -> list[str]:
    """What the comparison asks of a set: whether each modality adds, and whether tuning pays.

    A difference counts where its 95 % interval over the folds, by the corrected resampled t-test,
    leaves 0 out.

    Args:
        folds: R² by model and fold.
        fusion: The best one on the validation rows.
    """
    both, tuned = _both(FROZEN, fusion), _both(TUNED, fusion)
    if both not in folds.index:
        return []
    gains = {name: _difference(folds, both, name) for name in (TABLE, FROZEN)}
    told = " and ".join(f"{_in_words(gain)} over {name} alone" for name, gain in gains.items())
    adds = all(low > 0 for _, low, _ in gains.values())
    found = [
        f"{'Each modality adds' if adds else 'That each modality adds is not shown'}: the {fusion} "
        f"fusion has R² {folds.loc[both].mean():.3f}, {told}."
    ]
    if tuned in folds.index:
        gain = _difference(folds, tuned, both)
        _, low, high = gain
        verb = "beats" if low > 0 else "is worse than" if high < 0 else "is not shown to beat"
        found.append(
            f"Tuning the text network {verb} frozen features: R² {folds.loc[tuned].mean():.3f} "
            f"against {folds.loc[both].mean():.3f}, {_in_words(gain)}."
        )
    return found


def _difference(folds: pd.DataFrame, model: str, other: str) -> tuple[float, float, float]:
    """How much better a model is than another, and the interval over the folds that both have."""
    differences = (folds.loc[model] - folds.loc[other]).dropna()
    if len(differences) < 2:
        only = float(differences.mean())
        return only, -np.inf, np.inf
    return corrected_resampled_t_test(differences, TEST_SHARE)[:3]


def _in_words(difference: tuple[float, float, float]) -> str:
    mean, low, high = difference
    if not np.isfinite(low):
        return f"{mean:+.3f}"
    return f"{mean:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
