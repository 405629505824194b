"""A run's report: `report.md` with pictures, and the same for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.errors import first_of
from mmkeras.inspection.attention import image_attention
from mmkeras.inspection.examples import (
    caption,
    example_pictures,
    side_by_side,
    telling_rows,
)
from mmkeras.inspection.written_attention import written_attention
from mmkeras.models.architecture import input_tensors
from mmkeras.models.parts import embedding_model, knows_parts
from mmkeras.nested import flatten
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Note, Part, Picture, Report, Section, Table
from mmkeras.reports.plots import (
    plot_attention,
    plot_examples,
    plot_history,
    plot_written,
)
from mmkeras.reports.wording import leader, name_and_tags_words
from mmkeras.tasks import Task
from mmkeras.tasks.pictures import MOST_CLASSES
from mmkeras.training.refit import Refit
from mmkeras.training.tensorboard import TensorBoardReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_EMBEDDINGS = 5000
_MOST_SKIPPED = 50
_WRITTEN = 6


def write_report(
    folder: str | Path,
    *,
    model: keras.Model,
    pipeline: Pipeline,
    outputs: np.ndarray,
    history: pd.DataFrame,
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    findings: Sequence[Finding] | None = None,
    comparison: pd.DataFrame | None = None,
) -> None:
    """Writes `report.md`, `pictures/*.png` and TensorBoard's summaries of a trained model.

    Args:
        folder: The run's folder.
        model: The trained model.
        pipeline: The test rows.
        outputs: What the model gave for them, `(rows, outputs)`.
        history: One row per epoch.
        metrics: The run's metrics.
        config: The run's configuration.
        findings: What the leakage check found; `None` where it was not made.
        comparison: A table of this and other models on the same test rows.
    """
    folder = Path(folder)
    sections = [
        _result(pipeline, metrics),
        *([] if comparison is None else [_beside_others(pipeline, comparison)]),
        _training(history, metrics),
        *_answers(model, pipeline, outputs),
        *([] if knows_parts(model) else [_not_seen()]),
        _data(findings, metrics),
    ]
    schema, main = pipeline.preprocessing.schema, pipeline.preprocessing.task.main
    report = Report(
        f"{schema.target.name} from {', '.join(schema.names)}",
        _subtitle(pipeline, metrics, config),
        [
            f"The {main.words} on the test rows is {main.shown(metrics['test'][main.key])}.",
            *([metrics["floor"]["sentence"]] if "floor" in metrics else []),
            *metrics["remarks"],
        ],
        _facts(config),
        sections,
    )
    text = write_markdown(report, folder / "report.md")
    with TensorBoardReport(folder) as board:
        inputs = "+".join(schema.names)
        about = {**name_and_tags_words(config), "inputs": inputs}
        board.settings({**about, **flatten(config["settings"])}, metrics["test"])
        known = knows_parts(model)
        board.graph(model, model.input if known else input_tensors(pipeline.preprocessing))
        board.text("report", text)
        for picture in report.pictures:
            board.picture(picture.name, picture.png)
        if known:
            _write_embeddings(board, model, pipeline, outputs)


def comparison_table(results: Mapping[str, Mapping[str, Any]], task: Task) -> pd.DataFrame:
    """One row for each model: the task's headline on the test rows, parameters, seconds.

    The classical floor of the last of them that has one is a row of its own, and so is the best
    constant answer, where it is known: the majority beside every accuracy.

    Args:
        results: `metrics.json` by the model's name.
        task: The fitted target.
    """
    headline = [f for f in task.headline if any(f in m["test"] for m in results.values())]
    rows = {
        name: {
            **{figure: metrics["test"].get(figure) for figure in headline},
            "parameters": metrics["parameters"],
            "seconds": metrics["seconds"],
            "best epoch": metrics["best_epoch"],
        }
        for name, metrics in results.items()
    }
    floors = [metrics["floor"] for metrics in results.values() if "floor" in metrics]
    for floor in floors[-1:]:
        figures = {figure: floor["test"].get(figure) for figure in headline}
        rows["classical floor"] = {**figures, "seconds": floor["seconds"]}
    constants = [metrics["constant"] for metrics in results.values() if "constant" in metrics]
    for constant in constants[-1:]:
        rows[constant["answer"]] = {figure: constant["test"].get(figure) for figure in headline}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    # Whole numbers, also where the last rows have none.
    frame = frame.astype({"parameters": "Int64", "best epoch": "Int64"})
    return frame.astype(dict.fromkeys(headline, "float64"))


def _subtitle(pipeline: Pipeline, metrics: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    modalities = pipeline.preprocessing.schema.modalities
    names = ", ".join(f"{modality.name} ({modality.kind})" for modality in modalities)
    rows = config["rows"]
    return (
        f"Inputs: {names}. {structure_words(config)}. "
        f"{metrics['parameters']:,} parameters. {rows['train']:,} training, "
        f"{rows['validation']:,} validation and {rows['test']:,} test rows."
    )


def structure_words(config: Mapping[str, Any]) -> str:
    """What a run's model is, by its `config.json`: its fusion, and what is one's own in it."""
    own, model = config.get("own_model"), config["settings"].get("model", {})
    if own is None:
        return f"Fusion: {model['fusion']}"
    given = ", ".join(each.partition(" (")[0] for each in own["given"])
    said = f"one's own ({own['class']})" if not model else f"one's own {given}"
    return f"Model: {said}" + (f"; fusion: {model['fusion']}" if "fusion" in model else "")


def _not_seen() -> Section:
    return Section(
        "not_seen",
        "What this report leaves out",
        "Where the fusion looks, and the vectors of TensorBoard's projector.",
        [
            Note(
                "The model is one's own and does not say which of its layers are encoders and "
                "which is the fusion. Models of mmkeras.build_model do, also with encoders and a "
                "fusion of one's own."
            )
        ],
    )


def _facts(config: Mapping[str, Any]) -> dict[str, str]:
    """How the run was made."""
    environment = config["environment"]
    versions = (f"{name} {version}" for name, version in environment["versions"].items())
    return {
        **name_and_tags_words(config),
        "command": f"`{environment['command']}`",
        "seed": "not known" if config["seed"] is None else str(config["seed"]),
        "backend": environment["backend"],
        "commit": environment["git_commit"] or "unknown",
        "Python": environment["python"],
        **_processor(environment),
        "packages": ", ".join(versions),
        "settings": "all of them are in `config.json`",
    }


def _processor(environment: Mapping[str, Any]) -> dict[str, str]:
    """What the last digits depend on; runs of earlier versions do not say."""
    if "processor" not in environment:
        return {}
    said = f"{environment['processor']}, operations on {environment['threads']} of its threads"
    return {"processor": said}


def _result(pipeline: Pipeline, metrics: Mapping[str, Any]) -> Section:
    parts = [part for part in ("validation", "test") if part in metrics]
    frame = pd.DataFrame({part: metrics[part] for part in parts}).rename_axis("figure")
    constant = metrics["constant"]
    frame[constant["answer"]] = pd.Series(constant["test"], dtype=float)
    return Section(
        "result",
        "Result on the test rows",
        _reference(pipeline, metrics),
        [
            Table(
                "figures",
                frame,
                "Judge the model by the test rows, which nothing was chosen by. The last column is "
                "the best answer that is the same for all test rows."
                + (
                    " The validation rows chose the epoch, so that their figures are a little too "
                    "good; test figures that are much worse mean that the validation rows are too "
                    "few, or of another kind."
                    if "validation" in metrics
                    else ""
                )
                + (
                    " The validation figures are of the model before it learnt these rows, too."
                    if "refit" in metrics
                    else ""
                ),
            )
        ],
    )


def _beside_others(pipeline: Pipeline, comparison: pd.DataFrame) -> Section:
    main = pipeline.preprocessing.task.main
    return Section(
        "others",
        "Beside the other models, on the same test rows",
        leader(comparison[main.key], main),
        [
            Table(
                "others",
                comparison,
                "Each model was trained once, so that a small difference may be chance: train "
                "with several seeds before you believe it. A gain should also be worth its "
                "parameters and seconds.",
            )
        ],
    )


def _training(history: pd.DataFrame, metrics: Mapping[str, Any]) -> Section:
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    if best is None:
        return Section(
            "training",
            "How training went",
            "The model was trained elsewhere; how is not known.",
            [],
        )
    chosen = "the best on the validation rows" if "validation" in metrics else "the last"
    kept = f"The weights of epoch {best} were kept, {chosen}."
    if "refit" in metrics:
        second = Refit(**metrics["refit"])
        kept = (
            f"Epoch {best} was {chosen}. Then the model was {second.words} "
            f"({second.seconds:.0f} s)."
        )
    return Section(
        "training",
        "How training went",
        f"{epochs} epochs in {metrics['seconds']:.0f} s. {kept}",
        [
            Picture(
                "learning_curves",
                plot_history(history, best),
                "Where training keeps improving and validation does not, the model memorises: "
                "more rows, dropout or augmentation help. Curves that still improve at the end "
                "ask for more epochs.",
            )
        ],
    )


def _answers(model: keras.Model, pipeline: Pipeline, outputs: np.ndarray) -> list[Section]:
    """What the model gets right and wrong, and where its fusion looks, if that can be seen."""
    task = pipeline.preprocessing.task
    targets, said = task.own_unit(pipeline.targets), task.own_unit(outputs)
    right = task.is_right(targets, said)
    chosen = telling_rows(task, targets, said)
    pictures = task.drawn_on(example_pictures(pipeline, chosen), targets[chosen], said[chosen])
    captions = [caption(pipeline, row) for row in chosen]
    conclusion = f"{right.sum():,} of {len(right):,} answers are shown as right."
    parts: list[Part] = []
    if task.single_label:
        by_class = _by_class(pipeline, outputs)
        conclusion, parts = _weakest(by_class), [_class_table(by_class)]
    parts += [Picture(name, *drawn) for name, drawn in task.pictures(targets, said).items()]
    parts += [
        Table(name, *found, shown=MOST_CLASSES)
        for name, found in task.tables(targets, said).items()
    ]
    examples = plot_examples(
        side_by_side(pictures),
        captions,
        [task.answer_in_words(targets[row], said[row]) for row in chosen],
        right[chosen],
    )
    parts.append(
        Picture(
            "examples",
            examples,
            f"Test rows. {task.telling} Green is right, red is wrong. Sounds are shown as "
            "spectrograms, videos by their middle frame, several images of a row as one square. "
            "Look for what the mistakes have in common, and for labels that are wrong themselves.",
        )
    )
    sections = [Section("answers", "What it gets right and wrong", conclusion, parts)]
    if not knows_parts(model):
        return sections
    attended = image_attention(model, pipeline, chosen)
    if attended:
        plots = {
            name: plot_attention(pictures[name], maps, captions) for name, maps in attended.items()
        }
        sections.append(_attention(plots))
    written = written_attention(model, pipeline, chosen[:_WRITTEN], outputs)
    if written:
        sections.append(
            _written({n: plot_written(pictures[n][:_WRITTEN], w) for n, w in written.items()})
        )
    return sections


def _attention(plots: Mapping[str, Figure]) -> Section:
    several = len(plots) > 1
    return Section(
        "attention",
        "Where the fusion looks",
        "Attention is what the model mixed, not a proof of why it decided.",
        [
            Picture(
                f"attention_{name}" if several else "attention",
                plot,
                f"Where in the {f'image {name!r}' if several else 'image'} the fusion looks, for "
                "the same rows: bright is much attention. Attention on the background of rows that "
                "are right is a reason to distrust them.",
            )
            for name, plot in plots.items()
        ],
    )


def _written(plots: Mapping[str, Figure]) -> Section:
    several = len(plots) > 1
    return Section(
        "written",
        "Where each word looked",
        "Attention is what the decoder mixed, not a proof of why it wrote a word.",
        [
            Picture(
                f"written_{name}" if several else "written",
                plot,
                f"Test rows, and for each word that the model wrote where it looked in {name!r}: "
                "bright is much attention, on one scale for a row. The number is the share of the "
                f"word's attention that {name!r} got. Sounds are spectrograms. Words that look "
                "everywhere alike, or nowhere, were not written for what is there.",
            )
            for name, plot in plots.items()
        ],
    )


def _class_table(by_class: pd.DataFrame) -> Table:
    order = ""
    if len(by_class) > MOST_CLASSES:
        # Classes without test rows have no figures, and come last.
        tested = by_class["test rows"] > 0
        weakest = by_class[tested].sort_values("F1", kind="stable")
        by_class, order = pd.concat([weakest, by_class[~tested]]), "The weakest class is first. "
    return Table(
        "by_class",
        by_class,
        f"{order}A low recall means that rows of the class are missed, a low precision that rows "
        "of other classes are taken for it. Figures of a class with few test rows are uncertain.",
        shown=MOST_CLASSES,
    )


def _weakest(by_class: pd.DataFrame) -> str:
    """The class that is told worst, of those with test rows."""
    tested = by_class[by_class["test rows"] > 0]
    row = tested.sort_values(["F1", "test rows"], ascending=[True, False]).iloc[0]
    return (
        f"It is weakest at class {row.name!r}: F1 {row['F1']:.3f} on "
        f"{count_of(int(row['test rows']), 'test row')}."
    )


def _data(findings: Sequence[Finding] | None, metrics: Mapping[str, Any]) -> Section:
    notes = [f"leakage check, {finding.severity}: {finding.message}" for finding in findings or ()]
    skipped = metrics["skipped"]
    notes += first_of([f"skipped, {message}" for message in skipped], _MOST_SKIPPED)
    notes += [f"not as they are, {message}" for message in metrics.get("unprepared", ())]
    found = f"{count_of(len(findings), 'thing')} to look at" if findings else "nothing"
    checked = f"The leakage check found {found}"
    if findings is None:
        checked = "These splits were not checked for leakage (mmkeras.check_leakage does)"
    return Section(
        "data",
        "Data",
        f"{checked}; {count_of(len(skipped))} could not be read and "
        f"{'was' if len(skipped) == 1 else 'were'} skipped."
        if skipped
        else f"{checked}.",
        [Note(text) for text in notes],
    )


def _write_embeddings(
    board: TensorBoardReport, model: keras.Model, pipeline: Pipeline, outputs: np.ndarray
) -> None:
    vectors = embedding_model(model).predict(pipeline.evaluate(), verbose=0)
    vectors = pipeline.unpad(vectors)[:_MOST_EMBEDDINGS]
    task = pipeline.preprocessing.task
    rows = slice(len(vectors))
    board.embeddings(
        vectors,
        {
            "true": task.texts(task.own_unit(pipeline.targets[rows])),
            "predicted": task.texts(task.own_unit(outputs[rows])),
            "row": [caption(pipeline, row) for row in range(len(vectors))],
        },
    )


def _reference(pipeline: Pipeline, metrics: Mapping[str, Any]) -> str:
    """How sure the main figure is, and what guessing would give."""
    task = pipeline.preprocessing.task
    if not task.single_label:
        guessing = task.constant_score(task.own_unit(pipeline.targets))
        return (
            f"{task.best_constant[0].upper()}{task.best_constant[1:]} has the {task.main.words} "
            f"{task.main.shown(guessing)} on these rows."
        )
    rows = len(pipeline.targets)
    accuracy = metrics["test"]["accuracy"]
    low, high = proportion_interval(accuracy, rows)
    share = pipeline.targets.sum(axis=0)
    majority = task.classes[int(share.argmax())]
    return (
        f"With {rows:,} test rows the 95 % interval of the accuracy is {low:.3f} to {high:.3f} "
        f"(Wilson). Always answering {majority!r} would give {share.max() / rows:.3f}."
    )


def proportion_interval(share: float, rows: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion.

    References:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return float(centre - half), float(centre + half)


def _by_class(pipeline: Pipeline, outputs: np.ndarray) -> pd.DataFrame:
    classes = list(pipeline.preprocessing.task.classes)
    true, guess = pipeline.targets.argmax(axis=1), outputs.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        true, guess, labels=range(len(classes)), zero_division=0
    )
    columns = {"precision": precision, "recall": recall, "F1": f1, "test rows": support}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))
