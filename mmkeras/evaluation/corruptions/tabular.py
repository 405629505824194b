"""Corruptions of tables: noise, and missing values.

Both take a DataFrame with the modality's columns as `read_table` gives them (numbers as float64,
categories as strings), and return such a one. Empty cells stay empty, other columns stay as they
are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.data.kinds.tabular import TabularPreprocessor
from mmkeras.data.tables.cells import empty_cells, label_names, object_series, to_numbers


def noise(
    frame: pd.DataFrame, amount: float, random: np.random.Generator, fitted: TabularPreprocessor
) -> pd.DataFrame:
    """Adds Gaussian noise to numbers, and replaces categories; dates stay as they are.

    A number becomes `x + amount * s * n`, `n ~ N(0, 1)`, with `s` its column's standard deviation
    over the training rows. A category becomes, with probability `amount`, another of the column's
    categories that were seen in training, any of them as likely.

    Args:
        frame: The modality's columns.
        amount: A share of the standard deviation, and a probability. Above one half, a column of
            two categories would say the opposite of what it should.
        random: What is drawn from.
        fitted: The modality's preprocessor.
    """
    frame = frame.copy()
    for column, deviation in fitted.deviation.items():
        white = random.standard_normal(len(frame))
        frame[column] = to_numbers(frame[column]) + amount * deviation * white
    for column, categories in fitted.categories.items():
        replaced = random.random(len(frame)) < amount
        which = random.random(len(frame))
        cells = label_names(frame[column])
        names = [
            _another(name, categories, draw) if name is not None and change else name
            for name, change, draw in zip(cells, replaced, which, strict=True)
        ]
        frame[column] = object_series(names, frame[column])
    return frame


def missing_values(
    frame: pd.DataFrame, share: float, random: np.random.Generator, fitted: TabularPreprocessor
) -> pd.DataFrame:
    """Empties cells, each with the same probability: NaN for a number, None for a category.

    One cell of a row stays, as a row without any is a row without the modality
    (`mmkeras.data.tables.cells.missing_cells`), which is another question.

    Args:
        frame: The modality's columns.
        share: The probability.
        random: Where the cells are drawn from.
        fitted: The modality's preprocessor.
    """
    columns = [*fitted.mean, *fitted.categories, *fitted.dates]
    draws = random.random((len(frame), len(columns)))
    empty = np.stack([empty_cells(frame[column]) for column in columns], axis=1)
    emptied = draws < share
    # Of the cells that a row has, the one that would be emptied last.
    emptied[np.arange(len(frame)), np.where(empty, -1.0, draws).argmax(axis=1)] = False
    frame = frame.copy()
    for column, gone in zip(columns, emptied.T, strict=True):
        if column in fitted.mean:
            frame[column] = np.where(gone, np.nan, to_numbers(frame[column]))
        elif column in fitted.dates:
            frame[column] = frame[column].mask(gone)
        else:
            cells = zip(frame[column], gone, strict=True)
            frame[column] = object_series(
                (None if now_gone else cell for cell, now_gone in cells), frame[column]
            )
    return frame


def _another(name: str, categories: tuple[str, ...], draw: float) -> str:
    """One of the other categories, by a draw from [0, 1); the same one if there is no other."""
    others = [category for category in categories if category != name]
    return others[int(draw * len(others))] if others else name
