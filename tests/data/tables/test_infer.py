import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import read_table
from mmkeras.schema import (
    TARGETS,
    Audio,
    Image,
    Label,
    Labels,
    Number,
    Schema,
    Sequence,
    Tabular,
    Text,
    Video,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def schema_of(*arguments, **options):
    return infer_schema(*arguments, **options).schema


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
            "region": [1, 2, 3, 4] * (rows // 4),
            "sold": [0, 1] * (rows // 2),
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
    schema = schema_of(table_of())
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
                numeric=["stars", "weight", "height", "visits"],
                categorical=["review", "colour", "region", "sold", "owner", "zip"],
                dates=["when"],
            ),
        ],
        target=Label("Label"),
        id="sample_id",
    )
    assert Schema.from_json(schema.to_json()) == schema
    json.loads(schema.to_json())


def test_an_inferred_schema_reads_its_table():
    frame = table_of().drop(columns=["my photo", "图片"])
    schema = schema_of(frame)
    assert len(read_table(frame, schema)) == len(frame)


@pytest.mark.parametrize(
    "cells, kind",
    [
        (["a", "b", "a", "b"], "label"),
        ([True, False, True, False], "label"),
        ([0, 1, 2, 0, 1, 2], "label"),
        ([0, 1, None, 0, 1, 2, 2], "label"),
        ([3, 17, 101, 44], "number"),
        ([1.0, 2.0, 1.0, 2.0], "label"),
        ([0.5, 1.5, 2.5, 3.5], "number"),
        ([["a"], ["a", "b"], [], ["b"]], "labels"),
    ],
)
def test_the_task_is_recognised(cells, kind):
    frame = pd.DataFrame({"title": [f"thing{i}" for i in range(len(cells))], "y": cells})
    assert schema_of(frame).target == TARGETS[kind]("y")
    assert schema_of(frame, target=Labels("y")).target == Labels("y")


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
    assert schema_of(frame).id == "visit_id"
    assert schema_of(frame).columns == ("note", "patient_id")
    schema = schema_of(frame, id="image_id", group="patient_id")
    assert (schema.id, schema.group, schema.columns) == ("image_id", "patient_id", ("note",))
    assert schema_of(frame.drop(columns=["visit_id", "image_id"])).id == "row"


def test_names_do_not_clash():
    frame = pd.DataFrame({c: ["u v", "w x"] for c in ("a b", "a-b", "a_b", "present", "table")})
    schema = schema_of(frame.assign(n=[0.5, 1.5], y=["p", "q"]))
    assert schema.names == ("a_b", "a-b", "a_b_2", "present_2", "table", "table_2")


def test_images_without_an_extension_are_recognised_in_their_folder(tmp_path):
    (tmp_path / "0001").write_bytes(PNG)
    (tmp_path / "0002").write_bytes(PNG)
    frame = pd.DataFrame({"photo": ["0001", "0002"], "label": ["a", "b"]})
    assert schema_of(frame, base_dir=tmp_path).modalities == (Image("photo"),)
    assert not isinstance(schema_of(frame).modalities[0], Image)


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".svg"])
def test_image_files_that_cannot_be_decoded_are_refused(suffix):
    photos = [f"photos/{i}{suffix}" for i in range(3)] + ["photos/3.png"]
    frame = pd.DataFrame({"photo": photos, "label": list("abab")})
    expected = rf"'photo' .*{suffix.lower()} is not read; convert to PNG or JPEG"
    with pytest.raises(ValueError, match=expected):
        schema_of(frame)
    with pytest.raises(ValueError, match=expected):
        schema_of(frame.assign(photo=[Path(photo) for photo in photos]))
    frame["photo"] = ["a drawing in a.svg", "a cat", "a dog", "a bird"]
    assert schema_of(frame).modalities == (Text("photo"),)


