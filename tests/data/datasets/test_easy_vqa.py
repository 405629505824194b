import functools
import http.server
import json
import os
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mmkeras.data.datasets import easy_vqa, load_dataset
from mmkeras.data.download import file_sha256, files_sha256, provided_dir
from mmkeras.data.tables.splits import split_officially
from mmkeras.schema import Image, Text

# Pictures 0 to 5 with three questions each; their numbers are those of the official files.
QUESTIONS = {
    "train": [
        row
        for image in range(6)
        for row in (
            ["what shape is it?", "circle", image],
            ["is it red?", "yes", image],
            ["is it not red?", "no", image],
        )
    ],
    "test": [["is it blue?", "no", 1], ["what shape is it?", "circle", 0]],
}


def write(folder):
    for split, questions in QUESTIONS.items():
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
        for image in {row[2] for row in questions}:
            pixels = np.full((64, 64, 3), 40 * image, np.uint8)
            PIL.Image.fromarray(pixels).save(folder / split / "images" / f"{image}.png")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path / "easy_vqa")
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return tmp_path / "easy_vqa"


def test_a_row_is_a_question_about_a_picture(folder):
    table, schema = load_dataset("easy_vqa")
    assert len(table) == 20
    row = table.iloc[4]
    assert row["picture"] == str(folder / "train" / "images" / "1.png")
    assert (row["question"], row["answer"], row["split"]) == ("is it red?", "yes", "train")
    assert (row["picture_id"], row["id"]) == ("train/1", "train/4")
    # The same number in the test split is another picture.
    assert table.iloc[18]["picture"] == str(folder / "test" / "images" / "1.png")
    assert (table.iloc[18]["picture_id"], table.iloc[18]["id"]) == ("test/1", "test/0")
    assert schema.modalities == (Image("picture"), Text("question"))
    assert (schema.target.column, schema.id, schema.group) == ("answer", "id", "picture_id")


def test_validation_rows_share_no_picture_with_training_rows(folder):
    table, schema = load_dataset("easy_vqa")
    splits = split_officially(table, schema, validation=0.3)
    assert len(splits.validation) == 6 and len(splits.test) == 2
    assert not set(splits.validation["picture"]) & set(splits.train["picture"])


def test_an_incomplete_folder_names_what_is_missing(folder):
    (folder / "test" / "images" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks test/images/1\.png\. Complete"):
        load_dataset("easy_vqa")
    (folder / "train" / "questions.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks train/questions\.json\."):
        load_dataset("easy_vqa")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """The files, served over HTTP in place of GitHub."""
    root = tmp_path / "server"
    write(root)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            return

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setattr(easy_vqa, "_SOURCE", f"http://127.0.0.1:{httpd.server_port}")
        hashes = {name: file_sha256(root / name) for name in easy_vqa._SHA256}
        monkeypatch.setattr(easy_vqa, "_SHA256", hashes)
        monkeypatch.setattr(
            easy_vqa, "_PICTURES_SHA256", files_sha256(root, easy_vqa._pictures(root))
        )
        monkeypatch.delenv("MMKERAS_DATA", raising=False)
        monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path / "cache"))
        yield root
        httpd.shutdown()


def test_without_a_folder_the_files_are_downloaded_once(server, tmp_path):
    table, _ = load_dataset("easy_vqa")
    assert len(table) == 20 and all(Path(path).is_file() for path in table["picture"])
    assert str(tmp_path / "cache" / "easy_vqa") in table["picture"][0]
    for path in server.rglob("*.png"):
        path.unlink()
    assert load_dataset("easy_vqa")[0].equals(table)


def test_changed_files_at_the_source_are_refused(server, monkeypatch):
    monkeypatch.setattr(easy_vqa, "_PICTURES_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"not the ones they should be.*Remove that folder"):
        load_dataset("easy_vqa")
    monkeypatch.setattr(easy_vqa, "_SHA256", dict.fromkeys(easy_vqa._SHA256, "0" * 64))
    with pytest.raises(ValueError, match=r"questions\.json is not the file it should be"):
        load_dataset("easy_vqa")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_files_are_the_pinned_ones():
    folder = provided_dir("easy_vqa")
    assert {name: file_sha256(folder / name) for name in easy_vqa._SHA256} == easy_vqa._SHA256
    assert files_sha256(folder, easy_vqa._pictures(folder)) == easy_vqa._PICTURES_SHA256
    table, _ = load_dataset("easy_vqa")
    assert table["split"].value_counts().to_dict() == {"train": 38575, "test": 9673}
    by_split = table.groupby("split")
    assert by_split["picture_id"].nunique().to_dict() == {"train": 4000, "test": 1000}
    assert by_split["question"].nunique().to_dict() == {"train": 107, "test": 107}
    assert not table.duplicated(["picture", "question"]).any()
    questions = table.groupby("picture_id").size()
    assert (questions.min(), questions.max()) == (2, 21)
    assert table["answer"].nunique() == 13
    shares = {
        split: answers.isin(["yes", "no"]).mean().round(3) for split, answers in by_split["answer"]
    }
    assert shares == {"train": 0.736, "test": 0.738}
