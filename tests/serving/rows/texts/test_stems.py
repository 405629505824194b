"""The English stemmer of a graph against Snowball's own."""

import random

import snowballstemmer
import tensorflow as tf

from mmkeras.serving.rows.texts.stems import TELLING, english_stems

ENDINGS = (
    *("tional", "enci", "ation", "ed", "ing", "ingly", "edly", "eed", "eedly", "s", "ies", "ied"),
    *(
        "sses",
        "y",
        "ogi",
        "li",
        "ful",
        "ness",
        "ative",
        "ement",
        "ion",
        "e",
        "l",
        "ll",
        "'s'",
        "'s",
    ),
    *("'", "past", "at", "bl", "iz", "tt", "Y", "é", "ical", "ousli", "sion"),
)


def test_words_have_the_stems_of_snowball():
    draw = random.Random(0)
    words = {*TELLING, "Yay", "ΣΑΣ", "日本", "x", "'", "a\nes"}
    for _ in range(8000):
        letters = draw.choices("aeiouybcdfglmnprstwxé", k=draw.randrange(6))
        words.add("".join([*letters, *draw.choices(ENDINGS, k=draw.randrange(4))]))
    words = sorted(words - {""})
    stem = snowballstemmer.stemmer("english").stemWord
    stems = tf.function(english_stems, autograph=False)(tf.constant(words)).numpy()
    wrong = [w for w, s in zip(words, stems, strict=True) if stem(w) != s.decode()]
    assert not wrong
