"""A report as one HTML page that holds all it shows: no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape

from mmkeras.reports.embed import data_uri
from mmkeras.reports.escaping import html_prose
from mmkeras.reports.html_cards import cards_html
from mmkeras.reports.html_table import table_html
from mmkeras.reports.page_style import CSS
from mmkeras.reports.parts import Cards, Note, Part, Picture, Report, Section, Table

# Were a text ever to slip through unescaped, the browser would still run and load nothing.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
# A wide picture is not shrunk below this share of its size; it scrolls in its box instead.
_LEAST_SIZE = 0.6
_NARROW_SCREEN = 350


def report_html(report: Report) -> str:
    """The page.

    Args:
        report: What to show.

    Returns:
        HTML 5, with the pictures and sounds in it.

    Example:

    >>> sections = [Section("noise", "Does noise hurt?", "Little.", [Note("Ten rows only.")])]
    >>> page = report_html(Report("Audit", "of a toy", ["Sound."], {"rows": "10"}, sections))
    >>> page.startswith("<!DOCTYPE html>"), "Does noise hurt?" in page
    (True, True)
    """
    links = "".join(
        f'<li><a href="#section-{escape(section.name)}">{escape(section.title)}</a></li>'
        for section in report.sections
    )
    sections = "\n".join(_section(section) for section in report.sections)
    seconds = sum(section.seconds for section in report.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}</title>
<style>{CSS}</style>
</head>
<body>
<div class="layout">
{_header(report)}
<nav aria-label="Contents"><h2>Contents</h2><ol>{links}</ol></nav>
<main>
{sections}
</main>
<footer>The numbers of this page are in audit.json and tables/, its pictures in pictures/.
Computed in {_duration(seconds)}.</footer>
</div>
</body>
</html>
"""


def _header(report: Report) -> str:
    verdict = "".join(f'<li dir="auto">{html_prose(sentence)}</li>' for sentence in report.verdict)
    facts = "".join(
        f'<div><dt>{escape(name)}</dt><dd dir="auto">{escape(str(fact))}</dd></div>'
        for name, fact in report.facts.items()
    )
    return (
        f'<header><h1 dir="auto">{escape(report.title)}</h1>'
        f'<p class="subtitle" dir="auto">{escape(report.subtitle)}</p>'
        f'<div class="verdict"><h2>Verdict</h2><ul>{verdict}</ul></div>'
        f'<dl class="facts">{facts}</dl></header>'
    )


def _section(section: Section) -> str:
    parts = "\n".join(_part(part) for part in section.parts)
    took = f'<p class="took">Computed in {_duration(section.seconds)}.</p>'
    return (
        f'<section id="section-{escape(section.name)}"><h2>{escape(section.title)}</h2>\n'
        f'<p class="conclusion" dir="auto">{html_prose(section.conclusion)}</p>\n{parts}\n'
        f"{took if section.seconds else ''}</section>"
    )


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return table_html(part)
    if isinstance(part, Picture):
        return _picture(part)
    if isinstance(part, Cards):
        return cards_html(part)
    if isinstance(part, Note):
        return f'<p dir="auto">{html_prose(part.text)}</p>'
    raise ValueError(
        f"A part of a section is a Table, Picture, Cards or Note. Received: {type(part).__name__}."
    )


def _picture(picture: Picture) -> str:
    width, height = picture.size
    least = _LEAST_SIZE * width
    kind = "picture wide" if least > _NARROW_SCREEN else "picture"
    return (
        f'<figure class="{kind}" id="picture-{escape(picture.name)}">'
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="picture {escape(picture.name)}">'
        f'<img src="{data_uri("image/png", picture.png)}" width="{width}" height="{height}" '
        f'style="min-width: {least:.0f}px" alt="{escape(picture.caption)}"></div>'
        f'<figcaption dir="auto">{html_prose(picture.caption)}</figcaption></figure>'
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes"
