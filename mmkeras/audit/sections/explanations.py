"""Why the model said so: its most confident right and wrong answers, taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmkeras.audit.heat_maps import heat_maps
from mmkeras.audit.parts import Card, Cards, Note, Part, Section, Table
from mmkeras.audit.subject import Subject
from mmkeras.evaluation.examples import example_images, is_right, telling_rows, verdict
from mmkeras.evaluation.explanations.integrated_gradients import integrated_gradients
from mmkeras.evaluation.explanations.words import text_attention, word_effects
from mmkeras.evaluation.shapley import shapley_values


def explanations_section(subject: Subject) -> Section | None:
    """Cards of telling rows; `None` if none are wanted."""
    if not subject.settings.explain:
        return None
    weights = row_weights(subject)
    table = _weights_table(subject, weights)
    most = table["all"].idxmax()
    parts: list[Part] = [
        Table(
            "weights",
            table,
            "The mean weight of each modality in an answer: the Shapley value of the answer's "
            f"{_unit(subject)} over all subsets of modalities, by its size. Where right and wrong "
            "answers differ, the model goes wrong when it listens to the modality that is larger "
            "among the wrong ones.",
        )
    ]
    if subject.schema.target.per_step:
        parts.append(Note("Single rows are not explained where each step has a label."))
    else:
        chosen = _chosen(subject)
        parts.append(
            Cards(
                "explanations",
                "The most confident right answers, then the most confident mistakes. "
                f"{_legend(subject)} What an explanation shows is what moved this model, not "
                "what is true: if it looks at the wrong thing in a right answer, do not trust it.",
                _cards(subject, chosen, weights),
            )
        )
    return Section(
        "explanations",
        "Why does it say so?",
        f"Over all rows, {most} weighs most in an answer "
        f"({table.loc[most, 'all'] / table['all'].sum():.0%} of all weight).",
        parts,
        {"weights": table.to_dict("index")},
    )


def row_weights(subject: Subject) -> dict[str, np.ndarray]:
    """Each modality's Shapley value in each example's answer, `(examples,)`.

    The worth of a subset is the probability that the model gives to its own final answer (or the
    number that it predicts) when it is shown that subset alone.
    """
    answer = subject.rows.outputs.argmax(axis=1)
    places = np.arange(len(answer))
    worth = {kept: outputs[places, answer] for kept, outputs in subject.hidden.items()}
    return shapley_values(subject.names, worth, subject.prior[answer])


def _unit(subject: Subject) -> str:
    return "number" if subject.task == "regression" else "probability"


def _weights_table(subject: Subject, weights: dict[str, np.ndarray]) -> pd.DataFrame:
    sizes = {name: np.abs(values) for name, values in weights.items()}
    columns = {"all": {name: float(values.mean()) for name, values in sizes.items()}}
    if subject.task == "classification":
        right = subject.rows.row_scores(subject.rows.outputs) > 0.5
        for label, chosen in (("right answers", right), ("wrong answers", ~right)):
            if chosen.any():
                columns[label] = {n: float(values[chosen].mean()) for n, values in sizes.items()}
    return pd.DataFrame(columns).rename_axis("modality")


def _chosen(subject: Subject) -> list[int]:
    rows = subject.rows
    target = rows.pipeline.preprocessing.target
    true, guess = target.decode(rows.targets), target.decode(rows.outputs)
    return telling_rows(subject.task, true, guess, rows.outputs, subject.settings.explain)


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
    target = pipeline.preprocessing.target
    true, guess = target.decode(rows.targets), target.decode(rows.outputs)
    outputs = rows.outputs[chosen].argmax(axis=1)
    inputs = {name: values[chosen] for name, values in rows.inputs.items()}
    attributions = integrated_gradients(model, inputs, outputs)
    images = example_images(pipeline, chosen)
    maps = heat_maps(model, schema, inputs, outputs, attributions, images)
    words = {
        m.name: word_effects(model, pipeline, chosen, m.name, outputs)
        for m in schema.modalities
        if m.kind == "text"
    }
    attended = {name: text_attention(model, pipeline, chosen, name) for name in words}
    cards = []
    for place, row in enumerate(chosen):
        cells = pipeline.frame.iloc[row]
        tables = [m for m in schema.modalities if m.kind == "tabular"]
        texts = [effects[place] for effects in words.values()]
        cards.append(
            Card(
                verdict(subject.task, true[row], guess[row], rows.outputs[row]),
                bool(is_right(subject.task, true[row], guess[row], target.deviation)),
                picture=_picture(subject, images, place, row),
                pictures=maps[place],
                sound=_sound(subject, row),
                text=[pair for text in texts for pair in text] or None,
                table={c: str(cells[c]) for m in tables for c in m.columns} or None,
                notes=[
                    *_notes(subject, row, weights, attributions, place),
                    *(_most_attended(found[place]) for found in attended.values() if found),
                ],
            )
        )
    return cards


def _notes(subject, row: int, weights, attributions, place: int) -> list[str]:
    sign = ", ".join(f"{name} {values[row]:+.2f}" for name, values in weights.items())
    added = ", ".join(f"{name} {x[place].sum():+.2f}" for name, x in attributions.items())
    frame, schema = subject.rows.pipeline.frame, subject.schema
    label = frame.index[row] if schema.id is None else frame[schema.id].iloc[row]
    return [
        f"Row {label}",
        f"Weight of each modality (Shapley): {sign}",
        f"Integrated gradients, summed: {added}",
    ]


def _picture(subject: Subject, images, place: int, row: int) -> np.ndarray | None:
    if images is not None:
        return images[place]
    for name, raw in subject.rows.raw.items():
        if raw.kind == "video":
            clip = subject.rows.raw[name].values[row]
            return clip[len(clip) // 2]
    return None


def _sound(subject: Subject, row: int) -> tuple[np.ndarray, int] | None:
    for raw in subject.rows.raw.values():
        if raw.kind == "audio" and not raw.missing[row]:
            return raw.values[row], raw.fitted.settings.rate
    return None


def _most_attended(terms: list[tuple[str, float]]) -> str:
    most = sorted(terms, key=lambda pair: -pair[1])[:3]
    return "Words that get most attention: " + ", ".join(f"{word} {x:.2f}" for word, x in most)
