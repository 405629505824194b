import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mmkeras.data.datasets import emoji, load_dataset
from mmkeras.data.download import file_sha256, files_sha256

ENTRIES = [
    ("😀", "grinning face", "Smileys & Emotion", ["smile"], ["grinning_face"]),
    ("☺️", "smiling face", "Smileys & Emotion", ["blush"], ["relaxed"]),
    ("🇫🇷", "flag: France", "Flags", [], ["fr"]),
    ("🏁", "chequered flag", "Flags", ["race"], ["checkered_flag"]),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "emoji"
    (folder / "png72").mkdir(parents=True)
    keys = ("emoji", "description", "category", "tags", "aliases")
    entries = [dict(zip(keys, entry, strict=True)) for entry in ENTRIES]
    (folder / "emoji.json").write_text(json.dumps(entries), encoding="utf-8")
    for name in ("emoji_u1f600.png", "emoji_u263a.png", "emoji_u1f3c1.png"):
        PIL.Image.fromarray(np.zeros((72, 72, 4), np.uint8)).save(folder / "png72" / name)
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_rows_are_emoji_with_a_picture(folder):
    table, schema = load_dataset("emoji")
    assert table["emoji"].tolist() == ["😀", "☺️", "🏁"]
    assert table["text"].tolist() == [
        "grinning face, smile",
        "smiling face, blush",
        "chequered flag, race",
    ]
    assert [Path(p).name for p in table["image"]] == [
        "emoji_u1f600.png",
        "emoji_u263a.png",
        "emoji_u1f3c1.png",
    ]
    assert schema.target.column == "category"


def test_aliases_are_added_on_demand(folder):
    table, _ = load_dataset("emoji", aliases=True)
    assert table["text"][0] == "grinning face, smile, grinning face"


def test_file_names_keep_the_style_mark_or_leave_it_out(folder):
    with_mark, without = folder / "png72" / "emoji_u263a_fe0f.png", "emoji_u263a.png"
    (folder / "png72" / without).rename(with_mark)
    assert load_dataset("emoji")[0]["image"][1] == str(with_mark)


def test_an_incomplete_folder_names_what_is_missing(folder):
    (folder / "png72" / "emoji_u1f600.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"pictures of 1 emoji: emoji_u1f600\.png"):
        load_dataset("emoji")
    (folder / "emoji.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks emoji\.json"):
        load_dataset("emoji")


@pytest.fixture
def server(folder, monkeypatch, tmp_path):
    """The folder, served over HTTP in place of GitHub."""
    import functools
    import http.server
    import threading

    root = tmp_path / "server"
    (root / "db").mkdir(parents=True)
    (root / "png").mkdir()
    (folder / "emoji.json").rename(root / "db" / "emoji.json")
    (folder / "png72").rename(root / "png" / "72")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            return

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{httpd.server_port}"
        names = [path.name for path in (root / "png" / "72").iterdir()]
        right = files_sha256(root / "png" / "72", names)
        monkeypatch.setattr(emoji, "_GEMOJI", address)
        monkeypatch.setattr(emoji, "NOTO", address)
        monkeypatch.setattr(emoji, "_JSON_SHA256", file_sha256(root / "db" / "emoji.json"))
        monkeypatch.setattr(emoji, "_PICTURES_SHA256", right)
        monkeypatch.delenv("MMKERAS_DATA")
        monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path / "cache"))
        yield root
        httpd.shutdown()


def test_without_a_folder_the_files_are_downloaded_once(server, tmp_path):
    table, _ = load_dataset("emoji")
    assert len(table) == 3 and str(tmp_path / "cache" / "emoji") in table["image"][0]
    for path in server.rglob("*.png"):
        path.unlink()
    assert load_dataset("emoji")[0].equals(table)


def test_changed_pictures_at_the_source_are_refused(server, monkeypatch):
    monkeypatch.setattr(emoji, "_PICTURES_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"not the ones they should be.*Remove that folder"):
        load_dataset("emoji")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="MMKERAS_DATA is not set")
def test_the_real_data_set():
    table, _ = load_dataset("emoji")
    assert len(table) == 1609
    assert table["category"].value_counts().to_dict() == {
        "People & Body": 363,
        "Objects": 261,
        "Symbols": 223,
        "Travel & Places": 218,
        "Smileys & Emotion": 166,
        "Animals & Nature": 152,
        "Food & Drink": 133,
        "Activities": 85,
        "Flags": 8,
    }
    paths = [Path(path) for path in table["image"]]
    names = [path.name for path in paths]
    assert files_sha256(paths[0].parent, names) == emoji._PICTURES_SHA256
    assert file_sha256(paths[0].parents[1] / "emoji.json") == emoji._JSON_SHA256
    # A download asks for the very names that are used.
    assert names == [emoji.file_names(e)[1] for e in table["emoji"]]
