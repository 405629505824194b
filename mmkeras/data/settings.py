"""How each kind of modality becomes the model's input: what a user chooses, nothing fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def _check_choice(owner: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(f"{owner}: `{name}` must be one of {choices}. Received: {value!r}.")


@dataclass(frozen=True)
class ImageSettings:
    """How images become inputs.

    Args:
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` (keep the shape, fill) or `"crop"` (keep the shape, cut).
        background: Grey value in [0, 255] under transparency and around moved images.
        scaling: `"unit"` (to [0, 1]) or `"standardize"` (to the training images' mean 0 and
            standard deviation 1, by channel).
        flip: Augmentation, training only: mirror half of the images left and right.
        rotation: Augmentation: largest rotation, in degrees.
        crop: Augmentation: largest share of the sides cut away.
        shift: Augmentation: largest move, as a share of the sides.
    """

    size: tuple[int, int] = (64, 64)
    channels: int = 3
    resize: str = "stretch"
    background: int = 255
    scaling: str = "unit"
    flip: bool = False
    rotation: float = 0.0
    crop: float = 0.0
    shift: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"`size` is (height, width) in pixels. Received: {self.size}.")
        _check_choice("ImageSettings", "channels", self.channels, (1, 3))
        _check_choice("ImageSettings", "resize", self.resize, ("stretch", "pad", "crop"))
        _check_choice("ImageSettings", "scaling", self.scaling, ("unit", "standardize"))
        if not 0 <= self.background <= 255:
            raise ValueError(f"`background` is in [0, 255]. Received: {self.background}.")
        if self.rotation < 0:
            raise ValueError(
                "`rotation` is the largest angle to either side, in degrees, and not negative. "
                f"Received: {self.rotation}."
            )
        for name in ("crop", "shift"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")


@dataclass(frozen=True)
class TextSettings:
    """How texts become inputs.

    Args:
        representation: `"tokens"` (a sequence of word numbers) or a bag of words:
            `"counts"`, `"binary"` or `"tfidf"` (scikit-learn's smoothed TF-IDF, L2-normalised).
        vocabulary_size: The most frequent so many terms of the training texts are kept.
        max_length: A sequence's most tokens; the rest of the text is cut. Bags are never cut.
        min_count: Terms in fewer training texts are dropped.
        lowercase: Fold case.
        stop_words: `"english"`, a list of words, or `None`.
        stemmer: A Snowball language, or `None`.
        ngrams: For bags: the longest run of words that counts as a term.
        characters: For bags: the longest run of characters inside a word that counts as a term
            too (2 or more), so that words never seen resemble those that were; 0 for none.
    """

    representation: str = "tfidf"
    vocabulary_size: int = 1000
    max_length: int = 64
    min_count: int = 1
    lowercase: bool = True
    stop_words: str | tuple[str, ...] | None = None
    stemmer: str | None = None
    ngrams: int = 1
    characters: int = 0

    def __post_init__(self):
        choices = ("tokens", "counts", "binary", "tfidf")
        _check_choice("TextSettings", "representation", self.representation, choices)
        for name in ("vocabulary_size", "max_length", "min_count", "ngrams"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.characters < 0 or self.characters == 1:
            raise ValueError(
                "`characters` is 0 (none) or at least 2: runs of 2 characters are the shortest. "
                f"Received: {self.characters}."
            )
        if self.representation == "tokens" and (self.ngrams > 1 or self.characters):
            raise ValueError("`ngrams` and `characters` are for bags, not for token sequences.")
        if isinstance(self.stop_words, list):
            object.__setattr__(self, "stop_words", tuple(self.stop_words))


@dataclass(frozen=True)
class TabularSettings:
    """How numbers and categories become inputs.

    Args:
        max_categories: A column's most frequent so many categories get an input of their own;
            the others, and those never seen in training, share one.
    """

    max_categories: int = 100


SETTINGS = {"image": ImageSettings, "text": TextSettings, "tabular": TabularSettings}
