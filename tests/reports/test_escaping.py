"""Texts of unknown origin in a report's Markdown, as a renderer shows them."""

import re
from html import unescape

import markdown
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from mmkeras.reports.escaping import markdown_text
from mmkeras.reports.markdown import format_table, report_markdown
from mmkeras.reports.parts import Note, Report, Section, Table

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\\<b>bold</b>",
    "</td></table><script>alert(1)</script>",
    "![picture](https://example.org/track.png)",
    "[click](javascript:alert(1)) and [x][y]",
    "[x]: https://example.org",
    "a|b || c\\|d",
    "one\r\ntwo\n\n# three\u2028four",
    "*a* **b** _c_ __d__ ~e~ ~~f~~ snake_case 2 * 3 * 4",
    "&lt; &amp;lt; &#60; R&D",
    "`<img src=x>` ``<b>`` ```",
    "# heading",
    "- item",
    "+ item",
    "12. item",
    "> quoted",
    "---",
    "***",
    "===",
    "~~~",
    "C:\\data\\*.png",
    "+0.5 (0.1 to 0.9) *",
    "===",
    "\x1b[31mred\x07",
]


def shown(html):
    """The text of HTML, and its tags."""
    tags = set(re.findall(r"<(/?\w+)", html))
    return unescape(re.sub(r"<[^>]*>", "", html)).strip(), {tag.strip("/") for tag in tags}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("before", ["", "- "])
def test_a_renderer_shows_the_text_as_it_is(text, before):
    render = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
    said, tags = shown(render(before + markdown_text(text)))
    expected = " ".join(text.split())
    assert said == re.sub(r"[\x00-\x1f]", "\ufffd", expected)
    assert tags <= {"p", "ul", "li"}


def test_code_stays_code_and_plain_words_are_not_touched():
    for text in (
        "Train with `--modality-dropout 0.3`.",
        "image + text: best_epoch 3, 95 % (0.81 to 0.90), R² -0.1; x < y, it's 50:50 [0, 1]!",
    ):
        assert markdown_text(text) == text.replace("<", "&lt;")


def test_no_class_name_leaves_its_cell_of_a_report():
    frame = pd.DataFrame({name: [1, 2] for name in HOSTILE[:9]}, index=pd.Index(HOSTILE[:2]))
    frame.index.name = HOSTILE[6]
    report = Report(
        HOSTILE[0],
        HOSTILE[1],
        HOSTILE,
        {HOSTILE[7]: HOSTILE[2]},
        [Section("a", HOSTILE[0], HOSTILE[3], [Note(HOSTILE[4]), Table("t", frame, HOSTILE[0])])],
    )
    text = report_markdown(report)
    html = MarkdownIt("commonmark").enable("table").render(text)
    allowed = ["h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"]
    assert shown(html)[1] <= {*allowed}
    assert html.count("<li>") == len(HOSTILE) + 2 and html.count("<tr>") == 3
    # TensorBoard's renderer, which then also removes what could run.
    assert not {"img", "script", "b", "a"} & shown(markdown.markdown(text))[1]
    assert len(format_table(frame).splitlines()) == 4
