"""Integrated gradients: what each number of the input adds to an output, from a baseline on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from mmkeras.inspection.gradients import check_outputs, gradient_function
from mmkeras.models.parts import encoder_layers, fusion_inputs, token_mask


class _Path(NamedTuple):
    point: str | layers.Layer
    end: np.ndarray
    way: np.ndarray

    def at(self, rows: np.ndarray, left: np.ndarray) -> np.ndarray:
        """The points of rows that have a share of the way left, both `(points,)`."""
        return self.end[rows] - left.reshape(-1, *[1] * (self.way.ndim - 1)) * self.way[rows]

    def attributions(self, mean_gradients: np.ndarray) -> np.ndarray:
        """Of numbers one each; over a word's embedding they are added up."""
        of_numbers = self.way * mean_gradients
        return of_numbers if isinstance(self.point, str) else of_numbers.sum(axis=-1)


def integrated_gradients(
    model: keras.Model,
    inputs: Mapping[str, Any],
    outputs: Sequence[int],
    *,
    baselines: Mapping[str, Any] | None = None,
    modalities: Sequence[str] | None = None,
    steps: int = 32,
    batch_size: int = 32,
) -> dict[str, np.ndarray]:
    """How much each pixel, word, column ... adds to an output, on the way from a baseline.

    With `F` the output (a probability, or the number predicted), `x` the inputs of all modalities,
    `x'` the baseline, and the integral taken by the midpoint rule:

        IG_i(x) = (x_i - x'_i) * integral from 0 to 1 of dF(x' + a (x - x')) / dx_i da
                ~ (x_i - x'_i) * 1/m sum over k = 1..m of dF(x' + (k - 1/2)/m (x - x')) / dx_i

    All modalities move together, so the attributions of a row add up to `F(x) - F(x')` over all of
    them (the paper's completeness), but for what too few steps miss; the others' share is in each
    modality's. With `modalities` only some move, and the others keep their inputs throughout.

    Token ids cannot be halved: the way of a text goes through the embeddings of its words, from
    zeros, as in the paper's text models, and the attributions over a word's embedding are added
    up. Padding does not move and has 0, as absent modalities have. A sequence's steps count as
    steps all along the way: the baseline of zeros is a sequence of as many steps next to zero, not
    one of padding. A jump of the output has no gradient, so that of a majority vote (`"late_vote"`)
    the attributions miss what counts.

    Args:
        model: A model of `build_model`.
        inputs: Arrays by input name, `(rows, ...)` each: a batch of `Pipeline.evaluate()`.
        outputs: Which output to explain, for each row; zeros where there is only one.
        baselines: By modality of floats, an array that can be broadcast to its inputs. By default
            zeros: a black image (the mean one, if images are standardised), a sound or a table of
            mean values, a text without words.
        modalities: Those that move; all by default.
        steps: The number of points on the way, `m` above. A sum that is far off `F(x) - F(x')`
            wants more.
        batch_size: How many points to differentiate at once.

    Returns:
        Attributions by modality, in the form of its inputs; of token ids `(rows, length)`.

    Raises:
        ValueError: For a modality that the model does not have, a baseline that does not fit, or
            token ids whose encoder has no sub-layer `embedding`.

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import InputSpec, Schema, Tabular, Text
    >>> schema = Schema([Text("note"), Tabular("facts", ("a", "b"))], "label")
    >>> specs = {"note": InputSpec((None,), "int32", vocabulary_size=9), "facts": InputSpec((2,))}
    >>> model = build_model(schema, specs, num_outputs=3)
    >>> row = {"note": np.array([[5, 2, 7, 0]]), "facts": np.ones((1, 2), "float32")}
    >>> found = integrated_gradients(model, row, [2])
    >>> found["note"].shape, found["facts"].shape, float(found["note"][0, 3])
    ((1, 4), (1, 2), 0.0)

    References:
        - [Sundararajan, Taly and Yan, 2017](https://arxiv.org/abs/1703.01365) (equations 1 and 3;
          proposition 1 for completeness)
    """
    chosen = _chosen(model, modalities, baselines or {}, steps)
    inputs = {name: np.asarray(x) for name, x in inputs.items()}
    paths = {n: _path(model, n, inputs[n], (baselines or {}).get(n)) for n in chosen}
    rows = len(inputs[chosen[0]])
    outputs = check_outputs(model, outputs, rows)
    gradients = gradient_function(model, [path.point for path in paths.values()])
    totals = {name: np.zeros(path.way.shape, np.float64) for name, path in paths.items()}
    for part, left in _points(rows, steps, batch_size):
        values = [path.at(part, left) for path in paths.values()]
        batch = {name: x[part] for name, x in inputs.items()}
        _, found = gradients(batch, outputs[part], values)
        for total, gradient in zip(totals.values(), found, strict=True):
            np.add.at(total, part, gradient)
    return {name: path.attributions(totals[name] / steps) for name, path in paths.items()}


