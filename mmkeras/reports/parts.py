"""What a report is made of: sections of tables, pictures, examples and notes, and a verdict."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
from PIL import Image

from mmkeras.reports.card import Card
from mmkeras.reports.embed import figure_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Table:
    """A table, in the page and as `tables/NAME.csv`.

    Args:
        name: The file's name, without its ending.
        frame: The rows. The index is the first column.
        caption: What to conclude from the table.
        digits: How many decimals the page shows; the file has them all.
        shown: How many rows a text (`mmkeras.reports.markdown`) shows, the first ones; by default
            all. A page folds the others away.
    """

    name: str
    frame: pd.DataFrame
    caption: str
    digits: int = 3
    shown: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether a text leaves rows out."""
        return self.shown is not None and len(self.frame) > self.shown

    def __post_init__(self):
        _check_name("table", self.name)
        _check_said("caption", f"table {self.name!r}", self.caption)
        if self.frame.index.nlevels > 1 or self.frame.columns.nlevels > 1:
            raise ValueError(
                f"Table {self.name!r} needs one column of row names and one line of column names. "
                f"Received: {self.frame.index.nlevels} levels of rows and "
                f"{self.frame.columns.nlevels} of columns. Join the levels' names, or use "
                "reset_index()."
            )


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, in the page and as `pictures/NAME.png`.

    Args:
        name: The file's name, without its ending.
        figure: The figure, as `mmkeras.reports.plots.new_figure` makes it. It is drawn once,
            at 110 dots per inch; on a wide screen the page has room for 8.8 inches.
        caption: What to conclude from the picture.
    """

    name: str
    figure: Figure
    caption: str

    def __post_init__(self):
        _check_name("picture", self.name)
        _check_said("caption", f"picture {self.name!r}", self.caption)

    @cached_property
    def png(self) -> bytes:
        return figure_png(self.figure)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the PNG in pixels."""
        return Image.open(io.BytesIO(self.png)).size


@dataclass(frozen=True, eq=False)
class Cards:
    """A grid of examples.

    Args:
        name: What to call the grid; part of its address in the page.
        caption: What to conclude from the examples.
        cards: The examples. The shades of their words are comparable.
    """

    name: str
    caption: str
    cards: Sequence[Card]

    def __post_init__(self):
        _check_name("grid of cards", self.name)
        _check_said("caption", f"grid of cards {self.name!r}", self.caption)


@dataclass(frozen=True)
class Note:
    """A paragraph of plain text."""

    text: str


Part: TypeAlias = Table | Picture | Cards | Note


@dataclass(frozen=True, eq=False)
class Section:
    """One question to the model, and the answer.

    Args:
        name: The section's key in `audit.json`.
        title: The heading.
        conclusion: The answer, in a sentence or two.
        parts: What the answer rests on.
        values: The answer's numbers, for `audit.json`; may be nested.
        seconds: How long it took to find out.
    """

    name: str
    title: str
    conclusion: str
    parts: Sequence[Part] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self):
        _check_name("section", self.name)
        _check_said("conclusion", f"section {self.name!r}", self.conclusion)


@dataclass(frozen=True, eq=False)
class Report:
    """A whole report.

    Args:
        title: The page's heading.
        subtitle: A line below it.
        verdict: What it all comes to, a sentence each.
        facts: What was looked at: the run, the rows and so on.
        sections: The questions, in the order in which to read them.
    """

    title: str
    subtitle: str
    verdict: Sequence[str]
    facts: Mapping[str, str]
    sections: Sequence[Section]

    def __post_init__(self):
        _check_once("section", (section.name for section in self.sections))
        for kind, things in (("table", self.tables), ("picture", self.pictures)):
            _check_once(kind, (thing.name for thing in things))

    def section(self, name: str) -> Section:
        """The section of a name."""
        known = {section.name: section for section in self.sections}
        if name not in known:
            raise ValueError(f"The report has the sections {list(known)}. Received: {name!r}.")
        return known[name]

    def show(self, section: str, *names: str) -> None:
        """Shows a section's conclusion, tables and pictures in a notebook.

        Args:
            section: The section's name.
            *names: Which tables and pictures; by default all of them.
        """
        from IPython.display import display

        shown = self.section(section)
        parts = [part for part in shown.parts if isinstance(part, (Table, Picture))]
        known = [part.name for part in parts]
        if strangers := sorted(set(names) - set(known)):
            raise ValueError(f"Section {section!r} shows {known}. Received: {strangers}.")
        print(shown.conclusion)
        for part in parts:
            if not names or part.name in names:
                display(part.frame.round(part.digits) if isinstance(part, Table) else part.figure)

    @property
    def tables(self) -> list[Table]:
        return [part for s in self.sections for part in s.parts if isinstance(part, Table)]

    @property
    def pictures(self) -> list[Picture]:
        return [part for s in self.sections for part in s.parts if isinstance(part, Picture)]


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(
            f"The name of a {kind} becomes a file name or an address: letters, digits and _ . + - "
            f"only, with a letter, digit or _ first. Received: {name!r}."
        )


def _check_said(kind: str, whose: str, text: str) -> None:
    if not text.strip():
        raise ValueError(
            f"The {kind} of {whose} says what to conclude. Received: {text!r}. Write a sentence."
        )


def _check_once(kind: str, names: Iterable[str]) -> None:
    """Names are compared without case, as some file systems do."""
    folded = [name.casefold() for name in names]
    again = sorted({name for name in folded if folded.count(name) > 1})
    if again:
        raise ValueError(f"Each {kind} of a report needs its own name. Used twice: {again}.")
