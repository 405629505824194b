"""CTC's search for the likeliest text with a language's help, in NumPy, after the model."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from mmkeras.decoders.parts.ctc_loss import BLANK
from mmkeras.decoders.parts.language import Language
from mmkeras.decoders.parts.pieces import END, FIRST_PIECE, PADDING


class _Prefixes:
    """Texts so far as numbers: equal texts have the same; with each the language's next pieces."""

    def __init__(self, language: Language | None, vocabulary_size: int):
        self.language = language
        self.parents, self.pieces = [-1], [BLANK]
        self.children: dict[tuple[int, int], int] = {}
        self.states: list[Hashable] = [None if language is None else language.start]
        self.following = np.zeros((64, vocabulary_size))
        if language is not None:
            self.following[0] = language.following(language.start)

    def child(self, parent: int, piece: int) -> int:
        key = (parent, piece)
        if key not in self.children:
            number = self.children[key] = len(self.parents)
            self.parents.append(parent)
            self.pieces.append(piece)
            if self.language is not None:
                if number == len(self.following):
                    self.following = np.concatenate([self.following, np.zeros_like(self.following)])
                self.states.append(self.language.after(self.states[parent], piece))
                self.following[number] = self.language.following(self.states[number])
        return self.children[key]

    def text(self, number: int) -> list[int]:
        pieces: list[int] = []
        while number > 0:
            pieces.append(self.pieces[number])
            number = self.parents[number]
        return pieces[::-1]


def prefix_search(
    logs: np.ndarray,
    beams: int = 32,
    language: Language | None = None,
    weight: float = 1.0,
    bonus: float = 0.0,
) -> list[int]:
    """The likeliest text of one row's steps.

    The score of a text is, with `n` its pieces,

        log p_CTC(text | steps) + weight log p_language(text) + bonus n

    Args:
        logs: Log-probabilities `(steps, vocabulary)`, the blank first.
        beams: How many texts are kept from step to step.
        language: What pieces follow each other, as `PieceLanguage` or `WordLanguage` counts it.
        weight: Of the language.
        bonus: For each piece, against the language's preference for short texts.

    Returns:
        The ids of its pieces, without an end. A text that the language does not let end stands
        only where no other is left.

    Example:

    >>> shares = np.full((3, 6), 1e-4)
    >>> shares[[0, 1, 2], [4, 0, 5]] = 1.0
    >>> prefix_search(np.log(shares), beams=4)
    [4, 5]

    References:
        - [Hannun et al., 2014](https://arxiv.org/abs/1408.2873)
        - [Graves and Jaitly, 2014](https://proceedings.mlr.press/v32/graves14.html)
    """
    if beams < 1 or weight < 0:
        raise ValueError(
            "A search has 1 beam or more and a `weight` of 0 or more. Received: "
            f"beams={beams} and weight={weight}."
        )
    if weight == 0:
        language = None
    logs = np.asarray(logs, np.float64).copy()
    vocabulary = logs.shape[1]
    logs[:, 1:FIRST_PIECE] = -np.inf
    prefixes = _Prefixes(language, vocabulary)
    numbers = np.zeros(1, np.int64)
    # Log-probabilities of the ways that end in a blank and of those that do not; and what the
    # language and the bonus say of the text.
    blank, piece, extra = np.zeros(1), np.full(1, -np.inf), np.zeros(1)
    with np.errstate(invalid="ignore"):
        for now in logs:
            last = np.array([prefixes.pieces[n] for n in numbers])
            parents = np.array([prefixes.parents[n] for n in numbers])
            rows = np.arange(len(numbers))
            total = np.logaddexp(blank, piece)
            ways = total[:, None] + now
            ways[rows, last] = blank + now[last]
            ways[:, :FIRST_PIECE] = -np.inf
            stay_blank = total + now[BLANK]
            stay_piece = np.where(last == BLANK, -np.inf, piece + now[last])
            # Where a longer text is among the beams already, the two are one.
            child, parent = np.nonzero(parents[:, None] == numbers)
            stay_piece[child] = np.logaddexp(stay_piece[child], ways[parent, last[child]])
            ways[parent, last[child]] = -np.inf
            more = bonus + np.zeros_like(ways)
            if language is not None:
                more += weight * prefixes.following[numbers]
            more += extra[:, None]
            ranks = np.concatenate(
                [(np.logaddexp(stay_blank, stay_piece) + extra)[:, None], ways + more], axis=1
            ).ravel()
            kept = np.argpartition(-ranks, min(beams, len(ranks)) - 1)[:beams]
            kept = kept[ranks[kept] > -np.inf]
            from_, new = kept // (vocabulary + 1), kept % (vocabulary + 1) - 1
            stays = new < 0
            numbers = np.array(
                [
                    numbers[f] if s else prefixes.child(int(numbers[f]), int(n))
                    for f, n, s in zip(from_, new, stays, strict=True)
                ]
            )
            blank = np.where(stays, stay_blank[from_], -np.inf)
            piece = np.where(stays, stay_piece[from_], ways[from_, new])
            extra = np.where(stays, extra[from_], more[from_, new])
    scores = np.logaddexp(blank, piece) + extra
    if language is not None:
        ended = scores + weight * prefixes.following[numbers, END]
        # With a lexicon, all may stop inside a word.
        scores = ended if np.isfinite(ended).any() else scores
    return prefixes.text(int(numbers[scores.argmax()]))


def searched_texts(
    logits: np.ndarray,
    max_length: int,
    beams: int = 32,
    language: Language | None = None,
    weight: float = 1.0,
    bonus: float = 0.0,
) -> np.ndarray:
    """`prefix_search` for the logits of a `CTCDecoder`, `(rows, steps, vocabulary)`.

    Returns:
        int32 `(rows, max_length)`, as the decoder's `answer` gives: pieces, 2, then 0.
    """
    logits = np.asarray(logits, np.float64)
    logs = logits - logits.max(axis=-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=-1, keepdims=True))
    ids = np.full((len(logs), max_length), PADDING, np.int32)
    for row, each in zip(ids, logs, strict=True):
        # Padding is blank for certain and changes nothing after the last step that is not.
        steps = np.flatnonzero(each[:, BLANK] < 0)
        counts = each[: steps[-1] + 1 if len(steps) else 0]
        text = prefix_search(counts, beams, language, weight, bonus)[: max_length - 1]
        row[: len(text) + 1] = [*text, END]
    return ids
