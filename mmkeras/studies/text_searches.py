"""Searches for the likeliest text, with the help of languages counted on the training texts.

A language has a weight, which is chosen on the validation rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.decoders import CTCDecoder
from mmkeras.decoders.parts.ctc_loss import BLANK, NO_STEP
from mmkeras.decoders.parts.language import Language, PieceLanguage, WordLanguage
from mmkeras.decoders.parts.prefix_search import searched_texts
from mmkeras.models.answer import answer_model
from mmkeras.models.parts import decoder_layer
from mmkeras.tasks.text import TextTask

# Of each step of a language of words, the share that is left to words of no training text.
_UNKNOWN = 1e-3


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search finds.

    Args:
        search: Its name.
        said: The texts of the test rows, `(rows,)`.
        validation: The main figure of its validation rows.
        weight: Of the language, as chosen; `None` without a language.
        bonus: What each piece adds to a text's score; `None` without a language.
    """

    search: str
    said: np.ndarray
    validation: float
    weight: float | None = None
    bonus: float | None = None


def searched(
    model: keras.Model,
    pipelines: Mapping[str, Pipeline],
    *,
    beams: int,
    weights: Sequence[float],
    bonuses: Sequence[float],
    order: int = 5,
) -> Iterator[Searched]:
    """Answers of a model by the likeliest piece each, by a beam search, and with languages.

    Languages help only where the model writes along steps (CTC): one that has learnt to go on
    from its own pieces has a language of its own.

    Args:
        model: A trained model whose answer is a text.
        pipelines: Training rows, whose texts the languages are counted on, validation and test.
        beams: How many texts a search keeps.
        weights, bonuses: What the weight and the bonus are chosen from; without weights no
            language is tried.
        order: How many pieces the language of pieces counts.
    """
    task = pipelines["test"].preprocessing.task
    true = task.own_unit(pipelines["validation"].targets)
    for name, kept in (("greedy", 1), ("beam", beams)):
        answering = answer_model(model, beams=kept)
        said = {
            part: task.own_unit(answering.predict(pipelines[part].evaluate(), verbose=0))
            for part in ("validation", "test")
        }
        yield Searched(name, said["test"], task.main_score(true, said["validation"]))
    if not weights or not isinstance(decoder_layer(model), CTCDecoder):
        return
    logits = {part: step_logits(model, pipelines[part]) for part in ("validation", "test")}
    for name, language in languages(task, pipelines["train"].targets, order).items():

        def texts(part: str, weight: float, bonus: float, language=language) -> np.ndarray:
            ids = searched_texts(logits[part], task.max_length, beams, language, weight, bonus)
            return task.own_unit(ids)

        scores = {
            (weight, bonus): task.main_score(true, texts("validation", weight, bonus))
            for weight, bonus in itertools.product(weights, bonuses)
        }
        chosen = max(scores, key=lambda setting: scores[setting])
        yield Searched(f"beam, {name}", texts("test", *chosen), scores[chosen], *chosen)


def step_logits(model: keras.Model, pipeline: Pipeline) -> np.ndarray:
    """What a CTC model says of each step, `(rows, steps, vocabulary)`.

    Batches have different lengths; steps behind a shorter one are blank for certain, as the
    decoder says it of padding.
    """
    batches = [model.predict_on_batch(inputs) for inputs, *_ in pipeline.evaluate()]
    rows, vocabulary = len(pipeline), batches[0].shape[2]
    logits = np.full((rows, max(x.shape[1] for x in batches), vocabulary), NO_STEP, np.float32)
    logits[..., BLANK] = 0.0
    start = 0
    for batch in batches:
        logits[start : start + len(batch), : batch.shape[1]] = batch
        start += len(batch)
    return logits


def languages(task: TextTask, targets: np.ndarray, order: int = 5) -> dict[str, Language]:
    """Languages counted on training texts: of their pieces, and of words spelt in characters.

    Args:
        task: The fitted target.
        targets: The training rows' texts as ids, `(rows, length)`.
        order: How many pieces the first one counts.
    """
    texts, size = task.fed(targets), task.pieces.size
    found: dict[str, Language] = {
        f"{task.chosen.pieces} by {order - 1} before": PieceLanguage(texts, size, order)
    }
    [separator] = task.pieces.ids(" ") if task.chosen.pieces == "characters" else [size]
    if separator < size:
        for name, words in (("words by frequency", 1), ("words by the one before", 2)):
            found[name] = WordLanguage(texts, size, separator, words, unknown=_UNKNOWN)
    return found
