"""From tokens to one vector, and what all fusions do first: check, and clear what must not count.

A fusion's arguments are `tokens`, a list of `(batch, tokens, dim)`, one for each modality;
`masks`, `None` or a list with a boolean `(batch, tokens)` or `None` for each modality; and
`present`, `None` or a boolean `(batch, modalities)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import backend, ops

POOLINGS = ("mean", "max", "mean_max", "flatten")


def check_pooling(pooling: str, allowed: Sequence[str] = POOLINGS) -> str:
    if pooling not in allowed:
        raise ValueError(f"`pooling` must be one of {tuple(allowed)}. Received: {pooling!r}.")
    return pooling


def masked_mean(tokens: Any, mask: Any | None = None) -> Any:
    """The mean of the tokens that count.

    Args:
        tokens: `(batch, tokens, dim)`.
        mask: Boolean `(batch, tokens)`, `None` if all count. A row without any gives zeros.

    Returns:
        `(batch, dim)`.
    """
    # In float32, since the sum over a large image map leaves the range of float16.
    x = ops.cast(tokens, "float32")
    if mask is None:
        pooled = ops.mean(x, axis=1)
    else:
        mask = ops.expand_dims(mask, axis=-1)
        count = ops.sum(ops.cast(mask, "float32"), axis=1)
        pooled = ops.sum(ops.where(mask, x, 0.0), axis=1) / ops.maximum(count, 1.0)
    return ops.cast(pooled, backend.standardize_dtype(tokens.dtype))


def masked_max(tokens: Any, mask: Any | None = None) -> Any:
    """The largest value of each feature over the tokens that count; as `masked_mean` otherwise."""
    if mask is None:
        return ops.max(tokens, axis=1)
    mask = ops.expand_dims(mask, axis=-1)
    largest = ops.max(ops.where(mask, tokens, -float("inf")), axis=1)
    return ops.where(ops.any(mask, axis=1), largest, 0.0)


def pool(tokens: Any, mask: Any | None, pooling: str) -> Any:
    """One vector from a modality's tokens.

    Args:
        tokens: `(batch, tokens, dim)`.
        mask: Boolean `(batch, tokens)`, or `None`.
        pooling: `"mean"` (`masked_mean`), `"max"` (`masked_max`), `"mean_max"` (both side by
            side), or `"flatten"`: all tokens side by side, which keeps where in an image
            something is; their number must be known (`resolve_poolings`).

    Returns:
        `(batch, pooled_dim(tokens.shape, pooling))`.
    """
    if pooling == "max":
        return masked_max(tokens, mask)
    if pooling == "mean_max":
        return ops.concatenate([masked_mean(tokens, mask), masked_max(tokens, mask)], axis=-1)
    if pooling == "flatten":
        if mask is not None:
            tokens = ops.where(ops.expand_dims(mask, axis=-1), tokens, 0.0)
        return ops.reshape(tokens, (-1, tokens.shape[1] * tokens.shape[2]))
    return masked_mean(tokens, mask)


def resolve_poolings(pooling: str, tokens_shape: Sequence[Sequence[int | None]]) -> list[str]:
    """How each modality's tokens become one vector.

    A modality whose number of tokens varies cannot be flattened; its mean is taken. The shapes that
    a layer is built for say which those are: the tokens of one batch always have a number.

    >>> resolve_poolings("flatten", [(None, 16, 8), (None, None, 4)])
    ['flatten', 'mean']
    """
    return [
        "mean" if pooling == "flatten" and shape[1] is None else pooling for shape in tokens_shape
    ]


def pooled_dim(tokens_shape: Sequence[int | None], pooling: str) -> int:
    """The width of the vector made of tokens of shape `(batch, tokens, dim)`."""
    _, length, width = tokens_shape
    dim = int(width or 0)
    (how,) = resolve_poolings(pooling, [tokens_shape])
    if how == "mean_max":
        return 2 * dim
    return dim * (length or 0) if how == "flatten" else dim


def check_token_shapes(class_name: str, shapes: Any, at_least: int = 1) -> None:
    """Raises a ValueError unless `shapes` are those of a list of `(batch, tokens, dim)`."""
    if not isinstance(shapes, (list, tuple)) or not all(
        isinstance(shape, (list, tuple)) for shape in shapes
    ):
        raise ValueError(
            f"{class_name} takes a list of tokens, one tensor for each modality. Received: one "
            f"tensor of shape {shapes}."
        )
    shapes = [tuple(shape) for shape in shapes]
    if len(shapes) < at_least:
        raise ValueError(
            f"{class_name} relates at least {at_least} modalities to each other. Received: "
            f"{len(shapes)}, of shapes {shapes}. Use ConcatFusion ('concat') for a single one."
        )
    for index, shape in enumerate(shapes):
        if len(shape) != 3:
            raise ValueError(
                f"{class_name} takes tokens of shape (batch, tokens, dim) from every modality. "
                f"Received: shape {shape} from modality {index}. A vector becomes one token with "
                "`keras.ops.expand_dims(vector, axis=1)`."
            )


def check_aligned(class_name: str, shapes: Any, at_least: int = 2) -> None:
    """Raises a ValueError unless `shapes` are those of sequences of one length.

    A number of tokens that is fixed (an image's) and one that varies by batch (a text's) are not.
    """
    check_token_shapes(class_name, shapes, at_least)
    if len({shape[1] for shape in shapes}) > 1:
        raise ValueError(
            f"{class_name} takes sequences of one length, whose steps belong together. Received: "
            f"tokens of shapes {[tuple(shape) for shape in shapes]}. Align the sequences, choose "
            "encoders that keep the number of steps, or take a fusion of unaligned tokens."
        )


def clear_absent(
    tokens: Sequence[Any], masks: Sequence[Any] | None, present: Any | None
) -> tuple[list[Any], list[Any]]:
    """Puts zeros wherever a token is padding or its modality absent, before any arithmetic.

    Multiplying by zero would not do: NaN and infinity would survive it.

    Args:
        tokens, masks, present: A fusion's arguments.

    Returns:
        The cleared tokens, and for each modality a mask of the tokens that count, `None` where
        all do.
    """
    masks = [None] * len(tokens) if masks is None else list(masks)
    if len(masks) != len(tokens):
        raise ValueError(
            f"`masks` needs a mask or None for each modality. Received: {len(masks)} for "
            f"{len(tokens)} modalities."
        )
    if present is not None and (len(present.shape) != 2 or present.shape[1] != len(tokens)):
        raise ValueError(
            f"`present` has the shape (batch, modalities), here (batch, {len(tokens)}). Received: "
            f"shape {tuple(present.shape)}."
        )
    cleared, counting = [], []
    for index, (x, mask) in enumerate(zip(tokens, masks, strict=True)):
        if mask is not None:
            mask = ops.cast(mask, "bool")
        if present is not None:
            here = ops.cast(present[:, index : index + 1], "bool")
            mask = ops.broadcast_to(here, ops.shape(x)[:2]) if mask is None else mask & here
        if mask is not None:
            x = ops.where(ops.expand_dims(mask, axis=-1), x, 0.0)
        cleared.append(x)
        counting.append(mask)
    return cleared, counting
