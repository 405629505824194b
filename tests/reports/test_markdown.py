"""A report as Markdown."""

import numpy as np
import pandas as pd
import pytest

from mmkeras.csv_files import read_csv
from mmkeras.plotting import new_figure
from mmkeras.reports.card import Card
from mmkeras.reports.markdown import format_table, report_markdown, write_markdown
from mmkeras.reports.parts import Cards, Note, Picture, Report, Section, Table


@pytest.fixture
def report():
    frame = pd.DataFrame({"accuracy": [0.81239, 0.5]}, index=pd.Index(["a|b", "c"], name="class"))
    figure = new_figure(3, 2)
    figure.subplots().plot([0, 1])
    pixels = np.zeros((4, 4, 3), np.uint8)
    card = Card(
        "day",
        False,
        [("", pixels)],
        texts=[("note", [("the", 0.0), ("sun", 0.4)])],
        table={"hour": "12"},
        notes=["Sure."],
    )
    parts = [
        Note("first"),
        Note("second"),
        Table("scores", frame, "The second is a guess.", digits=2),
        Picture("loss_curve", figure, "It falls."),
        Note("third"),
        Cards("rows", "Two mistakes.", [card]),
    ]
    sections = [Section("one", "How good?", "Fair.", parts), Section("two", "More?", "No.")]
    return Report("Run", "of a toy", ["Usable.", "Small."], {"rows": "2", "seed": "0"}, sections)


def test_every_part_of_a_report_is_in_its_text(report):
    assert (
        report_markdown(report)
        == r"""# Run

of a toy

- Usable.
- Small.

## How good?

Fair.

- first
- second

The second is a guess.

| class | accuracy |
| ----- | -------: |
| a\|b  |     0.81 |
| c     |     0.50 |

![loss curve](pictures/loss_curve.png)

It falls.

- third

Two mistakes.

- ✗ day; note: the sun; hour: 12; Sure.

## More?

No.

## Facts

- rows: 2
- seed: 0
"""
    )


def test_pictures_are_written_where_the_text_looks_for_them(report, tmp_path):
    text = write_markdown(report, tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == text
    assert (tmp_path / "pictures" / "loss_curve.png").read_bytes() == report.pictures[0].png
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "pictures"}


def test_numbers_in_a_table_are_short_and_none_is_lost():
    values = [0.12345, 12.345, 12345, 0.0004, np.nan, True, "text"]
    text = format_table(pd.DataFrame({"value": pd.Series(values, dtype=object)}))
    cells = [line.split("|")[2].strip() for line in text.splitlines()[2:]]
    assert cells == ["0.123", "12.3", "12,345", "0.0004", "–", "yes", "text"]


def test_a_table_that_is_cut_says_so_and_is_whole_in_a_file(report, tmp_path):
    frame = pd.DataFrame({"F1": np.linspace(0, 1, 9)}, index=pd.Index(list("abcdefghi"), name="x"))
    table = Table("by_class", frame, "The weakest first.", shown=2)
    whole = Table("whole", frame[:2], "All.", shown=2)
    section = Section("one", "How good?", "Fair.", [table, whole])
    text = write_markdown(Report("Run", "of a toy", [], {}, [section]), tmp_path / "report.md")
    assert "| b " in text and "| c " not in text
    assert "The first 2 of 9 rows; all of them are in [tables/by_class.csv]" in text
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["by_class.csv"]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "tables/by_class.csv", index_col=0), frame)
