"""From a table and its fitted preprocessing to a `tf.data.Dataset`.

The order of the training rows and the augmentation of each batch are a pure function of
(seed, epoch, step), so that a run which is resumed after any epoch sees the very batches that
the uninterrupted run would have seen.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.cells import missing_cells, row_name
from mmkeras.data.images import ImageStore
from mmkeras.data.media import augment_images
from mmkeras.data.preprocess import Preprocessing
from mmkeras.data.preprocess_image import ImagePreprocessor
from mmkeras.data.preprocess_text import FIRST_WORD, TextPreprocessor

CACHES = ("memory", "file", None)

# Keras warns of every dataset that it cannot see being shuffled; this one shuffles row numbers.
warnings.filterwarnings("ignore", message=".*`shuffle=True` was passed")

if keras.config.backend() != "tensorflow":
    # Here TensorFlow only reads data: the accelerator's memory is for the backend that trains.
    tf.config.set_visible_devices([], "GPU")

# Token sequences are padded to a multiple of this: a backend that compiles a program for each
# shape (JAX) then compiles a few, and none has length 0, which layers dislike.
LENGTH_STEP = 4


class Pipeline:
    """Feeds a model from a table.

    Images are decoded once, in parallel, before the first step; this finds every corrupt file
    before training starts. The decoded pixels are then kept (`cache`), and augmented anew in
    every epoch. Texts and tables are encoded once.

    Args:
        frame: Rows as `read_table` returns them. The target column may be absent; batches then
            have no target.
        preprocessing: Fitted on the training rows.
        batch_size: Rows a batch; an epoch's last batch may be smaller.
        on_error: `"raise"` reports all corrupt images in one error; `"skip"` drops their rows
            and lists them in `skipped`.
        cache: Where decoded images stay: `"memory"`; `"file"`, memory-mapped files in
            `cache_dir`, used again by later runs on the same files; `None`, nowhere: they are
            decoded anew in every epoch.
        cache_dir: The folder for `cache="file"`.

    Attributes:
        frame: The rows that are fed, in the order of `evaluate()`.
        skipped: A message for each row that was dropped.
        steps: Batches an epoch.

    Raises:
        ValueError: A row lacks a modality and `preprocessing.presence` is false; corrupt images
            with `on_error="raise"`; a label that no training row has.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        preprocessing: Preprocessing,
        *,
        batch_size: int = 32,
        on_error: str = "raise",
        cache: str | None = "memory",
        cache_dir: str | Path | None = None,
    ):
        if on_error not in ("raise", "skip"):
            raise ValueError(f"`on_error` is 'raise' or 'skip'. Received: {on_error!r}.")
        if cache not in CACHES:
            raise ValueError(f"`cache` is one of {CACHES}. Received: {cache!r}.")
        if cache == "file" and cache_dir is None:
            raise ValueError("`cache='file'` needs a `cache_dir`.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        if not len(frame):
            raise ValueError("There are no rows to feed.")
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.skipped: list[str] = []
        schema = preprocessing.schema

        image_stores = {}
        kept = np.ones(len(frame), bool)
        for modality in schema.modalities:
            if modality.kind == "image":
                settings = preprocessing.modalities[modality.name].settings
                store = ImageStore(frame[modality.column], settings, cache, cache_dir)
                image_stores[modality.name] = store
                for position in np.flatnonzero(~store.readable):
                    kept[position] = False
                    self.skipped.append(
                        f"{row_name(frame, position, schema.id)}, column {modality.column!r}: "
                        f"{store.reason(position)}"
                    )
        if self.skipped and on_error == "raise":
            shown = "\n  ".join(self.skipped[:20])
            more = f"\n  ... and {len(self.skipped) - 20} more" if len(self.skipped) > 20 else ""
            raise ValueError(
                f"{len(self.skipped)} image(s) cannot be decoded:\n  {shown}{more}\n"
                "Mend or remove them, or pass on_error='skip' to leave their rows out."
            )
        if not kept.any():
            raise ValueError("Every row has a corrupt image; none is left to feed.")
        self.frame = frame[kept]
        self.steps = -(-len(self.frame) // batch_size)

        holes = missing_cells(self.frame, schema).to_numpy()
        if holes.any() and not preprocessing.presence:
            row, column = np.argwhere(holes)[0]
            raise ValueError(
                f"{row_name(self.frame, row, schema.id)}: the row has no "
                f"{schema.names[column]!r}, but the preprocessing was fitted on rows without "
                "holes. Fit it with presence=True (and build the model so), or drop such rows: "
                "clean_table(frame, schema, drop_holes=True)."
            )
        self._sources: dict[str, Any] = {}
        for modality in schema.modalities:
            fitted = preprocessing.modalities[modality.name]
            if isinstance(fitted, ImagePreprocessor):
                source = _ImageSource(image_stores[modality.name], np.flatnonzero(kept), fitted)
            elif isinstance(fitted, TextPreprocessor):
                source = _TextSource(self.frame[modality.column], fitted)
            else:
                source = _ArraySource(fitted.vectors(self.frame))
            self._sources[modality.name] = source
        if preprocessing.presence:
            self._sources["present"] = _ArraySource(~holes)
        self._targets = None
        if schema.target.column in self.frame:
            self._targets = tf.constant(preprocessing.target.encode(self.frame, schema.id))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def targets(self) -> np.ndarray:
        """Encoded targets, `(rows, outputs)`, in the order of `evaluate()`."""
        if self._targets is None:
            column = self.preprocessing.schema.target.column
            raise ValueError(f"The rows have no target column {column!r}.")
        return self._targets.numpy()

    def train(
        self, *, seed: int, epochs: int, first_epoch: int = 0, augment: bool = True
    ) -> tf.data.Dataset:
        """Shuffled, augmented batches of the epochs `first_epoch` to `epochs - 1`, in one go.

        Give it to `model.fit(..., steps_per_epoch=pipeline.steps, initial_epoch=first_epoch,
        epochs=epochs)`: the next epoch's first batches are then made while this one still runs.

        Returns:
            A dataset of `(inputs, targets)`, `inputs` a dict by modality name.
        """
        if self._targets is None:
            column = self.preprocessing.schema.target.column
            raise ValueError(f"Training rows need the target column {column!r}.")
        rows = tf.range(len(self.frame))

        def one_epoch(epoch):
            order = tf.random.experimental.stateless_shuffle(
                rows, seed=tf.stack([tf.constant(seed, tf.int64), epoch])
            )
            return self._batches(order, [seed, epoch] if augment else None)

        dataset = tf.data.Dataset.range(first_epoch, epochs).flat_map(one_epoch)
        size = (epochs - first_epoch) * self.steps
        return _finish(dataset).apply(tf.data.experimental.assert_cardinality(size))

    def evaluate(self) -> tf.data.Dataset:
        """All rows once, in order, as they are: `(inputs, targets)`, or `(inputs,)`."""
        return _finish(self._batches(tf.range(len(self.frame)), None))

    def _batches(self, order: tf.Tensor, seed: Sequence[Any] | None) -> tf.data.Dataset:
        """Batches of the rows in `order`; augmented if a seed (of two numbers) is given."""
        live = [name for name, source in self._sources.items() if source.live]
        rows = tf.data.Dataset.from_tensor_slices(order)
        if live:
            rows = rows.map(
                lambda row: (row, {name: self._sources[name].decode(row) for name in live}),
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            batches = rows.batch(self.batch_size)
        else:
            # A map's cost is per call: batches of row numbers, not rows.
            batches = rows.batch(self.batch_size).map(lambda rows: (rows, {}))
        mapped = [name for name, source in self._sources.items() if source.mapped]
        if mapped:
            # Python code, one call at a time; on its own, so that the augmentation stays parallel.
            batches = batches.map(
                lambda rows, _: (rows, {name: self._sources[name].load(rows) for name in mapped})
            )
        batches = batches.enumerate()

        def assemble(step, batch):
            indices, decoded = batch
            inputs = {}
            for place, (name, source) in enumerate(self._sources.items()):
                augmentation = None
                if seed is not None:
                    # One stream of random numbers for each (seed, epoch, step, modality).
                    augmentation = tf.random.experimental.stateless_fold_in(
                        tf.cast(tf.stack([seed[0], seed[1]]), tf.int64),
                        tf.cast(step, tf.int64) * len(self._sources) + place,
                    )
                inputs[name] = source.batch(indices, decoded.get(name), augmentation)
            if self._targets is None:
                return (inputs,)
            return inputs, tf.gather(self._targets, indices)

        return batches.map(assemble, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _finish(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


class _ArraySource:
    """Rows of an array."""

    live = mapped = False

    def __init__(self, values: np.ndarray):
        self._values = tf.constant(values)

    def batch(self, indices, decoded, augmentation):
        return tf.gather(self._values, indices)


class _TextSource:
    """Token sequences, padded to about the batch's longest; or bags of words."""

    live = mapped = False

    def __init__(self, texts: pd.Series, fitted: TextPreprocessor):
        self._representation = fitted.settings.representation
        self._size = len(fitted.vocabulary)
        self._idf = tf.constant(fitted.idf, tf.float32)
        ids = fitted.token_ids(list(texts))
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        values = np.fromiter(itertools.chain.from_iterable(ids), np.int32, lengths.sum())
        self._ids = tf.RaggedTensor.from_row_lengths(values, lengths)

    def batch(self, indices, decoded, augmentation):
        ids = tf.gather(self._ids, indices)
        if self._representation == "tokens":
            padded = ids.to_tensor()
            length = tf.maximum(tf.shape(padded)[1], 1)
            extra = -length % LENGTH_STEP + length - tf.shape(padded)[1]
            return tf.pad(padded, [[0, 0], [0, extra]])
        places = tf.stack([tf.cast(ids.value_rowids(), tf.int32), ids.values - FIRST_WORD], axis=1)
        ones = tf.ones_like(ids.values, tf.float32)
        bag = tf.scatter_nd(places, ones, (tf.shape(indices)[0], self._size))
        if self._representation == "binary":
            bag = tf.minimum(bag, 1.0)
        elif self._representation == "tfidf":
            bag = tf.math.l2_normalize(bag * self._idf, axis=1)
        return bag


class _ImageSource:
    """Decoded, scaled and, for training, augmented images."""

    def __init__(self, store: ImageStore, positions: np.ndarray, fitted: ImagePreprocessor):
        self._store = store
        self._positions = tf.constant(positions.astype(np.int32))
        self._settings = fitted.settings
        self._mean = tf.constant(fitted.mean or (0.0,), tf.float32)
        self._deviation = tf.constant(fitted.deviation or (1.0,), tf.float32)
        self.live, self.mapped = store.live, store.mapped

    def decode(self, row):
        return self._store.decode(tf.gather(self._positions, row))

    def load(self, rows):
        return self._store.gather(tf.gather(self._positions, rows))

    def batch(self, indices, decoded, augmentation):
        settings = self._settings
        if decoded is None:
            decoded = self.load(indices)
        images = tf.cast(decoded, tf.float32) * (1 / 255.0)
        if augmentation is not None:
            images = augment_images(
                images,
                augmentation,
                flip=settings.flip,
                rotation=settings.rotation,
                crop=settings.crop,
                shift=settings.shift,
                background=settings.background / 255.0,
            )
        if settings.scaling == "unit":
            return images
        return (images - self._mean) / self._deviation
