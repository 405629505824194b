import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import read_table
from mmkeras.schema import (
    TARGETS,
    Audio,
    Image,
    Label,
    Labels,
    Schema,
    Sequence,
    Tabular,
    Text,
    Video,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def table_of(rows=40):
    return pd.DataFrame(
        {
            "Unnamed: 0": range(rows),
            "sample_id": [f"s{i}" for i in range(rows)],
            "my photo": [f"images/{i}.JPG" for i in range(rows)],
            "scan": [PNG + bytes([i]) for i in range(rows)],
            "pixels": list(np.random.default_rng(0).random((rows, 8, 8))),
            "title": [f"thing{i}" for i in range(rows)],
            "review": ["it was so good", "it was not good", "it was fine", "so so"] * (rows // 4),
            "body": [f"a longer text of number {i % 30}" for i in range(rows)],
            "colour": ["red", "green", "blue", None] * (rows // 4),
            "stars": [1, 2, 3, 4] * (rows // 4),
            "owner": [True, False] * (rows // 2),
            "weight": np.linspace(0, 1, rows),
            "height": [f"{i}.5" for i in range(rows)],
            "zip": ["00712", "01234"] * (rows // 2),
            "visits": [i * i for i in range(rows)],
            "same": 1,
            "empty": None,
            "when": pd.date_range("2020-01-01", periods=rows),
            "图片": [f"{i}.png" for i in range(rows)],
            "Label": ["cat", "dog"] * (rows // 2),
        }
    )


def test_columns_are_recognised_by_their_values():
    schema = infer_schema(table_of())
    assert schema == Schema(
        [
            Image("my_photo", "my photo"),
            Image("scan"),
            Image("pixels"),
            Text("title"),
            Text("body"),
            Image("image", "图片"),
            Tabular(
                "table",
                numeric=["weight", "height", "visits"],
                categorical=["review", "colour", "stars", "owner", "zip"],
            ),
        ],
        target=Label("Label"),
        id="sample_id",
    )
    assert Schema.from_json(schema.to_json()) == schema
    json.loads(schema.to_json())


def test_an_inferred_schema_reads_its_table():
    frame = table_of().drop(columns=["my photo", "图片"])
    schema = infer_schema(frame)
    assert len(read_table(frame, schema)) == len(frame)


@pytest.mark.parametrize(
    "cells, kind",
    [
        (["a", "b", "a", "b"], "label"),
        ([True, False, True, False], "label"),
        ([0, 1, 2, 0, 1, 2], "label"),
        ([0, 1, None, 0, 1, 2, 2], "label"),
        ([3, 17, 101, 44], "number"),
        ([1.0, 2.0, 1.0, 2.0], "number"),
        ([0.5, 1.5, 2.5, 3.5], "number"),
        ([["a"], ["a", "b"], [], ["b"]], "labels"),
    ],
)
def test_the_task_is_recognised(cells, kind):
    frame = pd.DataFrame({"title": [f"thing{i}" for i in range(len(cells))], "y": cells})
    assert infer_schema(frame).target == TARGETS[kind]("y")
    assert infer_schema(frame, target=Labels("y")).target == Labels("y")


def test_ids_and_groups():
    frame = pd.DataFrame(
        {
            "row": range(1, 9),
            "patient_id": list("aabbccdd"),
            "visit_id": [f"v{i}" for i in range(8)],
            "image_id": [f"i{i}" for i in range(8)],
            "note": [f"text {i}" for i in range(8)],
            "label": [0, 1] * 4,
        }
    )
    assert infer_schema(frame).id == "visit_id"
    assert infer_schema(frame).columns == ("note", "patient_id")
    schema = infer_schema(frame, id="image_id", group="patient_id")
    assert (schema.id, schema.group, schema.columns) == ("image_id", "patient_id", ("note",))
    assert infer_schema(frame.drop(columns=["visit_id", "image_id"])).id == "row"


def test_names_do_not_clash():
    frame = pd.DataFrame({c: ["u v", "w x"] for c in ("a b", "a-b", "a_b", "present", "table")})
    schema = infer_schema(frame.assign(n=[0.5, 1.5], y=["p", "q"]))
    assert schema.names == ("a_b", "a-b", "a_b_2", "present_2", "table", "table_2")


def test_images_without_an_extension_are_recognised_in_their_folder(tmp_path):
    (tmp_path / "0001").write_bytes(PNG)
    (tmp_path / "0002").write_bytes(PNG)
    frame = pd.DataFrame({"photo": ["0001", "0002"], "label": ["a", "b"]})
    assert infer_schema(frame, base_dir=tmp_path).modalities == (Image("photo"),)
    assert not isinstance(infer_schema(frame).modalities[0], Image)


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".svg"])
def test_image_files_that_cannot_be_decoded_are_refused(suffix):
    photos = [f"photos/{i}{suffix}" for i in range(3)] + ["photos/3.png"]
    frame = pd.DataFrame({"photo": photos, "label": list("abab")})
    expected = rf"'photo' .*{suffix.lower()} is not read; convert to PNG or JPEG"
    with pytest.raises(ValueError, match=expected):
        infer_schema(frame)
    with pytest.raises(ValueError, match=expected):
        infer_schema(frame.assign(photo=[Path(photo) for photo in photos]))
    frame["photo"] = ["a drawing in a.svg", "a cat", "a dog", "a bird"]
    assert infer_schema(frame).modalities == (Text("photo"),)


def test_inference_says_what_is_wrong():
    frame = pd.DataFrame({"title": ["a b", "c d"], "label": [1, 2], "class": [1, 2]})
    with pytest.raises(ValueError, match=r"Several columns.*'label', 'class'.*Columns: \['title'"):
        infer_schema(frame)
    with pytest.raises(ValueError, match=r"No column is the target.*Columns: \['title'\]"):
        infer_schema(frame[["title"]])
    with pytest.raises(ValueError, match=r"'lable' for `target` \(did you mean 'label'\?\)"):
        infer_schema(frame, "lable")
    with pytest.raises(ValueError, match=r"can be an input.*'title': 'constant'"):
        infer_schema(pd.DataFrame({"title": ["same", "same"], "y": ["a", "b"]}))
    with pytest.raises(ValueError, match="must be strings"):
        infer_schema(pd.DataFrame([[1, 2]]))


def test_columns_named_like_parts_of_a_model_get_another_modality_name():
    frame = pd.DataFrame(
        {"output": [f"words number {i}" for i in range(30)], "label": ["a", "b"] * 15}
    )
    schema = infer_schema(frame)
    assert schema.names == ("output_2",) and schema["output_2"].column == "output"


LABELS = ["a", "b"] * 4


@pytest.mark.parametrize(
    ("cells", "cls"),
    [
        ([f"{i}.WAV" for i in range(8)], Audio),
        ([f"{i}.flac" for i in range(8)], Audio),
        ([f"{i}.mp3" for i in range(7)] + [None], Audio),
        ([f"{i}.MP4" for i in range(8)], Video),
        ([f"{i}.webm" for i in range(8)], Video),
        ([f"{i}.npy" for i in range(8)], Sequence),
        ([f"{i}.npz" for i in range(8)], Sequence),
        ([Path(f"{i}.png") for i in range(8)], Image),
        ([b"RIFF1234WAVEfmt " + bytes([i]) for i in range(8)], Audio),
        ([b"fLaC" + bytes([i]) for i in range(8)], Audio),
        ([b"ID3\x04" + bytes([i]) for i in range(8)], Audio),
        ([b"RIFF1234AVI LIST" + bytes([i]) for i in range(8)], Video),
        ([b"\0\0\0\x20ftypisom" + bytes([i]) for i in range(8)], Video),
        ([b"\x1a\x45\xdf\xa3" + bytes([i]) for i in range(8)], Video),
        ([PNG + bytes([i]) for i in range(8)], Image),
        ([np.full(100, i, np.int16) for i in range(8)], Audio),
        ([np.full(7, i, np.float32) for i in range(8)], Sequence),
        ([np.full((9, 9, 3), i, np.uint8) for i in range(8)], Image),
        ([np.full((4, 9, 9, 3), i, np.uint8) for i in range(8)], Video),
    ],
)
def test_media_are_recognised_by_suffix_signature_or_rank(cells, cls):
    frame = pd.DataFrame({"cell": pd.Series(cells, dtype=object), "label": LABELS})
    assert infer_schema(frame).modalities == (cls("cell"),)


def test_media_without_a_suffix_are_recognised_by_their_content(tmp_path):
    starts = {"sound": b"RIFF1234WAVEfmt ", "clip": b"\0\0\0\x20ftypisom", "scan": PNG}
    columns = {}
    for name, start in starts.items():
        columns[name] = [f"{name}{i}" for i in range(8)]
        for i, cell in enumerate(columns[name]):
            (tmp_path / cell).write_bytes(start + bytes([i]))
    frame = pd.DataFrame({**columns, "label": LABELS})
    schema = infer_schema(frame, base_dir=tmp_path)
    assert schema.modalities == (Audio("sound"), Video("clip"), Image("scan"))
    assert all(isinstance(m, Text) for m in infer_schema(frame).modalities)


def test_a_column_of_several_kinds_is_what_most_of_its_cells_are():
    cells = ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "5.mp4", "none", "6.png"]
    schema = infer_schema(pd.DataFrame({"cell": cells, "label": LABELS}))
    assert schema.modalities == (Audio("cell"),)


def test_the_same_sound_in_every_row_is_a_constant():
    frame = pd.DataFrame({"cell": ["a.wav"] * 8, "size": range(10, 18), "label": LABELS})
    assert infer_schema(frame).names == ("table",)
