"""Figures of texts: errors of words and characters, shared runs of characters, BLEU."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

_BLEU_ORDER = 4
_CHRF_ORDER = 6


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


def chrf_of_pairs(said: Sequence[str], true: Sequence[str]) -> np.ndarray:
    """The chrF2 of each answer for each truth, as `sentence_chrf` has it.

    Runs of characters are counted once for each text and not once for each pair, so that thousands
    of texts can be compared with thousands.

    Returns:
        float32 `(answers, truths)`, in `[0, 1]`.

    Example:

    >>> chrf_of_pairs(["red cat"], ["red cat", "a dog"]).shape
    (1, 2)
    """
    shape = (len(said), len(true))
    precision, recall, orders = (np.zeros(shape, np.float32) for _ in range(3))
    for order in range(1, _CHRF_ORDER + 1):
        seen: dict[tuple[str, int], int] = {}
        answers, truths = (_runs(texts, order, seen) for texts in (said, true))
        columns = max(answers.shape[1], truths.shape[1])
        answers.resize(len(said), columns)
        truths.resize(len(true), columns)
        shared = (answers @ truths.T).toarray()
        # An order counts where both texts have runs of that length.
        own, wanted = (np.diff(each.indptr).astype(np.float32) for each in (answers, truths))
        orders += (own[:, None] > 0) & (wanted > 0)
        precision += shared / np.maximum(own, 1)[:, None]
        recall += shared / np.maximum(wanted, 1)
    precision, recall = (each / np.maximum(orders, 1) for each in (precision, recall))
    return 5 * precision * recall / np.maximum(4 * precision + recall, 1e-9)


def _runs(texts: Sequence[str], order: int, seen: dict[tuple[str, int], int]) -> csr_matrix:
    """Which runs of so many characters each text has, a column each; spaces do not count.

    A run that a text has twice is another one the second time: so a product counts, as chrF does,
    the lesser of two numbers. `seen` gives runs their columns.
    """
    columns, ends = [], [0]
    for text in texts:
        letters, times = "".join(text.split()), Counter[str]()
        for start in range(len(letters) - order + 1):
            run = letters[start : start + order]
            columns.append(seen.setdefault((run, times[run]), len(seen)))
            times[run] += 1
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    return csr_matrix((ones, columns, ends), shape=(len(texts), len(seen)))


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
