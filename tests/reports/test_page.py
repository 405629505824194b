"""The page parses, shows all there is, runs nothing and fetches nothing."""

import base64
import io
import re
import wave
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmkeras.plotting import new_figure
from mmkeras.reports.page import report_html
from mmkeras.reports.parts import Card, Cards, Note, Picture, Report, Section, Table

EVIL = "<script>alert(1)</script>\"'&"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Elements with their attributes and texts; refuses tags that do not close as they opened."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def find(self, tag, **attributes):
        wanted = {"tag": tag, **{name.rstrip("_"): value for name, value in attributes.items()}}
        return [e for e in self.elements if wanted.items() <= e.items()]


def page(*parts, **changes):
    section = Section("one", "The first", "So it is.", parts)
    settings = {"title": "Audit", "subtitle": "of a toy", "verdict": ("Fine.",), "facts": {}}
    return Page(report_html(Report(**{**settings, "sections": [section], **changes})))


def test_everything_that_a_user_may_write_is_escaped():
    frame = pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=EVIL))
    words = [(EVIL, 1.0), (EVIL, 0.0)]
    pixels = np.zeros((2, 2, 1), "uint8")
    cards = [
        Card(
            EVIL,
            True,
            [("", pixels), (EVIL, pixels)],
            [(EVIL, np.zeros(4, "int16"), 8000)],
            [(EVIL, words)],
        ),
        Card(EVIL, texts=[("", EVIL)], table={EVIL: EVIL}, notes=(EVIL,)),
    ]
    parts = [
        Table("t", frame, EVIL),
        Picture("p", new_figure(1, 1), EVIL),
        Cards("c", EVIL, cards),
        Note(EVIL),
    ]
    report = Report(EVIL, EVIL, (EVIL,), {EVIL: EVIL}, [Section("one", EVIL, EVIL, parts)])
    html = report_html(report)
    found = Page(html)
    assert "<script" not in html and found.find("script") == []
    shown_in = {e["tag"] for e in found.elements if e["text"] == EVIL}
    headings, rest = {"title", "h1", "h2", "a"}, {"p", "li", "dt", "dd", "figcaption", "span"}
    assert headings | rest | {"th", "td"} <= shown_in
    assert found.find("img", alt=EVIL)
    assert found.find("img", alt=f"{EVIL}: {EVIL}")


def test_the_page_runs_nothing_and_fetches_nothing():
    pixels = np.zeros((2, 2, 3), "uint8")
    found = page(
        Picture("p", new_figure(1, 1), "Fine."),
        Cards(
            "c",
            "Fine.",
            [Card("x", pictures=[("", pixels)], sounds=[("", np.zeros(4, "int16"), 8000)])],
        ),
    )
    addresses = [e[name] for e in found.elements for name in ("src", "href") if name in e]
    assert len(addresses) == 4  # the contents' link, two pictures, a sound
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not {"script", "link", "iframe", "object"} & {e["tag"] for e in found.elements}
    style = found.find("style")[0]["text"]
    assert "url(" not in style and "@import" not in style
    policy = next(e for e in found.find("meta") if "http-equiv" in e)["content"]
    assert "default-src 'none'" in policy


def test_the_contents_lead_to_every_section():
    sections = [Section("one", "The first", "Yes."), Section("two", "The second", "No.")]
    found = page(sections=sections)
    links = {e["href"]: e["text"] for e in found.find("a")}
    assert links == {"#section-one": "The first", "#section-two": "The second"}
    assert [e["id"] for e in found.find("section")] == ["section-one", "section-two"]


def test_verdict_facts_and_conclusions_are_shown():
    found = page(verdict=("It works.", "Not always."), facts={"test rows": "1,024"})
    box = found.find("div", class_="verdict")[0]["text"]
    assert "It works." in box and "Not always." in box
    assert [found.find(tag)[0]["text"] for tag in ("dt", "dd")] == ["test rows", "1,024"]
    assert found.find("p", class_="conclusion")[0]["text"] == "So it is."


def test_no_line_ends_between_a_number_and_its_percent_sign():
    table = Table("t", pd.DataFrame({"a": [1]}), "Of 12 % only.")
    section = Section("a", "A?", "From 94.0 % to 7 %.", [Note("5 % of it, <3 %>."), table])
    page = report_html(Report("T", "of it", ["A 95 % interval."], {}, [section]))
    wanted = ("From 94.0&nbsp;% to 7&nbsp;%.", "5&nbsp;% of it, &lt;3&nbsp;%&gt;.", "95&nbsp;% int")
    assert all(text in page for text in (*wanted, "Of 12&nbsp;% only."))


def test_a_table_shows_numbers_right_aligned_with_its_decimals():
    frame = pd.DataFrame(
        {
            "accuracy": [0.98765, np.nan],
            "rows": [12345, 6],
            "interval": ["0.90 to 0.99", "–"],
            "remark": ["fine", "12 rows only"],
            "sure": [True, False],
        },
        index=pd.Index(["image", "text"], name="input"),
    )
    found = page(Table("scores", frame, "The image is used.", digits=2))
    assert [e["text"] for e in found.find("th", scope="col")] == ["input", *frame.columns]
    assert [e["text"] for e in found.find("th", scope="row")] == ["image", "text"]
    cells = [(e["text"], e.get("class")) for e in found.find("td")]
    number = "number"
    assert cells == [
        *(("0.99", number), ("12,345", number), ("0.90 to 0.99", number), ("fine", None)),
        *(("yes", None), ("–", number), ("6", number), ("–", number), ("12 rows only", None)),
        ("no", None),
    ]
    assert found.find("figcaption")[0]["text"] == "The image is used."


