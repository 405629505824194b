"""Figures of texts: errors of words and characters, shared runs of characters, BLEU."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

_BLEU_ORDER = 4


def word_errors(true: Iterable[str], said: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words that must be changed, added or left out to make each answer the truth.

    Returns:
        Their number and the true text's number of words, int `(rows,)` each.

    Example:

    >>> errors, words = word_errors(["a b c d"], ["a x c"])
    >>> errors.tolist(), words.tolist()
    ([2], [4])
    """
    return _counted([_errors(*pair, by_word=True) for pair in zip(true, said, strict=True)])


def character_errors(true: Iterable[str], said: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """As `word_errors`, of characters; spaces count."""
    return _counted([_errors(*pair, by_word=False) for pair in zip(true, said, strict=True)])


def _counted(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    counts = np.array(pairs, int).reshape(-1, 2)
    return counts[:, 0], counts[:, 1]


# Intervals ask for the same rows again, in hundreds of samples.
@functools.lru_cache(maxsize=100_000)
def _errors(true: str, said: str, by_word: bool) -> tuple[int, int]:
    """The errors of one answer, and the length of its truth."""
    import jiwer

    found = (jiwer.process_words if by_word else jiwer.process_characters)(true, said)
    return found.substitutions + found.deletions + found.insertions, len(found.references[0])


def sentence_chrf(true: Iterable[str], said: Iterable[str]) -> np.ndarray:
    """Each answer's chrF2 in `[0, 1]`, `(rows,)`.

    References:
        - [Popović, 2015](https://aclanthology.org/W15-3049/)
    """
    return np.array([_chrf(*pair) for pair in zip(true, said, strict=True)], float)


@functools.lru_cache(maxsize=100_000)
def _chrf(true: str, said: str) -> float:
    from sacrebleu.metrics import CHRF

    return CHRF().sentence_score(said, [true]).score / 100


def corpus_chrf_and_bleu(
    true: Iterable[str], said: Iterable[str], unspaced: bool
) -> tuple[dict[str, float], dict[str, str]]:
    """chrF2 and BLEU of all answers together, in `[0, 1]`, and sacrebleu's signature of each.

    Args:
        true, said: Texts.
        unspaced: Whether they are of a script without spaces: BLEU then counts characters.

    References:
        - [Post, 2018](https://aclanthology.org/W18-6319/) (signatures)
    """
    from sacrebleu.metrics import BLEU, CHRF

    metrics = {"corpus_chrf": CHRF(), "bleu": BLEU(tokenize="char" if unspaced else "13a")}
    scores = {
        key: metric.corpus_score(list(said), [list(true)]).score / 100
        for key, metric in metrics.items()
    }
    if max(len(text) if unspaced else len(text.split()) for text in true) < _BLEU_ORDER:
        del scores["bleu"]  # of four words in a row: no text has as many
    return scores, {key: str(metric.get_signature()) for key, metric in metrics.items()}
