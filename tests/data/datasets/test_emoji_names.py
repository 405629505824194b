import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from mmkeras.data.datasets import emoji_names, load_dataset
from mmkeras.data.datasets.emoji_names import LANGUAGES, base_emoji, hide_words
from mmkeras.data.download import files_sha256
from mmkeras.schema import Image, Text

NAMES = pd.Series(["thumbs up medium skin tone", "grinning face", "cat"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The pictures of two emoji, one of them in a file without its style mark."""
    pytest.importorskip("emoji")
    names = emoji_names._names()
    monkeypatch.setattr(emoji_names, "_names", lambda: {each: names[each] for each in ("😀", "☺️")})
    folder = tmp_path / "emoji" / "png72"
    folder.mkdir(parents=True)
    for name in ("emoji_u1f600.png", "emoji_u263a.png"):
        (folder / name).write_bytes(b"")
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_a_row_has_a_picture_and_its_name_in_each_language(folder):
    table, schema = load_dataset("emoji_names")
    assert table["picture"].tolist() == [
        str(folder / "emoji_u1f600.png"),
        str(folder / "emoji_u263a.png"),
    ]
    row = table.iloc[0]
    assert (row["english"], row["german"]) == ("grinning face", "grinsendes gesicht")
    assert (row["french"], row["chinese"]) == ("visage rieur", "嘿嘿")
    assert all(row[language] for language in LANGUAGES)
    assert schema.modalities == (Image("picture"), Text("english"))
    assert schema.target == Text("german", judged_by="chrf") and schema.group == "base"


def test_english_is_told_from_the_picture_alone(folder):
    schema = load_dataset("emoji_names", target="english")[1]
    assert schema.names == ("picture",) and schema.target.column == "english"


def test_what_is_wrong_is_said(folder, monkeypatch):
    with pytest.raises(ValueError, match=r"arabic, chinese, .*'latin'"):
        load_dataset("emoji_names", target="latin")
    (folder / "emoji_u263a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks emoji_u263a\.png\."):
        load_dataset("emoji_names")


def test_the_package_has_to_be_there_in_its_version(monkeypatch):
    emoji = pytest.importorskip("emoji")
    monkeypatch.setattr(emoji, "__version__", "1.0")
    with pytest.raises(ImportError, match=r"other names\. Found: 1\.0\."):
        load_dataset("emoji_names")
    monkeypatch.setitem(sys.modules, "emoji", None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[datasets\]"'):
        load_dataset("emoji_names")


@pytest.mark.parametrize(
    "variants",
    [
        ["👍", "👍🏽"],
        ["👩🏽‍⚕️", "👨‍⚕️", "🧑🏿‍⚕️"],
        ["🏃", "🏃🏾‍♀️‍➡️", "🏃‍♂️"],
        ["🧑", "👩🏻‍🦰", "👨‍🦲"],
        ["👪", "👨‍👩‍👧", "👩‍👦", "🧑‍🧑‍🧒"],
        ["💏", "👩🏻‍❤️‍💋‍👨🏿"],
        ["💑", "👨‍❤️‍👨"],
        ["👫", "👬🏽", "👩🏻‍🤝‍👨🏿", "🧑‍🤝‍🧑"],
        ["🤝", "🫱🏻‍🫲🏿"],
        ["👴🏽", "🧓"],
    ],
)
def test_variants_of_one_emoji_are_one_group(variants):
    assert len({base_emoji(each) for each in variants}) == 1


def test_other_emoji_are_groups_of_their_own():
    different = ["❤️", "❤️‍🔥", "🐦", "🐦‍⬛", "👨‍⚕️", "👨‍🍳", "🧑", "🧒", "👪", "♀️", "➡️", "🏻"]
    assert len({base_emoji(each) for each in different}) == len(different)


def test_hidden_words_depend_on_the_seed_and_the_name_only():
    hidden = hide_words(NAMES, 0.5, seed=1)
    assert hidden.equals(hide_words(NAMES[::-1], 0.5, seed=1)[::-1])
    assert not hidden.equals(hide_words(NAMES, 0.5, seed=2))
    for name, shown in zip(NAMES, hidden, strict=True):
        pairs = list(zip(name.split(), shown.split(), strict=True))
        assert all(after in (before, "[v]") for before, after in pairs)
    assert hide_words(NAMES, 0, seed=1).equals(NAMES)
    assert set(" ".join(hide_words(NAMES, 1, seed=1)).split()) == {"[v]"}
    many = pd.Series([f"word {i} here" for i in range(500)])
    share = hide_words(many, 0.3, seed=0).str.split().explode().eq("[v]").mean()
    assert share == pytest.approx(0.3, abs=0.04)
    with pytest.raises(ValueError, match="between 0 and 1"):
        hide_words(NAMES, 1.5, seed=0)


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_data_set():
    pytest.importorskip("emoji")
    table, _ = load_dataset("emoji_names")
    assert len(table) == 3534 and table["base"].nunique() == 1421
    assert all(table[language].is_unique for language in LANGUAGES)
    assert not any("v" in name.split() for name in table["english"])
    paths = [Path(path) for path in table["picture"]]
    got = files_sha256(paths[0].parent, [path.name for path in paths])
    assert got == emoji_names._PICTURES_SHA256
