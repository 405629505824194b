"""Texts as answers: pieces that give every text back, and figures checked by hand."""

import sys

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics import CHRF

from mmkeras.schema import Text
from mmkeras.tasks.pieces import END, UNKNOWN
from mmkeras.tasks.text import TextTargetSettings, TextTask
from mmkeras.tasks.text_figures import chrf_of_pairs, sentence_chrf
from mmkeras.tasks.text_pictures import edits

TRAIN = pd.DataFrame({"said": ["the cat sat", "the  dog, the cat", "a cat's tail"]})
NEW = pd.DataFrame({"said": ["the Über-cat, 猫猫 ran on and on", "cat x y"]})


def fit(judged_by="", train=TRAIN, **settings):
    return TextTask.fit(train, Text("said", judged_by=judged_by), TextTargetSettings(**settings))


def texts(*values):
    return np.array([*values, None], dtype=object)[:-1]


@pytest.mark.parametrize("pieces", ["characters", "words", "bpe"])
def test_texts_with_pieces_of_no_training_row_come_back_whole(pieces):
    task = fit(pieces=pieces)
    again = TextTask.from_dict(task.target, task.to_dict())
    assert again == task
    targets = again.encode(NEW)
    assert targets.dtype == np.int32
    assert again.own_unit(targets).tolist() == NEW["said"].tolist()
    trained = task.encode(TRAIN)
    assert trained.shape == (3, task.max_length)
    assert task.own_unit(trained).tolist() == ["the cat sat", "the dog, the cat", "a cat's tail"]
    # What is trained on is in bounds; what is known stays as it is.
    fed = task.fed(targets)
    assert fed.shape == (2, task.max_length) and fed.max() < task.pieces.size
    np.testing.assert_array_equal(task.fed(trained), trained)


@pytest.mark.parametrize(
    ("pieces", "known"), [("characters", "cat \ufffd \ufffd"), ("words", "cat \ufffd \ufffd")]
)
def test_an_unknown_piece_is_one_id_to_a_model(pieces, known):
    train = pd.DataFrame({"said": ["cat and cat", "and the cat"]})
    task = fit(train=train, pieces=pieces)
    (fed,) = task.fed(task.encode(NEW[1:]))
    assert (fed == UNKNOWN).sum() == 2 and (fed == END).sum() == 1
    assert task.own_unit(fed[None]).tolist() == [known]


def test_what_no_answer_can_be_is_counted():
    told = [str(found) for found in fit(pieces="words").unprepared(NEW)]
    assert len(told) == 2
    assert "2 of 2" in told[0] and "no training row has" in told[0]
    assert "1 of 2" in told[1] and "more than 5 pieces" in told[1]
    assert fit(pieces="words").unprepared(TRAIN) == []


def test_longer_texts_are_cut_for_training_without_an_end():
    task = fit(max_length=4)
    (fed,) = task.fed(task.encode(TRAIN[:1]))
    assert fed.shape == (5,) and END not in fed
    assert task.own_unit(task.encode(TRAIN[:1])).tolist() == ["the cat sat"]


def test_case_and_punctuation_are_left_out_on_both_sides():
    task = fit(lower=True, strip_punctuation=True)
    frame = pd.DataFrame({"said": ["The CAT'S tail -- 'sat'."]})
    assert task.own_unit(task.encode(frame)).tolist() == ["the cat's tail sat"]
    assert task.true(frame).tolist() == ["the cat's tail sat"]


@pytest.mark.parametrize("cell", ["", None, " ", "...!"])
def test_a_target_without_letters_is_named_by_row(cell):
    frame = pd.DataFrame({"said": ["fine", cell], "key": ["a", "b"]})
    with pytest.raises(ValueError, match=r"index 1, id 'b': the target text of column 'said'"):
        fit().encode(frame, id="key")
    with pytest.raises(ValueError, match="index 1"):
        fit(train=frame)


def test_error_rates_by_hand():
    true = texts("the red cat sat", "a dog")
    said = texts("the bed cat", "a big dog")
    task = fit()
    # One word substituted and one left out of four; one too many for two: 3 of 6 words.
    figures = task.figures(true, said)
    assert figures["wer"] == pytest.approx(3 / 6)
    np.testing.assert_allclose(task.row_scores(true, said), [1 - 2 / 3, 1 - 1 / 3])
    # r -> b and " sat" of 15 characters; "big " beside 5.
    assert figures["cer"] == pytest.approx((5 + 4) / 20)
    assert figures["exact_match"] == 0
    assert task.main.key == "word_accuracy" and fit("cer").main.key == "character_accuracy"
    assert figures["word_accuracy"] == pytest.approx(1 - 3 / 6)


def test_chrf_is_that_of_sacrebleu_and_its_signature_is_told():
    true, said = texts("hello world", "good night"), texts("hello word", "goad knight")
    task = fit("chrf")
    metric = CHRF()
    each = [metric.sentence_score(s, [t]).score / 100 for t, s in zip(true, said, strict=True)]
    np.testing.assert_allclose(task.row_scores(true, said), each)
    figures = task.figures(true, said)
    assert figures["chrf"] == pytest.approx(np.mean(each)) == task.main_score(true, said)
    assert figures["corpus_chrf"] == pytest.approx(
        metric.corpus_score(list(said), [list(true)]).score / 100
    )
    assert task.signatures()["corpus_chrf"] == str(metric.get_signature())
    assert "tok:13a" in task.signatures()["bleu"]
    chinese = fit("chrf", train=pd.DataFrame({"said": ["红苹果", "绿苹果"]}))
    assert chinese.unspaced and "tok:char" in chinese.signatures()["bleu"]


def test_chrf_of_all_pairs_is_that_of_each():
    said = ["rote rote katze", "ab", "a", "mann mittlere hautfarbe", "红苹果"]
    true = ["rote katze", "abba ab", "frau mittlere hautfarbe hautfarbe", "绿苹果"]
    each = [sentence_chrf(true, [text] * len(true)) for text in said]
    np.testing.assert_allclose(chrf_of_pairs(said, true), each, atol=1e-6)


def test_the_answer_nearest_to_the_others_is_their_consensus():
    task = fit()
    drawn = [
        task.fed(task.encode(pd.DataFrame({"said": [said]})))
        for said in ("the dog sat", "the cat sat", "the cat sat", "a tail")
    ]
    assert task.own_unit(task.consensus(drawn)).tolist() == ["the cat sat"]


def test_edits_are_marked_word_by_word_or_by_character():
    true, said = edits("the red cat", "the bed cat sat")
    assert true == [("equal", "the"), ("substitute", "red"), ("equal", "cat")]
    assert said[-1] == ("insert", "sat")
    assert edits("红苹果", "红果", by_character=True)[0][1] == ("delete", "苹")


def test_settings_are_checked_and_bpe_says_what_it_needs(monkeypatch):
    with pytest.raises(ValueError, match="pieces"):
        TextTargetSettings(pieces="letters")
    with pytest.raises(ValueError, match="at least 256"):
        fit(pieces="bpe", vocabulary_size=100)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"mmkeras\[bpe\]"):
        fit(pieces="bpe")


def test_byte_pairs_are_the_same_each_time_they_are_learnt():
    assert fit(pieces="bpe", vocabulary_size=300) == fit(pieces="bpe", vocabulary_size=300)
