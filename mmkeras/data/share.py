"""Which rows of a batch a process makes, where several processes train on the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# Among a batch's inputs: whether it is one that every process has whole.
WHOLE = "__whole__"


@dataclass(frozen=True)
class Share:
    """A process's part of every batch: as many rows as each other process has, side by side.

    A batch that cannot be divided among all devices, as an epoch's last one may be, is made whole
    by every process, and computed by every device.

    Args:
        process: This process's number, from 0.
        processes: How many there are.
        devices: How many devices they have together.

    Raises:
        ValueError: There is no such process, or the devices are not as many in each.
    """

    process: int = 0
    processes: int = 1
    devices: int = 1

    def __post_init__(self):
        if not 0 <= self.process < self.processes:
            raise ValueError(
                f"`process` is a number from 0 to {self.processes - 1}. Received: {self.process}."
            )
        if self.devices < 1 or self.devices % self.processes:
            raise ValueError(
                f"Every process has as many devices as the others. Received: {self.devices} "
                f"devices of {self.processes} processes."
            )

    def check(self, batch_size: int) -> None:
        """Refuses batches that would all be computed by every device.

        Raises:
            ValueError: The devices do not divide the batch.
        """
        if batch_size % self.devices:
            raise ValueError(
                f"{self.devices} devices cannot divide batches of {batch_size} rows. Give a "
                f"batch_size that is a multiple of {self.devices}."
            )

    def of(self, rows: tf.Tensor) -> Part:
        """This process's part of a batch of so many rows (a scalar tensor)."""
        whole = tf.not_equal(rows % self.devices, 0)
        first = tf.where(whole, 0, self.process * rows // self.processes)
        return Part(whole, first, tf.where(whole, rows, rows // self.processes), rows)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a batch, as scalar tensors: `count` from `first` on, of all `rows`.

    Args:
        whole: Whether they are all of them.
        first, count, rows: As said.
    """

    whole: tf.Tensor
    first: tf.Tensor
    count: tf.Tensor
    rows: tf.Tensor

    def take(self, values: tf.Tensor, axis: int = 0) -> tf.Tensor:
        """These rows of a whole batch's values."""
        begin, size = [0] * len(values.shape), [-1] * len(values.shape)
        begin[axis], size[axis] = self.first, self.count  # type: ignore[call-overload]
        taken = tf.slice(values, tf.stack(begin), tf.stack(size))
        shape = [None if place == axis else length for place, length in enumerate(values.shape)]
        return tf.ensure_shape(taken, shape)


_part: ContextVar[Part | None] = ContextVar("part", default=None)


@contextmanager
def drawing_for(part: Part | None) -> Iterator[None]:
    """Inside, random numbers for a batch's rows are those that these rows have in the whole batch.

    Args:
        part: Which rows are here; `None` for all.
    """
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


def uniform(shape: Any, seed: Any, *limits: Any, rows: int = 0, **options: Any) -> tf.Tensor:
    """`tf.random.stateless_uniform` for a batch, where the batch may be a part of one.

    Args:
        shape: Of the numbers, one axis of which goes along the batch's rows.
        seed: Two integers.
        *limits: `minval`, `maxval`.
        rows: That axis.
        **options: As for `tf.random.stateless_uniform`.

    Example:

    >>> uniform((4, 2), (0, 1)).shape
    TensorShape([4, 2])
    """
    return _drawn(tf.random.stateless_uniform, shape, seed, *limits, rows=rows, **options)


def normal(shape: Any, seed: Any, *, rows: int = 0, **options: Any) -> tf.Tensor:
    """`tf.random.stateless_normal`, as `uniform`."""
    return _drawn(tf.random.stateless_normal, shape, seed, rows=rows, **options)


def _drawn(draw: Any, shape: Any, seed: Any, *limits: Any, rows: int, **options: Any) -> tf.Tensor:
    part = _part.get()
    if part is None:
        return draw(shape, seed, *limits, **options)
    lengths = tf.unstack(tf.convert_to_tensor(shape, tf.int32))
    lengths[rows] = part.rows
    return part.take(draw(tf.stack(lengths), seed, *limits, **options), rows)
