"""Parts of a report refuse what could not be shown, and say why."""

import numpy as np
import pandas as pd
import pytest

from mmkeras.plotting import new_figure
from mmkeras.reports.parts import Card, Cards, Note, Picture, Report, Section, Table

FRAME = pd.DataFrame({"accuracy": [0.5]}, index=["all"])


def report(*parts):
    return Report("Title", "", ("Fine.",), {}, [Section("one", "One", "So it is.", parts)])


@pytest.mark.parametrize("caption", ["", "  \n"])
def test_tables_pictures_and_cards_need_a_caption(caption):
    with pytest.raises(ValueError, match="caption of table 'scores' says what to conclude"):
        Table("scores", FRAME, caption)
    with pytest.raises(ValueError, match="caption of picture 'curve' says what to conclude"):
        Picture("curve", new_figure(2, 2), caption)
    with pytest.raises(ValueError, match="caption of grid of cards 'rows' says what to conclude"):
        Cards("rows", caption, [])


def test_a_section_needs_a_conclusion():
    with pytest.raises(ValueError, match="conclusion of section 'one' says what to conclude"):
        Section("one", "One", "")


@pytest.mark.parametrize("name", ["", "../outside", "a/b", ".hidden", "two words", '"><b>'])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ValueError, match="becomes a file name"):
        Table(name, FRAME, "Fine.")
    with pytest.raises(ValueError, match="becomes a file name"):
        Section(name, "One", "Fine.")


def test_a_section_is_shown_in_a_notebook(capsys):
    shown = report(Table("scores", FRAME, "Fine."), Table("costs", FRAME + 1, "Dear."))
    shown.show("one", "costs")
    printed = capsys.readouterr().out
    assert printed.startswith("So it is.") and "1.5" in printed and "0.5" not in printed
    shown.show("one")
    printed = capsys.readouterr().out
    assert "1.5" in printed and "0.5" in printed
    with pytest.raises(ValueError, match=r"shows \['scores', 'costs'\]. Received: \['cost'\]"):
        shown.show("one", "cost")
    with pytest.raises(ValueError, match=r"the sections \['one'\]. Received: 'two'"):
        shown.section("two")


def test_two_tables_of_one_name_are_refused_also_where_only_the_case_differs():
    with pytest.raises(ValueError, match=r"Each table .* Used twice: \['scores'\]"):
        report(Table("scores", FRAME, "Fine."), Table("Scores", FRAME, "Fine."))
    report(Table("scores", FRAME, "Fine."), Picture("scores", new_figure(2, 2), "Fine."))


def test_two_sections_of_one_name_are_refused():
    sections = [Section("one", "One", "Yes."), Section("one", "Again", "No.")]
    with pytest.raises(ValueError, match=r"Each section .* Used twice: \['one'\]"):
        Report("Title", "", (), {}, sections)


def test_a_table_of_several_levels_is_refused():
    levels = pd.DataFrame([[1.0]], index=pd.MultiIndex.from_tuples([("a", "b")]))
    with pytest.raises(ValueError, match="Received: 2 levels of rows and 1 of columns"):
        Table("scores", levels, "Fine.")


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), "float32"),
        np.zeros((4, 4), "uint8"),
        np.zeros((4, 4, 4), "uint8"),
    ],
)
def test_a_card_refuses_pixels_that_are_no_picture(pixels):
    with pytest.raises(ValueError, match=f"Received: {pixels.dtype} of shape"):
        Card("a row", pictures=[("heat", pixels)])


def test_a_card_refuses_samples_that_are_no_sound():
    with pytest.raises(ValueError, match="Received: float32 of shape"):
        Card("a row", sounds=[("", np.zeros(8, "float32"), 8000)])
    with pytest.raises(ValueError, match=r"Received: int16 of shape \(8, 2\)"):
        Card("a row", sounds=[("", np.zeros((8, 2), "int16"), 8000)])


def test_a_report_finds_its_tables_and_pictures_in_order():
    table, picture = Table("t", FRAME, "Fine."), Picture("p", new_figure(2, 1), "Fine.")
    whole = report(Note("Hello."), picture, table)
    assert whole.tables == [table]
    assert whole.pictures == [picture]


def test_a_picture_is_a_png_of_110_dots_an_inch():
    picture = Picture("p", new_figure(3, 2), "Fine.")
    assert picture.png.startswith(b"\x89PNG")
    assert picture.size == (330, 220)
