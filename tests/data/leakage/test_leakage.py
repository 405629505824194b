import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.leakage.check import check_leakage, format_findings
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.tables.splits import Splits, split_table
from mmkeras.progress import ProgressBar
from mmkeras.schema import Image, Labels, Number, Schema, Tabular, Text

SCHEMA = Schema([Text("caption")], target="label")
WORDS = [f"word{i}" for i in range(60)]


def random_texts(rows, seed=0, words=4):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(rows)]


def table(labels, captions, **columns):
    return pd.DataFrame({"caption": list(captions), "label": list(labels), **columns})


def found(findings):
    return [(finding.severity, finding.check, finding.column) for finding in findings]


# The label's name in a text


def test_a_text_that_is_the_images_label_is_caught():
    # The example of many a tutorial: images of cats and dogs, and as their "text" the word for
    # what is on the image, which is also the class to predict.
    pixels = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3)).astype("uint8")
    labels = ["cat", "dog"] * 20
    frame = pd.DataFrame({"image": list(pixels), "text": labels, "label": labels})
    schema = Schema([Image("image"), Text("text")], target="label")
    findings = check_leakage(frame, schema)
    assert ("error", "label in text", "text") in found(findings)
    assert ("error", "predicts the target alone", "text") in found(findings)
    (named,) = (finding for finding in findings if finding.check == "label in text")
    assert named.rows == 40
    assert "The label is the whole text in 40 rows" in named.message
    assert "E.g. index 0: 'cat' is labelled 'cat'" in named.message
    # Integer classes change nothing where the text says their number.
    assert check_leakage(frame.assign(label=[0, 1] * 20, text=["0", "1"] * 20), schema)


def test_four_rows_are_enough_to_see_that_the_text_is_the_label():
    frame = table(["cat", "dog", "cat", "dog"], ["Cat", "dog!", " CAT", "a dog"])
    assert found(check_leakage(frame, SCHEMA)) == [("error", "label in text", "caption")]


def test_a_few_rows_with_their_label_are_a_warning():
    labels = ["cat", "dog", "fish", "bird"] * 50
    captions = random_texts(200)
    for row in range(15):
        captions[row] += f", a {labels[row].upper()}."
    (finding,) = check_leakage(table(labels, captions), SCHEMA)
    assert found([finding]) == [("warning", "label in text", "caption")]
    assert finding.rows == 15
    assert check_leakage(table(labels, captions).iloc[8:], SCHEMA) == []


def test_a_word_of_every_text_is_no_finding():
    labels = ["photo"] * 160 + ["drawing"] * 40
    captions = [f"a photo of {text}" for text in random_texts(200)]
    assert check_leakage(table(labels, captions), SCHEMA) == []


def test_other_classes_names_are_no_finding():
    rng = np.random.default_rng(0)
    labels = rng.choice(["cat", "dog", "fish"], 300)
    captions = [f"{text} {rng.choice(['cat', 'dog', 'fish'])}" for text in random_texts(300)]
    assert check_leakage(table(labels, captions), SCHEMA) == []


def test_labels_match_as_whole_words_only():
    labels = ["cat", "art"] * 50
    captions = [f"{text} concatenate party" for text in random_texts(100)]
    assert check_leakage(table(labels, captions), SCHEMA) == []


@pytest.mark.parametrize(
    "label, caption",
    [
        ("golden_retriever", "my Golden Retriever, asleep"),
        ("Smileys & Emotion", "smileys emotion grin"),
        ("猫", "一只黑猫在睡觉"),
        ("ＣＡＴ", "a cat"),
    ],
)
def test_labels_match_however_they_are_written(label, caption):
    labels = [label] * 50 + ["other thing"] * 50
    captions = [f"{caption} {text}" for text in random_texts(50)] + random_texts(50, seed=1)
    finding = check_leakage(table(labels, captions), SCHEMA)[0]
    assert (finding.check, finding.rows) == ("label in text", 50)


def test_labels_of_multilabel_rows_count_each():
    schema = Schema([Text("caption")], target=Labels("label"))
    labels = ["red|round", "red", "", "round|big"] * 25
    captions = random_texts(100)
    assert check_leakage(table(labels, captions), schema) == []
    captions = [f"{text} {label}" for text, label in zip(captions, labels, strict=True)]
    findings = check_leakage(table(labels, captions), schema)
    assert ("error", "label in text", "caption", 75) in [(*found([f])[0], f.rows) for f in findings]


