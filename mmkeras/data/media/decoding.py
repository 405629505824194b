"""From a cell of media to numbers: what `tf.data` carries, and what decodes it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.tables.cells import is_empty, row_name


class Decoder(Protocol):
    """How the cells of one kind become numbers.

    Attributes:
        a_noun: What a cell is, with its article.
        plural: What progress bars and files of decoded cells are called after.
        forms: What a user may give, in words.
        complaint: What is said of a cell that cannot be decoded.
        dtype: Of the decoded numbers.
    """

    a_noun: str
    plural: str
    forms: str
    complaint: str
    dtype: str

    def shape(self, settings: Any) -> tuple[int, ...]:
        """The shape of a decoded cell."""

    def decoding(self, settings: Any) -> list[Any]:
        """Of the settings those that decoding depends on, as JSON can hold them."""

    def blank(self, settings: Any) -> int:
        """The number that an empty cell is filled with."""

    def array_problem(self, array: np.ndarray) -> str | None:
        """Why an array is not such a cell, or None."""

    def encode(self, array: np.ndarray, settings: Any) -> bytes:
        """From an array in a cell to bytes that `decode` reads."""

    def decode(self, contents: tf.Tensor, is_path: tf.Tensor, settings: Any) -> tf.Tensor:
        """From bytes or a path, and a boolean (which of the two), to a tensor of the shape."""

    def explain(self, contents: bytes, is_path: bool, settings: Any) -> Any:
        """The same for plain values; raises the error that `decode` meets."""


def media_source(
    column: pd.Series, decoder: Decoder, settings: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Turns a column's cells into something that `tf.data` can carry.

    Args:
        column: Cells as `read_table` returns them: paths, encoded bytes, arrays or `None`.
        decoder: Of their kind.
        settings: Of that kind, too.

    Returns:
        A pair `(contents, is_path)`: an object array of byte strings, `(rows,)`, each a path or
        an encoded medium (empty for `None`), and booleans, `(rows,)`.

    Raises:
        ValueError: Cells that are no such media, which `read_table` would have found.
    """
    contents = np.empty(len(column), dtype=object)
    is_path = np.zeros(len(column), dtype=bool)
    problems: list[str] = []
    for row, value in enumerate(column):
        problem = None
        if is_empty(value):
            contents[row] = b""
        elif isinstance(value, (bytes, bytearray)):
            contents[row] = bytes(value)
        elif isinstance(value, np.ndarray):
            problem = decoder.array_problem(value)
            contents[row] = b"" if problem else decoder.encode(value, settings)
        elif isinstance(value, str) or hasattr(value, "__fspath__"):
            contents[row] = str(value).encode("utf-8")
            is_path[row] = True
        else:
            problem = f"{decoder.a_noun} is {decoder.forms}, not {value!r:.60}"
        if problem:
            problems.append(f"{row_name(column.to_frame(), row)}: {problem}")
    if problems:
        shown = "\n  ".join(problems[:20])
        raise ValueError(
            f"Column {column.name!r}: {len(problems)} cell(s) are no {decoder.plural}:\n  {shown}"
        )
    return contents, is_path
