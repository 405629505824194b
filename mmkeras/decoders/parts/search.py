"""How a text is written piece by piece: greedy, beam search, or drawn. One loop over a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops, random

from mmkeras.decoders.parts.pieces import END, FIRST_PIECE, PADDING, START

# A log-probability that nothing real reaches; finite, so that no difference of two is NaN.
NEVER = -1e9


def length_norm(length: Any, penalty: float) -> Any:
    """What a beam's log-probability is divided by: `((5 + pieces) / 6) ** penalty`."""
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** penalty


def write(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
    cache: Any,
    rows: Any,
    vocabulary_size: int,
    max_length: int,
    beams: int = 1,
    length_penalty: float = 0.0,
    choose: Callable[[Any, Any], Any] | None = None,
) -> Any:
    """Texts of one piece after the other, until every row has ended.

    Beams are ranked by their log-probability over `length_norm` of their pieces, the end among
    them. A beam that has ended keeps its place while no other passes it; the search stops once
    the best one that has ended cannot be passed any more. One beam is the greedy search. The last
    piece is always an end.

    Args:
        step: From the last pieces `(rows, beams)`, the position and the cache to logits
            `(rows, beams, vocabulary_size)` and the next cache.
        cache: Tensors of `(rows * beams, ...)`.
        rows: How many rows there are.
        vocabulary_size: One more than the largest id.
        max_length: Pieces, with the end.
        beams: How many continuations are kept for each row.
        length_penalty: 0 compares log-probabilities; more favours long texts.
        choose: With one beam, which piece is next instead of the likeliest: from
            log-probabilities `(rows, vocabulary_size)` and the position to ids `(rows,)`.

    Returns:
        int32 `(rows, max_length)`: pieces, an end, padding.
    """
    ids_of_all = ops.arange(vocabulary_size, dtype="int32")
    may_follow = ops.logical_or(ids_of_all >= FIRST_PIECE, ops.equal(ids_of_all, END))
    is_end, is_padding = ops.equal(ids_of_all, END), ops.equal(ids_of_all, PADDING)
    first_of_row = ops.expand_dims(ops.arange(rows, dtype="int32") * beams, axis=1)
    best_norm = length_norm(max_length, length_penalty)

    def unfinished(position, last, ids, total, lengths, cache):
        ended = ops.logical_or(ops.equal(last, END), ops.equal(last, PADDING))
        done = ops.max(
            ops.where(ended, total / length_norm(lengths, length_penalty), NEVER), axis=1
        )
        open_ = ops.max(ops.where(ended, 2 * NEVER, total / best_norm), axis=1)
        return ops.logical_and(position < max_length, ops.any(open_ > done))

    def body(position, last, ids, total, lengths, cache):
        logits, cache = step(last, position, cache)
        ended = ops.logical_or(ops.equal(last, END), ops.equal(last, PADDING))
        allowed = ops.where(ops.equal(position, max_length - 1), is_end, may_follow)
        logs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        logs = ops.where(allowed, logs, NEVER)
        logs = ops.where(ops.expand_dims(ended, -1), ops.where(is_padding, 0.0, NEVER), logs)
        lengths = lengths + ops.cast(ops.logical_not(ended), "int32")
        if beams == 1:
            next_ = (
                ops.argmax(logs[:, 0], axis=-1) if choose is None else choose(logs[:, 0], position)
            )
            next_ = ops.expand_dims(ops.cast(next_, "int32"), axis=1)
            total = total + ops.take_along_axis(logs[:, 0], next_, axis=1)
        else:
            sums = ops.expand_dims(total, -1) + logs
            ranks = sums / ops.expand_dims(length_norm(lengths, length_penalty), -1)
            flat = (-1, beams * vocabulary_size)
            _, best = ops.top_k(ops.reshape(ranks, flat), beams)
            best = ops.cast(best, "int32")
            total = ops.take_along_axis(ops.reshape(sums, flat), best, axis=1)
            parents, next_ = best // vocabulary_size, best % vocabulary_size
            from_ = ops.reshape(first_of_row + parents, (-1,))
            lengths = ops.take_along_axis(lengths, parents, axis=1)
            ids = _take(ids, from_, beams)
            cache = [tuple(ops.take(x, from_, axis=0) for x in pair) for pair in cache]
        here = ops.equal(ops.arange(max_length, dtype="int32"), position)
        ids = ops.where(here, ops.expand_dims(next_, axis=-1), ids)
        return position + 1, next_, ids, total, lengths, cache

    only_first = ops.where(ops.equal(ops.arange(beams, dtype="int32"), 0), 0.0, NEVER)
    start = (
        ops.convert_to_tensor(0, dtype="int32"),
        ops.full((rows, beams), START, dtype="int32"),
        ops.full((rows, beams, max_length), PADDING, dtype="int32"),
        ops.broadcast_to(only_first, (rows, beams)),
        ops.zeros((rows, beams), dtype="int32"),
        cache,
    )
    _, _, ids, total, lengths, _ = ops.while_loop(unfinished, body, start)
    best = ops.argmax(total / length_norm(lengths, length_penalty), axis=1)
    best = ops.cast(ops.reshape(best, (-1, 1, 1)), "int32")
    return ops.take_along_axis(ids, best, axis=1)[:, 0]


def _take(x: Any, from_: Any, beams: int) -> Any:
    """Of `(rows, beams, n)` the beams with the positions `from_` among all of all rows."""
    flat = ops.take(ops.reshape(x, (-1, x.shape[2])), from_, axis=0)
    return ops.reshape(flat, (-1, beams, x.shape[2]))


def drawn_of_top(
    top_k: int, temperature: float, rows: Any, max_length: int, seed: Any
) -> Callable[[Any, Any], Any]:
    """A `choose` of `write` that draws among the `top_k` likeliest pieces.

    Piece `v` is drawn with a probability proportional to `p(v) ** (1 / temperature)`.

    Args:
        top_k: How many pieces can be drawn.
        temperature: Below 1 favours likely pieces more than the model does.
        rows: How many rows there are.
        max_length: How many draws a row may need; all are made beforehand.
        seed: An integer or a `keras.random.SeedGenerator`.
    """
    shares = random.uniform((max_length, rows, top_k), minval=1e-9, seed=seed)
    # The largest of log-probabilities plus Gumbel noise is a draw.
    noise = -ops.log(-ops.log(shares))

    def choose(logs, position):
        values, ids = ops.top_k(logs, top_k)
        keys = values / temperature + ops.take(noise, position, axis=0)
        # What may not follow stays out, whatever the temperature makes of its logarithm.
        keys = ops.where(values > NEVER / 2, keys, NEVER)
        return ops.take_along_axis(ids, ops.argmax(keys, axis=1)[:, None], axis=1)[:, 0]

    return choose
