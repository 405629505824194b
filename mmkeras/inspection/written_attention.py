"""Where in an image or a sound a text decoder looks when it writes each word."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.decoders.text import TextDecoder
from mmkeras.inspection.attention import inputs_of_rows
from mmkeras.models.parts import decoder_inputs, decoder_layer, encoder_layers, known_inputs
from mmkeras.tasks.pieces import END, START
from mmkeras.tasks.text import TextTask


@dataclass(frozen=True)
class WrittenWord:
    """A word that a decoder wrote, and where it looked.

    Args:
        word: The word; of a script without spaces a piece of text.
        share: How much of its attention went to the image or sound, 0 to 1; the rest went to the
            fused vector and to other modalities.
        map: Of that, how much each region got: `(grid_height, grid_width)`; of a sound, time runs
            to the right, in one row where the encoder has no tokens for bands.
    """

    word: str
    share: float
    map: np.ndarray


def written_attention(
    model: keras.Model, pipeline: Pipeline, rows: Sequence[int], outputs: np.ndarray
) -> dict[str, list[list[WrittenWord]]]:
    """Where in images and sounds the model's decoder looked as it wrote its answers.

    Attention is the mean over the decoder's layers and heads, and of a word over its pieces.

    Args:
        model: A model of `build_model`.
        pipeline: The rows.
        rows: Kept positions of the rows to look at.
        outputs: What the model answered to all rows of the pipeline, `(rows, max_length)`.

    Returns:
        By image or sound modality, the words of each row; nothing where the decoder writes no
        text with attention, or there is no such modality.
    """
    decoder, task = decoder_layer(model), pipeline.preprocessing.task
    schema = pipeline.preprocessing.schema
    kinds = {modality.name: KINDS[modality.kind] for modality in schema.modalities}
    encoders = encoder_layers(model)
    seen = [
        name
        for name, kind in kinds.items()
        if kind.has_heat_map and (kind.is_audible or hasattr(encoders[name], "token_grid"))
    ]
    if not seen or not isinstance(decoder, TextDecoder) or not isinstance(task, TextTask):
        return {}
    ids = np.asarray(outputs)[list(rows)].astype("int32")
    looks, spans = _looks(model, decoder, inputs_of_rows(pipeline, rows), ids)
    found = {}
    for name in seen:
        start, stop = spans[name]
        grid = (stop - start, 1)  # a token for each stretch of time
        if hasattr(encoders[name], "token_grid"):
            grid = encoders[name].token_grid(pipeline.preprocessing.inputs[name].shape)
        found[name] = [
            [
                WrittenWord(
                    word,
                    float(weights.sum()),
                    kinds[name].upright(weights.reshape(grid)),
                )
                for word, places in _words(task, row)
                for weights in [look[places, start:stop].mean(axis=0)]
            ]
            for look, row in zip(looks, ids, strict=True)
        ]
    return found


def _looks(
    model: keras.Model, decoder: TextDecoder, inputs: dict[str, Any], ids: np.ndarray
) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Attention `(rows, pieces, memory)`, and where in the memory each modality's tokens are."""
    vector, tokens, arguments = decoder_inputs(model)
    previous = keras.Input((ids.shape[1],), dtype="int32", name="written")
    looking = keras.Model(
        {**known_inputs(model), "written": previous},
        [_Looks(decoder)(vector, tokens, previous=previous, **arguments), *tokens],
    )
    start = np.full((len(ids), 1), START, "int32")
    written = np.concatenate([start, ids[:, :-1]], axis=1)
    known = {name: inputs[name] for name in known_inputs(model)}
    weights, *read = looking.predict_on_batch({**known, "written": written})
    # The fused vector comes first.
    ends = np.cumsum([1, *(each.shape[1] for each in read)])
    names = encoder_layers(model)
    return weights, dict(zip(names, itertools.pairwise(ends), strict=True))


class _Looks(layers.Layer):
    # The decoder is in a model already, with another output: it is called from inside this layer.
    def __init__(self, decoder: TextDecoder, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder

    def build(self, *shapes, **more):
        pass  # The decoder is built: it comes from a model.

    def call(self, vector, tokens, masks=None, present=None, previous=None):
        weights = self.decoder.attention(vector, tokens, masks, present, previous=previous)
        return keras.ops.mean(weights, axis=1)

    def compute_output_spec(self, vector, tokens, masks=None, present=None, previous=None):
        # Texts, and so the memory, have as many tokens as a batch's longest.
        return keras.KerasTensor((vector.shape[0], previous.shape[1], None), "float32")


def _words(task: TextTask, ids: np.ndarray) -> list[tuple[str, list[int]]]:
    """The words of a written text, and at which places their pieces are."""
    length = int(np.argmax(ids == END)) if (ids == END).any() else len(ids)
    words: list[tuple[str, list[int]]] = []
    before = ""
    for place in range(length):
        text = task.pieces.text(ids[: place + 1])
        # A byte of a character may change what stood there. A space begins the word behind it.
        new = text[len(before) :] if text.startswith(before) else text[-1:]
        if words and not task.unspaced and not new.startswith(" "):
            word, places = words[-1]
            words[-1] = (word + new, [*places, place])
        else:
            words.append((new, [place]))
        before = text
    return [(word.strip(), places) for word, places in words if word.strip()]
