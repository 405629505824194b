"""Corruptions of texts: letters swapped, words deleted, words shuffled.

All take a list of texts and return a list. A cell that is not a text, such as `None`, stays. What
is between words stays where it is.

A word is the text between blanks, with its punctuation. In scripts that are written without
blanks it is a character, as in `mmkeras.data.words.split_words`.

References:
    - Belinkov and Bisk, "Synthetic and natural noise both break neural machine translation", ICLR
      2018, https://arxiv.org/abs/1711.02173 (swaps)
    - Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning",
      NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2107.07502
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmkeras.data.words import split_words
from mmkeras.evaluation.corruptions.corruption import round_randomly

Texts = Sequence[str | None]


def character_swaps(
    texts: Texts, share: float, random: np.random.Generator, fitted: Any = None
) -> list[str | None]:
    """Swaps two neighbouring letters in a share of each text's words.

    The first and the last letter stay: "noise" becomes "nosie" (Belinkov and Bisk). The share is
    of the words with two different letters inside; others, as "the" and "noon", have nothing to
    swap.

    Args:
        texts: The texts.
        share: The share of the words; for each text it is rounded at random, up or down.
        random: Where words and letters are drawn from.
        fitted: Not read.
    """

    def change(words: list[str], gaps: list[str]) -> str:
        swaps = {word: found for word in set(words) if (found := _swaps(word))}
        places = [place for place, word in enumerate(words) if word in swaps]
        order = random.permutation(len(places))
        which = random.random(len(places))
        words = list(words)
        for chosen in order[: round_randomly(share, len(places), random.random())]:
            word = words[places[chosen]]
            first = swaps[word][int(which[chosen] * len(swaps[word]))]
            swapped = word[:first] + word[first + 1] + word[first] + word[first + 2 :]
            words[places[chosen]] = swapped
        return _joined(words, gaps)

    return _changed(texts, change)


def word_deletion(
    texts: Texts, share: float, random: np.random.Generator, fitted: Any = None
) -> list[str | None]:
    """Deletes a share of each text's words; one word stays at least.

    Args:
        texts: The texts.
        share: The share of the words; for each text it is rounded at random, up or down.
        random: Where the words are drawn from.
        fitted: Not read.
    """

    def change(words: list[str], gaps: list[str]) -> str:
        order = random.permutation(len(words))
        count = min(round_randomly(share, len(words), random.random()), len(words) - 1)
        kept = np.sort(order[count:])
        # A word goes with the gap after it, the last one with the gap before it.
        between = [gaps[place + 1] for place in kept[:-1]]
        return _joined([words[place] for place in kept], [gaps[0], *between, gaps[-1]])

    return _changed(texts, change)


def word_shuffling(
    texts: Texts, share: float, random: np.random.Generator, fitted: Any = None
) -> list[str | None]:
    """Moves a share of each text's words, each to the place of another of them.

    They are moved round a circle in an order drawn at random, so that no chosen word stays in its
    place. A single word has nowhere to go.

    Args:
        texts: The texts.
        share: The share of the words; for each text it is rounded at random, up or down.
        random: Where the words are drawn from.
        fitted: Not read.
    """

    def change(words: list[str], gaps: list[str]) -> str:
        order = random.permutation(len(words))
        chosen = order[: round_randomly(share, len(words), random.random())]
        moved = list(words)
        for source, target in zip(chosen, np.roll(chosen, 1), strict=True):
            moved[target] = words[source]
        return _joined(moved, gaps)

    return _changed(texts, change)


def _changed(texts: Texts, change: Callable[[list[str], list[str]], str]) -> list[str | None]:
    """Splits each text into its words and the gaps before, between and after them."""
    characters = set().union(*(text for text in texts if isinstance(text, str)))
    # Two letters make one word, unless each is a word of its own.
    unspaced = "".join(sorted(c for c in characters if len(split_words(c + c)) == 2))
    pattern = re.compile(rf"[{unspaced}][^\s\w]*|[^\s{unspaced}]+" if unspaced else r"\S+")
    result = []
    for text in texts:
        words = pattern.findall(text) if isinstance(text, str) else []
        result.append(change(words, pattern.split(text)) if words else text)
    return result


def _joined(words: list[str], gaps: list[str]) -> str:
    return gaps[0] + "".join(part for pair in zip(words, gaps[1:], strict=True) for part in pair)


def _swaps(word: str) -> list[int]:
    """Where a letter can be swapped with the next one: where two others stand around them."""
    return [
        place
        for place in range(1, len(word) - 2)
        if word[place] != word[place + 1] and word[place - 1 : place + 3].isalpha()
    ]
