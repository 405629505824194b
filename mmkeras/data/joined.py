"""The rows of two sources, one after the other, as one source."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.data.kinds.protocols import Source


class JoinedSource:
    """The rows of one source, and after them those of another that makes the same inputs.

    Nothing is copied: each batch is loaded from both.

    Args:
        first, second: Of one modality, prepared alike.
        rows: How many the first has.
        maker: Which of them makes the inputs of what was loaded, where both do not pad it to the
            same length; by default the first.
    """

    def __init__(self, first: Source, second: Source, rows: int, maker: Source | None = None):
        self.first, self.second, self.rows = first, second, rows
        self._maker = maker or first

    @property
    def rows_alone(self) -> bool:
        return self.first.rows_alone and self.second.rows_alone

    def load(self, kept: tf.Tensor) -> tf.Tensor:
        of_first = kept < self.rows
        parts = [
            _with_one_more(self.first, tf.boolean_mask(kept, of_first)),
            _with_one_more(self.second, tf.boolean_mask(kept - self.rows, ~of_first)),
        ]
        order = tf.argsort(tf.concat([tf.where(of_first), tf.where(~of_first)], axis=0)[:, 0])
        return tf.gather(tf.concat(_equally_long(parts), axis=0), order)

    def batch(self, loaded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        return self._maker.batch(loaded, seed)


def _with_one_more(source: Source, kept: tf.Tensor) -> tf.Tensor:
    """Rows of a source, which may be none: sources are asked for one row at least."""
    return source.load(tf.concat([kept, tf.zeros((1,), kept.dtype)], axis=0))[:-1]


def _equally_long(parts: list[tf.Tensor]) -> list[tf.Tensor]:
    """Rows that were padded to a length of their own, padded to the longer one."""
    if isinstance(parts[0], tf.RaggedTensor) or parts[0].shape.rank < 2:
        return parts
    if parts[0].shape[1] is not None and parts[0].shape[1] == parts[1].shape[1]:
        return parts
    longest = tf.maximum(*(tf.shape(part)[1] for part in parts))
    rest = parts[0].shape.rank - 2
    return [
        tf.pad(part, [[0, 0], [0, longest - tf.shape(part)[1]], *([[0, 0]] * rest)])
        for part in parts
    ]
