"""Leakage check: the label's name is in a text."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.progress import ProgressBar

LABEL_IN_TEXT = 0.05  # share of rows whose text names their own label, from which it is a finding
_TIMES_CHANCE = 3

# Chinese and Japanese write no blanks between words: each character counts as a word.
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_ASCII_WORD = re.compile(r"[a-z0-9]+")


def label_in_text(column: pd.Series, labels: list[tuple[str, ...]]) -> list[Finding]:
    """Looks for the names of a row's own labels in its text.

    Args:
        column: The texts.
        labels: The labels of each row.
    """
    texts = list(column)
    filled = [i for i, text in enumerate(texts) if isinstance(text, str) and text.strip()]
    class_rows = Counter(name for i in filled for name in labels[i])
    if len(class_rows) < 2:
        return []
    named = _named_labels(column, filled, class_rows)
    own = Counter(name for i in filled for name in named[i].intersection(labels[i]))
    other = Counter(name for i in filled for name in named[i].difference(labels[i]))
    elsewhere = {name: other[name] / max(len(filled) - n, 1) for name, n in class_rows.items()}
    leaking = {n for n in own if own[n] / class_rows[n] >= _TIMES_CHANCE * elsewhere[n]}
    rows = [i for i in filled if named[i].intersection(labels[i]) & leaking]
    share = len(rows) / len(filled)
    if share <= LABEL_IN_TEXT:
        return []
    whole = [
        i for i in rows if any(split_words(name) == split_words(texts[i]) for name in labels[i])
    ]
    is_error = len(whole) > LABEL_IN_TEXT * len(filled) or share >= 0.5
    example = whole[0] if whole else rows[0]
    chance = np.average([elsewhere[n] for n in leaking], weights=[class_rows[n] for n in leaking])
    message = (
        f"Column {column.name!r} names the row's own label in {len(rows)} of {len(filled)} rows "
        f"({100 * share:.0f} %); in rows of other classes, the same names occur in "
        f"{100 * chance:.1f} %. "
    )
    if whole:
        message += f"The label is the whole text in {count_of(len(whole))}. "
    message += (
        f"E.g. index {column.index[example]!r}: {_short(texts[example])} is labelled "
        f"{' and '.join(map(repr, labels[example]))}. A model can read the answer: take the "
        "labels' names out of the texts, or leave the column out."
    )
    severity = "error" if is_error else "warning"
    return [Finding(severity, "label in text", column.name, message, len(rows))]


def _named_labels(
    column: pd.Series, rows: Sequence[int], names: Iterable[str]
) -> dict[int, set[str]]:
    """By row, the names that stand in its text as whole words."""
    by_first_word = defaultdict(list)
    for name in names:
        if phrase := split_words(name):
            by_first_word[phrase[0]].append((name, phrase))
    named = {}
    with ProgressBar(f"looking for labels in {column.name!r}", len(rows)) as progress:
        for i in rows:
            words = split_words(column.iloc[i])
            named[i] = {
                name
                for place, word in enumerate(words)
                for name, phrase in by_first_word.get(word, ())
                if words[place : place + len(phrase)] == phrase
            }
            progress.add()
    return named


def split_words(text: str) -> list[str]:
    """The words of a text as they compare: whatever their case and width, no punctuation."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"[^\W_]+", _CJK.sub(r" \g<0> ", text))


def _short(text: str) -> str:
    return repr(textwrap.shorten(text, 60, placeholder="..."))
