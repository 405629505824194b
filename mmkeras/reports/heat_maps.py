"""Pictures and spectrograms under what explains an answer: Grad-CAM, gradients, attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import matplotlib
import numpy as np
import PIL.Image

from mmkeras.data.kinds import KINDS, Kind
from mmkeras.inspection.attention import attention_to
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.models.parts import encoder_layers
from mmkeras.schema import Schema

_SIDE = 192


def heat_maps(
    model: keras.Model,
    schema: Schema,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[int],
    attributions: Mapping[str, np.ndarray],
    pictures: Mapping[str, np.ndarray],
    missing: Mapping[str, np.ndarray],
) -> list[list[tuple[str, np.ndarray]]]:
    """For each row, its images and spectrograms with what speaks for the answer laid over them.

    Args:
        model: The model.
        schema: Its modalities.
        inputs: Arrays by input name, `(rows, ...)`.
        outputs: Which output is explained, for each row.
        attributions: Integrated gradients by modality.
        pictures: By modality, what is laid under the maps, uint8 `(rows, height, width,
            channels)`; by default what the model reads, in grey.
        missing: By modality, which rows lack it; these get no pictures of it.

    Returns:
        For each row pairs of a label and uint8 `(192, 192, 3)`.
    """
    found: list[list[tuple[str, np.ndarray]]] = [[] for _ in outputs]
    encoders = encoder_layers(model)
    for modality in schema.modalities:
        name, values, kind = modality.name, inputs[modality.name], KINDS[modality.kind]
        encoder = encoders[name]
        if not kind.has_heat_map or not hasattr(encoder, "token_grid"):
            continue
        maps = {"Grad-CAM": grad_cam(model, inputs, name, outputs)}
        sizes = np.abs(attributions[name])
        maps["integrated gradients"] = sizes.sum(axis=-1) if sizes.ndim > 3 else sizes
        attention = attention_to(model, inputs, name)
        if attention is not None:
            grid = encoder.token_grid(values.shape[1:])
            maps["attention"] = attention.reshape(len(values), *grid)
        for row, shown in enumerate(found):
            if missing[name][row]:
                continue
            under = pictures[name][row] if name in pictures else grey(kind, values[row])
            for label, heat in maps.items():
                shown.append((f"{label} ({name})", overlaid(under, kind.upright(heat[row]))))
    return found


def grey(kind: Kind, values: np.ndarray) -> np.ndarray:
    """An input as a grey picture, uint8 `(height, width, 1)`.

    Args:
        kind: What it is.
        values: An image `(height, width, channels)`, several `(images, height, width, channels)`,
            or a sound's features `(frames, bands)`.
    """
    low, high = np.quantile(values, [0.01, 0.99])
    share = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    share = kind.upright(share.mean(axis=-1) if share.ndim > 2 else share)
    return np.round(255 * share).astype(np.uint8)[..., None]


def overlaid(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A picture under a heat map, which is scaled to its own maximum.

    Args:
        picture: uint8 `(height, width, 1 | 3)`.
        values: Numbers from 0, `(rows, columns)`.

    Returns:
        uint8 `(192, 192, 3)`.
    """
    grey = PIL.Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    under = np.asarray(grey.convert("L").convert("RGB").resize((_SIDE, _SIDE)), np.float32)
    share = (values / max(float(values.max()), 1e-12)).astype(np.float32)
    smooth = np.asarray(PIL.Image.fromarray(share).resize((_SIDE, _SIDE), PIL.Image.BILINEAR))
    heat = 255 * matplotlib.colormaps["inferno"](np.clip(smooth, 0, 1))[..., :3]
    return np.round(0.45 * under + 0.55 * heat).astype(np.uint8)