def test_a_table_with_two_columns_of_one_name_keeps_both():
    frame = pd.DataFrame([[1, "a"]], columns=["x", "x"])
    assert [e["text"] for e in page(Table("t", frame, "Fine.")).find("td")] == ["1", "a"]


def test_of_a_long_table_the_first_rows_are_open_and_no_more_than_500_in_the_page():
    twenty = page(Table("t", pd.DataFrame({"x": range(20)}), "Fine."))
    assert not twenty.find("details") and len(twenty.find("td")) == 20
    found = page(Table("t", pd.DataFrame({"x": range(1200)}), "Fine."))
    assert [e["text"] for e in found.find("td")] == [f"{x:,}" for x in range(500)]
    summary = found.find("summary")[0]["text"]
    assert summary == "490 more of 1,200 rows; the others are in tables/t.csv"
    inside = found.find("details")[0]["text"]
    assert inside.removeprefix(summary).removeprefix("x").startswith("1010")  # row 10 holds 10


def test_a_picture_is_in_the_page_pixel_for_pixel():
    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1], [1, 0])
    picture = Picture("line", figure, "It falls.")
    image = page(picture).find("img")[0]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == picture.png
    assert (image["width"], image["height"], image["alt"]) == ("220", "110", "It falls.")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_cards_pictures_come_back_as_they_were(channels):
    rng = np.random.default_rng(0)
    main, heat = rng.integers(0, 256, (2, 40, 30, channels), dtype=np.uint8)
    found = page(Cards("c", "Fine.", [Card("a cat", pictures=[("", main), ("heat", heat)])]))
    images = found.find("img")
    for image, pixels in zip(images, (main, heat), strict=True):
        png = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        back = np.asarray(Image.open(io.BytesIO(png)).convert("RGB" if channels == 3 else "L"))
        np.testing.assert_array_equal(back.reshape(pixels.shape), pixels)
    assert [image["alt"] for image in images] == ["picture: a cat", "heat: a cat"]


def test_a_sound_plays_the_same_samples():
    samples = np.array([0, 1, -1, 32767, -32768, 258], dtype=np.int16)
    found = page(Cards("c", "Fine.", [Card("a dog", sounds=[("", samples, 16000)])]))
    audio = found.find("audio")[0]
    assert "controls" in audio
    contents = base64.b64decode(audio["src"].removeprefix("data:audio/wav;base64,"))
    with wave.open(io.BytesIO(contents)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 16000)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(99), "<i2"), samples)


def test_words_are_shaded_by_side_and_size_on_one_scale_for_all_cards():
    words = [("good", 0.5), ("bad", -0.25), ("the", 0.0), ("odd", float("nan"))]
    first = Card("a", texts=[("", words)])
    found = page(Cards("c", "Fine.", [first, Card("b", texts=[("", [("fine", 1.0)])])]))
    shades = {
        e["text"]: (
            e["class"],
            float(re.search(r"background: rgba\(.*?, ([\d.]+)\)", e["style"])[1]),
        )
        for e in found.find("span")
        if "style" in e and "title" in e
    }
    # The deepest, an effect of 1, is half opaque.
    assert shades == {"good": ("for", 0.25), "bad": ("against", 0.12), "fine": ("for", 0.5)}
    titles = [e["title"] for e in found.find("span") if "title" in e]
    assert titles[1] == "speaks against the answer: -0.25"
    assert found.find("p", class_="text")[0]["text"] == "good bad the odd"
    legend = found.find("p", class_="legend")[0]["text"]
    assert "blue speaks for the answer, orange against it" in legend and "deepest: 1)" in legend


def test_dark_text_on_the_deepest_shade_keeps_a_contrast_of_7():
    found = page(Cards("c", "Fine.", [Card("a", texts=[("", [("good", 1.0), ("bad", -1.0)])])]))

    def luminance(color):
        share = np.asarray(color) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    ink = luminance([0x1F, 0x23, 0x28])
    grounds = [e["style"] for e in found.find("span") if "title" in e]
    assert len(grounds) == 2
    for style in grounds:
        *color, opacity = map(float, re.search(r"rgba\((.*?)\)", style)[1].split(","))
        ground = luminance(opacity * np.array(color) + (1 - opacity) * 255)
        assert (ground + 0.05) / (ink + 0.05) > 7


def test_plain_text_has_no_legend_and_all_effects_may_be_zero():
    found = page(Cards("c", "Fine.", [Card("a", texts=[("", "just words")])]))
    assert found.find("p", class_="text")[0]["text"] == "just words"
    assert not found.find("p", class_="legend")
    flat = page(Cards("c", "Fine.", [Card("a", texts=[("", [("no", 0.0), ("effect", 0.0)])])]))
    assert flat.find("p", class_="text")[0]["text"] == "no effect"


def test_several_sounds_and_texts_of_a_row_are_told_apart_by_their_labels():
    silence = np.zeros(4, "int16")
    card = Card(
        "a dog",
        sounds=[("left", silence, 8000), ("right", silence, 8000)],
        texts=[("title", "Rex"), ("note", [("barks", 1.0)])],
    )
    found = page(Cards("c", "Fine.", [card]))
    assert [e["aria-label"] for e in found.find("audio")] == ["left of a dog", "right of a dog"]
    shown = [e["text"] for e in found.find("p", class_="text")]
    assert shown == ["title: Rex", "note: barks"]


def test_right_and_wrong_are_told_in_words_not_by_colour_alone():
    cards = [Card("a", True), Card("b", False), Card("c")]
    titles = [e["text"] for e in page(Cards("c", "Fine.", cards)).find("h4")]
    assert titles == ["✓ right a", "✗ wrong b", "c"]


def test_a_part_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"Table, Picture, Cards or Note\. Received: str"):
        page("a paragraph")
