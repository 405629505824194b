"""Answers for rows: the run's own way from cells to inputs, made for many small requests."""

from __future__ import annotations

import dataclasses
import itertools
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.kinds import KINDS
from mmkeras.data.kinds.protocols import FedRows
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.names import KnownNames
from mmkeras.data.tables.read import read_table
from mmkeras.models.answer import answer_model
from mmkeras.models.parts import PRESENT
from mmkeras.serving.server.cells import Row

Answer = dict[str, Any]
# What reading and answering raise about cells; anything else is a mistake in the code.
_UNREADABLE = (ValueError, OSError, OverflowError)


@dataclasses.dataclass(frozen=True)
class _Read:
    """Rows that could be read: their pipeline, inputs, and what to note about each."""

    pipeline: Pipeline
    inputs: dict[str, np.ndarray]
    notes: list[list[str]]


class Answerer:
    """Answers rows with a trained model. It is called by one thread at a time.

    Args:
        model: Of a run.
        preprocessing: Of the same run.
    """

    def __init__(self, model: keras.Model, preprocessing: Preprocessing):
        self._model, self._preprocessing = answer_model(model), preprocessing
        self._makers: dict[str, Any] = {}
        self._rows_are_alone = not _rows_decide_together(preprocessing)

    def __call__(self, requests: Sequence[Sequence[Row]]) -> list[list[Answer]]:
        """Answers to the rows of several requests, each a list as long as its rows.

        A row that cannot be read has an `error` in place of an answer, and does not harm the
        others. What a cell means does not depend on the rows of other requests.
        """
        rows = [row for request in requests for row in request]
        if not rows:
            return [[] for _ in requests]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers = self._together(rows) if self._rows_are_alone else None
            if answers is None:
                found = [self._together(request) or self._apart(request) for request in requests]
                answers = [answer for each in found for answer in each]
        ends = np.cumsum([0, *map(len, requests)])
        return [answers[first:last] for first, last in itertools.pairwise(ends)]

    def _together(self, rows: Sequence[Row]) -> list[Answer] | None:
        """Answers to rows that are read as one table; `None` if one of them cannot be read."""
        try:
            read = self._read(rows)
        except _UNREADABLE:
            return None
        return self._answers(read)

    def _apart(self, rows: Sequence[Row]) -> list[Answer]:
        """Answers to rows that are read one by one."""
        answers: list[Answer] = []
        for row in rows:
            try:
                answers += self._answers(self._read([row]))
            except _UNREADABLE as error:
                answers.append({"error": _in_short(error)})
        return answers

    def _read(self, rows: Sequence[Row]) -> _Read:
        schema = self._preprocessing.schema
        frame = pd.DataFrame(
            {
                column: pd.Series([row.get(column) for row in rows], dtype=object)
                for column in schema.columns
            }
        )
        table = read_table(
            frame,
            schema,
            base_dir=os.devnull,  # no text of a request is the path of a file
            require_target=False,
            decimal_marks=self._preprocessing.decimal_marks,
        )
        pipeline = Pipeline(table, self._preprocessing, batch_size=len(rows), cache="memory")
        places = tf.range(len(rows))
        inputs = {name: self._input(name, pipeline, places) for name in schema.names}
        if self._preprocessing.presence:
            inputs[PRESENT] = ~missing_cells(pipeline.frame, schema).to_numpy()
        return _Read(pipeline, inputs, self._notes(pipeline))

    def _input(self, name: str, pipeline: Pipeline, places: tf.Tensor) -> np.ndarray:
        """A modality's input, `(rows, ...)`."""
        source = pipeline.source(name)
        loaded = source.load(places)
        if self._preprocessing.task.per_step:  # padded to the longest of these rows
            return source.batch(loaded, None).numpy()
        if name not in self._makers:
            # What a source makes depends on the fitted state alone: traced once, and for all rows.
            self._makers[name] = tf.function(
                lambda loaded: source.batch(loaded, None), reduce_retracing=True, autograph=False
            )
        return self._makers[name](loaded).numpy()

    def _notes(self, pipeline: Pipeline) -> list[list[str]]:
        """What nothing in the training rows prepared the model for, by row."""
        notes: list[list[str]] = [[] for _ in range(len(pipeline))]
        if not pipeline.unprepared:
            return notes
        columns = {found.column for found in pipeline.unprepared}
        for modality in self._preprocessing.schema.modalities:
            if not columns & set(modality.columns):
                continue
            schema = self._preprocessing.schema.select([modality.name])
            for place in range(len(pipeline)):
                frame = pipeline.frame.iloc[[place]]
                if missing_cells(frame, schema).to_numpy().all():
                    continue
                notes[place] += self._notes_of_row(frame, modality)
        return notes

    def _notes_of_row(self, frame: pd.DataFrame, modality: Any) -> list[str]:
        kind, fitted = KINDS[modality.kind], self._preprocessing.modalities[modality.name]
        store = kind.open_store(
            frame[modality.columns[0]], fitted.settings, fitted=fitted, cache="memory"
        )
        source = kind.source(FedRows(frame, np.arange(1)), modality, fitted, store)
        found = kind.unprepared(frame, modality, fitted, source)
        return list(map(str, found))

    def _answers(self, read: _Read) -> list[Answer]:
        rows = len(read.pipeline)
        inputs = {name: _padded(array, rows) for name, array in read.inputs.items()}
        outputs = np.asarray(self._model.predict_on_batch(inputs))[:rows]
        examples, task = read.pipeline.examples, self._preprocessing.task
        outputs = read.pipeline.unpad(outputs)
        columns = task.prediction_columns(examples, outputs)
        if not columns:
            columns = {"predicted": task.decode(outputs)}
        values = {name: _plain(column) for name, column in columns.items()}
        by_example = [
            {name: column[place] for name, column in values.items()}
            for place in range(len(examples))
        ]
        if not task.per_step:
            answers = by_example
        else:
            answers = [{"steps": []} for _ in range(rows)]
            places = {label: place for place, label in enumerate(read.pipeline.frame.index)}
            for label, answer in zip(examples.index, by_example, strict=True):
                answers[places[label]]["steps"].append(answer)
        for answer, notes in zip(answers, read.notes, strict=True):
            if notes:
                answer["notes"] = notes
        return answers


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """An input whose rows are a power of two: a graph is traced for few numbers of rows then."""
    more = (1 << (rows - 1).bit_length()) - rows
    return np.concatenate([array, np.repeat(array[:1], more, axis=0)]) if more else array


def _rows_decide_together(preprocessing: Preprocessing) -> bool:
    """Whether what a cell means may depend on other rows: numbers that several names are."""
    return any(
        KnownNames(names).of_one_meaning
        for fitted in preprocessing.modalities.values()
        for names in getattr(fitted, "categories", {}).values()
    )


def _plain(column: Any) -> list[Any]:
    values = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]


def _in_short(error: BaseException) -> str:
    """An error's words without what is about tables and folders."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    wanted = next((line for line in lines if "column" in line), lines[0] if lines else "unreadable")
    for prefix in ("DataFrame, row 1, ", "DataFrame, ", "index 0, ", "DataFrame: "):
        wanted = wanted.removeprefix(prefix)
    return wanted[:400]
