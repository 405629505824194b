"""From a text to words: splitting, stop words, stemming, bags of n-grams."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

# Scripts that are written without spaces are split into single characters.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # CJK ideographs
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*")


@lru_cache(maxsize=65536)
def character_kind(character: str) -> str:
    """`"word"`, `"unspaced"` (of a script without spaces), `"mark"` (combining) or `"other"`."""
    code = ord(character)
    category = unicodedata.category(character)[0]
    if category == "M":
        return "mark"
    if category not in "LN":
        return "other"
    if any(first <= code <= last for first, last in _UNSPACED):
        return "unspaced"
    return "word"


def split_words(text: str, lowercase: bool = True) -> list[str]:
    """Splits a text of any script into words.

    A word is a run of letters and digits with their combining marks (so Hindi or Arabic vowel
    signs do not break it); an apostrophe between letters belongs to the word. Characters of
    scripts written without spaces (Chinese, Japanese kana, Thai, ...) are words of their own.
    The text is brought to Unicode's NFKC form first, so that one word has one spelling.

    >>> split_words("Don't PANIC: 多模态学习!")
    ["don't", 'panic', '多', '模', '态', '学', '习']
    """
    text = unicodedata.normalize("NFKC", text)
    if lowercase:
        text = text.lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)  # the same, many times as fast
    words: list[str] = []
    word = ""
    for position, character in enumerate(text):
        kind = character_kind(character)
        if kind == "word" or (kind == "mark" and word):
            word += character
        elif (
            kind == "mark" and words and position and character_kind(text[position - 1]) != "other"
        ):
            words[-1] += character
        elif (
            character in "'’"
            and word
            and position + 1 < len(text)
            and character_kind(text[position + 1]) == "word"
        ):
            word += "'"
        else:
            if word:
                words.append(word)
                word = ""
            if kind == "unspaced":
                words.append(character)
    if word:
        words.append(word)
    return words


def make_analyzer(
    *,
    lowercase: bool = True,
    stop_words: str | Iterable[str] | None = None,
    stemmer: str | None = None,
    ngrams: int = 1,
    characters: int = 0,
) -> Callable[[str], list[str]]:
    """Builds the function that turns a text into its terms.

    Args:
        lowercase: Fold case.
        stop_words: `"english"` (scikit-learn's list), your own words, or `None`. They are
            removed before stemming.
        stemmer: A Snowball language (`"english"`, `"german"`, ...), or `None`.
        ngrams: Longest run of words that is a term of its own; 2 adds word pairs.
        characters: Longest run of characters inside a word that is a term of its own, from two
            on; 0 for none. Word boundaries count as characters, as in scikit-learn's `char_wb`.
            Such terms relate words that were never seen to ones that were (Bojanowski et al.,
            2017, https://arxiv.org/abs/1607.04606, use them so).

    Example:

    >>> make_analyzer(characters=3)("be")
    ['be', '~_b', '~be', '~e_', '~_be', '~be_']

    Raises:
        ValueError: An unknown stop word list or stemmer language.
    """
    stopped = stop_word_set(stop_words)
    stem = stem_function(stemmer)

    def analyze(text: str) -> list[str]:
        words = [word for word in split_words(text, lowercase) if word not in stopped]
        if stem is not None:
            words = [stem(word) for word in words]
        terms = list(words)
        for length in range(2, min(ngrams, len(words)) + 1):
            terms += [
                " ".join(words[start : start + length]) for start in range(len(words) - length + 1)
            ]
        for word in words:
            # The tilde keeps a part of a word apart from the same letters as a word.
            bounded = f"_{word}_"
            terms += [
                f"~{bounded[start : start + length]}"
                for length in range(2, min(characters, len(bounded)) + 1)
                for start in range(len(bounded) - length + 1)
            ]
        return terms

    return analyze


def stop_word_set(stop_words: str | Iterable[str] | None) -> frozenset[str]:
    """The words that `make_analyzer` leaves out, as it takes them."""
    if stop_words is None:
        return frozenset()
    if isinstance(stop_words, str):
        if stop_words != "english":
            raise ValueError(
                f"The only built-in stop word list is 'english'. Received: {stop_words!r}. "
                "For another language pass the words themselves."
            )
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return ENGLISH_STOP_WORDS
    return frozenset(stop_words)


def stem_function(language: str | None) -> Callable[[str], str] | None:
    """The Snowball stemmer of a language, from a word to its stem."""
    if language is None:
        return None
    import snowballstemmer

    if language not in snowballstemmer.algorithms():
        raise ValueError(
            f"No Snowball stemmer for {language!r}. There are: "
            f"{', '.join(snowballstemmer.algorithms())}."
        )
    return lru_cache(maxsize=100_000)(snowballstemmer.stemmer(language).stemWord)
