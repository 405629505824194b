"""The likeliest text of CTC's steps, as one loop over a batch on any backend."""

from __future__ import annotations

from typing import Any

from keras import ops

from mmkeras.decoders.parts.ctc_loss import BLANK, with_end
from mmkeras.decoders.parts.pieces import FIRST_PIECE, PADDING
from mmkeras.decoders.parts.search import NEVER


def prefix_beams(logs: Any, max_length: int, beams: int) -> Any:
    """A beam search over texts, each with all ways to spread it over the steps.

    Of each text so far it keeps the probability of the ways that end in a blank and of those that
    do not, since a piece that follows itself is a new one only after a blank.

    Args:
        logs: Log-probabilities `(batch, steps, vocabulary)`.
        max_length: The longest text, with its end.
        beams: How many texts are kept for each row.

    Returns:
        int32 `(batch, max_length)`: pieces, an end, padding.

    References:
        - [Hannun et al., 2014](https://arxiv.org/abs/1408.2873)
    """
    rows, steps, vocabulary = ops.shape(logs)[0], ops.shape(logs)[1], logs.shape[2]
    is_piece = ops.arange(vocabulary, dtype="int32") >= FIRST_PIECE
    first_of_row = ops.expand_dims(ops.arange(rows, dtype="int32") * beams, axis=1)
    places = ops.arange(max_length, dtype="int32")

    def body(step, ids, lengths, last, blank, piece):
        now = ops.take(logs, step, axis=1)
        total = _add(blank, piece)
        # A piece after each text; itself only from the ways that end in a blank.
        same = ops.one_hot(last, vocabulary, dtype="bool")
        extended = ops.where(same, blank[..., None], total[..., None]) + now[:, None]
        room = (lengths < max_length - 1)[..., None]
        extended = ops.where(ops.logical_and(is_piece, room), extended, NEVER)
        # Where that gives a text that another beam is already, the two are one.
        longer = ops.where(ops.equal(places, lengths[..., None] - 1), PADDING, ids)
        parent = ops.all(ops.equal(longer[:, :, None], ids[:, None]), axis=3)
        parent = ops.logical_and(parent, ops.equal(lengths[:, :, None] - 1, lengths[:, None]))
        real = total > NEVER / 2
        parent = ops.logical_and(parent, ops.logical_and(real[:, None], real[:, :, None]))
        to_child = ops.take_along_axis(
            extended, ops.broadcast_to(last[:, None], ops.shape(parent)), axis=2
        )  # (rows, parent, child)
        parent_of = ops.swapaxes(parent, 1, 2)
        gained = ops.logsumexp(ops.where(parent_of, to_child, NEVER), axis=1)
        taken = ops.logical_and(parent_of[..., None], same[:, None])  # parent, child, piece
        extended = ops.where(ops.any(taken, axis=2), NEVER, extended)
        stay_piece = ops.where(lengths > 0, piece + ops.take_along_axis(now, last, axis=1), NEVER)
        stay_piece = _add(stay_piece, gained)
        stay_blank = total + now[:, BLANK : BLANK + 1]
        choices = ops.concatenate([_add(stay_blank, stay_piece)[..., None], extended], axis=2)
        _, best = ops.top_k(ops.reshape(choices, (-1, beams * (vocabulary + 1))), beams)
        best = ops.cast(best, "int32")
        parents, new = best // (vocabulary + 1), best % (vocabulary + 1) - 1
        stays = new < 0

        def of_parent(x):
            return ops.take_along_axis(x, parents, axis=1)

        value = ops.take_along_axis(ops.reshape(choices, (rows, -1)), best, axis=1)
        ids = ops.take(ops.reshape(ids, (-1, max_length)), first_of_row + parents, axis=0)
        lengths = of_parent(lengths)
        here = ops.logical_and(ops.equal(places, lengths[..., None]), (new >= 0)[..., None])
        ids = ops.where(here, new[..., None], ids)
        return (
            step + 1,
            ids,
            lengths + ops.cast(new >= 0, "int32"),
            ops.where(stays, of_parent(last), new),
            ops.maximum(ops.where(stays, of_parent(stay_blank), NEVER), NEVER),
            ops.maximum(ops.where(stays, of_parent(stay_piece), value), NEVER),
        )

    only_first = ops.where(ops.equal(ops.arange(beams, dtype="int32"), 0), 0.0, NEVER)
    start = (
        ops.convert_to_tensor(0, dtype="int32"),
        ops.full((rows, beams, max_length), PADDING, dtype="int32"),
        ops.zeros((rows, beams), dtype="int32"),
        ops.full((rows, beams), BLANK, dtype="int32"),
        ops.broadcast_to(only_first, (rows, beams)),
        ops.full((rows, beams), NEVER),
    )
    _, ids, lengths, _, blank, piece = ops.while_loop(lambda step, *_: step < steps, body, start)
    best = ops.cast(ops.argmax(_add(blank, piece), axis=1), "int32")[:, None]
    ids = ops.take_along_axis(ids, best[..., None], axis=1)[:, 0]
    return with_end(ids, ops.take_along_axis(lengths, best, axis=1)[:, 0])


def _add(one: Any, other: Any) -> Any:
    """The logarithm of a sum of probabilities."""
    largest = ops.maximum(one, other)
    return largest + ops.log1p(ops.exp(ops.minimum(one, other) - largest))
