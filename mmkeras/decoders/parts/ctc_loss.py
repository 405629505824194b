"""Connectionist temporal classification: the loss of texts that are shorter than their steps."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.decoders.parts.pieces import END, FIRST_PIECE, PADDING
from mmkeras.decoders.parts.search import NEVER

BLANK = PADDING
# The logit of every piece where a step does not count, next to 0 for the blank. float16 holds it.
NO_STEP = -1e4


def needed_steps(ids: np.ndarray) -> np.ndarray:
    """How many steps CTC needs for texts: one for each piece, and one between equal neighbours.

    Args:
        ids: Texts with end and padding, `(rows, length)`.

    Returns:
        Integers `(rows,)`.

    Example:

    >>> needed_steps(np.array([[5, 5, 6, 2, 0], [2, 0, 0, 0, 0]]))
    array([4, 0])
    """
    ids = np.asarray(ids)
    pieces = (ids != PADDING) & (ids != END)
    repeats = pieces[:, 1:] & (ids[:, 1:] == ids[:, :-1])
    return pieces.sum(axis=1) + repeats.sum(axis=1)


def blank_where_padding(logits: Any, counts: Any | None) -> Any:
    """Logits that leave no doubt about the blank at steps that do not count.

    Args:
        logits: `(batch, steps, vocabulary)`.
        counts: Boolean `(batch, steps)`; `None` if all steps count.
    """
    if counts is None:
        return logits
    is_blank = ops.equal(ops.arange(logits.shape[-1], dtype="int32"), BLANK)
    certain = ops.cast(ops.where(is_blank, 0.0, NO_STEP), logits.dtype)
    return ops.where(ops.expand_dims(counts, axis=-1), logits, certain)


@keras.saving.register_keras_serializable(package="mmkeras")
class CTCLoss(keras.losses.Loss):
    """The negative log-probability of a text, over all ways to spread it over the steps.

    With `y` the text, `B` what removes repetitions and then blanks, and `p_t` the softmax of the
    logits at step `t`:

        loss = -log sum_{pi: B(pi) = y} prod_t p_t(pi_t)

    Padding of the steps is in the logits (`blank_where_padding`), that of the text in its ids; the
    end is not written. A text that has too few steps (`needed_steps`) has no probability; it
    counts as if each piece were guessed, `log(vocabulary)`, and nothing is learnt from it.

    Example:

    >>> shares = np.full((1, 2, 5), 0.2, "float32")  # the blank and 5, in 3 ways of 25
    >>> loss = CTCLoss()(np.array([[4, 2]]), np.log(shares))
    >>> round(float(loss), 4) == round(float(-np.log(3 / 25)), 4)
    True

    References:
        - [Graves et al., 2006](https://doi.org/10.1145/1143844.1143891)
    """

    def __init__(self, name: str = "ctc", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        ids = ops.cast(y_true, "int32")
        logs = ops.log_softmax(y_pred, axis=-1)
        pieces = ops.where(ids >= FIRST_PIECE - 1, ids, BLANK)
        total, shares = self._likelihood(pieces, ops.stop_gradient(logs))
        possible = total > NEVER / 2
        # The gradient is known (equation 16), so that none goes through the recursion: of
        # -log p by log p_t(k) it is minus the share of the paths that are at k at step t.
        slope = ops.where(possible[:, None, None], shares, 0.0)
        change = ops.sum(slope * (logs - ops.stop_gradient(logs)), axis=(1, 2))
        lengths = ops.sum(ops.cast(ops.not_equal(pieces, BLANK), logs.dtype), axis=1)
        guessed = lengths * float(np.log(logs.shape[-1]))
        return ops.where(possible, -total, guessed) - change

    def _likelihood(self, pieces: Any, logs: Any) -> tuple[Any, Any]:
        """The texts' log-probabilities, and the share of paths at each piece and step."""
        rows, steps, length = ops.shape(logs)[0], ops.shape(logs)[1], ops.shape(pieces)[1]
        # Blank, piece, blank, ..., piece, blank.
        blanks = ops.zeros_like(pieces)
        states = ops.reshape(ops.stack([blanks, pieces], axis=2), (-1, 2 * length))
        states = ops.concatenate([states, blanks[:, :1]], axis=1)
        places = ops.arange(2 * length + 1, dtype="int32")
        before = ops.concatenate([ops.zeros_like(states[:, :2]), states[:, :-2]], axis=1)
        skips = ops.logical_and(ops.not_equal(states, BLANK), ops.not_equal(states, before))
        last = 2 * ops.sum(ops.cast(ops.not_equal(pieces, BLANK), "int32"), axis=1, keepdims=True)
        ends = ops.logical_or(ops.equal(places, last), ops.equal(places, last - 1))
        wanted = ops.broadcast_to(states[:, None], (rows, steps, 2 * length + 1))
        emits = ops.take_along_axis(logs, wanted, axis=2)
        emits = ops.transpose(ops.where(emits > NO_STEP / 2, emits, NEVER), (1, 0, 2))
        starts = ops.broadcast_to(places < 2, ops.shape(ends))
        # Both ways at once: from the first step on, and from the last step back.
        later = ops.concatenate([skips[:, 2:], ops.zeros_like(skips[:, :2])], axis=1)
        both = ops.concatenate([emits, ops.flip(emits, axis=(0, 2))], axis=1)
        first = ops.concatenate([starts, ops.flip(ends, axis=1)], axis=0)
        summed = _paths(both, first, ops.concatenate([skips, ops.flip(later, axis=1)], axis=0))
        forward, backward = summed[:, :rows], ops.flip(summed[:, rows:], axis=(0, 2))
        total = ops.logsumexp(ops.where(ends, forward[-1], NEVER), axis=1)
        shares = ops.exp(ops.minimum(forward + backward - emits - total[:, None], 0.0))
        at = ops.one_hot(states, logs.shape[-1], dtype=logs.dtype)
        return total, ops.matmul(ops.transpose(shares, (1, 0, 2)), at)


def _paths(emits: Any, first: Any, skips: Any) -> Any:
    """Sums over all paths that end in a state at a step.

    Args:
        emits: Log-probabilities of the states `(steps, rows, states)`.
        first: Which states may come first, boolean `(rows, states)`.
        skips: Which may follow the last but one, boolean `(rows, states)`.

    Returns:
        Log-probabilities `(steps, rows, states)`.
    """

    def step(state, emit):
        one, two = (ops.pad(state, ((0, 0), (n, 0)), constant_values=NEVER)[:, :-n] for n in (1, 2))
        two = ops.where(skips, two, NEVER)
        largest = ops.maximum(ops.maximum(state, one), two)
        added = ops.exp(state - largest) + ops.exp(one - largest) + ops.exp(two - largest)
        # Never far below NEVER, however many steps.
        state = ops.maximum(largest + ops.log(added) + emit, 2 * NEVER)
        return state, state

    start = ops.where(first, emits[0], NEVER)
    _, rest = ops.scan(step, start, emits[1:])
    return ops.concatenate([start[None], rest], axis=0)


def collapsed(ids: Any, max_length: int) -> Any:
    """Texts from the piece of each step: repetitions are one, blanks none; end and padding added.

    Args:
        ids: int32 `(batch, steps)`.
        max_length: What is longer is cut.

    Returns:
        int32 `(batch, max_length)`.
    """
    before = ops.concatenate([ops.full_like(ids[:, :1], BLANK), ids[:, :-1]], axis=1)
    kept = ops.logical_and(ops.not_equal(ids, BLANK), ops.not_equal(ids, before))
    order = ops.argsort(
        ops.where(kept, ops.arange(ops.shape(ids)[1], dtype="int32"), ops.shape(ids)[1]), axis=1
    )
    pieces = ops.take_along_axis(ops.where(kept, ids, PADDING), order, axis=1)
    pieces = ops.pad(pieces, ((0, 0), (0, max_length)))[:, :max_length]
    return with_end(pieces, ops.sum(ops.cast(kept, "int32"), axis=1))


def with_end(pieces: Any, lengths: Any) -> Any:
    """Pieces `(batch, max_length)` of these lengths with an end after them, then padding."""
    places = ops.arange(pieces.shape[1], dtype="int32")
    lengths = ops.minimum(ops.expand_dims(lengths, axis=1), pieces.shape[1] - 1)
    ended = ops.where(ops.equal(places, lengths), END, PADDING)
    return ops.where(places < lengths, pieces, ended)
