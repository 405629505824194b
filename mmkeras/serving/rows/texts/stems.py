"""The English Snowball stemmer inside a TensorFlow graph.

Each step finds the longest of some suffixes and replaces it, if what stands before it is long
enough. `R1` begins behind the first consonant that follows a vowel, `R2` likewise within `R1`.

References:
    - [Porter, 2001](https://snowballstem.org/algorithms/english/stemmer.html), as of Snowball 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tensorflow as tf

_V, _NOT_V = "[aeiouy]", "[^aeiouy]"
_REGION = f"{_NOT_V}*{_V}+{_NOT_V}"
_PREFIXES = "arsen|commun|emerg|gener|inter|later|organ|past|univers"
_SHORT = f"(?s).*{_NOT_V}{_V}[^aeiouywxY]|{_V}{_NOT_V}|.*past"

_WHOLE = {
    **{word: word for word in ("andes", "atlas", "bias", "cosmos", "howe", "news", "sky")},
    **{"early": "earli", "gently": "gentl", "idly": "idl", "only": "onli", "singly": "singl"},
    **{"skies": "sky", "skis": "ski", "ugly": "ugli"},
}
_STEP_2 = {
    **{"tional": "tion", "enci": "ence", "anci": "ance", "abli": "able", "entli": "ent"},
    **{"izer": "ize", "ization": "ize", "ational": "ate", "ation": "ate", "ator": "ate"},
    **{"alism": "al", "aliti": "al", "alli": "al", "fulness": "ful", "fulli": "ful"},
    **{"ousli": "ous", "ousness": "ous", "iveness": "ive", "iviti": "ive", "biliti": "ble"},
    **{"bli": "ble", "ogist": "og", "ogi": "og", "lessli": "less", "li": ""},
}
_STEP_3 = {
    **{"tional": "tion", "ational": "ate", "alize": "al", "icate": "ic", "iciti": "ic"},
    **{"ical": "ic", "ful": "", "ness": "", "ative": ""},
}
_STEP_4 = (
    *("ic", "ance", "ence", "able", "ible", "ate", "ive", "ize", "iti", "al", "ism", "ion"),
    *("er", "ous", "ant", "ent", "ment", "ement"),
)
# Words that each rule of the algorithm decides, to compare this with an installed stemmer.
TELLING = (
    *("andes", "skies", "ugly", "y", "yes", "sayyid", "youth", "dying", "ying", "evening", "inn"),
    *("inning", "outing", "succeed", "proceed", "exceed", "agreed", "feed", "freed", "hoping"),
    *("hopping", "adding", "egging", "offing", "bed", "shred", "sized", "conflated", "troubled"),
    *("ties", "cries", "gas", "this", "gaps", "kiwis", "caresses", "abyss", "abacus", "cry", "by"),
    *("say", "rational", "relational", "valency", "ably", "apologist", "apology", "analogli"),
    *("decisively", "hopelessly", "formality", "sensitivity", "triplicate", "formative"),
    *("goodness", "revival", "inference", "airliner", "adoption", "communion", "replacement"),
    *("probate", "rate", "cease", "controll", "roll", "generate", "communism", "university"),
    *("pasted", "past", "paste", "emergency", "organization", "interest", "later", "arsenal"),
    *("dogs'", "dog's", "o'clock", "naïve", "cafés", "singeing", "electriciti", "possibly"),
)


def english_stems(words: tf.Tensor) -> tf.Tensor:
    """The stems of words, as `snowballstemmer.stemmer("english").stemWord` gives them.

    Args:
        words: UTF-8 strings, `(words,)`.
    """
    distinct, places = tf.unique(words)
    stems = _marked_vowels(distinct)
    changed = stems != tf.strings.regex_replace(distinct, "^'", "")
    first, second = _regions(stems)
    stems = _step_1a(stems)
    stems = _step_1b(stems, first)
    stems = tf.strings.regex_replace(stems, f"(?s)^(.+{_NOT_V})[yY]$", r"\1i")
    stems = _step_2(stems, first)
    stems = _step_3(stems, first, second)
    stems = _step_4(stems, second)
    stems = _step_5(stems, first, second)
    stems = tf.where(changed, tf.strings.regex_replace(stems, "Y", "y"), stems)
    stems = tf.where(_length(distinct) < 3, distinct, stems)
    whole = tf.strings.regex_full_match(distinct, "|".join(_WHOLE))
    return tf.gather(tf.where(whole, _mapped(distinct, _WHOLE), stems), places)


def _marked_vowels(words: tf.Tensor) -> tf.Tensor:
    """A `y` that is a consonant, at the start or behind a vowel, as `Y`."""
    words = tf.strings.regex_replace(words, "^'", "")
    words = tf.strings.regex_replace(words, "^y", "Y")
    return tf.strings.regex_replace(words, f"({_V})y", r"\1Y")


def _regions(words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where R1 and R2 begin."""
    first = _end_of(words, f"{_PREFIXES}|{_REGION}")
    rest = tf.strings.substr(words, first, _length(words) - first, unit="UTF8_CHAR")
    return first, first + _end_of(rest, _REGION)


