import pytest

from mmkeras.data.words import make_analyzer, split_words


def test_words_of_any_script_are_kept_whole():
    assert split_words("Don't PANIC, 42!") == ["don't", "panic", "42"]
    assert split_words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert split_words("cafe\u0301") == ["café"]
    assert split_words("rock 'n' roll") == ["rock", "n", "roll"]


def test_chinese_and_japanese_are_split_into_characters():
    assert split_words("多模态learning学习") == ["多", "模", "态", "learning", "学", "习"]
    assert split_words("ガラス") == ["ガ", "ラ", "ス"]


def test_case_is_kept_on_demand():
    assert split_words("Big Ben", lowercase=False) == ["Big", "Ben"]


@pytest.mark.parametrize("text", ["", "  \n", "!?…", "🙂🎉"])
def test_texts_without_words_give_no_words(text):
    assert split_words(text) == []


def test_stop_words_stemming_and_ngrams():
    analyze = make_analyzer(stop_words="english", stemmer="english")
    assert analyze("the running dogs") == ["run", "dog"]
    assert make_analyzer(ngrams=2)("a b c") == ["a", "b", "c", "a b", "b c"]
    assert make_analyzer(stop_words=["der", "die"])("die Katze") == ["katze"]
    assert make_analyzer(stemmer="german")("Häuser") == ["haus"]


def test_unknown_stemmer_and_stop_word_list_say_what_exists():
    with pytest.raises(ValueError, match="english"):
        make_analyzer(stemmer="klingon")
    with pytest.raises(ValueError, match="'english'"):
        make_analyzer(stop_words="german")