def _points(rows: int, steps: int, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every row at every point of its way, cut into batches of one size.

    Yields:
        The rows' positions, and the share of the way that each has left, both `(points,)`.
    """
    row_of = np.repeat(np.arange(rows), steps)
    left = np.tile(1 - (np.arange(steps) + 0.5) / steps, rows).astype(np.float32)
    for start in range(0, len(row_of), batch_size):
        part = slice(start, start + batch_size)
        yield row_of[part], left[part]


def _chosen(
    model: keras.Model,
    modalities: Sequence[str] | None,
    baselines: Mapping[str, Any],
    steps: int,
) -> list[str]:
    """The modalities that move."""
    known = list(fusion_inputs(model)[0])
    chosen = known if modalities is None else list(modalities)
    strangers = sorted({*chosen, *baselines} - set(known))
    if strangers or not chosen or steps < 1:
        raise ValueError(
            f"Of the modalities {known} at least one must move, in 1 or more steps. Received: "
            f"modalities={chosen}, baselines for {list(baselines)}, steps={steps}."
        )
    return chosen


def modality_attributions(attributions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What each modality adds to each row's output: the sums of `integrated_gradients`, `(rows,)`.

    Example:

    >>> found = modality_attributions({"photo": np.ones((2, 4, 4, 3)), "note": np.ones((2, 7))})
    >>> [(name, total.tolist()) for name, total in found.items()]
    [('photo', [48.0, 48.0]), ('note', [7.0, 7.0])]
    """
    return {name: x.sum(axis=tuple(range(1, x.ndim))) for name, x in attributions.items()}


def _path(model: keras.Model, name: str, x: np.ndarray, baseline: Any | None) -> _Path:
    """Where a modality's path runs, its end, and the way from the baseline to it."""
    encoder, mask = encoder_layers(model)[name], token_mask(model, name, x)
    if np.issubdtype(x.dtype, np.integer):
        embedding = getattr(encoder, "embedding", None)
        if embedding is None or baseline is not None:
            raise ValueError(
                f"The way of the token ids of {name!r} goes from zeros to the words' embeddings; "
                "the encoder has a sub-layer `embedding`, and there is no other baseline. "
                f"Received: {type(encoder).__name__}, baseline={baseline!r}."
            )
        end = ops.convert_to_numpy(embedding(x)).astype(np.float32)
        moves = True if mask is None else mask[..., None]
        return _Path(embedding, end, np.where(moves, end, 0))
    end = x.astype(np.float32)
    start = np.asarray(0 if baseline is None else baseline, np.float32)
    try:
        way = end - np.broadcast_to(start, end.shape)
    except ValueError as error:
        raise ValueError(
            f"The baseline of {name!r} must fit its inputs of shape {end.shape}. Received: shape "
            f"{start.shape}."
        ) from error
    # Encoders with a mask of floats take steps, or images, of zeros for padding.
    real = (x != 0).any(axis=tuple(range(2, x.ndim)), keepdims=True)
    return _Path(name, end, way if mask is None else np.where(real, way, 0))
