import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from mmkeras.data.kinds import TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.words import split_words
from mmkeras.progress import ProgressBar
from mmkeras.schema import Schema, Text


def text_inputs(texts, **settings):
    frame = pd.DataFrame({"note": texts, "label": ["a", "b"] * (len(texts) // 2)})
    schema = Schema([Text("note")], "label")
    fitted = fit_preprocessing(frame, schema, {"note": TextSettings(**settings)})
    inputs, _ = next(iter(Pipeline(frame, fitted, batch_size=len(frame)).evaluate()))
    return fitted.modalities["note"], inputs["note"].numpy()


TEXTS = ["red apple red", "green pear", "the apple", "a red pear pear"]


def test_tfidf_is_scikit_learns():
    fitted, ours = text_inputs(TEXTS, representation="tfidf")
    reference = TfidfVectorizer(analyzer=split_words, vocabulary=fitted.vocabulary)
    np.testing.assert_allclose(ours, reference.fit_transform(TEXTS).toarray(), atol=1e-6)


def test_counts_and_binary_bags():
    fitted, counts = text_inputs(TEXTS, representation="counts")
    red = fitted.vocabulary.index("red")
    assert counts[0, red] == 2 and counts[1, red] == 0
    _, binary = text_inputs(TEXTS, representation="binary")
    assert set(np.unique(binary)) == {0.0, 1.0}


def test_vocabulary_is_the_most_frequent_words_by_number_of_texts():
    fitted, _ = text_inputs(TEXTS, vocabulary_size=3)
    assert fitted.vocabulary == ("apple", "pear", "red")  # two texts each, then by alphabet
    fitted, _ = text_inputs(TEXTS, min_count=2)
    assert set(fitted.vocabulary) == {"apple", "pear", "red"}


@pytest.mark.filterwarnings("ignore:The model does not take some cells")
def test_tokens_are_padded_cut_and_unknown_words_marked():
    frame = pd.DataFrame({"note": ["one two three", "one"], "label": ["a", "b"]})
    schema = Schema([Text("note")], "label")
    settings = {"note": TextSettings(representation="tokens", max_length=2)}
    fitted = fit_preprocessing(frame, schema, settings)
    new = pd.DataFrame({"note": ["one new thing", "three"]})
    (inputs,) = next(iter(Pipeline(new, fitted).evaluate()))
    vocabulary = fitted.modalities["note"].vocabulary
    one, three = vocabulary.index("one") + 2, vocabulary.index("three") + 2
    np.testing.assert_array_equal(inputs["note"], [[one, 1, 0, 0], [three, 0, 0, 0]])
    assert fitted.inputs["note"].vocabulary_size == 5


def test_reading_many_texts_shows_progress(monkeypatch, capsys):
    monkeypatch.setattr(ProgressBar, "_QUIET_SECONDS", 0.0)
    frame = pd.DataFrame({"t": ["one two", "three", None], "label": ["a", "b", "a"]})
    Pipeline(frame, fit_preprocessing(frame, Schema([Text("t")], "label"), presence=True))
    shown = capsys.readouterr().err
    assert "counting words 2/2 (100 %)" in shown and "reading texts 3/3 (100 %)" in shown


@pytest.mark.filterwarnings("ignore:The model does not take some cells")
def test_a_batch_of_empty_token_sequences_is_padding_only():
    frame = pd.DataFrame({"t": ["known words", "!?", "…"], "label": ["a", "b", "a"]})
    schema = Schema([Text("t")], "label")
    fitted = fit_preprocessing(frame, schema, {"t": TextSettings(representation="tokens")})
    (x,) = next(iter(Pipeline(frame[1:].drop(columns="label"), fitted).evaluate()))
    np.testing.assert_array_equal(x["t"], np.zeros((2, 4)))


def test_rare_terms_are_forgotten_where_there_are_too_many(monkeypatch, capsys):
    from mmkeras.data.kinds import text

    texts = [f"often {'second' if row % 2 else 'other'} once{row}" for row in range(60)]
    frame = pd.DataFrame({"words": texts})
    settings = TextSettings(representation="counts", vocabulary_size=3)
    exact = text.TextPreprocessor.fit(frame, Text("words"), settings)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(text, "_MOST_COUNTED", 12)
    some = text.TextPreprocessor.fit(frame, Text("words"), settings)
    assert some.vocabulary == exact.vocabulary == ("often", "other", "second")
    said = capsys.readouterr().out
    assert "more than 12 different terms" in said
    # Of 60 texts that each bring a new term, counts are too low by what is said at most.
    low = int(said.split("too low by ")[1].split()[0])
    counted = text._frequency(texts, settings)
    assert 60 - low <= counted["often"] <= 60 and counted["often"] < 60


def test_texts_read_some_at_a_time_are_the_same(monkeypatch, tmp_path):
    from mmkeras.data.growing import Room
    from mmkeras.data.kinds import text

    texts = pd.Series(["a b", None, "c a a a", "", "b z"], dtype=object)
    fitted = text.TextPreprocessor(
        TextSettings(representation="tokens", max_length=3), ("a", "b", "c")
    )
    ids, lengths = fitted.encoded(texts, Room())
    monkeypatch.setattr(text, "_AT_ONCE", 2)
    for room in (Room(), Room(tmp_path, 0)):
        again, same = fitted.encoded(texts, room)
        np.testing.assert_array_equal(again.values, ids.values)
        np.testing.assert_array_equal(again.splits, ids.splits)
        np.testing.assert_array_equal(same, lengths)
    assert ids.lengths.tolist() == [2, 0, 3, 0, 2] and lengths.tolist() == [2, 0, 4, 0, 2]
