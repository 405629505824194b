"""Tables from numbers, categories and dates."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mmkeras.data.scaling import MOST_DEVIATIONS
from mmkeras.serving.rows.dates import date_parts
from mmkeras.serving.rows.names import NameFinder
from mmkeras.serving.rows.reader import RowReader, blank, columns_of


class TabularReader(RowReader):
    """Numbers as float64 (NaN is empty), categories and dates as strings (blank is empty).

    Dates are written as ISO 8601 says, `2020-12-31` or `2020-12-31T18:30:00`.
    """

    kind = "tabular"

    def _check(self):
        fitted = self._fitted
        self._finders = {
            column: NameFinder(names, column in fitted.indicated)
            for column, names in fitted.categories.items()
        }

    def specs(self):
        numeric = self._modality.numeric
        return {
            column: tf.TensorSpec((None,), tf.float64 if column in numeric else tf.string)
            for column in columns_of(self._modality)
        }

    def absent(self, cells):
        empty = [_empty(cells[column]) for column in columns_of(self._modality)]
        return tf.reduce_all(tf.stack(empty), axis=0)

    def inputs(self, cells):
        fitted, columns = self._fitted, []
        for column in fitted.mean:
            values = cells[column]
            finite = tf.debugging.assert_equal(
                tf.math.is_inf(values), False, message=f"Column {column!r} has infinite numbers."
            )
            with tf.control_dependencies([finite]):
                missing = tf.math.is_nan(values)
            columns.append(_zero_where(missing, self._scaled(column, values)))
            if column in fitted.indicated:
                columns.append(tf.cast(missing, tf.float64))
        for column, own in fitted.dates.items():
            parts = date_parts(cells[column], column in fitted.zoned)
            for part, (mean, deviation, low, high) in own.items():
                scaled = (tf.clip_by_value(parts[part], low, high) - mean) / deviation
                columns.append(_zero_where(tf.math.is_nan(parts[part]), scaled))
            if column in fitted.indicated:
                columns.append(tf.cast(blank(cells[column]), tf.float64))
        for column, finder in self._finders.items():
            columns.append(tf.cast(1 + finder(cells[column]), tf.float64))
        compact = tf.cast(tf.stack(columns, axis=1), tf.float32)
        return fitted.input_maker()(compact, None)

    def _scaled(self, column: str, values: tf.Tensor) -> tf.Tensor:
        fitted = self._fitted
        if column in fitted.limits:
            values = tf.clip_by_value(values, *fitted.limits[column])
        method = fitted.methods.get(column, "standard")
        if method == "log":
            values = tf.sign(values) * tf.math.log1p(tf.abs(values))
        elif method == "quantile":
            values = _quantiles(values, np.asarray(fitted.knots[column]))
        scaled = (values - fitted.mean[column]) / fitted.deviation[column]
        return tf.clip_by_value(scaled, -MOST_DEVIATIONS, MOST_DEVIATIONS)


def _empty(cells: tf.Tensor) -> tf.Tensor:
    return blank(cells) if cells.dtype == tf.string else tf.math.is_nan(cells)


def _zero_where(missing: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(missing, tf.zeros_like(values), values)


def _quantiles(values: tf.Tensor, knots: np.ndarray) -> tf.Tensor:
    """Z-scores of ranks; of equal knots the middle, as `mmkeras.data.scaling.transformed`."""
    shares = np.linspace(0, 1, len(knots))
    ranks = _interpolated(values, knots, shares)
    ranks = (ranks + 1 - _interpolated(-values, -knots[::-1], shares)) / 2
    return tf.math.ndtri(tf.clip_by_value(ranks, 1e-3, 1 - 1e-3))


def _interpolated(values: tf.Tensor, places: np.ndarray, heights: np.ndarray) -> tf.Tensor:
    """`numpy.interp`: linearly between places, the last of equal ones counts."""
    last = len(places) - 1
    place = tf.searchsorted(tf.constant(places), values, side="right") - 1
    inside = (place >= 0) & (place < last)
    left = tf.clip_by_value(place, 0, last - 1)
    x, y = tf.constant(places), tf.constant(heights)
    x0, x1 = tf.gather(x, left), tf.gather(x, left + 1)
    y0, y1 = tf.gather(y, left), tf.gather(y, left + 1)
    slope = (y1 - y0) / tf.where(x1 > x0, x1 - x0, tf.ones_like(x0))
    between = slope * (values - x0) + y0
    ends = tf.where(place < 0, y[0], y[last])
    return tf.where(inside, between, ends)
