"""Which words of a text matter: what leaving them out changes, and how much they are looked at."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import keras
import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.words import split_words
from mmkeras.inspection.attention import attention_to, inputs_of_rows
from mmkeras.inspection.gradients import check_outputs
from mmkeras.schema import Text


def without_each_word(text: str) -> list[tuple[str, str]]:
    """Each word as it is in the text, and the text without it.

    What is a word, `mmkeras.data.words.split_words` says. A word that occurs twice is left out once
    at a time. A space takes its place, so that its neighbours stay the words that they are.

    Example:

    >>> without_each_word("No, not now!")
    [('No', ' , not now!'), ('not', 'No,   now!'), ('now', 'No, not  !')]
    """
    text = unicodedata.normalize("NFKC", text)
    pairs, end = [], 0
    for word in split_words(text, lowercase=False):
        # Between two words no letter stands, so the first that matches begins the word.
        start = text.index(word[0], end)
        end = start + len(word)
        pairs.append((text[start:end], f"{text[:start]} {text[end:]}"))
    return pairs


def word_effects(
    model: keras.Model,
    pipeline: Pipeline,
    rows: Sequence[int],
    modality: str,
    outputs: Sequence[int],
    *,
    batch_size: int = 128,
) -> list[list[tuple[str, float]]]:
    """What each word of a text does to an output: the output with it, less that without it.

    With `F` the output (a probability, or the number predicted), `t` the raw text and `t \\ w` the
    text in which one word is replaced by a space:

        effect(w) = F(t) - F(t \\ w)

    Both texts go through the fitted preprocessing, so this works for bags of words and for token
    sequences, with stop words, stemming and n-grams; a word that they drop has no effect. Two
    words that say the same can both have none, as either will do: the effects of a text's words
    do not add up to anything. The other modalities stay as they are. Of a text of one word, an
    empty text remains, which is not the same as a row without the modality.

    Args:
        model: A model of `build_model`.
        pipeline: The rows.
        rows: Kept positions of the rows to explain.
        modality: A text modality.
        outputs: Which output to explain, for each of these rows.
        batch_size: How many texts to predict at once.

    Returns:
        For each row a list of `(word, effect)` in the order of the text; an empty list of an empty
        cell.

    Raises:
        ValueError: If the modality is not a text.

    References:
        - [Zeiler and Fergus, 2014](https://arxiv.org/abs/1311.2901) (section 4.2, occlusion)
        - [Li, Monroe and Jurafsky, 2016](https://arxiv.org/abs/1612.08220) (erasure of words)
    """
    text_modality = _text_modality(pipeline, modality)
    outputs = check_outputs(model, outputs, len(rows))
    words: list[list[str]] = []
    texts: list[str | None] = []
    row_of: list[int] = []
    for place, text in enumerate(pipeline.frame[text_modality.column].iloc[list(rows)]):
        pairs = without_each_word(text) if isinstance(text, str) else []
        words.append([word for word, _ in pairs])
        texts += [text if pairs else None, *(rest for _, rest in pairs)]
        row_of += [place] * (1 + len(pairs))
    inputs = inputs_of_rows(pipeline, rows)
    fitted = pipeline.preprocessing.modalities[modality]
    # Of all texts at once: a backend that compiles for each length then compiles one program.
    encoded = KINDS[text_modality.kind].inputs_of(texts, fitted, None)
    scores = np.zeros(len(texts))
    for start in range(0, len(texts), batch_size):
        part = slice(start, start + batch_size)
        batch = {name: x[row_of[part]] for name, x in inputs.items()}
        predicted = np.asarray(model.predict_on_batch({**batch, modality: encoded[part]}))
        scores[part] = predicted[np.arange(len(predicted)), outputs[row_of[part]]]
    effects, start = [], 0
    for own in words:
        whole, *others = scores[start : start + 1 + len(own)].tolist()
        effects.append([(word, whole - other) for word, other in zip(own, others, strict=True)])
        start += 1 + len(own)
    return effects


def text_attention(
    model: keras.Model, pipeline: Pipeline, rows: Sequence[int], modality: str
) -> list[list[tuple[str, float]]] | None:
    """How much attention each term of a text gets from the other modalities.

    See `mmkeras.inspection.attention.attention_to`. An encoder that reads a whole text mixes its
    words, so the token that is looked at may hold more than its own word.

    Args:
        model: A model of `build_model`.
        pipeline: The rows.
        rows: Kept positions of the rows to look at.
        modality: A text modality.

    Returns:
        For each row a list of `(term, weight)`, the terms as the vocabulary has them and as many
        as the encoder read. `None` for bags of words, and where no modality attends to this one.

    Raises:
        ValueError: If the modality is not a text.
    """
    column = _text_modality(pipeline, modality).column
    fitted = pipeline.preprocessing.modalities[modality]
    if fitted.settings.representation != "tokens":
        return None
    weights = attention_to(model, inputs_of_rows(pipeline, rows), modality)
    if weights is None:
        return None
    terms_of_rows = fitted.terms(list(pipeline.frame[column].iloc[list(rows)]))
    return [
        list(zip(terms, row[: len(terms)], strict=True))
        for terms, row in zip(terms_of_rows, weights.tolist(), strict=True)
    ]


def _text_modality(pipeline: Pipeline, name: str) -> Text:
    modalities = pipeline.preprocessing.schema.modalities
    texts = {m.name: m for m in modalities if KINDS[m.kind].has_words}
    if name not in texts:
        raise ValueError(f"The text modalities are {list(texts)}. Received: {name!r}.")
    return texts[name]
