"""Texts of unknown origin, such as class names, as they are in Markdown and in HTML."""

from __future__ import annotations

import html
import re

# Code that a report marks as such. What could be anything else than code is not taken for it.
_CODE = re.compile(r"(?<!`)`[^`<>&\[\]\\|\n]+`(?!`)")
# `*`, `~` and `_` between spaces, and `_` within a word, are themselves; a link or a picture is
# known by what follows its `]`, and HTML and its characters by `<` and `&`.
_SPECIAL = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`|]|[*~](?=\S)|(?<=\S)[*~]|\](?=[(\[:])"
    r"|(?<![^\W_])_(?=\S)|(?<=\S)_(?![^\W_])"
)
_HTML = re.compile(r"<|&(?=#?\w+;)")
# What would begin a list, a heading, a quotation, a rule or a block of code.
_BLOCK = re.compile(r"(?:[-+*](?=\s|$)|[#>=~]|---|\d{1,9}[.)](?=\s|$))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def markdown_text(text: str) -> str:
    """A text as Markdown that shows it as it is, on one line; `code` stays code.

    Args:
        text: Any text, such as a class name. Line breaks become spaces.

    Example:

    >>> print(markdown_text("a|b <img src=x> ![y](http://z) best_epoch of `--epochs 5`"))
    a\\|b &lt;img src=x> ![y\\](http://z) best_epoch of `--epochs 5`
    """
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_escape(text[end : code.start()]), code.group()]
        end = code.end()
    escaped = "".join([*parts, _escape(text[end:])])
    begin = _BLOCK.match(escaped)
    # Of "1." the point is escaped: a backslash before a digit is a backslash.
    place = 0 if begin is None or not escaped[0].isdigit() else begin.end() - 1
    return escaped if begin is None else f"{escaped[:place]}\\{escaped[place:]}"


def html_prose(text: str) -> str:
    """A sentence as HTML, in which no line ends between a number and its percent sign.

    >>> html_prose("<b> has 94.0 %")
    '&lt;b&gt; has 94.0&nbsp;%'
    """
    return re.sub(r"(?<=\d) %", "&nbsp;%", html.escape(text))


def _escape(text: str) -> str:
    text = _SPECIAL.sub(r"\\\g<0>", text)
    return _HTML.sub(lambda match: {"<": "&lt;", "&": "&amp;"}[match.group()], text)
