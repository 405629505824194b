"""Why the model said so: its most confident right and wrong answers, taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.audit.sections.weights import row_weights, weights_table
from mmkeras.audit.subject import Subject, row_names
from mmkeras.data.kinds import KINDS
from mmkeras.inspection.examples import example_pictures, telling_rows
from mmkeras.inspection.integrated_gradients import (
    integrated_gradients,
    modality_attributions,
)
from mmkeras.inspection.words import text_attention, word_effects
from mmkeras.models.architecture import functional_of
from mmkeras.models.parts import knows_parts
from mmkeras.reports.heat_maps import heat_maps
from mmkeras.reports.parts import Card, Cards, Note, Part, Section, Table


def explanations_section(subject: Subject) -> Section | None:
    """Cards of telling rows, or of those asked for; `None` if none are wanted.

    Nor are there any of answers that are more than a few numbers.
    """
    if not subject.task.is_flat:
        return None
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
            f"Over all rows, {most} weighs most in an answer "
            f"({100 * table.loc[most, 'all'] / total:.0f} % of all weight)."
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
    kinds = [KINDS[modality.kind] for modality in subject.schema.modalities]
    words = []
    known = knows_parts(subject.run.model)
    if not known:
        words.append(
            "Grad-CAM, integrated gradients and attention are left out: the model is one's own and "
            "does not say which of its layers are encoders and which is the fusion."
        )
    if known and any(kind.has_heat_map for kind in kinds):
        words.append(
            "Grad-CAM: bright regions speak for the answer. Integrated gradients: bright places "
            "changed the answer on the way from an empty input. Attention, where the fusion has "
            "any: where it looks. Several images of a row are shown as one square."
        )
    if any(kind.has_words for kind in kinds):
        words.append("Shaded words: how much the answer loses without the word.")
    return " ".join(words)


def _cards(subject: Subject, chosen: Sequence[int], weights: dict[str, np.ndarray]) -> list[Card]:
    rows, model = subject.rows, subject.run.model
    if not (known := knows_parts(model)):
        model = functional_of(model, rows.pipeline.preprocessing)
    pipeline, schema = rows.pipeline, subject.schema
    task = subject.task
    true, said = task.own_unit(rows.targets), task.own_unit(rows.outputs)
    right = task.is_right(true, said)
    outputs = rows.outputs[chosen].argmax(axis=1)
    inputs = {name: values[chosen] for name, values in rows.inputs.items()}
    units = task.units[outputs]
    attributions = {
        name: units.reshape(-1, *[1] * (values.ndim - 1)) * values
        for name, values in (integrated_gradients(model, inputs, outputs) if known else {}).items()
    }
    seen = {
        name: pictures
        for name, pictures in example_pictures(pipeline, chosen).items()
        if rows.raw[name].kind.is_visual
    }
    missing = {name: raw.missing[chosen] for name, raw in rows.raw.items()}
    maps: list[list[tuple[str, np.ndarray]]] = [[] for _ in chosen]
    if known:
        maps = heat_maps(model, schema, inputs, outputs, attributions, seen, missing)
    words = {
        name: [
            [(word, unit * effect) for word, effect in row]
            for unit, row in zip(
                units, word_effects(model, pipeline, chosen, name, outputs), strict=True
            )
        ]
        for name, raw in rows.raw.items()
        if raw.kind.has_words
    }
    sums, names = modality_attributions(attributions), row_names(pipeline)
    texts = words if known else ()
    attended = {name: text_attention(model, pipeline, chosen, name) for name in texts}
    return [
        Card(
            task.answer_in_words(true[row], said[row]),
            bool(right[row]),
            pictures=[*_labelled(seen, missing, place), *maps[place]],
            sounds=sounds(subject, row),
            texts=_labelled(words, missing, place),
            table=table_cells(subject, row),
            notes=[
                f"Row {names[row]}",
                *_notes(subject, row, weights, {n: x[place] for n, x in sums.items()}),
                *_most_attended({name: x[place] for name, x in attended.items() if x}),
            ],
        )
        for place, row in enumerate(chosen)
    ]


def _notes(subject, row: int, weights, sums) -> list[str]:
    sign = ", ".join(f"{name} {values[row]:+.2f}" for name, values in weights.items())
    added = ", ".join(f"{name} {total:+.2f}" for name, total in sums.items())
    notes = [f"Weight of each modality (Shapley): {sign}"]
    if added:
        notes.append(f"Integrated gradients, summed: {added}")
    explained = subject.task.explained(subject.rows.outputs[row])
    return notes if explained is None else [explained, *notes]


def _labelled(
    shown: Mapping[str, Sequence[Any]], missing: Mapping[str, np.ndarray], place: int
) -> list[tuple[str, Any]]:
    """What a row has of each modality, with its name where there are several modalities."""
    return [
        (name if len(shown) > 1 else "", values[place])
        for name, values in shown.items()
        if not missing[name][place] and len(values[place])
    ]


def sounds(subject: Subject, row: int) -> list[tuple[str, np.ndarray, int]]:
    """What can be heard of a row: labels, samples and their rates."""
    heard = {name: raw for name, raw in subject.rows.raw.items() if raw.kind.is_audible}
    return [
        (name if len(heard) > 1 else "", raw.values[row], raw.fitted.settings.rate)
        for name, raw in heard.items()
        if not raw.missing[row]
    ]


def table_cells(subject: Subject, row: int) -> dict[str, str]:
    """A row's cells of all tables, by column."""
    cells = subject.rows.pipeline.frame.iloc[row]
    tables = [m for m in subject.schema.modalities if KINDS[m.kind].is_table]
    return {column: _cell(cells[column]) for table in tables for column in table.columns}


def _most_attended(terms: Mapping[str, list[tuple[str, float]]]) -> list[str]:
    """A sentence for each text that gets attention."""
    found = []
    for name, pairs in terms.items():
        most = sorted(pairs, key=lambda pair: -pair[1])[:3]
        text = f" ({name})" if len(terms) > 1 else ""
        said = ", ".join(f"{word} {x:.2f}" for word, x in most)
        found += [f"Words that get most attention{text}: {said}"] if most else []
    return found


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
