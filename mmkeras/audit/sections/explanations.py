"""Why the model said so: its most confident right and wrong answers, taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.audit.sections.weights import row_weights, weights_table
from mmkeras.audit.subject import Subject, row_names
from mmkeras.inspection.examples import example_images, telling_rows
from mmkeras.inspection.integrated_gradients import (
    integrated_gradients,
    modality_attributions,
)
from mmkeras.inspection.words import text_attention, word_effects
from mmkeras.reports.heat_maps import heat_maps
from mmkeras.reports.parts import Card, Cards, Note, Part, Section, Table


def explanations_section(subject: Subject) -> Section | None:
    """Cards of telling rows, or of those asked for; `None` if none are wanted."""
    if not subject.settings.explain and not subject.settings.explain_rows:
        return None
    weights = row_weights(subject)
    table = weights_table(subject, weights)
    most = table["all"].idxmax()
    parts: list[Part] = [
        Table(
            "weights",
            table,
            "The mean weight of each modality in an answer: the Shapley value of the answer's "
            f"{subject.task.what} over all subsets of modalities, by its size. A modality that "
            "weighs more in wrong answers than in right ones is worth a look.",
        )
    ]
    if subject.task.per_step:
        parts.append(Note("Single rows are not explained where each step has a label."))
    else:
        chosen = _chosen(subject)
        parts.append(
            Cards(
                "explanations",
                f"{_which(subject)} {_legend(subject)} What an explanation shows is what moved "
                "this model, not what is true: if it looks at the wrong thing in a right answer, "
                "do not trust it.",
                _cards(subject, chosen, weights),
            )
        )
    total = table["all"].sum()
    said = "No modality weighs anything: the model says the same of all rows."
    if total > 0:
        said = (
            f"Over all rows, {most} weighs most in an answer ({table.loc[most, 'all'] / total:.0%} "
            "of all weight)."
        )
    if len(subject.names) == 1:
        said = "These are answers of the model, and what in its input moved them."
    return Section(
        "explanations",
        "Why does it say so?",
        said,
        parts,
        {"weights": table.to_dict("index")},
    )


def _which(subject: Subject) -> str:
    if subject.settings.explain_rows:
        return "The rows that were asked for."
    return subject.task.telling


def _chosen(subject: Subject) -> list[int]:
    rows = subject.rows
    if subject.settings.explain_rows:
        names = row_names(rows.pipeline)
        return [names.index(name) for name in subject.settings.explain_rows]
    own = subject.task.own_unit
    return telling_rows(
        subject.task, own(rows.targets), own(rows.outputs), subject.settings.explain
    )


def _legend(subject: Subject) -> str:
    kinds = {modality.kind for modality in subject.schema.modalities}
    words = []
    if "image" in kinds:
        words.append(
            "Grad-CAM: bright regions speak for the answer. Integrated gradients: bright pixels "
            "changed the answer on the way from an empty image. Attention, where the fusion has "
            "any: where it looks."
        )
    if "text" in kinds:
        words.append("Shaded words: how much the answer loses without the word.")
    return " ".join(words)


def _cards(subject: Subject, chosen: Sequence[int], weights: dict[str, np.ndarray]) -> list[Card]:
    rows, model = subject.rows, subject.run.model
    pipeline, schema = rows.pipeline, subject.schema
    task = subject.task
    true, said = task.own_unit(rows.targets), task.own_unit(rows.outputs)
    right = task.is_right(true, said)
    outputs = rows.outputs[chosen].argmax(axis=1)
    inputs = {name: values[chosen] for name, values in rows.inputs.items()}
    units = task.units[outputs]
    attributions = {
        name: units.reshape(-1, *[1] * (values.ndim - 1)) * values
        for name, values in integrated_gradients(model, inputs, outputs).items()
    }
    images = example_images(pipeline, chosen)
    missing = {name: raw.missing[chosen] for name, raw in rows.raw.items()}
    maps = heat_maps(model, schema, inputs, outputs, attributions, images, missing)
    words = {
        m.name: [
            [(word, unit * effect) for word, effect in row]
            for unit, row in zip(
                units, word_effects(model, pipeline, chosen, m.name, outputs), strict=True
            )
        ]
        for m in schema.modalities
        if m.kind == "text"
    }
    sums, names = modality_attributions(attributions), row_names(pipeline)
    attended = {name: text_attention(model, pipeline, chosen, name) for name in words}
    cards = []
    for place, row in enumerate(chosen):
        cells = pipeline.frame.iloc[row]
        tables = [m for m in schema.modalities if m.kind == "tabular"]
        texts = [effects[place] for effects in words.values()]
        cards.append(
            Card(
                task.answer_in_words(true[row], said[row]),
                bool(right[row]),
                picture=_picture(subject, images, place, row),
                pictures=maps[place],
                sound=_sound(subject, row),
                text=[pair for text in texts for pair in text] or None,
                table={c: _cell(cells[c]) for m in tables for c in m.columns} or None,
                notes=[
                    f"Row {names[row]}",
                    *_notes(subject, row, weights, {n: x[place] for n, x in sums.items()}),
                    *(
                        _most_attended(found[place])
                        for found in attended.values()
                        if found and found[place]
                    ),
                ],
            )
        )
    return cards


def _notes(subject, row: int, weights, sums) -> list[str]:
    sign = ", ".join(f"{name} {values[row]:+.2f}" for name, values in weights.items())
    added = ", ".join(f"{name} {total:+.2f}" for name, total in sums.items())
    notes = [
        f"Weight of each modality (Shapley): {sign}",
        f"Integrated gradients, summed: {added}",
    ]
    explained = subject.task.explained(subject.rows.outputs[row])
    return notes if explained is None else [explained, *notes]


def _picture(subject: Subject, images, place: int, row: int) -> np.ndarray | None:
    for raw in subject.rows.raw.values():
        if raw.kind == "image":
            return None if raw.missing[row] else images[place]
    for raw in subject.rows.raw.values():
        if raw.kind == "video" and not raw.missing[row]:
            return raw.values[row][len(raw.values[row]) // 2]
    return None


def _sound(subject: Subject, row: int) -> tuple[np.ndarray, int] | None:
    for raw in subject.rows.raw.values():
        if raw.kind == "audio" and not raw.missing[row]:
            return raw.values[row], raw.fitted.settings.rate
    return None


def _most_attended(terms: list[tuple[str, float]]) -> str:
    most = sorted(terms, key=lambda pair: -pair[1])[:3]
    return "Words that get most attention: " + ", ".join(f"{word} {x:.2f}" for word, x in most)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
