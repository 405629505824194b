"""Texts become words inside a graph as they do in Python."""

import random
import unicodedata

import pytest
import tensorflow as tf

from mmkeras.data.words import split_words as split_by_python
from mmkeras.serving.rows.texts.normal_form import lower, nfkc
from mmkeras.serving.rows.texts.words import split_words

NASTY = [
    "",
    " ",
    "Don't PANIC: 多模态学习!",
    "a !\u0301\u0301",
    "\u0301",
    "'",
    "’x y’z",
    "ΟΔΥΣΣΕΥΣ ΑΣ' Α\u0301Σ'",
    "e\u0323\u0301 ﬁ ½ ℌ Å",
    "İstanbul ẞ",
    "क्षत्रिय مُحَمَّد",
    "가\u11a8 ᄒ\u1161\u11ab",
    "日\u0301\u0301a ｶﾞ",
    "tab\tand\nline\x1c\u3000space",
    "👩‍👩‍👧 ❤️",
]
ALPHABETS = [
    "abcXYZ 0'’ ,.!",
    "ΑΣΟΔΥ .'ʼ\u0301Σσ",
    "éàüßİIıǄﬁ½²ℌ\u0301\u0323\u0307a e",
    "कखि्ाम न",
    "나가각ᄀ\u1161\u11a8 ᄒ\u1175",
    "多模ーカ゛ｶﾞ。 ",
    "'’a’b' \u0301\u0301'",
]


def drawn(count):
    draw = random.Random(0)
    alphabets = [*ALPHABETS, "".join(ALPHABETS)]
    return [
        "".join(draw.choices(draw.choice(alphabets), k=draw.randrange(1, 25))) for _ in range(count)
    ]


def on_strings(function):
    return tf.function(
        lambda texts: tf.strings.unicode_encode(
            function(tf.strings.unicode_decode(texts, "UTF-8")), "UTF-8"
        ),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


def splitter(lowercase):
    return tf.function(
        lambda texts: split_words(texts, lowercase),
        input_signature=[tf.TensorSpec((None,), tf.string)],
        autograph=False,
    )


def check_words(texts, lowercase, split):
    found = split(tf.constant([text.encode() for text in texts])).to_list()
    for text, words in zip(texts, found, strict=True):
        assert [word.decode() for word in words] == split_by_python(text, lowercase), ascii(text)


def test_texts_of_any_script_become_the_same_words():
    split = splitter(lowercase=True)
    check_words([*NASTY, *drawn(600)], True, split)
    check_words(["plain words, nothing to combine"], True, split)
    assert split(tf.constant([], tf.string)).shape[0] == 0


def test_a_text_that_is_not_utf_8_ends_in_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        split_words(tf.constant([b"\xff\xfe"]), True)


@pytest.mark.slow
def test_every_character_and_many_marks():
    codes = [code for code in range(0x20, 0x30000) if not 0xD800 <= code < 0xE000]
    # TensorFlow replaces the codes that are characters of no text.
    codes = [c for c in codes if not (0xFDD0 <= c < 0xFDF0 or c & 0xFFFE == 0xFFFE)]
    marks = [chr(code) for code in codes if unicodedata.combining(chr(code))]
    draw = random.Random(1)
    texts = [chr(code) for code in codes]
    for _ in range(2000):
        size = draw.randrange(1, 14)
        letters = (draw.choice(marks) if draw.random() < 0.6 else draw.choice("aeoAEOᄀ\u1161か")
                   for _ in range(size))  # fmt: skip
        texts.append("".join(letters))
    texts += [*NASTY, *drawn(1000)]
    forms = [
        (on_strings(nfkc), lambda text: unicodedata.normalize("NFKC", text)),
        (on_strings(lower), str.lower),
    ]
    splits = {lowercase: splitter(lowercase) for lowercase in (True, False)}
    for start in range(0, len(texts), 4000):
        part = texts[start : start + 4000]
        encoded = tf.constant([text.encode() for text in part])
        for in_graph, in_python in forms:
            found = [text.decode() for text in in_graph(encoded).numpy()]
            assert found == [in_python(text) for text in part]
        for lowercase, split in splits.items():
            check_words(part, lowercase, split)
