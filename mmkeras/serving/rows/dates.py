"""Dates of ISO 8601 inside a TensorFlow graph, and the numbers that a model gets of them."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.serving.rows.reader import stripped

_ISO = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?"
    r"(?:Z|([+-])(\d{2}):?(\d{2}))?"
)
_DAYS_BEFORE = 719468  # from 0000-03-01 to 1970-01-01


def date_parts(texts: tf.Tensor, zoned: bool) -> dict[str, tf.Tensor]:
    """Year, month, day, weekday (0 is Monday) and hour, float64 `(batch,)`; NaN of a blank text.

    Args:
        texts: Dates such as `2020-12-31` or `2020-12-31T18:30`, `(batch,)`.
        zoned: Whether each has a time zone (`Z` or `+02:00`), and is brought to that of UTC. A
            graph that meets one that differs in this, or is no date, ends in an error.
    """
    texts = stripped(texts)
    empty = texts == ""
    ending = r"(Z|[+-]\d{2}:?\d{2})$"
    pattern = _ISO if not zoned else _ISO.removesuffix("?")
    words = "A date is written as 2020-12-31 or 2020-12-31T18:30:00, and in this column "
    words += "with a time zone (+00:00)." if zoned else "without a time zone."
    fits = tf.strings.regex_full_match(texts, pattern)
    has_zone = tf.strings.regex_full_match(texts, f".*:.*{ending}" if not zoned else f".*{ending}")
    wrong = ~empty & (~fits | (has_zone != zoned))
    with tf.control_dependencies([tf.debugging.assert_equal(wrong, False, message=words)]):
        texts = tf.where(empty, "1970-01-01Z" if zoned else "1970-01-01", texts)

    def part(group: int) -> tf.Tensor:
        found = tf.strings.regex_replace(texts, f"^{_ISO}$", rf"\{group}")  # up to 9
        return tf.strings.to_number(tf.where(found == "", "0", found), tf.int64)

    year, month, day = part(1), part(2), part(3)
    seconds = 3600 * part(4) + 60 * part(5) + part(6)
    days = _days(year, month, day)
    real = tf.reduce_all(tf.stack(_civil(days)) == tf.stack([year, month, day]), axis=0)
    real &= (part(4) < 24) & (part(5) < 60) & (part(6) < 60)
    with tf.control_dependencies([tf.debugging.assert_equal(real, True, message=words)]):
        seconds = tf.identity(seconds)
    if zoned:
        sign = tf.strings.regex_replace(texts, f"^{_ISO}$", r"\7")
        offset = 3600 * part(8) + 60 * part(9)
        seconds += tf.where(sign == "-", offset, -offset)
    days += seconds // 86400
    seconds %= 86400
    year, month, day = _civil(days)
    hour, minute = seconds // 3600, seconds % 3600 // 60
    doubles = [tf.cast(each, tf.float64) for each in (hour, minute, seconds % 60)]
    parts = {"year": year, "month": month, "day": day, "weekday": (days + 3) % 7}
    parts |= {"hour": doubles[0] + doubles[1] / 60 + doubles[2] / 3600}
    nothing = tf.constant(float("nan"), tf.float64)
    return {k: tf.where(empty, nothing, tf.cast(v, tf.float64)) for k, v in parts.items()}


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Days from 1970-01-01, in the calendar that goes on for ever; years begin in March."""
    year = tf.where(month <= 2, year - 1, year)
    era, of_era = year // 400, year % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _DAYS_BEFORE


def _civil(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Year, month and day."""
    days = days + _DAYS_BEFORE
    era, of_era = days // 146097, days % 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = tf.where(month < 10, month + 3, month - 9)
    return year + era * 400 + tf.cast(month <= 2, tf.int64), month, day
