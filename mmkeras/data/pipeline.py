"""From a table and its fitted preprocessing to a `tf.data.Dataset`.

The order of the training rows and the augmentation of each batch are a pure function of
(seed, epoch, step), so that a run which is resumed after any epoch sees the very batches that
the uninterrupted run would have seen.

Rows and cells are counted in four ways, which docstrings and variables call by these names:

- **row label**: the row's entry in the DataFrame's index. It stays with the row when rows are
  shuffled, split or dropped, so messages and reports name rows by it.
- **position**: the row's place, from 0, in the frame that a pipeline was given. Stores, which
  read whole columns, are asked by position.
- **kept position**: the row's place among those that are fed, in `Pipeline.frame`, after the
  unreadable ones were dropped. Sources, batches, `evaluate()` and `targets` go by it.
- **place among the distinct cells**: where a store keeps what it decoded of a cell. Rows with the
  same cell share one; no other file sees it.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.growing import MOST_IN_MEMORY, Room
from mmkeras.data.joined import JoinedSource
from mmkeras.data.kinds import KINDS
from mmkeras.data.kinds.protocols import FedRows, Source, Store
from mmkeras.data.media.decoded import CACHE_BUDGET
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.share import WHOLE, Part, Share, drawing_for
from mmkeras.data.sources import TensorSource, padded_length
from mmkeras.data.steps import StepLabels, count_steps, drop_padding, step_examples
from mmkeras.data.tables.cells import missing_cells, row_name, row_weights
from mmkeras.data.tables.errors import first_of
from mmkeras.data.tables.notes import DECIMAL_MARKS, noted
from mmkeras.data.tf_options import in_order
from mmkeras.schema import Schema
from mmkeras.tasks import Task

CACHES = ("auto", "memory", "file", None)
_LARGE_BATCH = 1 << 24  # bytes
_DROPS = ", drop such rows: clean_table(frame, schema, drop_holes=True), or pass on_error='skip'"

# Keras warns of every dataset that it cannot see being shuffled; this one shuffles row numbers.
warnings.filterwarnings("ignore", message=".*`shuffle=True` was passed")

if keras.config.backend() != "tensorflow":
    # Here TensorFlow only reads data: the accelerator's memory is for the backend that trains.
    tf.config.set_visible_devices([], "GPU")


class Pipeline:
    """Feeds a model from a table.

    Images, sounds and videos are decoded once, in parallel, before the first step; this finds
    every corrupt file before training starts. What was decoded is then kept (`cache`), and
    augmented again in every epoch. Texts, tables and feature sequences are encoded once.

    Args:
        frame: Rows as `read_table` returns them. The target column may be absent; batches then
            have no target.
        preprocessing: Fitted on the training rows.
        batch_size: Rows a batch; an epoch's last batch may be smaller.
        on_error: `"raise"` reports all unreadable cells in one error; `"skip"` drops their rows
            and lists them in `skipped`.
        cache: Where decoded media stay: `"memory"`; `"file"`, memory-mapped files in
            `cache_dir`, used again by later runs on the same files; `None`, nowhere: they are
            decoded again in every epoch; `"auto"`, in memory if they fit `cache_budget`,
            otherwise in files (or nowhere without a `cache_dir`).
        cache_dir: The folder for files.
        cache_budget: The most bytes that `"auto"` takes of the memory.

    Attributes:
        frame: The rows that are fed, in the order of `evaluate()`.
        skipped: A message for each row that was dropped.
        unprepared: By column, how many cells nothing in the training rows prepared the model for,
            and how many are cut; a warning says so, too.
        steps: Batches an epoch.

    Raises:
        ValueError: A row lacks a modality and `preprocessing.presence` is false; unreadable cells
            with `on_error="raise"`; a label that no training row has; a row whose sequences and
            labels per step differ in length.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        preprocessing: Preprocessing,
        *,
        batch_size: int = 32,
        on_error: str = "raise",
        cache: str | None = "auto",
        cache_dir: str | Path | None = None,
        cache_budget: int = CACHE_BUDGET,
    ):
        _check_arguments(frame, batch_size, on_error, cache, cache_dir)
        _check_decimal_marks(frame, preprocessing)
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        schema = preprocessing.schema

        stores = _open_stores(frame, preprocessing, cache, cache_dir, cache_budget)
        readable, self.skipped = _find_unreadable(frame, schema, stores)
        if self.skipped and on_error == "raise":
            skip = ", or pass on_error='skip' to leave their rows out" if readable.any() else ""
            raise ValueError(
                f"{len(self.skipped)} cell(s) cannot be read:\n  {_lines(self.skipped)}\n"
                f"Repair or remove them{skip}."
            )
        complete, absences = _find_complete(frame, preprocessing)
        readable &= complete
        if absences and on_error == "raise":
            drops = _DROPS if readable.any() else ""
            raise ValueError(
                f"{len(absences)} row(s) lack a modality, but the preprocessing was fitted on rows "
                f"without holes:\n  {_lines(absences)}\n"
                f"Fit it with presence=True (and build the model so){drops}."
            )
        self.skipped += absences
        if not readable.any():
            raise ValueError("Every row has a cell that cannot be read; none is left to feed.")
        self.frame = frame if readable.all() else frame[readable]  # a copy, which may be large
        self.steps = -(-len(self.frame) // batch_size)
        present = ~missing_cells(self.frame, schema).to_numpy()
        positions = np.flatnonzero(readable)
        self._targets = self._steps = self._labels = None
        self._share: Share | None = None
        task = preprocessing.fitted_target
        if task is not None and all(column in self.frame for column in schema.target_columns):
            self._targets = task.encode(self.frame, schema.id)
        if task is not None and task.per_step:
            longest = min(preprocessing.modalities[name].settings.max_length for name in stores)
            self._steps = count_steps(self.frame, schema, stores, positions, longest)
        self._weights = None
        if self._targets is not None and schema.weight is not None and schema.weight in self.frame:
            self._weights = TensorSource(row_weights(self.frame, schema))
        if self._targets is not None:
            self._labels = self._fed_labels()
        # With labels per step one length for all batches: Keras puts their outputs side by side.
        folder = None if cache == "memory" or cache_dir is None else Path(cache_dir)
        room = Room(folder, 0 if cache == "file" else MOST_IN_MEMORY)
        rows = FedRows(self.frame, positions, self.padded_steps, room)
        self._sources: dict[str, Source] = {
            m.name: KINDS[m.kind].source(
                rows, m, preprocessing.modalities[m.name], stores.get(m.name)
            )
            for m in schema.modalities
        }
        self.unprepared = [
            found
            for m in schema.modalities
            for found in KINDS[m.kind].unprepared(
                self.frame, m, preprocessing.modalities[m.name], self._sources[m.name]
            )
        ]
        if self._targets is not None:
            self.unprepared += task.unprepared(self.frame)
        if self.unprepared:
            shown = "\n  ".join(map(str, self.unprepared))
            message = f"The model does not take some cells as they are:\n  {shown}"
            warnings.warn(message, UserWarning, stacklevel=2)
        if preprocessing.presence:
            self._sources["present"] = TensorSource(present)

    def __len__(self) -> int:
        return len(self.frame)

    def judged_by(self, task: Task) -> Pipeline:
        """The same rows, whose answers are read by a task with other thresholds."""
        other = copy.copy(self)
        other.preprocessing = dataclasses.replace(self.preprocessing, fitted_target=task)
        return other

    def source(self, modality: str) -> Source:
        """What makes a modality's batches."""
        return self._sources[modality]

    @property
    def real_steps(self) -> np.ndarray | None:
        """With a label per step, which steps are not padding, booleans `(rows, padded steps)`."""
        if self._steps is None:
            return None
        return np.arange(self.padded_steps) < self._steps[:, None]

    @property
    def padded_steps(self) -> int | None:
        """With a label per step, the length that all sequences are padded to."""
        return None if self._steps is None else padded_length(int(self._steps.max()))

    @property
    def targets(self) -> np.ndarray:
        """Encoded targets, `(rows, outputs)`, in the order of `evaluate()`.

        With a label per step `(all steps, outputs)`, as `unpad` gives outputs.
        """
        if self._targets is None:
            columns = list(self.preprocessing.schema.target_columns)
            raise ValueError(f"The rows have no target columns {columns}.")
        return self._targets

    @cached_property
    def examples(self) -> pd.DataFrame:
        """What one prediction each is made for: the rows; with a label per step, their steps.

        A row's steps then follow each other, all with the row's index and cells, its target the
        step's own, and a column `step`, counted from 1.
        """
        if self._steps is None:
            return self.frame
        return step_examples(self.frame, self.preprocessing.schema, self._steps)

    @property
    def groups(self) -> np.ndarray | None:
        """A name for each of the `examples`, where some belong together; otherwise `None`."""
        schema, examples = self.preprocessing.schema, self.examples
        if schema.group is not None and schema.group in examples:
            return examples[schema.group].astype(str).to_numpy(dtype=str)
        return None if self._steps is None else examples.index.astype(str).to_numpy(dtype=str)

    def unpad(self, outputs: np.ndarray) -> np.ndarray:
        """Of what a model gave for `evaluate()`, an entry for each of the `examples`."""
        return outputs if self._steps is None else drop_padding(outputs, self._steps)

    def train(
        self, *, seed: int, epochs: int, first_epoch: int = 0, augment: bool = True
    ) -> tf.data.Dataset:
        """Shuffled, augmented batches of the epochs `first_epoch` to `epochs - 1`, in one go.

        Give it to `model.fit(..., steps_per_epoch=pipeline.steps, initial_epoch=first_epoch,
        epochs=epochs)`: the next epoch's first batches are then made while this one still runs.

        Returns:
            A dataset of `(inputs, targets)`, `inputs` a dict by modality name; with a label per
            step, of `(inputs, targets, weights)`, where padding weighs nothing, and so with
            `Schema.weight`; without a target, of `(inputs,)`.
        """
        schema = self.preprocessing.schema
        columns = list(schema.target_columns)
        if self._targets is None and columns:
            raise ValueError(f"Training rows need the target columns {columns}.")
        if columns and schema.weight is not None and self._weights is None:
            raise ValueError(f"Training rows need the column of their weights, {schema.weight!r}.")
        rows = tf.range(len(self.frame))

        def one_epoch(epoch):
            order = tf.random.experimental.stateless_shuffle(
                rows, seed=tf.stack([tf.constant(seed, tf.int64), epoch])
            )
            return self._batches(order, [seed, epoch] if augment else None)

        dataset = tf.data.Dataset.range(first_epoch, epochs).flat_map(
            tf.autograph.experimental.do_not_convert(one_epoch)
        )
        size = (epochs - first_epoch) * self.steps
        dataset = in_order(dataset).prefetch(self._ahead)
        return dataset.apply(tf.data.experimental.assert_cardinality(size))

    def evaluate(self) -> tf.data.Dataset:
        """All rows once, in order, as they are: as `train`, or `(inputs,)` without targets."""
        batches = self._batches(tf.range(len(self.frame)), None)
        return in_order(batches).prefetch(self._ahead)

    @property
    def _ahead(self) -> int:
        """How many batches are made ahead: of large ones one, of others what pays off."""
        numbers = sum(
            math.prod(size or 1 for size in spec.shape)
            for spec in self.preprocessing.inputs.values()
        )
        return 1 if 4 * numbers * self.batch_size > _LARGE_BATCH else tf.data.AUTOTUNE

    def batches_of(
        self, modality: str, rows: np.ndarray | None = None, batch_size: int | None = None
    ) -> Iterator[np.ndarray]:
        """A modality's inputs alone, not augmented, `(batch, ...)`.

        Args:
            modality: Which.
            rows: Their kept positions; by default all, in order.
            batch_size: By default the pipeline's.
        """
        source = self._sources[modality]
        rows = np.arange(len(self.frame)) if rows is None else rows
        size = batch_size or self.batch_size
        batches = tf.data.Dataset.from_tensor_slices(rows.astype(np.int32)).batch(size)
        make = tf.autograph.experimental.do_not_convert(
            lambda kept: source.batch(source.load(kept), None)
        )
        return in_order(batches.map(make).prefetch(tf.data.AUTOTUNE)).as_numpy_iterator()

    def with_source(self, modality: str, source: Source) -> Pipeline:
        """The same rows, whose inputs of one modality are made by another source."""
        other = copy.copy(self)
        other._sources = {**self._sources, modality: source}
        return other

    def followed_by(self, more: Pipeline) -> Pipeline:
        """These rows, and after them those of another pipeline of the same preprocessing.

        Nothing is decoded or encoded again, and only frames and targets are copied.

        Args:
            more: With targets if this one has some, and with weights.
        """
        other = copy.copy(self)
        other.__dict__.pop("examples", None)  # if it was asked for
        other.frame = pd.concat([self.frame, more.frame])
        other.steps = -(-len(other.frame) // self.batch_size)
        longer = self
        if self._steps is not None and more._steps is not None:
            other._steps = np.concatenate([self._steps, more._steps])
            longer = max(self, more, key=lambda each: each.padded_steps)
        other._sources = {
            name: JoinedSource(source, more._sources[name], len(self), longer._sources[name])
            for name, source in self._sources.items()
        }
        if self._targets is not None:
            other._targets = np.concatenate([self._targets, more.targets])
            other._labels = other._fed_labels()
        if self._weights is not None:
            other._weights = JoinedSource(self._weights, more._weights, len(self))
        other.skipped = self.skipped + more.skipped
        other.unprepared = self.unprepared + more.unprepared
        return other

    def _fed_labels(self) -> StepLabels | TensorSource:
        """What makes the targets of a batch."""
        fed = self.preprocessing.fitted_target.fed(self._targets)
        return TensorSource(fed) if self._steps is None else StepLabels(fed, self._steps)

    def shared(self, share: Share) -> Pipeline:
        """The same batches, of which this process makes its share.

        Among a batch's inputs stands under `WHOLE` whether it is one that each process has whole.

        Raises:
            ValueError: The devices do not divide the batches.
        """
        share.check(self.batch_size)
        other = copy.copy(self)
        other._share = share
        return other

    def _batches(self, order: tf.Tensor, seed: Sequence[Any] | None) -> tf.data.Dataset:
        """Batches of the rows at these kept positions; augmented by a seed (two numbers)."""

        def assemble(step, kept):
            part = None if self._share is None else self._share.of(tf.shape(kept)[0])
            inputs = {
                name: _made(source, kept, self._fold_in(seed, step, number), part)
                for number, (name, source) in enumerate(self._sources.items())
            }
            if part is None:
                return self._with_targets(inputs, kept)
            return self._with_targets({**inputs, WHOLE: part.whole}, part.take(kept))

        batches = tf.data.Dataset.from_tensor_slices(order).batch(self.batch_size)
        # The functions hold no Python control flow over tensors: reading their source for it would
        # take seconds.
        return batches.enumerate().map(
            tf.autograph.experimental.do_not_convert(assemble),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def _fold_in(
        self, seed: Sequence[Any] | None, step: tf.Tensor, number: int
    ) -> tf.Tensor | None:
        """One stream of random numbers for each (seed, epoch, step, number of the source)."""
        if seed is None:
            return None
        return tf.random.experimental.stateless_fold_in(
            tf.cast(tf.stack([seed[0], seed[1]]), tf.int64),
            tf.cast(step, tf.int64) * len(self._sources) + number,
        )

    def _with_targets(self, inputs: dict[str, tf.Tensor], kept: tf.Tensor) -> tuple:
        if self._labels is None:
            return (inputs,)
        if isinstance(self._labels, StepLabels):
            return (inputs, *self._labels.batch(kept))
        if self._weights is None:
            return (inputs, self._labels.load(kept))
        return (inputs, self._labels.load(kept), self._weights.load(kept))


def _made(source: Source, kept: tf.Tensor, seed: tf.Tensor | None, part: Part | None) -> tf.Tensor:
    """What a source makes of a batch, or of a part of it."""
    if part is None:
        return source.batch(source.load(kept), seed)
    if not source.rows_alone:
        return part.take(source.batch(source.load(kept), seed))
    with drawing_for(part):
        return source.batch(source.load(part.take(kept)), seed)


def _check_arguments(
    frame: pd.DataFrame,
    batch_size: int,
    on_error: str,
    cache: str | None,
    cache_dir: str | Path | None,
) -> None:
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


def _check_decimal_marks(frame: pd.DataFrame, preprocessing: Preprocessing) -> None:
    """Refuses numbers that were read by another decimal mark than the training rows'."""
    marks, expected = noted(frame, DECIMAL_MARKS) or {}, preprocessing.decimal_marks
    if other := [c for c, mark in marks.items() if expected.get(c, mark) != mark]:
        raise ValueError(
            f"Column {other[0]!r}: the numbers were read with the decimal mark "
            f"{marks[other[0]]!r}, those of the training rows with {expected[other[0]]!r}. Read "
            "the table as those: read_table(..., decimal_marks=preprocessing.decimal_marks)."
        )


def _open_stores(
    frame: pd.DataFrame,
    preprocessing: Preprocessing,
    cache: str | None,
    cache_dir: str | Path | None,
    cache_budget: int,
) -> dict[str, Store]:
    """Reads or decodes the cells of the modalities whose kind has a store, by name."""
    modalities = preprocessing.schema.modalities
    if cache == "auto":
        needed = sum(
            KINDS[m.kind].decoded_bytes(
                frame[m.columns[0]], preprocessing.modalities[m.name].settings
            )
            for m in modalities
        )
        cache = "memory" if needed <= cache_budget else None if cache_dir is None else "file"
    stores = {}
    for modality in modalities:
        fitted = preprocessing.modalities[modality.name]
        # Only kinds of one column have a store.
        store = KINDS[modality.kind].open_store(
            frame[modality.columns[0]],
            fitted.settings,
            fitted=fitted,
            cache=cache,
            cache_dir=cache_dir,
        )
        if store is not None:
            stores[modality.name] = store
    return stores


def _find_unreadable(
    frame: pd.DataFrame, schema: Schema, stores: dict[str, Store]
) -> tuple[np.ndarray, list[str]]:
    """Which rows can be read, booleans `(rows,)`, and a message for each cell that cannot."""
    readable, messages = np.ones(len(frame), bool), []
    for name, store in stores.items():
        for position in np.flatnonzero(~store.readable):
            readable[position] = False
            messages.append(
                f"{row_name(frame, position, schema.id)}, column {schema[name].column!r}: "
                f"{store.reason(position)}"
            )
    return readable, messages


def _lines(messages: list[str]) -> str:
    return "\n  ".join(first_of(messages))


def _find_complete(
    frame: pd.DataFrame, preprocessing: Preprocessing
) -> tuple[np.ndarray, list[str]]:
    """Which rows the model can take as they are, booleans `(rows,)`, and why it cannot the others.

    Where the preprocessing knows of holes, it takes all.
    """
    schema = preprocessing.schema
    holes = missing_cells(frame, schema).to_numpy() & (not preprocessing.presence)
    messages = [
        f"{row_name(frame, position, schema.id)}: the row has no {schema.names[modality]!r}"
        for position, modality in np.argwhere(holes)
    ]
    return ~holes.any(axis=1), messages