# A column that predicts the target alone


def leak_table(rows=200, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    code = rng.integers(0, classes, rows)
    frame = table([f"class {c}" for c in code], random_texts(rows))
    return frame.assign(code=code, noise=rng.random(rows), kind=rng.choice(list("uvw"), rows))


TABULAR = Schema(
    [Text("caption"), Tabular("t", numeric=["noise", "value"], categorical=["kind", "site"])],
    target="label",
)


def test_columns_that_know_little_are_no_finding():
    frame = leak_table()
    frame = frame.assign(value=frame["code"] + 3 * frame["noise"], site=frame["kind"])
    assert check_leakage(frame, TABULAR) == []


def test_a_number_that_is_the_class_is_an_error():
    frame = leak_table(classes=12)
    frame = frame.assign(value=7 * (frame["code"] % 5) + frame["code"] / 2, site="x")
    (finding,) = check_leakage(frame, TABULAR)
    assert found([finding]) == [("error", "predicts the target alone", "value")]
    assert "'value' alone predicts 'label'" in finding.message


def test_a_category_that_tells_the_class_is_an_error():
    frame = leak_table()
    site = [f"{c}-{i % 5}" for i, c in enumerate(frame["code"])]
    assert found(check_leakage(frame.assign(value=0, site=site), TABULAR)) == [
        ("error", "predicts the target alone", "site")
    ]


def test_values_that_stand_once_do_not_count():
    frame = leak_table()
    site = [f"row {i}" for i in range(len(frame))]
    site[:20] = [f"class {c}" for c in frame["code"][:20]]
    assert check_leakage(frame.assign(value=0, site=site), TABULAR) == []


def test_a_category_is_judged_by_its_values_that_repeat():
    frame = leak_table()
    site = [f"row {i}" if i % 3 == 0 else f"class {c}" for i, c in enumerate(frame["code"])]
    (finding,) = check_leakage(frame.assign(value=0, site=site), TABULAR)
    assert (finding.column, finding.rows) == ("site", sum(i % 3 > 0 for i in range(200)))


def test_holes_do_not_hide_a_leak():
    frame = leak_table()
    value = frame["code"].where(np.arange(len(frame)) % 3 > 0)
    site = frame["code"].astype(object).where(np.arange(len(frame)) % 4 > 0, None)
    assert found(check_leakage(frame.assign(value=value, site=site), TABULAR)) == [
        ("error", "predicts the target alone", "value"),
        ("error", "predicts the target alone", "site"),
    ]


def test_a_majority_class_is_no_prediction():
    frame = table(
        ["a"] * 198 + ["b"] * 2, random_texts(200), noise=0.5, value=1, kind="x", site="y"
    )
    assert check_leakage(frame, TABULAR) == []


def test_texts_that_repeat_with_their_class_are_an_error():
    frame = leak_table()
    # Each word stands in two classes; only the whole text tells which.
    captions = [f"{'pq'[c // 2]} {'uv'[c % 2]}" for c in frame["code"]]
    (finding,) = check_leakage(frame.assign(caption=captions), SCHEMA)
    assert found([finding]) == [("error", "predicts the target alone", "caption")]
    assert "by its value" in finding.message


def test_a_word_that_tells_the_class_is_an_error():
    frame = leak_table()
    frame["caption"] = [
        f"{t} xq{c} z" for t, c in zip(frame["caption"], frame["code"], strict=True)
    ]
    (finding,) = check_leakage(frame, SCHEMA)
    assert found([finding]) == [("error", "predicts the target alone", "caption")]
    assert "by a single word" in finding.message


def test_a_word_that_tells_one_class_of_many_is_a_warning():
    frame = leak_table()
    mark = np.where(frame["code"] == 2, " Watermark", "")
    (finding,) = check_leakage(frame.assign(caption=frame["caption"] + mark), SCHEMA)
    assert found([finding]) == [("warning", "one word tells a class", "caption")]
    assert "'watermark' for 'class 2'" in finding.message
    assert finding.rows == (frame["code"] == 2).sum()


def test_a_word_that_tells_one_class_of_two_is_an_error():
    frame = leak_table(classes=2)
    mark = np.where(frame["code"] == 1, " Watermark", "")
    (finding,) = check_leakage(frame.assign(caption=frame["caption"] + mark), SCHEMA)
    assert finding.severity == "error"


def test_ids_and_groups_are_warnings_because_they_are_no_inputs():
    frame = leak_table(600).sort_values("code", ignore_index=True)
    frame = frame.assign(row=range(600), who=[f"{c}-{i % 5}" for i, c in enumerate(frame["code"])])
    schema = Schema([Text("caption")], target="label", id="row", group="who")
    findings = check_leakage(frame, schema)
    assert found(findings) == [
        ("warning", "predicts the target alone", "row"),
        ("warning", "predicts the target alone", "who"),
    ]
    frame = frame.assign(row=[f"class{c}_{i}" for i, c in enumerate(frame["code"])])
    assert found(check_leakage(frame, schema))[0][2] == "row"


def test_regression_targets_are_checked_by_r2():
    rng = np.random.default_rng(0)
    price = rng.random(300) * 100
    schema = Schema(
        [Text("caption"), Tabular("t", ["euros", "noise"], ["band", "kind"])],
        target=Number("price"),
    )
    frame = pd.DataFrame(
        {
            "caption": random_texts(300),
            "price": price,
            "euros": 0.9 * price + 3,
            "noise": price + 30 * rng.random(300),
            "band": (price // 2).astype(int),
            "kind": (price // 30).astype(int),
        }
    )
    assert found(check_leakage(frame, schema)) == [
        ("error", "predicts the target alone", "euros"),
        ("error", "predicts the target alone", "band"),
    ]


def test_large_tables_are_sampled_with_the_seed():
    rows = 50_000
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, rows)
    schema = Schema([Tabular("t", ["value", "noise"])], target="label")
    value, noise = code + rng.random(rows) / 2, rng.random(rows)
    frame = pd.DataFrame({"label": code, "value": value, "noise": noise})
    (finding,) = check_leakage(frame, schema, seed=1)
    assert (finding.column, finding.rows) == ("value", 20_000)


# The same thing on both sides


def splits_of(train, validation, test):
    frames = [
        pd.DataFrame(rows, index=range(start, start + len(rows)))
        for rows, start in ((train, 0), (validation, 100), (test, 200))
    ]
    return Splits(*frames)


def test_a_group_on_both_sides_is_an_error():
    schema = Schema([Text("caption")], target="label", group="who")
    frame = leak_table().assign(who=np.repeat(np.arange(50), 4))
    assert check_leakage(split_table(frame, schema), schema) == []
    random = split_table(frame, SCHEMA)
    (finding,) = check_leakage(random, schema)
    assert found([finding]) == [("error", "same group on both sides", "who")]
    assert "Split by whole groups" in finding.message


def test_an_image_on_both_sides_is_found_by_content(tmp_path):
    for name, content in (("a", b"same"), ("copy", b"same"), ("b", b"size"), ("c", b"longer")):
        (tmp_path / f"{name}.png").write_bytes(content)
    path = {name: str(tmp_path / f"{name}.png") for name in ("a", "copy", "b", "c")}
    grey, other = np.zeros((2, 2)), np.ones((2, 2))
    splits = splits_of(
        train=[
            {"image": path["a"], "label": 0},
            {"image": grey, "label": 0},
            {"image": None, "label": 0},
        ],
        validation=[
            {"image": path["b"], "label": 0},
            {"image": b"same", "label": "0"},
            {"image": other, "label": 0},
        ],
        test=[
            {"image": path["copy"], "label": 0},
            {"image": path["c"], "label": 0},
            {"image": grey.copy(), "label": 1},
            {"image": None, "label": 0},
        ],
    )
    schema = Schema([Image("image")], target="label")
    error, warning = check_leakage(splits, schema)
    check = "same image on both sides"
    assert (error.severity, error.check, error.rows) == ("error", check, 2)
    assert "validation index 101 and train index 0" in error.message
    assert (warning.severity, warning.check, warning.rows) == ("warning", check, 1)
    assert "with another label, e.g. test index 202 and train index 1" in warning.message


def test_a_text_on_both_sides_is_a_warning():
    splits = splits_of(
        train=[{"caption": "one  text", "label": 0}, {"caption": None, "label": 1}],
        validation=[],
        test=[{"caption": "One text ", "label": 1}, {"caption": "", "label": 0}],
    )
    splits = Splits(splits.train, splits.train.iloc[:0], splits.test)
    (finding,) = check_leakage(splits, SCHEMA)
    assert found([finding]) == [("warning", "same text on both sides", "caption")]
    assert finding.rows == 1


def test_a_missing_image_file_is_named(tmp_path):
    rows = [{"image": str(tmp_path / "gone.png"), "label": 0}]
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        check_leakage(splits_of(rows, rows, rows), Schema([Image("image")], target="label"))


# Reading the findings


def test_errors_come_first_and_findings_read_as_text():
    assert format_findings([]) == "No leakage found."
    labels = ["cat", "dog"] * 20
    schema = Schema([Text("note"), Text("caption")], target="label", group="who")
    captions = random_texts(40)
    frame = table(labels, labels, note=captions, who=labels)
    findings = check_leakage(frame, schema)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities) and set(severities) == {"error", "warning"}
    text = format_findings(findings)
    assert text.splitlines()[0] == "Leakage check: 2 errors, 1 warning."
    assert "ERROR: label in text, column 'caption'" in text
    assert max(map(len, text.splitlines())) <= 100
    finding = Finding("warning", "a check", "x", "what was found", 1)
    assert format_findings([finding]).splitlines()[1:] == [
        "WARNING: a check, column 'x'",
        "    what was found",
    ]


def test_a_slow_check_shows_its_progress(monkeypatch, capsys):
    monkeypatch.setattr(ProgressBar, "_QUIET_SECONDS", 0.0)  # as if all of it were slow
    pixels = list(np.zeros((200, 2, 2), "uint8"))
    frame = leak_table().assign(pixels=pixels, who=range(200))
    schema = Schema([Image("pixels"), Text("caption")], target="label", group="who")
    check_leakage(split_table(frame, schema), schema)
    assert [line.rsplit(" in ", 1)[0] for line in capsys.readouterr().err.splitlines()] == [
        "looking for labels in 'caption' 200/200 (100 %)",
        "predicting the target from single columns 2/2 (100 %)",
        "looking for the same group in 'who' 200/200 (100 %)",
        "looking at the sizes of images 200/200 (100 %)",
        "comparing images 200/200 (100 %)",
        "looking for the same image in 'pixels' 200/200 (100 %)",
        "looking for the same text in 'caption' 200/200 (100 %)",
        "looking for the same row in 'pixels, caption' 200/200 (100 %)",
    ]


def test_a_check_does_not_change_the_table_and_repeats_itself():
    frame = leak_table()
    frame = frame.assign(value=frame["code"], site=frame["kind"])
    before = frame.copy()
    assert check_leakage(frame, TABULAR) == check_leakage(frame, TABULAR)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs the data in MMKERAS_DATA")
def test_the_emoji_data_has_one_image_twice_and_no_leak():
    folder = Path(os.environ["MMKERAS_DATA"]) / "emoji"
    frame = pd.read_json(folder / "emoji.json")
    points = [[f"{ord(character):04x}" for character in emoji] for emoji in frame["emoji"]]
    paths = []
    for row in points:
        names = ["_".join(row), "_".join(point for point in row if point != "fe0f")]
        files = [folder / "png72" / f"emoji_u{name}.png" for name in names]
        paths.append(next((str(file) for file in files if file.is_file()), None))
    text = frame["description"] + " " + frame["tags"].str.join(" ")
    frame = pd.DataFrame({"image": paths, "text": text, "label": frame["category"]})
    frame = frame[frame["image"].notna()]
    assert len(frame) == 1609
    # All rows but the copy are in train: it is met however the rows are split.
    copy = frame["text"].str.startswith("family: man, man, boy").to_numpy()
    schema = Schema([Image("image"), Text("text")], target="label")
    start = time.perf_counter()
    findings = check_leakage(Splits(frame[~copy], frame.iloc[:0], frame[copy]), schema)
    assert time.perf_counter() - start < 3
    assert found(findings) == [("error", "same image on both sides", "image")]
