"""Glyphs: the picture and the Unicode name of a character, and the script it belongs to.

Nothing is downloaded: the pictures are drawn from the font DejaVu Sans that comes with matplotlib.

- **Source.** DejaVu Sans 2.37, `fonts/ttf/DejaVuSans.ttf` in matplotlib's data folder (the same
  file, byte for byte, in matplotlib 3.9 to 3.11); names from Python's `unicodedata`.
- **Licence.** DejaVu: the Bitstream Vera licence, its own changes in the public domain. Unicode
  character names: the Unicode licence.
- **Rows.** 2,897, one for each character of the ten scripts that the font draws. Combining marks
  (categories M*), format characters (Cf) and characters without ink are left out. All of them were
  in Unicode 13, so that the rows do not depend on the Python version.
- **Classes.** The script, that is the first word of the Unicode name: LATIN 966, ARABIC 448,
  CANADIAN (Canadian Aboriginal Syllabics) 404, GREEK 363, CYRILLIC 319, GEORGIAN 120,
  ARMENIAN 91, HEBREW 81, TIFINAGH 55, LAO 50.
- **Text.** The name without the script's own name, which is the label: "GREEK SMALL LETTER ALPHA"
  becomes "SMALL LETTER ALPHA". CANADIAN is "CANADIAN SYLLABICS" in names, and both words go:
  "CANADIAN SYLLABICS WEST-CREE PWI" becomes "WEST-CREE PWI". Words that merely occur in one script
  more than in others (ALEF, DASIA, WEST-CREE) are what there is to learn, and stay.
- **What to know.** Some pictures occur more than once, also in two or three scripts (Latin A, Greek
  Alpha and Cyrillic A are drawn alike): the name alone tells those apart, and the picture alone
  cannot. Rows with the same picture are one group, so that no split puts them on two sides. Some
  names occur in several scripts too ("SMALL LETTER A"), where only the picture can tell.

How to cite: DejaVu Fonts 2.37, https://dejavu-fonts.github.io; The Unicode Standard, Version 13.0,
The Unicode Consortium, 2020.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mmkeras.schema import Image, Label, Schema, Text

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFont

# The script's own name where characters' names carry more than the class's one word.
_OWN_NAME = {"CANADIAN": "CANADIAN SYLLABICS"}

CLASSES = (
    "ARABIC",
    "ARMENIAN",
    "CANADIAN",
    "CYRILLIC",
    "GEORGIAN",
    "GREEK",
    "HEBREW",
    "LAO",
    "LATIN",
    "TIFINAGH",
)


def load(size: int = 48, channels: int = 1) -> tuple[pd.DataFrame, Schema]:
    """Draws the glyphs and returns them with their names and scripts.

    Args:
        size: Height and width of the pictures in pixels, at least 16.
        channels: 1 (grey) or 3 (colour, all three alike).

    Returns:
        A pair `(table, schema)`. The table's columns, in the order of code points: `image`, uint8
        arrays `(size, size, channels)`, dark on white; `name`, the text; `script`, the class;
        `character`; `codepoint`, such as `"U+03B1"`, which names the row; and `picture`, the group
        of the rows that look the same at 48 pixels.

    Raises:
        ValueError: `size` or `channels` is out of range.
        FileNotFoundError: This installation of matplotlib has no DejaVu Sans.

    Example:

    >>> table, schema = load(size=32)
    >>> row = table[table["character"] == "ω"].iloc[0]
    >>> row["name"], row["script"], row["codepoint"], row["image"].shape
    ('SMALL LETTER OMEGA', 'GREEK', 'U+03C9', (32, 32, 1))
    """
    if not isinstance(size, (int, np.integer)) or size < 16:
        raise ValueError(f"`size` is a whole number of pixels, at least 16. Received: {size!r}.")
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (colour). Received: {channels!r}.")
    path = _font_path()
    rows = []
    for character in _characters(path):
        name = unicodedata.name(character)
        script = name.split(" ")[0]
        pixels = _draw(character, path, int(size))
        if (pixels == 255).all():
            continue
        rows.append(
            {
                "image": np.repeat(pixels[..., np.newaxis], channels, axis=-1),
                "name": name.removeprefix(_OWN_NAME.get(script, script)).strip(),
                "script": script,
                "character": character,
                "codepoint": f"U+{ord(character):04X}",
                # At one size, so that groups, and with them splits, do not depend on `size`.
                "picture": hashlib.sha256(_draw(character, path, 48).tobytes()).hexdigest()[:16],
            }
        )
    schema = Schema(
        [Image("image"), Text("name")], Label("script"), id="codepoint", group="picture"
    )
    return pd.DataFrame(rows), schema


def _font_path() -> Path:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    if not path.is_file():
        raise FileNotFoundError(
            f"No font at {path}. Some systems' own matplotlib packages leave it out: install "
            "matplotlib with pip into a virtual environment."
        )
    return path


def _characters(path: Path) -> list[str]:
    """The font's characters of the ten scripts, in the order of their code points."""
    from matplotlib.ft2font import FT2Font

    return [
        character
        for character in map(chr, sorted(FT2Font(str(path)).get_charmap()))
        if unicodedata.name(character, "").split(" ")[0] in CLASSES
        and unicodedata.category(character) != "Cf"
        and not unicodedata.category(character).startswith("M")
    ]


def _draw(character: str, path: Path, size: int) -> np.ndarray:
    """One character, `(size, size)`, its ink centred; all of it, and a margin, in the picture.

    Characters share one scale, so that capitals are larger than small letters. Only those too
    large for the picture (ligatures, stacked accents) are made smaller.
    """
    room = size - 2 * max(1, size // 24)
    font_size = round(0.75 * size)
    ink = _ink(character, path, font_size)
    while max(ink.size) > room:
        font_size = min(font_size - 1, font_size * room // max(ink.size))
        ink = _ink(character, path, font_size)
    picture = np.full((size, size), 255, np.uint8)
    top, left = (size - ink.height) // 2, (size - ink.width) // 2
    picture[top : top + ink.height, left : left + ink.width] -= np.asarray(ink)
    return picture


def _ink(character: str, path: Path, font_size: int) -> PIL.Image.Image:
    """The character in white on black, cut to its ink: the font's own boxes are looser."""
    from PIL import Image as PILImage
    from PIL import ImageDraw

    font = _font(path, font_size)
    left, top, right, bottom = font.getbbox(character)
    # The boxes leave out what is a pixel outside of them after anti-aliasing.
    canvas = PILImage.new("L", (right - left + 8, bottom - top + 8), 0)
    ImageDraw.Draw(canvas).text((4 - left, 4 - top), character, font=font, fill=255)
    return canvas.crop(canvas.getbbox() or (0, 0, 0, 0))


@functools.cache
def _font(path: Path, font_size: int) -> PIL.ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(path), font_size, layout_engine=ImageFont.Layout.BASIC)
