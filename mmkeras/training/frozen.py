"""Frozen encoders: what they make of the rows is computed once, and the rest trains on that.

The rest is a model of the same layers but for the frozen encoders, in whose place it reads their
tokens. It is trained like any other model, and its variables are then the whole model's. Tokens are
kept on disk where a folder is given, by what they depend on: the encoder (its structure and its
weights) and the row's input, after all preprocessing. Another run of the same encoder, on the same
or on other rows, then computes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import mmkeras
from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.sources import padded_length, weak_loader
from mmkeras.encoders.pretrained.features import FrozenFeatures
from mmkeras.files import written
from mmkeras.models.parts import encoded, encoder_layers
from mmkeras.progress import ProgressBar
from mmkeras.schema import InputSpec

_BATCH = 64
_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of rows, in any number of arrays.

    Args:
        arrays: Each `(tokens, dim)`, of many rows, one after another; in memory or mapped.
        places: Of each row the number of its array, its first token there and how many there are,
            `(rows, 3)`.
        varying: Whether their number varies, so that they are padded.
    """

    arrays: list[np.ndarray]
    places: np.ndarray
    varying: bool

    @property
    def spec(self) -> InputSpec:
        """What a model needs to know of them."""
        return InputSpec((None if self.varying else int(self.places[0, 2]), self.dim))

    @property
    def dim(self) -> int:
        return self.arrays[0].shape[1]

    @property
    def rows_alone(self) -> bool:
        return not self.varying

    def load(self, kept: tf.Tensor) -> tf.Tensor:
        tokens = tf.numpy_function(weak_loader(weakref.ref(self)), [kept], tf.float32)
        tokens.set_shape((None, *self.spec.shape))
        return tokens

    def load_now(self, kept: np.ndarray) -> np.ndarray:
        """Rows, padded with zeros, `(rows, tokens, dim)`."""
        places = self.places[kept]
        longest = int(places[:, 2].max())
        length = padded_length(longest) if self.varying else longest
        found = np.zeros((len(kept), length, self.dim), np.float32)
        for row, (array, start, count) in zip(found, places, strict=True):
            row[:count] = self.arrays[array][start : start + count]
        return found

    def batch(self, loaded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        return loaded


def frozen_modalities(model: keras.Model, pipeline: Pipeline) -> list[str]:
    """The modalities whose tokens are the same in every epoch: frozen, and nothing is moved."""
    fitted = pipeline.preprocessing
    return [
        name
        for name, encoder in encoder_layers(model).items()
        if getattr(encoder, "is_frozen", False)
        and not KINDS[fitted.schema[name].kind].is_augmented(fitted.modalities[name].settings)
    ]


def without_frozen(
    model: keras.Model,
    pipelines: Mapping[str, Pipeline],
    rebuild: Callable[[Mapping[str, InputSpec], Mapping[str, FrozenFeatures]], keras.Model],
    folder: Path | None = None,
) -> tuple[keras.Model, dict[str, Pipeline]]:
    """The rest of a model, and pipelines that feed it with the tokens of frozen encoders.

    Args:
        model: A model of `build_model`.
        pipelines: By part, among them `"train"`.
        rebuild: Makes the same model with other inputs and other encoders, by modality.
        folder: Where tokens are kept for other runs; `None` for nowhere.

    Returns:
        The model and the pipelines themselves where nothing is frozen. Otherwise another model,
        with copies of the first one's variables; `take_back` returns them.
    """
    fed, specs, layers = dict(pipelines), {}, {}
    for name in frozen_modalities(model, pipelines["train"]):
        encoder = encoder_layers(model)[name]
        tokens = frozen_tokens(model, name, pipelines, folder)
        for part in pipelines:
            fed[part] = fed[part].with_source(name, tokens[part])
        specs[name] = tokens["train"].spec
        shape = pipelines["train"].preprocessing.inputs[name].shape
        grid = encoder.token_grid(shape) if hasattr(encoder, "token_grid") else None
        layers[name] = FrozenFeatures(masked=tokens["train"].varying, grid=grid)
    if not specs:
        return model, fed
    rest = rebuild(specs, layers)
    _copy(model, rest)
    return rest, fed


def take_back(model: keras.Model, rest: keras.Model) -> None:
    """Gives a model the variables of its rest, as they are after training."""
    if rest is not model:
        _copy(rest, model)


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Copies the variables of all layers that two models share by name, but of the encoders of one.

    Layers of `FrozenFeatures` have none.
    """
    names = {layer.name for layer in source.layers} & {layer.name for layer in target.layers}
    for name in names:
        mine, others = target.get_layer(name).variables, source.get_layer(name).variables
        if isinstance(source.get_layer(name), FrozenFeatures) or not mine:
            continue
        for variable, other in zip(mine, others, strict=True):
            variable.assign(other)


def frozen_tokens(
    model: keras.Model, name: str, pipelines: Mapping[str, Pipeline], folder: Path | None
) -> dict[str, Tokens]:
    """The tokens of a modality's frozen encoder, for the rows of each pipeline.

    Args:
        model: A model of `build_model`.
        name: The modality.
        pipelines: By part.
        folder: Where tokens are kept for other runs; `None` for nowhere.
    """
    tokens, mask = encoded(model)[name]
    outputs = [tokens] if mask is None else [tokens, mask]
    encode = keras.Model(model.input[name], outputs)
    answer = traced_once(encode)
    store = _Store(folder and folder / encoder_key(encoder_layers(model)[name]))
    keys = {}
    for part, pipeline in pipelines.items():
        found = [_keys(batch) for batch in pipeline.batches_of(name)]
        keys[part] = np.concatenate([own for own, _ in found])
        lengths = np.concatenate([own for _, own in found])
        missing = store.missing(keys[part])
        # Those of one length together: the less there is to pad.
        missing = missing[np.argsort(lengths[missing], kind="stable")]
        store.add(keys[part][missing], _encoded(answer, pipeline, name, missing, mask is not None))
    return {part: store.tokens(own, mask is not None) for part, own in keys.items()}


def _encoded(
    answer: Callable[[np.ndarray], Any],
    pipeline: Pipeline,
    name: str,
    rows: np.ndarray,
    masked: bool,
) -> list[np.ndarray]:
    """What an encoder answers to rows: of each, the tokens that count, `(tokens, dim)`."""
    found: list[np.ndarray] = []
    if not len(rows):
        return found
    with ProgressBar(f"encoding {name}", len(rows)) as progress:
        for outputs in _answers(answer, pipeline.batches_of(name, rows, _BATCH)):
            tokens = outputs[0].astype(np.float32, copy=False)
            if masked:
                found += [own[mask] for own, mask in zip(tokens, outputs[1], strict=True)]
            else:
                found += list(tokens)
            for _ in tokens:
                progress.add()
    return found


def _answers(
    answer: Callable[[np.ndarray], Any], batches: Iterator[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """What an encoder answers to batches, in their order.

    On TensorFlow two are encoded at a time: the threads of one operation do not all end at once,
    and the other batch has work for those that wait. What is answered does not depend on it.
    """

    def arrays(batch: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(output) for output in keras.tree.flatten(answer(batch))]

    if keras.config.backend() != "tensorflow":
        yield from map(arrays, batches)
        return
    running: deque[Future[list[np.ndarray]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for batch in batches:
            running.append(pool.submit(arrays, batch))
            if len(running) > _AT_ONCE:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def traced_once(encode: keras.Model) -> Callable[[np.ndarray], Any]:
    """What a model answers to batches, of any length and number of rows.

    TensorFlow traces it once, when it is first asked. `predict_on_batch` would be traced for the
    first batch, for the first of another length and for the last, which is smaller: of a
    transformer of six layers that took longer than the encoding of 500 texts.
    """
    if keras.config.backend() != "tensorflow":
        return encode.predict_on_batch
    read = encode.inputs[0]
    return tf.function(
        lambda batch: encode(batch, training=False),
        input_signature=[tf.TensorSpec(read.shape, read.dtype)],
        autograph=False,
    )


def encoder_key(encoder: keras.layers.Layer) -> str:
    """What tells a frozen encoder from others: its structure and its weights."""
    config = encoder.get_config()
    text = json.dumps(config, sort_keys=True, default=str)
    # Keras counts names, so that those of a network depend on what was built before it.
    for number, name in enumerate(_names(config)):
        text = text.replace(json.dumps(name), f'"#{number}"')
    key = hashlib.blake2b(f"{mmkeras.__version__}|{text}".encode(), digest_size=16)
    for weight in encoder.get_weights():
        key.update(f"|{weight.shape}{weight.dtype}|".encode() + weight.tobytes())
    return key.hexdigest()


def _names(config: Any) -> list[str]:
    """Of a layer's configuration, the names of layers, and where it was read from, in order."""
    if isinstance(config, list | tuple):
        return [name for each in config for name in _names(each)]
    if not isinstance(config, dict):
        return []
    own = []
    if {"inbound_nodes", "layers", "network", "encoder"} & set(config):
        own = [config[key] for key in ("name", "source") if config.get(key)]
    found = own + [name for each in config.values() for name in _names(each)]
    return list(dict.fromkeys(found))


def _keys(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What tells each row's input from others, `(rows, 16)`, and its length without padding."""
    shape = f"{batch.dtype}{batch.shape[2:] if batch.ndim == 2 else batch.shape[1:]}|".encode()
    rows = [row.tobytes().rstrip(b"\0") for row in np.ascontiguousarray(batch)]
    digests = [hashlib.blake2b(shape + row, digest_size=16).digest() for row in rows]
    keys = np.frombuffer(b"".join(digests), np.uint8).reshape(len(batch), 16)
    return keys, np.array([len(row) for row in rows] if batch.ndim == 2 else [0] * len(batch))


class _Store:
    """Tokens by the key of the row's input, in memory or in the files of a folder.

    Each file of tokens, `NAME.npy`, is one `add` of one process; `NAME.index.npz`, which is
    written after it, says whose they are. Nothing is ever changed, so that several processes may
    add at once.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.arrays: list[np.ndarray] = []
        self.places: dict[bytes, tuple[int, int, int]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for index in sorted(folder.glob("*.index.npz")):
                with np.load(index, allow_pickle=False) as about:
                    keys, counts = about["keys"], about["counts"]
                array = np.load(str(index).replace(".index.npz", ".npy"), mmap_mode="r")
                self._note(keys, counts, array)

    def missing(self, keys: np.ndarray) -> np.ndarray:
        """The first row of each key that is not there."""
        _, first = np.unique(keys, axis=0, return_index=True)
        return np.array([row for row in first if keys[row].tobytes() not in self.places], np.int64)

    def add(self, keys: np.ndarray, tokens: list[np.ndarray]) -> None:
        """Keeps the tokens of rows."""
        if not tokens:
            return
        array, counts = np.concatenate(tokens), np.array([len(own) for own in tokens])
        if self.folder is not None:
            name = hashlib.blake2b(keys.tobytes(), digest_size=12).hexdigest()
            _save(self.folder / f"{name}.npy", lambda file: np.save(file, array))
            _save(
                self.folder / f"{name}.index.npz",
                lambda file: np.savez(file, keys=keys, counts=counts),
            )
            array = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        self._note(keys, counts, array)

    def _note(self, keys: np.ndarray, counts: np.ndarray, array: np.ndarray) -> None:
        starts = np.cumsum([0, *counts])
        for key, start, count in zip(keys, starts[:-1].tolist(), counts.tolist(), strict=True):
            self.places[key.tobytes()] = (len(self.arrays), start, count)
        self.arrays.append(array)

    def tokens(self, keys: np.ndarray, varying: bool) -> Tokens:
        """Those of rows, by their keys."""
        places = [self.places[key.tobytes()] for key in keys]
        return Tokens(self.arrays, np.array(places, np.int64), varying)


def _save(path: Path, write: Callable[[Any], None]) -> None:
    with written(path) as temporary, temporary.open("wb") as file:
        write(file)
