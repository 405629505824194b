"""Emoji names: the picture of an emoji and what it is called in fourteen languages.

- **Source.** Pictures: googlefonts/noto-emoji, `png/72`, commit
  b3e3051a088047d19fd4d49b1c3ac42fb8c3aaf8. Names: the Python package `emoji` 2.16.0, which has
  those of the Unicode CLDR: `pip install "mmkeras[datasets]"`.
- **Licence.** Pictures: Apache-2.0. Names: the Unicode licence; the package: BSD.
- **Rows.** 3,534: the package's fully-qualified emoji but the flags of countries, which have no
  picture, and those of Unicode 17 and later, of which only the wrestlers have one.
- **Names.** "thumbs up medium skin tone"; 3,534 different ones in each of Arabic, Chinese
  (simplified), English, French, German, Indonesian, Italian, Japanese, Korean, Persian,
  Portuguese, Russian, Spanish and Turkish. The package writes small letters, and drops the colons
  and most commas of the CLDR.
- **What to know.** Two thirds of the emoji differ from another one only in skin tone, gender, hair
  or direction. `base`, the group, is the emoji without those (`base_emoji`): 1,421 groups, so
  that a name to be translated differs in more than its last words from all names in training.
  Words still return ("face", "button").
- **Baselines**, mean chrF2 of test rows, `experiments/translate.py --seeds`, by name, picture and
  both. The nearest training row's name in German 44.0, 41.0, 45.6 %, in French 40.3, 36.3,
  41.2 %, in Chinese 25.7, 22.7, 26.5 %. The consensus of similar rows 50.7, 45.6, 52.1 %, then
  45.8, 40.2, 46.1 % and 31.1, 25.5, 31.1 %.

How to cite: Noto Emoji, https://github.com/googlefonts/noto-emoji; Unicode CLDR,
https://cldr.unicode.org; T. Kim, K. Wurster, emoji, https://github.com/carpedm20/emoji.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from mmkeras.data.datasets.emoji import NOTO, file_names, is_spelt_flag
from mmkeras.data.download import many_files_folder
from mmkeras.schema import Image, Schema, Text

LANGUAGES = {
    "arabic": "ar",
    "chinese": "zh",
    "english": "en",
    "french": "fr",
    "german": "de",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "persian": "fa",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "turkish": "tr",
}
# What stands for a hidden word. No name has a word "v".
HIDDEN = "[v]"
_VERSION = "2.16.0"
# `files_sha256` of all pictures.
_PICTURES_SHA256 = "3841a79aa6476c9ad9c443f3c4bf949833a078931adde7ef76d0c24a4d0d201f"
_FULLY_QUALIFIED = 2
_NOT_DRAWN = 17  # Unicode's version from which on pictures are missing, but for:
_WRESTLERS = "\U0001f93c"
_JOINER = "\u200d"
# Skin tones and the mark of colourful form vanish; people lose their gender.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys([*map(chr, range(0x1F3FB, 0x1F400)), "\ufe0f"]),
        **dict.fromkeys("👨👩", "🧑"),
        **dict.fromkeys("👦👧", "🧒"),
        **dict.fromkeys("👴👵", "🧓"),
    }
)
_PEOPLE = "🧑🧒"
# What is joined to a person: a gender, hair, a direction.
_VARIANTS = "♀♂🦰🦱🦲🦳➡"
# Other spellings of couples and of people of one gender.
_ALIKE = {
    "🧑‍❤‍🧑": "💑",
    "🧑‍❤‍💋‍🧑": "💏",
    **dict.fromkeys(["👫", "👬", "👭"], "🧑‍🤝‍🧑"),
    "🫱‍🫲": "🤝",
    **dict.fromkeys(["🤶", "🧑‍🎄"], "🎅"),
    **dict.fromkeys(["🤴", "👸"], "🫅"),
    **dict.fromkeys(["🤰", "🫃"], "🫄"),
    "🕺": "💃",
}


def load(target: str = "german") -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the pictures, and looks the names up.

    The pictures are taken from `$MMKERAS_DATA/emoji` if that folder exists, and otherwise
    downloaded once into a cache: about 10 MB, checked against a known hash.

    Args:
        target: The language that the schema translates into: from the picture and the English
            name, or for `"english"` from the picture alone.

    Returns:
        A pair `(table, schema)`. The table's columns: `picture`, the path of a 72×72 PNG with
        transparency; the name in each of `LANGUAGES`; `base`, the group; and `emoji`, which names
        the row.

    Raises:
        ValueError: There is no such language, or the pictures are not the ones they should be.
        ImportError: The package `emoji` is not installed, or another version of it.
        FileNotFoundError: `$MMKERAS_DATA/emoji` is incomplete.
        ConnectionError: The pictures are not there and the network is not either.
    """
    if target not in LANGUAGES:
        raise ValueError(f"`target` is one of {', '.join(LANGUAGES)}. Received: {target!r}.")
    names = _names()
    # All of noto-emoji's names leave the style mark out.
    files = {emoji: file_names(emoji)[1] for emoji in names}
    folder = many_files_folder(
        "emoji/png72",
        f"{NOTO}/png/72",
        list(files.values()),
        sha256=_PICTURES_SHA256,
        description="emoji pictures",
    )
    table = pd.DataFrame(
        {
            "picture": str(folder / files[emoji]),
            **{
                language: own[code].strip(":").replace("_", " ")
                for language, code in LANGUAGES.items()
            },
            "base": base_emoji(emoji),
            "emoji": emoji,
        }
        for emoji, own in names.items()
    )
    sources = [Image("picture")] + ([] if target == "english" else [Text("english")])
    schema = Schema(sources, Text(target, judged_by="chrf"), id="emoji", group="base")
    return table, schema


