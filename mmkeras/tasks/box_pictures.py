"""Pictures of boxes: drawn on what they are in, and how far they overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mmkeras.plotting import BLUE, GREEN, RED, new_figure
from mmkeras.tasks.box_figures import Found, matched


def draw_boxes(
    pictures: np.ndarray, true: Sequence[Found], said: Sequence[Found], least: float = 0.5
) -> np.ndarray:
    """Pictures with the true boxes (green) and the predicted ones: blue, or red where wrong.

    Args:
        pictures: uint8 `(rows, height, width, 1 | 3)`.
        true, said: The boxes of each, as shares of the picture.
        least: The overlap from which on a predicted box is right.

    Returns:
        uint8 `(rows, height, width, 3)`.

    Example:

    >>> box = Found(np.array([[0.25, 0.25, 0.5, 0.5]]), np.array([0]), np.array([1.0]))
    >>> drawn = draw_boxes(np.zeros((1, 8, 8, 1), np.uint8), [box], [box])
    >>> drawn.shape, drawn[0, 2, 2].tolist()
    ((1, 8, 8, 3), [5, 80, 174])
    """
    drawn = np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures.copy()
    for picture, own, guessed in zip(drawn, true, said, strict=True):
        for box in own.boxes:
            _outline(picture, box, GREEN)
        # Turned around, a predicted box is matched where a true one is.
        right = matched(guessed, own, least) > 0
        for box, is_right in zip(guessed.boxes, right, strict=True):
            _outline(picture, box, BLUE if is_right else RED)
    return drawn


def _outline(picture: np.ndarray, box: np.ndarray, color: str) -> None:
    height, width = picture.shape[:2]
    sides = np.array([width, height])
    start = np.clip(np.round(box[:2] * sides).astype(int), 0, sides - 1)
    end = np.clip(np.round((box[:2] + box[2:]) * sides).astype(int) - 1, start, sides - 1)
    paint = np.round(np.array(to_rgb(color)) * 255).astype(np.uint8)
    (left, top), (right, bottom) = start, end
    picture[[top, bottom], left : right + 1] = paint
    picture[top : bottom + 1, [left, right]] = paint


def plot_overlaps(overlaps: np.ndarray) -> Figure:
    """How often true boxes overlap with the predicted one by how much.

    Args:
        overlaps: In [0, 1], `(true boxes,)`.
    """
    figure = new_figure(5.2, 3.2)
    axes = figure.subplots()
    axes.hist(overlaps, bins=np.linspace(0, 1, 21).tolist(), color=BLUE)
    axes.axvline(0.5, color=RED, linewidth=1)
    axes.set(xlabel="overlap (IoU) with the predicted box", ylabel="true boxes", xlim=(0, 1))
    return figure
