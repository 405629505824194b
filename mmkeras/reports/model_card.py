"""A model card: what a run's model is for, how good it is and what to know before it is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.errors import listed
from mmkeras.files import write_text
from mmkeras.reports.markdown import report_markdown
from mmkeras.reports.parts import Note, Report, Section, Table
from mmkeras.reports.run_report import structure_words

CARD = "README.md"
_MOST_CLASSES = 20
_MARK = "<!-- as written: {} -->\n"


def write_model_card(
    folder: str | Path,
    preprocessing: Preprocessing,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Writes `README.md` in a run folder, unless it was edited there.

    Args:
        folder: The run's folder; its audit's verdict is quoted, if there is one.
        preprocessing: Of the run.
        config: Its `config.json`.
        metrics: Its `metrics.json`.
    """
    path = Path(folder) / CARD
    if path.exists() and not _is_as_written(path.read_text(encoding="utf-8")):
        return
    text = model_card(preprocessing, config, metrics, _audit(Path(folder)))
    write_text(path, text + _MARK.format(_digest(text)))


def model_card(
    preprocessing: Preprocessing,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    audit: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown; names from the data stand in it as they are, never as markup.

    Args:
        preprocessing: Of the run.
        config: Its `config.json`.
        metrics: Its `metrics.json`.
        audit: Its `audit.json`, if it was audited.
    """
    schema, task = preprocessing.schema, preprocessing.task
    rows = config["rows"]
    learnt = metrics["refit"]["rows"] if "refit" in metrics else rows["train"]
    sections = [
        _inputs(preprocessing),
        _figures(preprocessing, metrics),
        _limits(preprocessing, rows, metrics),
        *([] if audit is None else [_audited(audit)]),
        _use(),
    ]
    environment = config["environment"]
    facts = {
        "made with": f"mmkeras {environment['mmkeras']}, Keras on {environment['backend']}",
        "created": str(config.get("created", "unknown")),
        "commit": environment["git_commit"] or "unknown",
        "seed": "not known" if config["seed"] is None else str(config["seed"]),
        "everything else": "`config.json`, `metrics.json` and `report.md` in this folder",
    }
    return report_markdown(
        Report(
            f"Model card: {schema.target.name} from {', '.join(schema.names)}",
            f"A model of {task.words}. {structure_words(config)}. "
            f"{metrics['parameters']:,} parameters, trained on {learnt:,} rows.",
            [
                f"The {task.main.words} on {rows['test']:,} test rows is "
                f"{task.main.shown(metrics['test'][task.main.key])}.",
                *([metrics["floor"]["sentence"]] if "floor" in metrics else []),
                *metrics.get("remarks", []),
            ],
            facts,
            sections,
        )
    )


def _inputs(preprocessing: Preprocessing) -> Section:
    schema, task = preprocessing.schema, preprocessing.task
    frame = pd.DataFrame(
        {
            "kind": [modality.kind for modality in schema.modalities],
            "columns": [", ".join(modality.columns) for modality in schema.modalities],
        },
        index=pd.Index(list(schema.names), name="input"),
    )
    classes = ""
    if task.has_classes and task.classes:
        shown = listed([repr(name) for name in task.classes], _MOST_CLASSES)
        classes = f" Its {len(task.classes):,} classes: {shown}."
    absent = (
        "A row may lack some of them, but not all."
        if preprocessing.presence
        else "Every row must have all of them."
    )
    return Section(
        "inputs",
        "What it reads and answers",
        f"It answers {', '.join(schema.target_columns)}.{classes}",
        [Table("inputs", frame, f"The columns that it reads. {absent}")],
    )


def _figures(preprocessing: Preprocessing, metrics: Mapping[str, Any]) -> Section:
    parts = [part for part in ("validation", "test") if part in metrics]
    frame = pd.DataFrame({part: metrics[part] for part in parts}).rename_axis("figure")
    constant = metrics.get("constant")
    if constant is not None:
        frame[constant["answer"]] = pd.Series(constant["test"], dtype=float)
    said = "The test rows had no part in training or in choosing the epoch."
    if "refit" in metrics:
        said += " The figures of validation rows are of the model before it learnt them, too."
    return Section(
        "figures",
        "How good it is",
        said,
        [Table("figures", frame, "What cannot be seen in them is what other data would give.")],
    )


def _limits(
    preprocessing: Preprocessing, rows: Mapping[str, int], metrics: Mapping[str, Any]
) -> Section:
    again = ", trained again on both" if "refit" in metrics else ""
    notes = [
        f"It was trained on {rows['train']:,} rows, chosen on {rows['validation']:,}{again} and "
        f"judged on {rows['test']:,}. Rows of another origin may be answered much worse.",
        "Cells that nothing in the training rows prepared it for (unknown categories, numbers far "
        "outside, texts without a known word) get an answer, and a note that says so.",
        *(f"Of its own rows: {each}." for each in metrics.get("unprepared", ())),
    ]
    if preprocessing.task.has_classes:
        notes.append(
            "Its confidences are those of the model; whether they can be believed says an audit."
        )
    return Section(
        "limits",
        "What to know before it is used",
        "Nobody has said yet what it may be used for: write it here.",
        [Note(text) for text in notes],
    )


def _audited(audit: Mapping[str, Any]) -> Section:
    return Section(
        "audit",
        "What its audit says",
        f"{audit.get('subtitle', '')}: the whole of it is in `audit/audit.html`.",
        [Note(str(sentence)) for sentence in audit["verdict"]],
    )


def _use() -> Section:
    return Section(
        "use",
        "How it is used",
        "This folder is all that is needed.",
        [
            Note("New rows of a file: `python experiments/predict.py FOLDER rows.csv`"),
            Note('From Python: `mmkeras.Run("FOLDER").predict("rows.csv")`'),
            Note("Over HTTP: `python experiments/serve.py FOLDER`"),
            Note("Without mmkeras: `python experiments/export.py FOLDER --format saved_model`"),
            Note("Can it be trusted? `python experiments/audit.py FOLDER`"),
        ],
    )


def _audit(folder: Path) -> Mapping[str, Any] | None:
    try:
        audit = json.loads((folder / "audit" / "audit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # not audited, or the audit's files are damaged: the card stands without it
    return audit if isinstance(audit, dict) and isinstance(audit.get("verdict"), list) else None


def _is_as_written(text: str) -> bool:
    body, begin, _ = text.rpartition(_MARK.partition("{}")[0])
    return text == body + _MARK.format(_digest(body)) if begin else False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
