import csv
import os

import numpy as np
import pytest

from mmkeras.data.datasets import mosi
from mmkeras.schema import Sequence, Text

# In transcripts.csv: by name as text, so 10 stands before 2. The last video's name has a "_".
SPOKEN = [
    ("aa_1", "GOOD", "1"),
    ("aa_10", "VERY BAD", "0"),
    ("aa_2", "GREAT", "1"),
    ("b_b_1", "AWFUL", "0"),
    ("cc_1", "FINE", "1"),
    ("cc_2", "NOT FINE", "0"),
]
# The rows of the feature files: in an order of their own.
ROWS = {"train": [2, 0, 3, 1], "test": [5, 4]}


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "mosi"
    folder.mkdir()
    write(folder / "transcripts.csv", [(name, text, "93", label) for name, text, label in SPOKEN])
    for split, numbers in ROWS.items():
        write(folder / f"text_{split}.csv", [(number, 0.5, 0.5) for number in numbers])
        for width, name in enumerate(mosi.MODALITIES, start=2):
            rows = [(*[number + width / 10] * width, SPOKEN[number][2]) for number in numbers]
            write(folder / name / f"{name}_{split}0.csv", rows)
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_a_row_has_the_features_and_the_words_of_its_utterance(folder):
    table, schema = mosi.load()
    assert table["id"].tolist() == ["aa_1", "aa_2", "aa_10", "b_b_1", "cc_1", "cc_2"]
    assert table["split"].tolist() == ["train"] * 4 + ["test"] * 2
    row = table.iloc[2]
    assert (row["video_id"], row["utterance"]) == ("aa", 10)
    assert (row["transcript"], row["sentiment"]) == ("VERY BAD", "negative")
    assert row["text"].dtype == np.float32
    np.testing.assert_allclose(row["text"], [1.2, 1.2], rtol=1e-6)
    np.testing.assert_allclose(row["video"], [1.4] * 4, rtol=1e-6)
    assert schema.modalities == (Sequence("text"), Sequence("audio"), Sequence("video"))
    assert (schema.id, schema.group, schema.target.kind) == ("id", "video_id", "label")


def test_transcripts_are_a_modality_on_demand(folder):
    assert mosi.load(transcripts=True)[1].modalities[-1] == Text("transcript")
    with pytest.raises(ValueError, match="needs utterances"):
        mosi.load("video", transcripts=True)


def test_a_video_is_its_utterances_in_the_order_spoken(folder):
    table, schema = mosi.load("video")
    assert table["video_id"].tolist() == ["aa", "b_b", "cc"]
    assert table["sentiment"].tolist() == ["positive|positive|negative", "negative"] + [
        "positive|negative"
    ]
    assert table["text"][0].shape == (3, 2)
    np.testing.assert_allclose(table["text"][0][:, 0], [0.2, 2.2, 1.2], rtol=1e-6)
    assert schema.target.kind == "step_labels"
    assert (schema.id, schema.group) == ("video_id", None)


def test_validation_takes_whole_training_videos_alike_at_both_levels(folder):
    by_utterance, _ = mosi.load(validation=0.5, seed=3)
    by_video, _ = mosi.load("video", validation=0.5, seed=3)
    held_out = by_video.loc[by_video["split"] == "validation", "video_id"]
    assert len(held_out) == 1
    is_held_out = by_utterance["video_id"].isin(held_out)
    assert (by_utterance.loc[is_held_out, "split"] == "validation").all()
    assert by_utterance.loc[~is_held_out, "split"].isin(["train", "test"]).all()
    assert (by_utterance["split"] == "test").sum() == 2
    with pytest.raises(ValueError, match="is 0 for validation"):
        mosi.load(validation=0.01)


def test_files_whose_labels_disagree_are_refused(folder):
    path = folder / "audio" / "audio_train0.csv"
    path.write_text(path.read_text().replace('"1"', '"0"'))
    with pytest.raises(ValueError, match=r"audio_train0\.csv: the labels are not those"):
        mosi.load()


def test_a_missing_file_is_named(folder):
    (folder / "video" / "video_test0.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"video/video_test0\.csv"):
        mosi.load()


def test_an_unknown_level_is_refused(folder):
    with pytest.raises(ValueError, match="'utterance', 'video'"):
        mosi.load("word")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_files_are_the_pinned_ones_and_line_up():
    from mmkeras.data.download import file_sha256, provided_dir

    folder = provided_dir("mosi")
    assert {name: file_sha256(folder / name) for name in mosi._SHA256} == mosi._SHA256
    # Labels that disagree between the files would have raised.
    table, _ = mosi.load()
    assert table["split"].value_counts().to_dict() == {"train": 1447, "test": 752}
    videos = table.groupby("video_id")
    assert (videos["split"].nunique() == 1).all()
    assert videos["split"].first().value_counts().to_dict() == {"train": 62, "test": 31}
    assert table["id"].is_unique
    # The text file with row numbers holds the same features: the transcripts are the rows' own.
    for split in ("train", "test"):
        numbered = mosi._read_csv(folder / f"text_{split}.csv")
        plain = mosi._read_csv(folder / "text" / f"text_{split}0.csv")
        np.testing.assert_allclose(
            np.array([row[1:] for row in numbered], float),
            np.array([row[:-1] for row in plain], float),
            atol=1e-9,
        )
    # No utterance is missing from a video.
    assert all(
        list(numbers) == list(range(1, len(numbers) + 1)) for _, numbers in videos["utterance"]
    )
    test = table[table["split"] == "test"]
    assert round(100 * (test["sentiment"] == "positive").mean(), 1) == 62.1
    shapes = {name: table[name][0].shape for name in mosi.MODALITIES}
    assert shapes == {"text": (100,), "audio": (73,), "video": (100,)}
    by_video, _ = mosi.load("video")
    assert [len(labels.split("|")) for labels in by_video["sentiment"]] == [
        len(text) for text in by_video["text"]
    ]
