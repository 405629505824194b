"""Missing cells of a modality, filled by a model that makes it of the others."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.cells import missing_cells
from mmkeras.experiment.run_folder import Run
from mmkeras.schema import MODALITIES, Modality, Schema, Tabular


class Imputer:
    """Fills a modality where it is missing, by conversion of those that are there: `Y = T(X)`.

    Args:
        run: A run whose target is the modality: a text, an image or a sequence.
        modality: The modality whose cells are filled; by default the run's target. A tabular one
            of numbers, where the run makes them as one vector.

    Raises:
        ValueError: The run's target is no modality, or not this one.

    Example:

    ```python
    imputer = Imputer(mmkeras.Run("runs/convert-emoji/.../seed0-image"))
    filled = imputer.fill(table)  # rows with an image and no text get a text
    ```

    References:
        - [Pham et al., 2019](https://arxiv.org/abs/1812.07809) (translation for missing modalities)
    """

    def __init__(self, run: Run, modality: Modality | None = None):
        target = run.preprocessing.schema.target
        if target is None or target.kind not in MODALITIES:
            raise ValueError(
                f"{run} predicts no modality, which could be filled in. Received: {target!r}."
            )
        modality = target if modality is None else modality
        vector = isinstance(modality, Tabular) and modality.columns == modality.numeric
        if modality.kind != target.kind and not (vector and target.kind == "sequence"):
            raise ValueError(f"{run} makes {target!r}, which is no cell of {modality!r}.")
        if vector and run.preprocessing.num_outputs != len(modality.columns):
            raise ValueError(
                f"{run} makes {run.preprocessing.num_outputs} numbers, and {modality.name!r} has "
                f"{len(modality.columns)} columns."
            )
        self.run, self.modality = run, modality

    @property
    def sources(self) -> tuple[Modality, ...]:
        """What the modality is made of."""
        return self.run.preprocessing.schema.modalities

    @property
    def needs_all(self) -> bool:
        """Whether a row has to have all of the sources, and not one of them."""
        return not self.run.preprocessing.presence

    def lacking(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows lack the modality and have what it is made of, booleans `(rows,)`."""
        absent = missing_cells(frame, Schema(self.sources)).to_numpy()
        enough = ~(absent.any(axis=1) if self.needs_all else absent.all(axis=1))
        return missing_cells(frame, Schema([self.modality])).to_numpy()[:, 0] & enough

    def fill(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows, with the modality made where it is missing; other cells stay as they are.

        Args:
            frame: Rows as `mmkeras.read_table` returns them, with the columns of the modality.

        Returns:
            A copy. Rows that lack the sources, too, keep their holes, and a warning counts them.
        """
        lacking = self.lacking(frame)
        holes = missing_cells(frame, Schema([self.modality])).to_numpy()[:, 0]
        if left := int((holes & ~lacking).sum()):
            names = [modality.name for modality in self.sources]
            warnings.warn(
                f"{left:,} rows lack {self.modality.name!r}, and of {names} what it is made of: "
                "they keep their holes.",
                UserWarning,
                stacklevel=2,
            )
        filled = frame.copy()
        if lacking.any():
            _put(filled, lacking, self._make(frame[lacking]))
        return filled

    def _make(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The modality's cells of some rows, a column for each of its columns."""
        preprocessing = self.run.preprocessing
        rows = rows.drop(columns=list(preprocessing.schema.target_columns), errors="ignore")
        pipeline = Pipeline(rows, preprocessing, batch_size=256)
        outputs = self.run.answering.predict(pipeline.evaluate(), verbose=0)
        cells = preprocessing.task.decode(outputs)
        if isinstance(self.modality, Tabular):
            vectors = np.stack([np.asarray(cell, np.float64).ravel() for cell in cells])
            return pd.DataFrame(vectors, columns=list(self.modality.columns))
        (column,) = self.modality.columns
        return pd.DataFrame({column: pd.Series(list(cells), dtype=object)})


def _put(frame: pd.DataFrame, where: np.ndarray, made: pd.DataFrame) -> None:
    """Writes made cells into rows of a table, in place."""
    for column in made:
        numbers = pd.api.types.is_numeric_dtype(made[column])
        values = frame[column].to_numpy(np.float64 if numbers else object, copy=True)
        cells = without_holes(made[column].to_numpy())
        for place, cell in zip(np.flatnonzero(where), cells, strict=True):
            values[place] = cell
        frame[column] = pd.Series(values, frame.index)


def without_holes(cells: np.ndarray) -> list[Any]:
    """Made cells; a text of no words is ".", since an empty cell would be missing.

    >>> without_holes(np.array(["red apple", ""], object))
    ['red apple', '.']
    """
    return ["." if isinstance(cell, str) and not cell.strip() else cell for cell in cells]


def hidden(frame: pd.DataFrame, modality: Modality) -> pd.DataFrame:
    """A table in which no row has a modality.

    >>> from mmkeras.schema import Text
    >>> hidden(pd.DataFrame({"note": ["red", "green"]}), Text("note"))["note"].tolist()
    [None, None]
    """
    numeric = modality.numeric if isinstance(modality, Tabular) else ()
    return frame.assign(
        **{
            column: np.nan if column in numeric else pd.Series([None] * len(frame), frame.index)
            for column in modality.columns
        }
    )