def test_inference_says_what_is_wrong():
    frame = pd.DataFrame({"title": ["a b", "c d"], "label": [1, 2], "class": [1, 2]})
    with pytest.raises(ValueError, match=r"Several columns.*'label', 'class'.*Columns: \['title'"):
        schema_of(frame)
    with pytest.raises(ValueError, match=r"No column is the target.*Columns: \['title'\]"):
        schema_of(frame[["title"]])
    with pytest.raises(ValueError, match=r"'lable' for `target` \(did you mean 'label'\?\)"):
        schema_of(frame, "lable")
    with pytest.raises(ValueError, match=r"can be an input.*'title': 'the same in"):
        schema_of(pd.DataFrame({"title": ["same", "same"], "y": ["a", "b"]}))
    with pytest.raises(ValueError, match="must be strings"):
        schema_of(pd.DataFrame([[1, 2]]))


def test_columns_named_like_parts_of_a_model_get_another_modality_name():
    frame = pd.DataFrame(
        {"output": [f"words number {i}" for i in range(30)], "label": ["a", "b"] * 15}
    )
    schema = schema_of(frame)
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
    assert schema_of(frame).modalities == (cls("cell"),)


def test_media_without_a_suffix_are_recognised_by_their_content(tmp_path):
    starts = {"sound": b"RIFF1234WAVEfmt ", "clip": b"\0\0\0\x20ftypisom", "scan": PNG}
    columns = {}
    for name, start in starts.items():
        columns[name] = [f"{name}{i}" for i in range(8)]
        for i, cell in enumerate(columns[name]):
            (tmp_path / cell).write_bytes(start + bytes([i]))
    frame = pd.DataFrame({**columns, "label": LABELS})
    schema = schema_of(frame, base_dir=tmp_path)
    assert schema.modalities == (Audio("sound"), Video("clip"), Image("scan"))
    assert all(isinstance(m, Text) for m in schema_of(frame).modalities)


def test_a_column_of_several_kinds_is_what_most_of_its_cells_are():
    cells = ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "5.mp4", "none", "6.png"]
    schema = schema_of(pd.DataFrame({"cell": cells, "label": LABELS}))
    assert schema.modalities == (Audio("cell"),)


def test_the_same_sound_in_every_row_is_a_constant():
    frame = pd.DataFrame({"cell": ["a.wav"] * 8, "size": range(10, 18), "label": LABELS})
    assert schema_of(frame).names == ("table",)


