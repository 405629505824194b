"""What other libraries put into the cells of a table: Hugging Face's dictionaries, PIL's images."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

_PLAIN_MODES = ("L", "RGB", "RGBA", "I;16", "I", "F")


def own_form(cell: Any) -> Any:
    """A cell as a path, the bytes of a file or an array; other cells as they are.

    Args:
        cell: `{"bytes": ..., "path": ...}`, a `PIL.Image.Image`, or anything else.

    Raises:
        ValueError: A decoded sound with a rate of its own, which an array does not tell.

    Example:

    >>> own_form({"bytes": None, "path": "a.png"})
    'a.png'
    >>> own_form(PIL.Image.new("1", (4, 2))).shape
    (2, 4)
    """
    if isinstance(cell, dict):
        if "array" in cell and "sampling_rate" in cell:
            raise ValueError(
                f"a decoded sound at {cell['sampling_rate']} hertz, which an array does not tell; "
                "keep the file's bytes: cast_column(..., datasets.Audio(decode=False))"
            )
        if cell and set(cell) <= {"bytes", "path"}:
            return cell.get("bytes") or cell.get("path")
    if isinstance(cell, PIL.Image.Image):
        image = PIL.ImageOps.exif_transpose(cell)
        if image.mode == "1":
            image = image.convert("L")
        elif image.mode not in _PLAIN_MODES:
            see_through = image.has_transparency_data
            image = image.convert("RGBA" if see_through else "RGB")
        return np.asarray(image)
    return cell