def _end_of(words: tf.Tensor, pattern: str) -> tf.Tensor:
    """How long the match at a word's start is; the word's length where there is none."""
    return _length(tf.strings.regex_replace(words, f"(?s)^({pattern}).*$", r"\1"))


def _head(words: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(words, tf.zeros_like(size), size, unit="UTF8_CHAR")


def _length(words: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(words, unit="UTF8_CHAR")


def _cut(words: tf.Tensor, suffixes: Iterable[str]) -> tuple[tf.Tensor, tf.Tensor]:
    """Words without the longest of some suffixes, and that suffix; "" where none fits."""
    pattern = "|".join(suffixes)
    fits = tf.strings.regex_full_match(words, f"(?s).*(?:{pattern})")
    suffix = tf.strings.regex_replace(words, f"(?s)^.*?({pattern})$", r"\1")
    suffix = tf.where(fits, suffix, tf.zeros_like(words))
    return _head(words, _length(words) - _length(suffix)), suffix


def _ends(words: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.strings.regex_full_match(words, f"(?s).*(?:{pattern})")


def _mapped(words: tf.Tensor, values: Mapping[str, str]) -> tf.Tensor:
    """What each word stands for in a small table; others stay."""
    for word, value in values.items():
        words = tf.where(words == word, value, words) if value != word else words
    return words


def _joined(*parts: tf.Tensor | str) -> tf.Tensor:
    return tf.strings.join(parts)


def _step_1a(words: tf.Tensor) -> tf.Tensor:
    words, _ = _cut(words, ("'", "'s'", "'s"))
    stem, suffix = _cut(words, ("sses", "ied", "ies", "us", "ss", "s"))
    ending = tf.where(_length(stem) >= 2, "i", "ie")
    words = tf.where(suffix == "sses", _joined(stem, "ss"), words)
    words = tf.where((suffix == "ied") | (suffix == "ies"), _joined(stem, ending), words)
    return tf.where((suffix == "s") & _ends(stem, f"{_V}.*."), stem, words)


def _step_1b(words: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    stem, suffix = _cut(words, ("eedly", "ingly", "edly", "eed", "ing", "ed"))
    is_eed = (suffix == "eed") | (suffix == "eedly")
    kept = tf.strings.regex_full_match(stem, "succ|proc|exc") | (_length(stem) < first)
    as_ee = tf.where(kept, words, _joined(stem, "ee"))
    is_ing = suffix == "ing"
    as_ie = tf.strings.regex_full_match(stem, f"{_NOT_V}y")
    stays = tf.strings.regex_full_match(stem, "even|cann|inn|earr|herr|out")
    cut = (suffix != "") & ~is_eed & ~(is_ing & (as_ie | stays)) & _ends(stem, f"{_V}.*")
    mended = _mended(stem, first)
    found = tf.where(cut, mended, words)
    found = tf.where(is_ing & as_ie, tf.strings.regex_replace(stem, "y$", "ie"), found)
    return tf.where(is_eed, as_ee, found)


def _mended(stem: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """What is left of a word without `ed` or `ing`: `hop` of `hopp`, `hope` of `hop`."""
    doubled = _ends(stem, "bb|dd|ff|gg|mm|nn|pp|rr|tt")
    whole = tf.strings.regex_full_match(stem, "[aeo](?:bb|dd|ff|gg|mm|nn|pp|rr|tt)")
    is_short = (_length(stem) == first) & tf.strings.regex_full_match(stem, _SHORT)
    needs_e = _ends(stem, "at|bl|iz") | (~doubled & is_short)
    found = tf.where(needs_e, _joined(stem, "e"), stem)
    shorter = _head(stem, tf.maximum(_length(stem) - 1, 0))
    return tf.where(doubled & ~whole, shorter, found)


def _step_2(words: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    stem, suffix = _cut(words, _STEP_2)
    fits = (suffix != "") & (_length(stem) >= first)
    fits &= (suffix != "ogi") | _ends(stem, "l")
    fits &= (suffix != "li") | _ends(stem, "[cdeghkmnrt]")
    return tf.where(fits, _joined(stem, _mapped(suffix, _STEP_2)), words)


def _step_3(words: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    stem, suffix = _cut(words, _STEP_3)
    fits = (suffix != "") & (_length(stem) >= first)
    fits &= (suffix != "ative") | (_length(stem) >= second)
    return tf.where(fits, _joined(stem, _mapped(suffix, _STEP_3)), words)


def _step_4(words: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    stem, suffix = _cut(words, _STEP_4)
    fits = (suffix != "") & (_length(stem) >= second)
    return tf.where(fits & ((suffix != "ion") | _ends(stem, "[st]")), stem, words)


def _step_5(words: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    stem, suffix = _cut(words, ("e", "l"))
    size, is_short = _length(stem), tf.strings.regex_full_match(stem, _SHORT)
    without_e = (suffix == "e") & ((size >= second) | ((size >= first) & ~is_short))
    without_l = (suffix == "l") & (size >= second) & _ends(stem, "l")
    return tf.where(without_e | without_l, stem, words)
