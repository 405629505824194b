"""Emoji: the picture of an emoji and its description, and the category that it belongs to.

- **Source.** Pictures: googlefonts/noto-emoji, `png/72`, commit
  b3e3051a088047d19fd4d49b1c3ac42fb8c3aaf8. Descriptions, tags and categories: github/gemoji,
  `db/emoji.json`, commit 5476a66d2794e0d1551b1f96e449afc72e9f7bec.
- **Licence.** Pictures: Apache-2.0. Descriptions: MIT.
- **Rows.** 1,609: those of gemoji's 1,870 emoji that have a picture. The 261 others are flags, of
  which 8 remain.
- **Classes.** Nine categories: People & Body 363, Objects 261, Symbols 223, Travel & Places 218,
  Smileys & Emotion 166, Animals & Nature 152, Food & Drink 133, Activities 85, Flags 8.
- **Text.** The description and the tags: "grinning face, smile, happy".
- **Baselines** (scikit-learn, 5-fold `StratifiedKFold(5, shuffle=True, random_state=0)`): picture
  PCA(80) + SVC 67.4 %, text TF-IDF + logistic regression 68.2 %, the product of the two 76.7 %,
  always the largest class 22.6 %.
- **What to know.** One pair of emoji ("family" and "family: man, man, boy") has the same picture.

How to cite: Noto Emoji, https://github.com/googlefonts/noto-emoji; gemoji,
https://github.com/github/gemoji.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from mmkeras.data.download import files_folder, many_files_folder, provided_dir
from mmkeras.schema import Image, Label, Schema, Text

_GEMOJI = "https://raw.githubusercontent.com/github/gemoji/5476a66d2794e0d1551b1f96e449afc72e9f7bec"
NOTO = (
    "https://raw.githubusercontent.com/googlefonts/noto-emoji/"
    "b3e3051a088047d19fd4d49b1c3ac42fb8c3aaf8"
)
_JSON_SHA256 = "b174ae2aeb321b52f64adb9ff412f966a7f338839d780784dd15dcad702c2dd6"
# Of the lines "name sha256" of all pictures used, sorted by name.
_PICTURES_SHA256 = "9fd1e956cf27429dbbe47ff0a0c273dad77843e1b89da1d43801643a833eeecc"
# A mark on a code point that asks for its colourful form; file names leave it out or keep it.
_EMOJI_STYLE = "\ufe0f"
# Flags of countries and regions are spelt with these; noto-emoji keeps their pictures elsewhere.
_FLAG_LETTERS = (range(0x1F1E6, 0x1F200), range(0xE0020, 0xE0080))


def load(aliases: bool = False) -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the emoji.

    The files are taken from `$MMKERAS_DATA/emoji` if that folder exists, and otherwise downloaded
    once into a cache (`$MMKERAS_CACHE`, by default `~/.cache/mmkeras`): about 7 MB, checked
    against known hashes. An interrupted download resumes where it stopped.

    Args:
        aliases: Whether the text also has gemoji's short names ("smiley").

    Returns:
        A pair `(table, schema)`. The table's columns, in gemoji's order: `image`, the path of a
        72×72 PNG with transparency; `text`; `category`, the class; `emoji`, which names the row;
        and `description`.

    Raises:
        FileNotFoundError: `$MMKERAS_DATA/emoji` is incomplete.
        ValueError: A file is not the one that it should be.
        ConnectionError: Nothing is there and the network is not either.
    """
    folder = files_folder("emoji", f"{_GEMOJI}/db", {"emoji.json": _JSON_SHA256})
    entries = _read_entries(folder)
    pictures = folder / "png72"
    if provided_dir("emoji") is None:
        # All of noto-emoji's names leave the style mark out; the other spelling is for other
        # sources.
        pictures = many_files_folder(
            "emoji/png72",
            f"{NOTO}/png/72",
            [file_names(entry["emoji"])[1] for entry in entries],
            sha256=_PICTURES_SHA256,
            description="emoji pictures",
        )
    rows, missing = [], []
    for entry in entries:
        path = _picture(entry["emoji"], pictures)
        if path is None:
            missing.append(entry["emoji"])
            continue
        words = [entry["description"], *entry["tags"]]
        if aliases:
            words += [alias.replace("_", " ") for alias in entry["aliases"]]
        rows.append(
            {
                "image": str(path),
                "text": ", ".join(words),
                "category": entry["category"],
                "emoji": entry["emoji"],
                "description": entry["description"],
            }
        )
    if missing:
        names = ", ".join(file_names(emoji)[1] for emoji in missing[:5])
        raise FileNotFoundError(
            f"{pictures} lacks the pictures of {len(missing):,} emoji: {names}, ... "
            "Complete the folder, or unset MMKERAS_DATA to download the data set."
        )
    schema = Schema([Image("image"), Text("text")], Label("category"), id="emoji")
    return pd.DataFrame(rows), schema


def file_names(emoji: str) -> tuple[str, str]:
    """The names that an emoji's picture may have: with the style mark U+FE0F, and without.

    >>> file_names("☺️")
    ('emoji_u263a_fe0f.png', 'emoji_u263a.png')
    """
    return tuple(
        f"emoji_u{'_'.join(f'{ord(character):04x}' for character in characters)}.png"
        for characters in (emoji, emoji.replace(_EMOJI_STYLE, ""))
    )


def _picture(emoji: str, folder: Path) -> Path | None:
    return next((folder / name for name in file_names(emoji) if (folder / name).is_file()), None)


def _read_entries(folder: Path) -> list[dict]:
    entries = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
    return [entry for entry in entries if not is_spelt_flag(entry["emoji"])]


def is_spelt_flag(emoji: str) -> bool:
    """Whether an emoji is the flag of a country or region, which is spelt with letters."""
    return any(ord(character) in letters for character in emoji for letters in _FLAG_LETTERS)
