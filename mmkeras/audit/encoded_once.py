"""Predictions of models with frozen encoders: what these make of a row is computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from mmkeras.models.parts import (
    decoder_layer,
    encoded,
    encoder_layers,
    known_inputs,
    knows_parts,
)
from mmkeras.training.frozen import traced_once

_BATCH = 256
_MOST_BYTES = 2**29  # of tokens that are kept


def predict_arrays(model: keras.Model, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """A model's outputs for arrays; without what `model.predict` spends on each call."""
    rows = len(next(iter(inputs.values())))
    parts = [
        model.predict_on_batch({name: x[at : at + _BATCH] for name, x in inputs.items()})
        for at in range(0, rows, _BATCH)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


class EncodedOnce:
    """A model that predicts on the same rows again and again, each time with some inputs changed.

    Where a pre-trained encoder is frozen, the tokens of the rows as they are are kept. Only inputs
    that are not among them are encoded again.

    Args:
        model: A trained model.
        inputs: The rows as they are, by input name.
    """

    def __init__(self, model: keras.Model, inputs: Mapping[str, np.ndarray]):
        self._model = model
        self._encoders: dict[str, Callable[[np.ndarray], Any]] = {}
        self._known: dict[str, tuple[dict[bytes, int], list[np.ndarray]]] = {}
        if not knows_parts(model) or decoder_layer(model) is not None:
            return
        frozen = [n for n, x in encoder_layers(model).items() if getattr(x, "is_frozen", False)]
        if not frozen:
            return
        encoders, self._rest = _parted(model, frozen)
        self._encoders = {name: traced_once(encoder) for name, encoder in encoders.items()}
        for name, encoder in self._encoders.items():
            tokens = _encode(encoder, inputs[name])
            if sum(x.nbytes for x in tokens) <= _MOST_BYTES:
                places = {key: place for place, key in enumerate(_keys(inputs[name]))}
                self._known[name] = (places, tokens)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The model's outputs, `(rows, ...)`."""
        if not self._encoders:
            return predict_arrays(self._model, inputs)
        fed = {name: x for name, x in inputs.items() if name not in self._encoders}
        for name in self._encoders:
            tokens = self._tokens(name, inputs[name])
            fed |= dict(zip(_names(name), tokens, strict=False))
        return predict_arrays(self._rest, {name: fed[name] for name in self._rest.input})

    def _tokens(self, name: str, x: np.ndarray) -> list[np.ndarray]:
        if name not in self._known:
            return _encode(self._encoders[name], x)
        places, known = self._known[name]
        found = np.array([places.get(key, -1) for key in _keys(x)])
        new = found < 0
        if new.all():
            return _encode(self._encoders[name], x)
        tokens = [own[found] for own in known]
        if new.any():
            for all_rows, own in zip(tokens, _encode(self._encoders[name], x[new]), strict=True):
                all_rows[new] = own
        return tokens


def _names(name: str) -> tuple[str, str]:
    """The inputs of the rest of a model: a modality's tokens, and which of them count."""
    return name, f"{name}_counts"


def _parted(model: keras.Model, frozen: list[str]) -> tuple[dict[str, keras.Model], keras.Model]:
    """The frozen encoders with their masks, and the rest of the model, which reads their tokens."""
    found = encoded(model)
    given = {name: x for name, x in known_inputs(model).items() if name not in frozen}
    encoders = {}
    for name in frozen:
        outputs = [x for x in found[name] if x is not None]
        encoders[name] = keras.Model(model.input[name], outputs)
        given |= dict(zip(_names(name), outputs, strict=False))
    # An input is called like its tensor.
    inputs = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in given.items()}
    of_tokens = keras.Model(list(given.values()), model.output)
    return encoders, keras.Model(inputs, of_tokens(list(inputs.values())))


def _encode(encode: Callable[[np.ndarray], Any], x: np.ndarray) -> list[np.ndarray]:
    """Tokens, and where there is one, their mask, of all rows."""
    parts = [encode(x[at : at + _BATCH]) for at in range(0, len(x), _BATCH)]
    columns = zip(*(keras.tree.flatten(part) for part in parts), strict=True)
    return [np.concatenate([np.asarray(part) for part in column]) for column in columns]


def _keys(x: np.ndarray) -> list[bytes]:
    """What tells the inputs of rows apart, all of one shape."""
    shape = f"{x.dtype}{x.shape[1:]}".encode()
    rows = np.ascontiguousarray(x)
    return [hashlib.blake2b(shape + row.tobytes(), digest_size=16).digest() for row in rows]
