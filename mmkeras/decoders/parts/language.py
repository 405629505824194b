"""Models of a language, counted on the training texts, that help CTC's search between pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from mmkeras.decoders.parts.pieces import END, FIRST_PIECE, PADDING

START_OF_TEXT = -1


def _plain(ids: Iterable[int]) -> list[int]:
    """The pieces of a text, without its end and padding."""
    return [int(i) for i in ids if i not in (PADDING, END)]


class Language(ABC):
    """What pieces follow each other: log-probabilities of the next piece, by what came before.

    What came before is a state, which is any value that can be a dictionary's key.
    """

    start: Hashable

    @abstractmethod
    def following(self, state: Hashable) -> np.ndarray:
        """Log-probabilities of each id as the next one, `(vocabulary,)`; of 2 that none is."""

    @abstractmethod
    def after(self, state: Hashable, piece: int) -> Hashable:
        """The state after one more piece."""


class PieceLanguage(Language):
    """The next piece by the pieces before it, with Witten-Bell smoothing.

    With `h` the last pieces, `h'` all of them but the first, `c` counts, `n(h)` the number of
    different pieces that follow `h`:

        p(v | h) = (c(h v) + n(h) p(v | h')) / (c(h) + n(h))

    and before all counts each piece alike.

    Args:
        texts: Ids of the training texts, with or without end and padding.
        vocabulary_size: One more than the largest id.
        order: How many pieces a count is over; 1 ignores what came before.

    Example:

    >>> language = PieceLanguage([[4, 5, 4, 5]], vocabulary_size=6, order=2)
    >>> state = language.after(language.start, 4)
    >>> int(language.following(state).argmax())
    5

    References:
        - [Witten and Bell, 1991](https://doi.org/10.1109/18.87000)
    """

    def __init__(self, texts: Iterable[Sequence[int]], vocabulary_size: int, order: int = 5):
        if order < 1:
            raise ValueError(f"`order` counts pieces, from 1. Received: {order}.")
        self.vocabulary_size = vocabulary_size
        self.order = order
        self.start = (START_OF_TEXT,) * (order - 1)
        self._counts: dict[tuple[int, ...], Counter[int]] = {}
        self._known: dict[Hashable, np.ndarray] = {}
        for text in texts:
            ids = [*self.start, *_plain(text), END]
            for place in range(order - 1, len(ids)):
                for n in range(order):
                    history = tuple(ids[place - n : place])
                    self._counts.setdefault(history, Counter())[ids[place]] += 1

    def following(self, state):
        if state not in self._known:
            self._known[state] = np.log(self._shares(state))
        return self._known[state]

    def _shares(self, history: tuple[int, ...]) -> np.ndarray:
        if history:
            shares = self._shares(history[1:])
        else:
            shares = np.full(self.vocabulary_size, 1.0)
            # Of what is no piece the end alone is written.
            shares[:FIRST_PIECE] = 1e-30
            shares[END] = 1.0
            shares /= shares.sum()
        counts = self._counts.get(history)
        if counts is None:
            return shares
        shares = shares * len(counts)
        for piece, count in counts.items():
            shares[piece] += count
        return shares / (counts.total() + len(counts))

    def after(self, state, piece):
        return (*state, piece)[1:] if self.order > 1 else ()


class WordLanguage(Language):
    """The next piece by the words that it may belong to: a lexicon with the words' frequencies.

    With `q` the word before, a word's probability is `p(w | q)`: counted pairs with Witten-Bell
    smoothing by the words' frequencies (`order=2`), or those alone (`order=1`). A piece inside a
    word has the share of those words that go on with it, so that the pieces of a word multiply to
    its probability. Of each step, `unknown` is left to any piece alike, for words that the
    training texts lack; 0 allows only words of the lexicon.

    Args:
        texts: Ids of the training texts, with or without end and padding.
        vocabulary_size: One more than the largest id.
        separator: The id of what is between two words.
        order: How many words a count is over, 1 or 2.
        unknown: The share of words that the training texts lack, in [0, 1).

    Example:

    >>> language = WordLanguage([[4, 5, 9, 4, 6]], vocabulary_size=10, separator=9)
    >>> state = language.after(language.start, 4)
    >>> [round(float(p), 2) for p in np.exp(language.following(state))[4:8]]
    [0.0, 0.5, 0.5, 0.0]
    """

    def __init__(
        self,
        texts: Iterable[Sequence[int]],
        vocabulary_size: int,
        separator: int,
        order: int = 1,
        unknown: float = 0.0,
    ):
        if order not in (1, 2) or not 0 <= unknown < 1:
            raise ValueError(
                "A word is counted alone or after the one before, `order` 1 or 2, and `unknown` is "
                f"a share in [0, 1). Received: order={order} and unknown={unknown}."
            )
        self.vocabulary_size = vocabulary_size
        self.separator = separator
        self.order = order
        self.unknown = unknown
        self._pairs: dict[tuple[int, ...] | None, Counter[tuple[int, ...]]] = {}
        self._words: Counter[tuple[int, ...]] = Counter()
        self._under: dict[Hashable, dict[tuple[int, ...], float]] = {}
        self._known: dict[Hashable, np.ndarray] = {}
        sentences = empty = 0
        for text in texts:
            words = self._split(_plain(text))
            sentences += 1
            empty += not words
            for before, word in zip([None, *words], words, strict=False):
                self._words[word] += 1
                self._pairs.setdefault(before, Counter())[word] += 1
        if not self._words:
            raise ValueError("The texts of a language have no words.")
        self._empty = empty / sentences
        # Of the words, the share that ends its text.
        self._last = min(sentences / self._words.total(), 1.0 - 1e-6)
        # The word before (`None` at the start, () for one that does not matter), and the pieces of
        # this one (`None` where it is not known).
        self.start = (None, ())

    def _split(self, ids: list[int]) -> list[tuple[int, ...]]:
        words: list[list[int]] = [[]]
        for i in ids:
            if i == self.separator:
                words.append([])
            else:
                words[-1].append(i)
        return [tuple(word) for word in words if word]

    def _prefixes(self, before: tuple[int, ...] | None) -> dict[tuple[int, ...], float]:
        """The probability of all words after another that begin with a prefix."""
        if before not in self._under:
            total = self._words.total()
            pairs = self._pairs.get(before, Counter()) if self.order == 2 else Counter()
            kinds = len(pairs)
            under: dict[tuple[int, ...], float] = {}
            for word, count in self._words.items():
                share = count / total
                if kinds:
                    share = (pairs[word] + kinds * share) / (pairs.total() + kinds)
                # The whole word is that with an end.
                for n in range(len(word) + 1):
                    under[word[:n]] = under.get(word[:n], 0.0) + share
                under[(*word, END)] = share
            self._under[before] = under
        return self._under[before]

    def following(self, state):
        if state not in self._known:
            with np.errstate(divide="ignore"):
                self._known[state] = np.log(self._shares(*state))
        return self._known[state]

    def _shares(self, before, prefix) -> np.ndarray:
        pieces = np.arange(FIRST_PIECE, self.vocabulary_size)
        free = np.zeros(self.vocabulary_size)
        free[pieces] = 1.0
        free[END] = self._last
        free[self.separator] = 1.0 - self._last
        free /= free.sum()
        if prefix is None:
            return free
        shares = np.zeros(self.vocabulary_size)
        under = self._prefixes(before)
        for piece in pieces:
            shares[piece] = under.get((*prefix, piece), 0.0)
        whole = under.get((*prefix, END), 0.0)
        shares[self.separator] = whole * (1.0 - self._last)
        shares[END] = whole * self._last
        shares /= shares.sum()
        if before is None and not prefix:
            shares *= 1.0 - self._empty
            shares[END] = self._empty
        return (1.0 - self.unknown) * shares + self.unknown * free

    def after(self, state, piece):
        before, prefix = state
        if piece == self.separator:
            return ((prefix or ()) if self.order == 2 else (), ())
        if prefix is None or (*prefix, piece) not in self._prefixes(before):
            return (before, None)
        return (before, (*prefix, piece))
