"""A run's report: `report.md` with pictures, and the same for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from mmkeras.data.pipeline import Pipeline
from mmkeras.files import write_text
from mmkeras.inspection.attention import image_attention
from mmkeras.inspection.examples import (
    caption,
    example_pictures,
    side_by_side,
    telling_rows,
)
from mmkeras.models.parts import embedding_model
from mmkeras.reports.plots import (
    plot_attention,
    plot_examples,
    plot_history,
)
from mmkeras.tasks import Task
from mmkeras.training.tensorboard import TensorBoardReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_EMBEDDINGS = 5000


def write_report(
    folder: str | Path,
    *,
    model: keras.Model,
    pipeline: Pipeline,
    outputs: np.ndarray,
    history: pd.DataFrame,
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    findings: Sequence[Any] = (),
    comparison: pd.DataFrame | None = None,
) -> None:
    """Writes `report.md`, `pictures/*.png` and TensorBoard's summaries of a trained model.

    Args:
        folder: The run's folder.
        model: The trained model.
        pipeline: The test rows.
        outputs: What the model gave for them, `(rows, outputs)`.
        history: A row an epoch.
        metrics: The run's metrics.
        config: The run's configuration.
        findings: What the leakage check found.
        comparison: A table of this and other models on the same test rows.
    """
    folder = Path(folder)
    pictures = _pictures(model, pipeline, outputs, history, metrics)
    (folder / "pictures").mkdir(exist_ok=True)
    for name, (figure, _) in pictures.items():
        figure.savefig(folder / "pictures" / f"{name}.png", dpi=110)
    text = _markdown(pipeline, outputs, metrics, config, findings, comparison, pictures)
    write_text(folder / "report.md", text)
    with TensorBoardReport(folder) as board:
        inputs = "+".join(pipeline.preprocessing.schema.names)
        board.settings({"inputs": inputs, **flatten(config["settings"])}, metrics["test"])
        board.graph(model)
        board.text("report", text)
        for name, (figure, _) in pictures.items():
            board.figure(name, figure)
        _write_embeddings(board, model, pipeline, outputs)


def comparison_table(
    results: Mapping[str, Mapping[str, Any]], task: type[Task] | Task
) -> pd.DataFrame:
    """One row for each model: the task's headline on the test rows, parameters, seconds.

    Args:
        results: `metrics.json` by the model's name.
        task: The target's task.
    """
    rows = {
        name: {
            **{figure: metrics["test"][figure] for figure in task.headline},
            "parameters": metrics["parameters"],
            "seconds": metrics["seconds"],
            "best epoch": metrics["best_epoch"],
        }
        for name, metrics in results.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def format_table(table: pd.DataFrame) -> str:
    """A small table as GitHub markdown, which also reads well as plain text."""

    def cell(value: Any) -> str:
        if isinstance(value, (float, np.floating)):
            return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
        return f"{value:,}" if isinstance(value, (int, np.integer)) else str(value)

    header = [table.index.name or "", *map(str, table.columns)]
    body = [[str(row[0]), *map(cell, row[1:])] for row in table.itertuples()]
    widths = [max(len(row[place]) for row in [header, *body]) for place in range(len(header))]
    lines = []
    for row in [header, None, *body]:
        if row is None:
            cells = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        else:
            cells = [row[0].ljust(widths[0])]
            cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pictures(
    model: keras.Model,
    pipeline: Pipeline,
    outputs: np.ndarray,
    history: pd.DataFrame,
    metrics: Mapping[str, Any],
) -> dict[str, tuple[Figure, str]]:
    """Each picture with its caption."""
    task = pipeline.preprocessing.task
    figures = {
        "learning_curves": (
            plot_history(history, metrics["best_epoch"]),
            f"Learning curves. The weights of epoch {metrics['best_epoch']} were kept"
            + (", the best on the validation rows. " if "validation" in metrics else ", the last. ")
            + "Where training goes on improving and validation does not, the model memorises.",
        )
    }
    targets, said = task.own_unit(pipeline.targets), task.own_unit(outputs)
    figures |= task.pictures(targets, said)
    chosen = telling_rows(task, targets, said)
    pictures = example_pictures(pipeline, chosen)
    captions = [caption(pipeline, row) for row in chosen]
    figures["examples"] = (
        plot_examples(
            side_by_side(pictures),
            captions,
            [task.answer_in_words(targets[row], said[row]) for row in chosen],
            task.is_right(targets[chosen], said[chosen]),
        ),
        f"Test rows. {task.telling} Green is right, red is wrong. Sounds are shown as "
        "spectrograms, videos by their middle frame.",
    )
    attended = image_attention(model, pipeline, chosen)
    for name, maps in attended.items():
        several = len(attended) > 1
        image = f"image {name!r}" if several else "image"
        figures[f"attention_{name}" if several else "attention"] = (
            plot_attention(pictures[name], maps, captions),
            f"Where in the {image} the fusion looks, for the same rows: bright is much attention. "
            "Attention is what the model mixed, not a proof of why it decided.",
        )
    return figures


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


def _markdown(
    pipeline: Pipeline,
    outputs: np.ndarray,
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    findings: Sequence[Any],
    comparison: pd.DataFrame | None,
    pictures: Mapping[str, tuple[Figure, str]],
) -> str:
    schema = pipeline.preprocessing.schema
    task = pipeline.preprocessing.task
    rows = config["rows"]
    names = ", ".join(f"{modality.name} ({modality.kind})" for modality in schema.modalities)
    lines = [
        f"# {schema.target.name} from {', '.join(schema.names)}",
        "",
        f"Inputs: {names}. Fusion: {config['settings']['model']['fusion']}. "
        f"{metrics['parameters']:,} parameters. {rows['train']:,} training, "
        f"{rows['validation']:,} validation and {rows['test']:,} test rows. "
        f"{metrics['epochs']} epochs in {metrics['seconds']:.0f} s; the weights are those of "
        f"epoch {metrics['best_epoch']}.",
        "",
        "## Result on the test rows",
        "",
        format_table(
            pd.DataFrame(
                {part: metrics[part] for part in ("validation", "test") if part in metrics}
            ).rename_axis("figure")
        ),
        "",
        _reference(pipeline, metrics),
        "",
    ]
    if comparison is not None:
        lines += ["## Beside the other models, on the same test rows", ""]
        lines += [format_table(comparison), ""]
    if task.single_label:
        lines += ["## By class", "", format_table(_by_class(pipeline, outputs)), ""]
    lines += ["## Pictures", ""]
    for name, (_, words) in pictures.items():
        lines += [f"![{name.replace('_', ' ')}](pictures/{name}.png)", "", words, ""]
    lines += ["## Data", ""]
    lines += [f"- leakage check, {finding.severity}: {finding.message}" for finding in findings]
    if not findings:
        lines.append("- the leakage check found nothing")
    lines += [f"- skipped, {message}" for message in metrics["skipped"][:50]]
    if len(metrics["skipped"]) > 50:
        lines.append(f"- ... and {len(metrics['skipped']) - 50} more rows skipped")
    environment = config["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    lines += [
        "",
        "## How it was made",
        "",
        f"`{environment['command']}`, seed {config['seed']}, {environment['backend']} backend, "
        f"commit {environment['git_commit'] or 'unknown'}, Python {environment['python']}, "
        f"{versions}. All settings are in `config.json`.",
        "",
    ]
    return "\n".join(lines)


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


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which of their nested settings two dicts differ, in words; empty if they are equal."""
    before, now = flatten(before), flatten(now)
    differ = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return "; ".join(f"{n}: {before.get(n)!r}, now {now.get(n)!r}" for n in differ[:5])


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
