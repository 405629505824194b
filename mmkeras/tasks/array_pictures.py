"""Pictures of answers that are pictures or sequences, beside the truth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmkeras.plotting import BLUE, GREY, new_figure, shared_legend

_SHOWN = 8


def _evenly(order: np.ndarray) -> np.ndarray:
    return order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).astype(int)]


def plot_converted(true: np.ndarray, said: np.ndarray, order: np.ndarray) -> Figure:
    """True pictures above those that a model made, eight of them.

    Args:
        true, said: uint8 `(examples, height, width, channels)`.
        order: Positions, from the smallest error to the largest.
    """
    places = _evenly(order)
    figure = new_figure(1.2 * len(places) + 0.4, 2.7)
    panels = figure.subplots(2, len(places), squeeze=False)
    for line, (name, pictures) in enumerate((("true", true), ("model", said))):
        for axes, place in zip(panels[line], places, strict=True):
            picture = pictures[place]
            grey = picture[..., 0] if picture.shape[-1] == 1 else picture
            axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
        panels[line][0].set_ylabel(name)
    return figure


def plot_sequences(true: np.ndarray, said: np.ndarray, order: np.ndarray) -> Figure:
    """True sequences and those that a model made, eight of them.

    Of one step, features are lines; of several, each sequence is shaded by feature and step.

    Args:
        true, said: `(examples, steps, features)`, NaN after the last step.
        order: Positions, from the smallest error to the largest.
    """
    places = _evenly(order)
    if true.shape[1] == said.shape[1] == 1:
        figure = new_figure(9, 1.1 * len(places) + 0.8)
        panels = figure.subplots(len(places), 1, squeeze=False, sharex=True)[:, 0]
        for axes, place in zip(panels, places, strict=True):
            axes.plot(true[place, 0], color=GREY, label="true")
            axes.plot(said[place, 0], color=BLUE, label="model")
            axes.grid(alpha=0.25)
        panels[-1].set_xlabel("feature")
        shared_legend(figure, panels)
        return figure
    figure = new_figure(9, 1.3 * len(places) + 0.4)
    panels = figure.subplots(len(places), 2, squeeze=False, sharex=True)
    low, high = np.nanmin(true[places]), np.nanmax(true[places])
    for line, place in zip(panels, places, strict=True):
        for axes, values in zip(line, (true[place], said[place]), strict=True):
            axes.imshow(values.T, aspect="auto", vmin=low, vmax=high, interpolation="nearest")
            axes.set(yticks=[])
        line[0].set_ylabel("features")
    panels[0, 0].set_title("true")
    panels[0, 1].set_title("model")
    for axes in panels[-1]:
        axes.set_xlabel("step")
    return figure