def _names() -> dict[str, dict[str, Any]]:
    """The names by language code of each emoji that has a picture."""
    try:
        import emoji
    except ImportError as error:
        raise ImportError(
            "The names of emoji are in the package `emoji`, which is not installed: "
            'pip install "mmkeras[datasets]"'
        ) from error
    if emoji.__version__ != _VERSION:
        raise ImportError(
            f"The data set is made of the package emoji {_VERSION}; other versions have other "
            f'names. Found: {emoji.__version__}. Run pip install "mmkeras[datasets]".'
        )
    for code in LANGUAGES.values():
        emoji.config.load_language(code)
    return {
        each: names
        for each, names in emoji.EMOJI_DATA.items()
        if names["status"] == _FULLY_QUALIFIED
        and not is_spelt_flag(each)
        and (names["E"] < _NOT_DRAWN or each.startswith(_WRESTLERS))
    }


def base_emoji(emoji: str) -> str:
    """The emoji without skin tones, gender, hair and direction; equal for all variants of one.

    Couples and families of whatever members are the plain couple and family.

    Example:

    >>> base_emoji("👩🏽‍⚕️") == base_emoji("👨‍⚕️") == base_emoji("🧑🏿‍⚕️")
    True
    >>> base_emoji("👩🏻‍🦰"), base_emoji("🏃🏾‍♀️‍➡️"), base_emoji("👨‍👩‍👧")
    ('🧑', '🏃', '👪')
    """
    plain = emoji.translate(_PLAIN)
    for part in _VARIANTS:
        plain = plain.replace(_JOINER + part, "")
    if _JOINER in plain and set(plain) <= {*_PEOPLE, _JOINER}:
        return "👪"
    return _ALIKE.get(plain, plain or emoji)  # a skin tone by itself stays


def hide_words(names: pd.Series, share: float, seed: int) -> pd.Series:
    """Names with some of their words hidden, so that something else has to say what they were.

    Whether a word is hidden depends on the seed, the name and the word's place alone: it is the
    same in whatever order, and with whatever others, names are given.

    Args:
        names: Texts, such as a table's column `english`.
        share: How likely a word is hidden, 0 to 1.
        seed: Draws the words.

    Returns:
        The texts, with `"[v]"` in place of hidden words.

    Example:

    >>> hide_words(pd.Series(["thumbs up medium skin tone"]), 0.5, seed=1)[0]
    'thumbs up medium [v] tone'

    References:
        O. Caglayan et al., "Probing the Need for Visual Context in Multimodal Machine
        Translation", NAACL 2019.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` is between 0 and 1. Received: {share}.")

    def hidden(name: str) -> str:
        words = name.split(" ")
        digests = (
            hashlib.sha256(f"{seed} {place} {name}".encode()).digest()
            for place in range(len(words))
        )
        drawn = (int.from_bytes(digest[:6], "big") / 2**48 for digest in digests)
        return " ".join(
            HIDDEN if number < share else word for word, number in zip(words, drawn, strict=True)
        )

    return names.map(hidden)
