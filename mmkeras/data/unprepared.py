"""Cells that a model does not take as they are: new to it, or cut. Counted, and said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Unprepared:
    """Cells of one column that no training row prepared the model for, or that lose much.

    Args:
        column: The column.
        cells: How many they are.
        rows: The rows that were looked at.
        what: What they are, and what the model takes them for.
    """

    column: str
    cells: int
    rows: int
    what: str

    def __str__(self) -> str:
        return f"column {self.column!r}: {self.cells:,} of {self.rows:,} cells {self.what}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "cells": self.cells,
            "rows": self.rows,
            "what": self.what,
        }


def in_no_training_row(column: str, cells: np.ndarray) -> Unprepared:
    """Categories that are new."""
    return _counted(column, cells, "were in no training row; they all count as one unknown value")


def may_be_several(column: str, cells: np.ndarray) -> Unprepared:
    """Numbers that several categories are written with, as 1 is that of 01 and 1."""
    what = "are numbers that may be one of several categories, such as 01 and 1, and count as "
    return _counted(column, cells, f"{what}unknown; give them as texts")


def shares_an_input(column: str, cells: np.ndarray) -> Unprepared:
    """Categories beyond `max_categories`."""
    what = "have one of the rarer categories, which share one input (raise `max_categories`)"
    return _counted(column, cells, what)


def empty_here_only(column: str, cells: np.ndarray) -> Unprepared:
    """Empty cells of a column that no training row lacks."""
    return _counted(column, cells, "are empty, and no training row's is; they count as average")


def far_outside(column: str, cells: np.ndarray) -> Unprepared:
    """Numbers far from all training rows'."""
    what = "are far outside of the training rows' range, and are taken for its tenfold"
    return _counted(column, cells, what)


def without_known_words(column: str, cells: np.ndarray) -> Unprepared:
    """Texts of unknown words only."""
    return _counted(column, cells, "have no word of the training rows' vocabulary")


def beyond_deviations(column: str, cells: np.ndarray, limit: float) -> Unprepared:
    """Sequences with numbers far from all training rows'."""
    what = f"have numbers that are cut at {limit:,.0f} of the training rows' standard deviations"
    return _counted(column, cells, what)


def cut_short(
    column: str, lengths: np.ndarray, most: float, unit: str, setting: str
) -> list[Unprepared]:
    """Cells that are too long for the model's input, and lose more than a tenth of themselves.

    Fewer than one cell in a hundred are not worth a word, nor is a text that loses its last one.

    Args:
        column: The column.
        lengths: How long its cells are, `(rows,)`.
        most: What of a cell is kept.
        unit: What lengths are counted in.
        setting: What keeps more of them.
    """
    cells = 0.9 * lengths > most
    if not cells.any() or cells.mean() < 0.01:
        return []
    what = (
        f"have more than {most:g} {unit} and are cut (the longest has {lengths.max():g}); "
        f"{setting} says how much is kept"
    )
    return [_counted(column, cells, what)]


def left_out(
    column: str, lengths: np.ndarray, most: int, plural: str, setting: str
) -> list[Unprepared]:
    """Cells that hold more media than the model takes of one; the last ones are left out.

    Args:
        column: The column.
        lengths: How many its cells hold, `(rows,)`.
        most: How many the model takes.
        plural: What they are.
        setting: What limits that, beside the training rows.
    """
    cells = lengths > most
    if not cells.any():
        return []
    what = (
        f"have more than {most} {plural}, and those after them are left out (the longest has "
        f"{lengths.max()}); a model takes as many as a training row has, and at most {setting}"
    )
    return [_counted(column, cells, what)]


def _counted(column: str, cells: np.ndarray, what: str) -> Unprepared:
    return Unprepared(column, int(cells.sum()), len(cells), what)
