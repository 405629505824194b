from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from mmkeras.evaluation.corruptions import CORRUPTIONS

RANDOM = np.random.default_rng(0)
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
# Every word is unlike the others, and has inner letters that differ.
TEXTS = [
    " ".join(f"{''.join(word)}{row}" for word in RANDOM.permutation(LETTERS)[:24].reshape(6, 4))
    for row in range(50)
]
LONG = [" ".join(f"word{place}" for place in range(40))] * 10


def corrupted(name, texts, strength, seed=5):
    return CORRUPTIONS["text"][name](texts, strength, fitted=None, seed=seed)


def changed_places(before, after):
    """For each text, the places of the words that are no longer the same."""
    return [
        {place for place, (b, a) in enumerate(zip(x.split(), y.split(), strict=True)) if a != b}
        for x, y in zip(before, after, strict=True)
    ]


@pytest.mark.parametrize(("strength", "share"), list(enumerate((0.1, 0.2, 0.3, 0.4, 0.5), start=1)))
def test_that_share_of_the_words_is_deleted_and_the_others_keep_their_order(strength, share):
    for before, after in zip(LONG, corrupted("word_deletion", LONG, strength), strict=True):
        kept = after.split()
        assert len(kept) == 40 - round(40 * share)
        places = [before.split().index(word) for word in kept]
        assert places == sorted(places)


def test_of_short_texts_the_share_is_right_on_average_and_one_word_stays():
    texts = ["one two three"] * 2000
    lengths = [len(text.split()) for text in corrupted("word_deletion", texts, 3)]
    assert np.mean(lengths) == pytest.approx(3 * 0.7, abs=0.05)
    assert set(lengths) == {2, 3}
    assert set(corrupted("word_deletion", ["alone"] * 100, 5)) == {"alone"}


def test_what_is_deleted_stays_deleted_at_a_greater_strength():
    kept = [
        [set(text.split()) for text in corrupted("word_deletion", TEXTS, strength)]
        for strength in range(1, 6)
    ]
    for more, fewer in pairwise(kept):
        assert all(b <= a for a, b in zip(more, fewer, strict=True))
    assert len({tuple(sorted(w[0] for w in words)) for words in kept[4]}) > 1


def test_swaps_exchange_two_neighbours_inside_a_word():
    for before, after in zip(TEXTS, corrupted("character_swaps", TEXTS, 5), strict=True):
        pairs = list(zip(before.split(), after.split(), strict=True))
        assert sum(a != b for a, b in pairs) == 3
        for old, new in pairs:
            # Of four letters the two inside change places.
            assert new in (old, old[0] + old[2] + old[1] + old[3:])


def test_only_words_with_different_letters_inside_are_swapped_and_they_count():
    text = "the noon is not 12345 it's, planet!"
    for strength, share in ((1, 0.1), (5, 0.5)):
        swapped = corrupted("character_swaps", [text] * 2000, strength)
        different = [x for x in swapped if x != text]
        assert len(different) / 2000 == pytest.approx(share, abs=0.04)
        for x in different:
            assert x.startswith("the noon is not 12345 it's, p") and x.endswith("t!")
            assert Counter(x) == Counter(text)
    assert len(set(corrupted("character_swaps", [text] * 500, 5))) == 1 + len("lane") - 1


def test_what_is_swapped_stays_swapped_at_a_greater_strength():
    results = [corrupted("character_swaps", TEXTS, strength) for strength in range(1, 6)]
    changed = [changed_places(TEXTS, result) for result in results]
    for less, more in pairwise(changed):
        assert all(a <= b for a, b in zip(less, more, strict=True))
    for before, after, places in zip(results[1], results[4], changed[1], strict=True):
        for place in places:
            assert before.split()[place] == after.split()[place]


@pytest.mark.parametrize(("strength", "share"), list(enumerate((0.2, 0.4, 0.6, 0.8, 1.0), start=1)))
def test_that_share_of_the_words_leaves_its_place(strength, share):
    shuffled = corrupted("word_shuffling", LONG, strength)
    for before, after, places in zip(LONG, shuffled, changed_places(LONG, shuffled), strict=True):
        assert len(places) == round(40 * share)
        assert Counter(before.split()) == Counter(after.split())
    assert len(set(shuffled)) == len(LONG)


def test_shuffled_places_stay_shuffled_at_a_greater_strength():
    changed = [
        changed_places(TEXTS, corrupted("word_shuffling", TEXTS, strength))
        for strength in range(1, 6)
    ]
    for less, more in pairwise(changed):
        assert all(a <= b for a, b in zip(less, more, strict=True))


@pytest.mark.parametrize("name", CORRUPTIONS["text"])
def test_holes_blanks_and_line_ends_stay(name):
    texts = [None, "", "  \n", "\tone  two\nthree, four five six "]
    changed = corrupted(name, texts, 1)
    assert changed[:3] == [None, "", "  \n"]
    assert changed[3].startswith("\t") and changed[3].endswith(" ")
    assert corrupted("word_shuffling", texts, 5)[3].split(" ")[1] == ""


def test_a_deleted_word_takes_the_gap_after_it_along():
    results = set(corrupted("word_deletion", ["a  b\nc."] * 300, 2))
    assert results == {"a  b\nc.", "b\nc.", "a  c.", "a  b"}


def test_in_scripts_without_blanks_a_character_is_a_word():
    text = "多模态学习!"
    deleted = corrupted("word_deletion", [text] * 300, 2)
    assert {len(x.rstrip("!")) for x in deleted} == {4}
    # The mark of exclamation goes with the character before it.
    assert (
        {x.endswith("习!") for x in deleted} == {x.endswith("!") for x in deleted} == {True, False}
    )
    assert all(("习" in x) == ("!" in x) for x in deleted)
    assert corrupted("character_swaps", [text], 5) == [text]
    mixed = corrupted("word_deletion", ["Keras 模型"] * 300, 3)
    assert set(mixed) == {"Keras 模型", "模型", "Keras 型", "Keras 模"}
