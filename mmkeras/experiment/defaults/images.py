"""Images: size, colour, and the depth of the network."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.kinds.base import drawn
from mmkeras.data.media.decoding import media_cells
from mmkeras.data.media.images.image_file import image_size, read_image
from mmkeras.data.tables.cells import empty_cells
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Image, Schema

_LOOKED_AT = 50  # images, evenly
_FEW_ROWS, _MANY_ROWS = 3000, 20_000
_SMALL = 32  # pixels: smaller images are patterns of single pixels, which have few edges to count
_LAST = 5  # the last map's longer side, at most about


def choose_image(frame: pd.DataFrame, modality: Image, schema: Schema) -> Choice:
    """The images' own size where they are small, otherwise one that the rows can pay for.

    Of few images edges and colours are counted, since convolutions learn them by heart; otherwise
    as many blocks of convolutions as leave a map of some 4 × 4.
    """
    column = frame[modality.column]
    height, width, grey = _look(column, modality)
    longest = max(height, width)
    few = len(frame) < _FEW_ROWS and min(height, width) >= _SMALL
    most = 48 if few else 64 if len(frame) < _MANY_ROWS else 96
    scale = min(1.0, most / longest)
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    said = (
        f"image {modality.name!r}: {width:.0f} × {height:.0f} pixels{', grey' if grey else ''}, "
        f"{len(frame):,} rows -> {size[1]} × {size[0]}"
    )
    settings = {"size": size, "channels": 1 if grey else 3}
    if few:
        return Choice(f"{said}, edges and colours counted", settings, "gradients", {"dim": 0})
    blocks = max(1, min(5, int(np.ceil(np.log2(max(size) / _LAST)))))
    filters = tuple(min(16 * 2**place, 128) for place in range(blocks))
    options = {"filters": filters, "convs_per_block": 1, "batch_norm": True}
    settings["shift"] = 0.05
    return Choice(f"{said}, {blocks} blocks of convolutions", settings, "cnn", options)


def _look(column: pd.Series, modality: Image) -> tuple[float, float, bool]:
    """The median height and width of some images, and whether all are grey."""
    kind, settings = KINDS["image"], ImageSettings()
    some = list(drawn(column[~empty_cells(column)], _LOOKED_AT))
    if modality.several:
        some = [image for cell in some for image in cell][:_LOOKED_AT]
    sizes, grey = [], True
    for cell in media_cells(pd.Series(some, dtype=object), kind, settings):
        try:
            sizes.append(image_size(cell))
            pixels = read_image(cell)
        except (ValueError, OSError, MemoryError):
            continue  # decoding will say it
        grey &= bool((pixels == pixels[..., :1]).all())
    if not sizes:
        return (*ImageSettings().size, False)
    height, width = np.median(sizes, axis=0)
    return float(height), float(width), grey