ROWS = 60
NUMBERS = np.random.default_rng(0).normal(size=ROWS).round(3)
# Columns as people have them: what they hold, what they are taken for, and what is warned of.
COLUMNS = {
    "thousands": ([f"{i},{i:03d}" for i in range(100, 160)], "number", ""),
    "currency": ([f"${value:.2f}" for value in NUMBERS + 9], "number", ""),
    "percent": ([f"{i}%" for i in range(ROWS)], "number", ""),
    "placeholders": (
        [str(v) if i % 9 else "?" for i, v in enumerate(NUMBERS)],
        "number",
        "7 of 60",
    ),
    "one word": ([str(v) if i else "oops" for i, v in enumerate(NUMBERS)], "number", "'oops' (1)"),
    "postcodes": ([f"0{i}" for i in range(1000, 1060)], "text", ""),
    "days": ([f"{1 + i % 28}/{1 + i % 12}/2020" for i in range(ROWS)], "date", ""),
    "iso": ([f"2020-01-{1 + i % 28:02d} 12:30" for i in range(ROWS)], "date", ""),
    "some days": (["?"] * 3 + [f"2020-01-{d:02d}" for d in range(1, 20)] * 3, "date", "3 of 60"),
    "stamps": (pd.date_range("2020-01-01", periods=ROWS, tz="UTC"), "date", ""),
    "unsure": ([f"0{1 + i % 9}/0{1 + i % 7}/2020" for i in range(ROWS)], "left out", "month first"),
    "vectors": ([f"[{v}, 0.2]" for v in NUMBERS], "sequence", ""),
    "lists": ([[v, 0.5] for v in NUMBERS], "sequence", ""),
    "steps": ([np.full((3 + i % 4, 5), i / ROWS) for i in range(ROWS)], "sequence", ""),
    "signed": ([np.full((4, 5), v) for v in NUMBERS], "sequence", ""),
    "Unnamed: 0": (np.random.default_rng(0).permutation(ROWS) + 7, "left out", ""),
    "fold": ([i % 5 for i in range(ROWS)], "left out", ""),
    "dataSplit": (["a", "b"] * 30, "left out", ""),
    "phase": (["Training", "val", "TEST"] * 20, "left out", ""),
    "Clothing ID": ([i // 2 + 767 for i in range(ROWS)], "left out", ""),
    "productid": ([f"B{i // 2}" for i in range(ROWS)], "left out", ""),
    "paid": (range(100, 160), "number", ""),
    "strange files": ([f"scans/{i}.xyz" for i in range(ROWS)], "left out", ".xyz"),
    "sites": ([f"shop{i}.com" for i in range(ROWS)], "text", ""),
    "several files": ([f"{i}.wav;{i}b.wav" for i in range(ROWS)], "left out", "several files"),
    "list of files": ([[f"{i}.npy", f"{i}b.npy"] for i in range(ROWS)], "left out", "several"),
    "listed dicts": (
        [[{"bytes": b"\xff\xd8\xff" + bytes([i])}] for i in range(ROWS)],
        "images",
        "",
    ),
    "arrays": ([[np.full((9, 9), i, np.uint8)] * 2 for i in range(ROWS)], "images", ""),
    "hugging face": ([{"bytes": PNG + bytes([i]), "path": None} for i in range(ROWS)], "image", ""),
    "pictures": ([PIL.Image.new("RGB", (3, 2), (i, 0, 0)) for i in range(ROWS)], "image", ""),
    "names": ([["a", f"b{i}"] for i in range(ROWS)], "left out", "lists of names"),
    "numbers and marks": ([v if i % 9 else "?" for i, v in enumerate(NUMBERS)], "number", "7 of"),
    "mixture": ([i if i % 2 else f"n{i}" for i in range(ROWS)], "left out", "texts and numbers"),
    "products": ([f"product {i % 8}" for i in range(ROWS)], "category", ""),
    "sellers": ([f"seller {i % 12}" for i in range(ROWS)], "category", ""),
}


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([f"{i}.png;{i}b.jpg" for i in range(8)], "all 8 cells looked at are images, up to 2"),
        ([f"{i}.png" for i in range(6)] + ["a.png|b.png", "a.png, b.png"], "all 8"),
        ([[f"{i}.png"] * (i % 4) for i in range(8)], "up to 3 in one cell"),
        ([[Path(f"{i}.png"), None] for i in range(8)], "up to 1"),
        ([f"['{i}.png', 'a.png']" for i in range(8)], "up to 2"),
        ([np.array([f"{i}.png", "a.png"], dtype=object) for i in range(8)], "up to 2"),
        ([[PIL.Image.new("L", (9, 9), i)] * 2 for i in range(8)], "up to 2"),
        ([";".join(f"{i}-{k}.png" for k in range(90)) for i in range(8)], "up to 90"),
        ([f"{i}, b.png" for i in range(8)], None),
        ([f"{i}, a.png" for i in range(8)] + ["a.png;b.png"], "up to 2"),
    ],
)
def test_several_images_of_a_cell_are_recognised(cells, why):
    frame = pd.DataFrame({"views": pd.Series(cells, dtype=object)})
    inferred = infer_schema(frame.assign(label=(["a", "b"] * 5)[: len(cells)]))
    assert inferred.schema["views"] == Image("views", several=why is not None)
    assert why is None or (why in inferred["views"].why and not inferred.warnings)


