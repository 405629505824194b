"""Figures of texts: errors of words and characters, shared runs of characters, BLEU."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def word_errors(true: Iterable[str], said: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words that must be changed, added or left out to make each answer the truth.

    Returns:
        Their number and the true text's number of words, int `(rows,)` each.

    Example:

    >>> errors, words = word_errors(["a b c d"], ["a x c"])
    >>> errors.tolist(), words.tolist()
    ([2], [4])
    """
    import jiwer

    return _counted(jiwer.process_words(list(true), list(said)))


def character_errors(true: Iterable[str], said: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """As `word_errors`, of characters; spaces count."""
    import jiwer

    return _counted(jiwer.process_characters(list(true), list(said)))


def _counted(found) -> tuple[np.ndarray, np.ndarray]:
    errors = [
        sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
            if chunk.type != "equal"
        )
        for chunks in found.alignments
    ]
    return np.array(errors, int), np.array([len(each) for each in found.references], int)


def sentence_chrf(true: Iterable[str], said: Iterable[str]) -> np.ndarray:
    """Each answer's chrF2 in `[0, 1]`, `(rows,)`.

    References:
        - [Popović, 2015](https://aclanthology.org/W15-3049/)
    """
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    pairs = zip(true, said, strict=True)
    return np.array([metric.sentence_score(guess, [truth]).score / 100 for truth, guess in pairs])


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
    return scores, {key: str(metric.get_signature()) for key, metric in metrics.items()}
