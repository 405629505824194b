"""What the headers of PNG and JPEG files say, read inside a TensorFlow graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

_PNG = b"\x89PNG\r\n\x1a\n"
_FORMATS = "Expected a PNG or JPEG file."
_TURNED_BY_TEXT = r'(?s)\C*tiff:Orientation(="|>)[2-9]\C*'
_EXIF_TEXT = r"(?s)\C*Raw profile type exif\C*"


class Header(NamedTuple):
    """A file's header.

    Attributes:
        is_png: Whether it is a PNG; otherwise a JPEG.
        is_deep: Whether its numbers have 16 bits.
        is_clear: Whether some of it may be transparent.
        size: Height and width as stored, int32 `(2,)`.
        orientation: By EXIF, 1 where it says nothing.
        problem: Why the file cannot be read, or "".
    """

    is_png: tf.Tensor
    is_deep: tf.Tensor
    is_clear: tf.Tensor
    size: tf.Tensor
    orientation: tf.Tensor
    problem: tf.Tensor


def read_header(contents: tf.Tensor) -> Header:
    """Reads the header of one file, a scalar string."""
    is_png = tf.strings.substr(contents, 0, 8) == _PNG
    is_jpeg = tf.strings.substr(contents, 0, 3) == b"\xff\xd8\xff"
    nothing = (False, False, tf.ones(2, tf.int32), 1, _FORMATS)
    is_deep, is_clear, size, orientation, problem = tf.cond(
        is_png,
        lambda: _png(contents),
        lambda: tf.cond(
            is_jpeg,
            lambda: _jpeg(contents),
            lambda: tuple(map(tf.convert_to_tensor, nothing)),
        ),
    )
    turned = tf.strings.regex_full_match(contents, _TURNED_BY_TEXT)
    problem = _first(problem, turned, "Its orientation is said by XMP. Save it upright.")
    return Header(is_png, is_deep, is_clear, size, orientation, problem)


def _first(problem: tf.Tensor, wrong: tf.Tensor, words: str) -> tf.Tensor:
    return tf.where((problem == "") & wrong, words, problem)


def _bytes(contents: tf.Tensor) -> tf.Tensor:
    """A file as whole numbers, with zeros behind its end."""
    return tf.pad(tf.cast(tf.io.decode_raw(contents, tf.uint8), tf.int32), [[0, 64]])


def _number(data: tf.Tensor, place: tf.Tensor, size: int) -> tf.Tensor:
    """A big-endian number; 0 behind the end."""
    place = tf.clip_by_value(place, 0, tf.size(data) - size)
    powers = [256**power for power in reversed(range(size))]
    return tf.reduce_sum(data[place : place + size] * tf.constant(powers, tf.int32))


def _png(contents: tf.Tensor) -> tuple[tf.Tensor, ...]:
    data = _bytes(contents)
    is_deep, colours = data[24] == 16, data[25]
    size = tf.stack([_number(data, tf.constant(20), 4), _number(data, tf.constant(16), 4)])
    names = ["tRNS", "acTL", "eXIf"]

    def step(place: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        name = tf.strings.substr(contents, place + 4, 4)
        found = tf.where((name == tf.constant(names)) & (found == 0), place, found)
        length = _number(data, place, 4)
        # A negative length is one beyond 2 GiB: a damaged file, which the decoder refuses.
        return place + 12 + tf.maximum(length, 0), found

    end = tf.strings.length(contents)
    _, found = tf.while_loop(
        lambda place, found: (place >= 8) & (place < end - 8),
        step,
        (tf.constant(8), tf.zeros(len(names), tf.int32)),
    )
    orientation = tf.cond(
        found[2] > 0, lambda: _orientation(data, found[2] + 8), lambda: tf.constant(1)
    )
    problem = tf.constant("")
    has_alpha = (colours == 4) | (colours == 6)
    deep_clear = is_deep & (found[0] > 0) & ~has_alpha
    problem = _first(problem, deep_clear, "A transparent colour of 16 bits. Save it with 8 bits.")
    problem = _first(problem, found[1] > 0, "An animation. Save a single picture.")
    exif = tf.strings.regex_full_match(contents, _EXIF_TEXT)
    problem = _first(problem, exif, "Its EXIF block is a text. Save it again, upright.")
    return is_deep, has_alpha | (found[0] > 0), size, orientation, problem


def _jpeg(contents: tf.Tensor) -> tuple[tf.Tensor, ...]:
    data, end = _bytes(contents), tf.strings.length(contents)

    def step(place, frame, exif):
        marker, length = data[place + 1], _number(data, place + 2, 2)
        is_frame = (marker >= 0xC0) & (marker <= 0xCF)
        is_frame &= (marker != 0xC4) & (marker != 0xC8) & (marker != 0xCC)
        frame = tf.where(is_frame & (frame == 0), place, frame)
        is_exif = (marker == 0xE1) & (tf.strings.substr(contents, place + 4, 6) == b"Exif\0\0")
        exif = tf.where(is_exif & (exif == 0), place + 10, exif)
        # 0xFF may be repeated before a marker; a picture's data begins with 0xDA.
        following = tf.where(marker == 0xFF, place + 1, place + 2 + tf.maximum(length, 2))
        return tf.where(marker == 0xDA, end, following), frame, exif

    zero = tf.constant(0)
    _, frame, exif = tf.while_loop(
        lambda place, frame, exif: (place < end - 4) & (data[tf.minimum(place, end)] == 0xFF),
        step,
        (tf.constant(2), zero, zero),
    )
    size = tf.stack([_number(data, frame + 5, 2), _number(data, frame + 7, 2)])
    colours = _number(data, frame + 9, 1)
    orientation = tf.cond(exif > 0, lambda: _orientation(data, exif), lambda: tf.constant(1))
    problem = tf.constant("")
    problem = _first(problem, frame == 0, "A JPEG without a picture.")
    no_pixels = (frame > 0) & (tf.reduce_min(size) < 1)
    problem = _first(problem, no_pixels, "A JPEG without pixels.")
    unusual = (colours != 1) & (colours != 3)
    problem = _first(problem, unusual, "A JPEG of CMYK or other colours. Save it as RGB.")
    no = tf.constant(False)
    return no, no, tf.maximum(size, 1), orientation, problem


def _orientation(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """The tag 0x0112 of a TIFF header that starts at a place; 1 where there is none."""
    little = data[tf.minimum(start, tf.size(data) - 1)] == 0x49

    def number(place: tf.Tensor, size: int) -> tf.Tensor:
        place = tf.clip_by_value(place, 0, tf.size(data) - size)
        parts = data[place : place + size]
        powers = tf.constant([256**power for power in range(size)], tf.int32)
        return tf.reduce_sum(tf.where(little, parts, parts[::-1]) * powers)

    table = start + number(start + 4, 4)
    count = tf.minimum(number(table, 2), 512)

    def step(entry: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = table + 2 + 12 * entry
        is_tag = (number(place, 2) == 0x0112) & (place + 12 <= tf.size(data))
        return entry + 1, tf.where(is_tag, number(place + 8, 2), found)

    start_state = (tf.constant(0), tf.constant(1))
    return tf.while_loop(lambda entry, found: entry < count, step, start_state)[1]