def test_a_file_of_the_whole_name_is_one_image(tmp_path):
    names = ["a.png;b.png", "c.png;d.png"]
    frame = pd.DataFrame({"view": names, "label": ["a", "b"]})
    for name in names:
        (tmp_path / name).write_bytes(PNG)
    assert schema_of(frame, base_dir=tmp_path).modalities == (Image("view"),)


def test_columns_as_people_have_them_are_guessed_or_warned_of():
    frame = pd.DataFrame({name: pd.Series(list(cells)) for name, (cells, _, _) in COLUMNS.items()})
    frame["note"] = [f"some words, number {i}" for i in range(ROWS)]
    frame["label"] = [1.0, 2.0] * 30
    inferred = infer_schema(frame)
    assert {c.column: c.use for c in inferred.columns if c.column in COLUMNS} == {
        name: use for name, (_, use, _) in COLUMNS.items()
    }
    for name, (_, _, warning) in COLUMNS.items():
        assert (warning in inferred[name].warning) if warning else not inferred[name].warning, name
        assert inferred[name].why
    assert inferred.schema.target == Label("label")
    assert set(inferred.left_out) == {n for n, (_, use, _) in COLUMNS.items() if use == "left out"}
    assert not set(inferred.left_out) & set(inferred.schema.columns)
    shown = str(inferred)
    assert all(name in shown for name in COLUMNS) and max(map(len, shown.splitlines())) < 200
    assert all(warning in shown for warning in inferred.warnings)
    # What is not warned of can be read, and is what the schema says.
    mended = frame.assign(**{"one word": frame["one word"].replace("oops", "1.5")})
    with pytest.warns(UserWarning, match="cells are placeholders"):
        table = read_table(mended, inferred.schema)
    assert table["thousands"].tolist()[:2] == [100100, 101101]
    assert table["percent"].tolist()[:3] == [0.0, 0.01, 0.02]
    assert table["days"].tolist()[13] == pd.Timestamp(2020, 2, 14)
    assert table["vectors"][0].tolist() == [NUMBERS[0], 0.2]
    assert table["pictures"][5].shape == (2, 3, 3) and table["hugging face"][0][:4] == PNG[:4]


@pytest.mark.parametrize(
    "columns, target, expected",
    [
        ({"y": ["['a', 'b']", "['a']"] * 9}, None, Labels("y")),
        ({"y": ["a|b", "a", "b|c", "c|a", "b", "c", "a|b|c", "c", "a"] * 2}, None, Labels("y")),
        ({"y": ["$3.50", "$4", "$1,000.25"] * 6}, None, Number("y")),
        ({"y": ["1", "2", "3"] * 6}, None, Label("y")),
        ({"y": ["01", "02"] * 9}, None, Label("y")),
        ({"label_x": [0, 1] * 9, "label_y": [1, 1, 0] * 6}, None, Labels(("label_x", "label_y"))),
        ({"a": [0, 1] * 9, "b": [True, True, False] * 6}, ["a", "b"], Labels(("a", "b"))),
        ({"a": [0, 1] * 9, "b": [True, True, False] * 6}, "a, b", Labels(("a", "b"))),
        ({"a": [0.5, 1] * 9, "b": range(18)}, "a,b", Number(("a", "b"))),
    ],
)
def test_targets_as_people_have_them(columns, target, expected):
    frame = pd.DataFrame(columns)
    frame["note"] = [f"some words, number {i}" for i in range(18)]
    inferred = infer_schema(frame, target)
    assert inferred.schema.target == expected and inferred.schema.columns == ("note",)
    assert len(read_table(frame, inferred.schema)) == 18


