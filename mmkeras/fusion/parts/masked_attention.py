"""Attention over the tokens of several modalities, of which some do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers, ops


def join_masks(tokens: Sequence[Any], masks: Sequence[Any]) -> Any | None:
    """The mask of concatenated tokens.

    Args:
        tokens: List of `(batch, tokens, dim)`.
        masks: For each a boolean `(batch, tokens)`, or `None` if all its tokens count.

    Returns:
        `(batch, all tokens)`; `None` where all count.
    """
    if all(mask is None for mask in masks):
        return None
    return ops.concatenate(
        [
            ops.ones(ops.shape(x)[:2], dtype="bool") if mask is None else mask
            for x, mask in zip(tokens, masks, strict=True)
        ],
        axis=1,
    )


def any_mask(masks: Sequence[Any]) -> Any | None:
    """True where a step counts in any modality: `(batch, steps)`; `None` if all steps do."""
    joined = masks[0]
    for mask in masks:
        if mask is None:
            return None
        joined = joined | mask
    return joined


def split_by_modality(scores: Any, tokens: Sequence[Any]) -> list[Any]:
    """Attention weights `(..., all tokens)` over joined tokens, cut where a modality ends."""
    parts, start = [], 0
    for x in tokens:
        stop = start + ops.shape(x)[1]
        parts.append(scores[..., start:stop])
        start = stop
    return parts


def modalities_there(tokens: Sequence[Any], masks: Sequence[Any]) -> Any | None:
    """Which modalities have a token that counts: `(batch, modalities)`, `None` where all have."""
    if all(mask is None for mask in masks):
        return None
    return ops.stack(
        [
            ops.ones(ops.shape(x)[:1], dtype="bool") if mask is None else ops.any(mask, axis=1)
            for x, mask in zip(tokens, masks, strict=True)
        ],
        axis=1,
    )


def attend(
    attention: layers.MultiHeadAttention,
    queries: Any,
    keys: Any,
    mask: Any | None,
    return_weights: bool = False,
) -> tuple[Any, Any | None]:
    """Attended vectors, zeros in rows where the mask leaves no key.

    Args:
        attention: The layer.
        queries: `(batch, queries, dim)`.
        keys: `(batch, keys, dim)`, which are the values, too.
        mask: Boolean `(batch, keys)`, `None` if all count.
        return_weights: Whether to return the weights.

    Returns:
        `(batch, queries, dim)`, and the weights `(batch, heads, queries, keys)` or `None`.
    """
    if mask is None:
        attended = attention(queries, keys, return_attention_scores=return_weights)
        return attended if return_weights else (attended, None)
    any_key = ops.any(mask, axis=1, keepdims=True)
    # Without a key the softmax would be NaN on some backends and uniform on others, so such a row
    # attends to everything, which has been cleared, and the result is dropped.
    reachable = ops.expand_dims(mask | ~any_key, axis=1)
    attended = attention(
        queries, keys, attention_mask=reachable, return_attention_scores=return_weights
    )
    attended, scores = attended if return_weights else (attended, None)
    any_key = ops.expand_dims(any_key, axis=-1)
    attended = ops.where(any_key, attended, 0.0)
    if return_weights:
        scores = ops.where(ops.expand_dims(any_key, axis=-1), scores, 0.0)
    return attended, scores
