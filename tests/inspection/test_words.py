"""Effects of words are differences of predictions; attention is told by term."""

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.words import split_words
from mmkeras.inspection.attention import attention_to, inputs_of_rows
from mmkeras.inspection.words import text_attention, without_each_word, word_effects
from mmkeras.models.build import build_model
from mmkeras.schema import Schema, Tabular, Text

SCHEMA = Schema([Text("note", column="said"), Tabular("facts", ("warmth",))], "when")
FRAME = pd.DataFrame(
    {
        "said": ["The SUN, the sun!", "dark moon", None, "a bright noon over the hill", "stars..."],
        "warmth": [1.0, -1.0, 0.5, 2.0, -2.0],
        "when": ["day", "night", "night", "day", "night"],
    }
)

pytestmark = pytest.mark.filterwarnings("ignore:The model does not take some cells")
ROWS = [3, 0, 2]


@pytest.fixture(autouse=True)
def _same_weights():
    keras.utils.set_random_seed(0)


def model_and_rows(fusion="concat", **settings):
    fitted = fit_preprocessing(FRAME, SCHEMA, {"note": TextSettings(**settings)}, presence=True)
    tokens = settings["representation"] == "tokens"
    model = build_model(
        fitted.schema,
        fitted.inputs,
        num_outputs=2,
        encoders={"note": "self_attention" if tokens else "bag_of_words"},
        fusion=fusion,
        presence=True,
    )
    return model, Pipeline(FRAME, fitted)


@pytest.mark.parametrize(
    "text",
    [
        "It's a RED, red rose — isn't it?",
        "多模态学习 and Ｆｕｌｌ width",
        "rock'n'roll ’tis ‘90s",
        "नमस्ते दुनिया! سَلَام",
        "กำลังเรียน",
        "x\u0301 \u0301 y2",
        "...",
        "",
    ],
)
def test_a_text_without_a_word_has_exactly_the_other_words(text):
    words = split_words(text)
    pairs = without_each_word(text)
    assert [word.replace("’", "'").lower() for word, _ in pairs] == words
    for place, (_, rest) in enumerate(pairs):
        assert split_words(rest) == words[:place] + words[place + 1 :]


@pytest.mark.parametrize(
    "settings",
    [
        {"representation": "tokens"},
        {"representation": "tokens", "max_length": 3},
        {"representation": "tfidf", "ngrams": 2},
    ],
)
def test_effects_are_differences_between_predictions_of_edited_texts(settings):
    model, pipeline = model_and_rows(**settings)
    found = word_effects(model, pipeline, ROWS, "note", [1, 0, 0], batch_size=4)
    assert [[word for word, _ in row] for row in found] == [
        ["a", "bright", "noon", "over", "the", "hill"],
        ["The", "SUN", "the", "sun"],
        [],
    ]

    def differences(row, output, texts):
        """The first text's probability less that of each other one."""
        edited = FRAME.iloc[[row] * len(texts)].assign(said=texts)
        inputs = inputs_of_rows(Pipeline(edited, pipeline.preprocessing), range(len(texts)))
        whole, *others = np.asarray(model(inputs))[:, output]
        return [whole - other for other in others]

    text = FRAME["said"][3]
    expected = differences(3, 1, [text, *(text.replace(word, "", 1) for word, _ in found[0])])
    np.testing.assert_allclose([effect for _, effect in found[0]], expected, atol=1e-6)
    texts = ["The SUN, the sun!", "SUN, the sun!", "The, the sun!", "The SUN, sun", "The SUN, the"]
    expected = differences(0, 0, texts)
    np.testing.assert_allclose([effect for _, effect in found[1]], expected, atol=1e-6)
    assert np.abs(expected).max() > 1e-4


def test_words_that_the_preprocessing_drops_have_no_effect():
    model, pipeline = model_and_rows(representation="counts", stop_words=("the", "a", "over"))
    (effects,) = word_effects(model, pipeline, [3], "note", [0])
    dropped = [abs(effect) < 1e-7 for _, effect in effects]
    assert dropped == [True, False, False, True, True, False]


def test_the_attention_to_a_text_is_told_by_term():
    model, pipeline = model_and_rows("attention", representation="tokens", max_length=4)
    weights = attention_to(model, inputs_of_rows(pipeline, ROWS), "note")
    found = text_attention(model, pipeline, ROWS, "note")
    assert [term for term, _ in found[0]] == ["a", "bright", "noon", "over"]
    assert [term for term, _ in found[1]] == ["the", "sun", "the", "sun"]
    assert found[2] == []
    for row, terms in zip(weights, found, strict=True):
        np.testing.assert_allclose([weight for _, weight in terms], row[: len(terms)])
    # The facts have the text alone to look at, so that its weights are all there are.
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("fusion", "representation"),
    [("concat", "tokens"), ("perceiver", "tokens"), ("attention", "tfidf")],
)
def test_there_is_no_attention_where_no_single_words_are_looked_at(fusion, representation):
    model, pipeline = model_and_rows(fusion, representation=representation)
    assert text_attention(model, pipeline, ROWS, "note") is None


def test_other_modalities_have_no_words():
    model, pipeline = model_and_rows(representation="counts")
    with pytest.raises(ValueError, match=r"are \['note'\]. Received: 'facts'"):
        word_effects(model, pipeline, ROWS, "facts", [0, 0, 0])
    with pytest.raises(ValueError, match=r"are \['note'\]. Received: 'facts'"):
        text_attention(model, pipeline, ROWS, "facts")
