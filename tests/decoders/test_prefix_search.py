"""CTC's search with a language: against enumeration of all texts, and counts by hand."""

import itertools

import numpy as np
import pytest

from mmkeras.decoders.parts.language import PieceLanguage, WordLanguage
from mmkeras.decoders.parts.prefix_search import prefix_search, searched_texts
from tests.decoders.test_ctc import VOCABULARY, enumerated, in_text_form, random_logs

TEXTS = [[4, 5, 6, 4], [4, 4, 6, 5, 2, 0], [5, 6, 4], [4, 5]]
LANGUAGES = {
    "pieces": PieceLanguage(TEXTS, VOCABULARY, order=3),
    "words": WordLanguage(TEXTS, VOCABULARY, separator=6, order=1, unknown=0.1),
    "pairs": WordLanguage(TEXTS, VOCABULARY, separator=6, order=2, unknown=0.1),
    "lexicon": WordLanguage(TEXTS, VOCABULARY, separator=6, order=2),
}


def log_probability(language, text):
    state, total = language.start, 0.0
    for piece in text:
        total += language.following(state)[piece]
        state = language.after(state, piece)
    return total + language.following(state)[2]


@pytest.mark.parametrize("name", [None, *LANGUAGES])
def test_a_beam_that_holds_everything_finds_the_best_text(name):
    logs = random_logs(6, 2, 1.0)
    language, best = LANGUAGES.get(name), []
    for row in logs:
        scores = {text: np.log(share) for text, share in enumerated(row).items()}
        if language is not None:
            for text in scores:
                scores[text] += 0.7 * log_probability(language, text) + 0.3 * len(text)
        best.append(max(scores, key=scores.get))
    options = {} if name is None else {"weight": 0.7, "bonus": 0.3}
    found = searched_texts(logs, 8, 1000, language, **options)
    np.testing.assert_array_equal(found, in_text_form(best))


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_follows_adds_up_to_one_and_all_texts_to_nearly_one(name):
    language = LANGUAGES[name]
    for text in ([], [4], [4, 5, 6], [5, 5, 5], [4, 5, 6, 4]):
        state = language.start
        for piece in text:
            state = language.after(state, piece)
        total = np.exp(language.following(state)).sum()
        assert total == pytest.approx(1.0, abs=1e-9), text
    lengths = [
        sum(np.exp(log_probability(language, t)) for t in itertools.product((4, 5, 6), repeat=n))
        for n in range(7)
    ]
    assert 0.6 < sum(lengths) <= 1.0 + 1e-9


def test_witten_bell_by_hand():
    language = PieceLanguage([[4, 5], [4, 4]], 6, order=2)
    # Pieces and ends: 4 three times, 5 once, the end twice; before them the three alike.
    alone = {4: (3 + 3 / 3) / 9, 5: (1 + 3 / 3) / 9, 2: (2 + 3 / 3) / 9}
    # 4 is followed by 5, 4 and the end.
    after_4 = np.exp(language.following(language.after(language.start, 4)))
    for piece, share in alone.items():
        assert after_4[piece] == pytest.approx((1 + 3 * share) / 6)


def test_words_have_their_frequencies():
    texts = [[4, 5, 6, 4], [4, 5]]
    language = WordLanguage(texts, VOCABULARY, separator=6)
    # Two of three words are (4, 5); two of three end their text.
    for text, share in (((4, 5), 4 / 9), ((4,), 2 / 9), ((4, 6, 4, 5), 1 / 9 * 4 / 9)):
        assert np.exp(log_probability(language, text)) == pytest.approx(share)
    pairs = WordLanguage(texts, VOCABULARY, separator=6, order=2)
    # First came (4, 5) twice: (2 + 2/3) / 3; after it (4) once: (1 + 1/3) / 2.
    expected = 8 / 9 * 1 / 3 * 2 / 3 * 2 / 3
    assert np.exp(log_probability(pairs, (4, 5, 6, 4))) == pytest.approx(expected)


def test_a_lexicon_writes_its_words_alone():
    lexicon = LANGUAGES["lexicon"]
    words = {(4, 5), (4,), (4, 4), (5,)}
    for text in searched_texts(random_logs(20, 5, 1.0), 8, 64, lexicon):
        parts = [[]]
        for piece in text[text > 2]:
            parts.append([]) if piece == 6 else parts[-1].append(piece)
        assert {tuple(p) for p in parts} - {()} <= words


def test_padding_changes_nothing_but_a_certain_blank_inside_parts_pieces():
    logs = np.full((1, 3, VOCABULARY), -1e4)
    logs[0, [0, 1, 2], [4, 0, 4]] = 0
    np.testing.assert_array_equal(searched_texts(logs, 5), [[4, 4, 2, 0, 0]])
    padding = np.full((1, 9, VOCABULARY), -1e4)
    padding[..., 0] = 0
    longer = np.concatenate([logs, padding], axis=1)
    np.testing.assert_array_equal(searched_texts(longer, 5), [[4, 4, 2, 0, 0]])
    np.testing.assert_array_equal(searched_texts(padding, 5), [[2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(searched_texts(logs, 2), [[4, 2]])


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="1 beam"):
        prefix_search(np.zeros((2, 6)), beams=0)
    with pytest.raises(ValueError, match="order"):
        PieceLanguage([[4]], 6, order=0)
    with pytest.raises(ValueError, match="unknown"):
        WordLanguage([[4]], 6, separator=5, unknown=1.0)
    with pytest.raises(ValueError, match="no words"):
        WordLanguage([[2, 0]], 6, separator=5)