def test_the_other_labels_of_a_label_are_no_inputs():
    frame = pd.DataFrame({"label_a": [0, 1] * 9, "label_b": [1, 1, 0] * 6, "spam": [0, 0, 1] * 6})
    frame["note"] = [f"some words, number {i}" for i in range(18)]
    inferred = infer_schema(frame, "label_a")
    assert inferred.left_out == ("label_b",)
    inferred = infer_schema(frame, "spam")
    assert "name both" in inferred["label_b"].warning
    with pytest.raises(ValueError, match=r"\['note'\] are neither"):
        infer_schema(frame, "spam,note")
    with pytest.raises(ValueError, match="holds dates"):
        infer_schema(frame.assign(when=pd.date_range("2020-01-01", periods=18)), "when")


def test_a_schema_needs_no_target_where_nothing_is_predicted():
    frame = pd.DataFrame({"size": [1.5, 2.5, 3.5], "note": ["a cat", "a dog", "an owl"]})
    with pytest.raises(ValueError, match="No column is the target"):
        infer_schema(frame)
    schema = infer_schema(frame, need_target=False).schema
    assert schema.target is None and set(schema.names) == {"table", "note"}
    # A column that is called like an answer is none of the inputs.
    answered = infer_schema(frame.assign(label=["x", "y", "x"]), need_target=False).schema
    assert answered.target == Label("label") and answered.names == schema.names
    with pytest.raises(ValueError, match=r"can be an input of a model. Target: \(\)"):
        infer_schema(frame[["size"]].assign(size=1.0), need_target=False)


def test_a_file_is_inferred_beside_its_media(tmp_path):
    (tmp_path / "a").write_bytes(PNG)
    (tmp_path / "b").write_bytes(PNG + b"x")
    (tmp_path / "t.csv").write_text("scan;code;label\n" + "a;007;x\nb;012;y\n" * 9)
    inferred = infer_schema(tmp_path / "t.csv")
    assert inferred.schema.modalities == (Image("scan"), Tabular("table", categorical=["code"]))
    table = read_table(tmp_path / "t.csv", inferred.schema)
    assert table["code"].tolist()[:2] == ["007", "012"]


def test_wide_tables_print_on_a_page():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 300)))
    frame.columns = [f"c{i}" for i in range(300)]
    shown = str(infer_schema(frame.assign(label=list("aabbaabba"))))
    assert "300 more columns: 300 as number" in shown and len(shown.splitlines()) < 10


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i} days" for i in range(40)],
        [f"{i} {'kg' if i % 3 else 'lb'}" for i in range(40)],
        [f"{i % 24:02d}:{i:02d}" for i in range(40)],
        [f"{i}-{i + 10}" for i in range(40)],
        [f"({i})" for i in range(40)],
        [f"{i}%" if i % 2 else f"{i} of 100" for i in range(40)],
    ],
    ids=["unit", "two units", "time", "range", "in brackets", "mixed"],
)
def test_texts_that_differ_by_their_numbers_alone_are_warned_of(texts):
    frame = pd.DataFrame({"much": texts, "label": ["a", "b"] * 20})
    (choice,) = (c for c in infer_schema(frame).columns if c.column == "much")
    assert choice.use == "text"
    assert "differ by their numbers alone" in choice.warning and repr(texts[0]) in choice.warning


@pytest.mark.parametrize(
    "texts",
    [
        [f"the {word} of chapter {i}" for i, word in enumerate(["fox", "hen", "dog", "cat"] * 10)],
        [f"word{chr(97 + i // 26)}{chr(97 + i % 26)} is here" for i in range(40)],
        [f"{i:05d}" for i in range(40)],
        ["1 day", "2 days", "a week"],
    ],
    ids=["words, too", "no numbers", "codes", "three rows"],
)
def test_texts_that_differ_by_words_are_not(texts):
    frame = pd.DataFrame({"note": texts, "label": ["a", "b"] * 20 if len(texts) > 3 else [*"aba"]})
    (choice,) = (c for c in infer_schema(frame).columns if c.column == "note")
    assert choice.use == "text" and not choice.warning
