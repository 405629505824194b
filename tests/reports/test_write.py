"""The folder holds the page, the numbers, the pictures, and all of it for TensorBoard."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from mmkeras.plotting import new_figure
from mmkeras.reports.parts import Card, Cards, Note, Picture, Report, Section, Table
from mmkeras.reports.write import write_report

VALUES = {
    "accuracy": np.float32(0.75),
    "rows": np.int64(8),
    "without": {"sound": 0.5, "text": float("nan")},
    "curve": np.array([1.0, np.inf]),
    "used": True,
}


def make_report(verdict="It needs both.") -> Report:
    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1])
    frame = pd.DataFrame(
        {"accuracy": [1 / 3, np.nan], "remark": ['a, "b"', "红绿灯"]},
        index=pd.Index(["image", "<b>"], name="input"),
    )
    first = [Table("inputs", frame, "The image is used."), Note("Eight rows.")]
    second = [Picture("noise", figure, "It falls."), Cards("rows", "None to show.", [])]
    return Report(
        "Audit of a toy",
        "two seeds",
        (verdict, "It is not sure."),
        {"test rows": "8"},
        [
            Section("inputs", "What is used?", "The image.", first, VALUES, 1.5),
            Section("noise", "Is it robust?", "No.", second),
        ],
    )


def report_with(part) -> Report:
    return Report("Audit", "", ("Fine.",), {}, [Section("one", "What?", "This.", [part])])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "toy" / "audit"
    report = make_report()
    return write_report(report, folder), report


def read_events(folder):
    return EventAccumulator(str(folder)).Reload()


def text(events, tag):
    return "".join(part.decode() for part in events.Tensors(tag)[0].tensor_proto.string_val)


def test_the_folder_holds_these_files_and_nothing_else(written):
    page, _ = written
    folder = page.parent
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    events = {name for name in files if "tfevents" in name}
    assert files - events == {"audit.html", "audit.json", "tables/inputs.csv", "pictures/noise.png"}
    assert len(events) == 1
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"tables", "pictures"}


def test_every_table_and_picture_is_in_the_page_and_on_disk(written):
    page, report = written
    html = page.read_text("utf-8")
    for table in report.tables:
        assert f'id="table-{table.name}"' in html
        back = pd.read_csv(page.parent / "tables" / f"{table.name}.csv", index_col=0)
        pd.testing.assert_frame_equal(back, table.frame, check_exact=True)
    for picture in report.pictures:
        png = (page.parent / "pictures" / f"{picture.name}.png").read_bytes()
        assert base64.b64encode(png).decode() in html
        assert Image.open(io.BytesIO(png)).size == (220, 110)


def test_the_numbers_come_back_from_json_with_null_for_what_is_no_number(written):
    page, _ = written

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    data = json.loads((page.parent / "audit.json").read_text("utf-8"), parse_constant=refuse)
    assert data == {
        "title": "Audit of a toy",
        "subtitle": "two seeds",
        "verdict": ["It needs both.", "It is not sure."],
        "facts": {"test rows": "8"},
        "conclusions": {"inputs": "The image.", "noise": "No."},
        "seconds": {"inputs": 1.5, "noise": 0.0},
        "values": {
            "inputs": {
                "accuracy": 0.75,
                "rows": 8,
                "without": {"sound": 0.5, "text": None},
                "curve": [1.0, None],
                "used": True,
            },
            "noise": {},
        },
        "files": ["tables/inputs.csv", "pictures/noise.png"],
    }


def test_tensorboard_finds_verdict_conclusions_tables_and_pictures(written):
    page, report = written
    events = read_events(page.parent)
    assert text(events, "verdict") == "- It needs both.\n- It is not sure."
    assert text(events, "inputs/conclusion") == "The image."
    assert text(events, "noise/conclusion") == "No."
    table = text(events, "inputs/tables/inputs")
    assert table.startswith("The image is used.\n\n| input") and "0.333" in table
    width, height, png = events.Tensors("noise/pictures/noise")[0].tensor_proto.string_val
    assert "noise/pictures/noise" in events.PluginTagToContent("images")
    assert png == report.pictures[0].png
    assert Image.open(io.BytesIO(png)).size == (int(width), int(height))


def test_tensorboard_finds_the_finite_numbers_as_scalars_and_the_facts(written):
    page, _ = written
    events = read_events(page.parent)
    scalars = {
        tag: float(make_ndarray(events.Tensors(tag)[0].tensor_proto))
        for tag in events.PluginTagToContent("scalars")
    }
    assert scalars == {"inputs/accuracy": 0.75, "inputs/rows": 8.0, "inputs/without/sound": 0.5}
    session = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert b"report.test rows" in session


def test_a_report_written_again_replaces_the_earlier_one_and_leaves_other_events(tmp_path):
    other = tmp_path / "events.out.tfevents.1.host.1.0.v2"
    other.write_bytes(b"")
    write_report(make_report("Before."), tmp_path)
    page = write_report(make_report("After."), tmp_path)
    assert "After." in page.read_text("utf-8") and "Before." not in page.read_text("utf-8")
    assert len(list(tmp_path.glob("events*"))) == 2 and other.exists()
    assert len(read_events(tmp_path).Tensors("verdict")) == 1
    assert list(tmp_path.rglob("*.tmp")) == [] and list(tmp_path.glob(".*")) == []


def test_an_earlier_reports_files_go_and_the_users_own_stay(tmp_path):
    table = Table("old", pd.DataFrame({"x": [1]}), "It is one.")
    write_report(report_with(table), tmp_path)
    (tmp_path / "tables" / "mine.csv").write_text("a\n1\n")
    write_report(report_with(Table("new", table.frame, "It is one.")), tmp_path)
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == ["mine.csv", "new.csv"]


def test_pictures_of_cards_stand_side_by_side(tmp_path):
    dark, light = np.zeros((5, 5, 1), np.uint8), np.full((9, 4, 3), 200, np.uint8)
    cards = Cards("shown", "Look.", [Card("one", pictures=[("", dark), ("map", light)])])
    write_report(report_with(cards), tmp_path)
    strip = np.asarray(Image.open(tmp_path / "pictures" / "shown-1.png"))
    assert strip.shape == (192, 384, 3)
    assert not strip[:, :192].any() and (strip[:, 192:] == 200).all()
