"""Cells that hold media or feature sequences: paths, bytes or arrays, checked before decoding."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import is_empty, object_series

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
SEQUENCE_SUFFIXES = (".npy", ".npz")
# Files that are images to the eye, and that TensorFlow cannot decode.
UNREADABLE_SUFFIXES = (".webp", ".tif", ".tiff", ".avif", ".heic", ".svg")

Problem = tuple[int | None, str]  # the row, counted from 1 (None: the whole column), and what


def unreadable_image(path: str | os.PathLike) -> str | None:
    """What to do about an image file of a kind that cannot be decoded; None for other files."""
    suffix = Path(str(path).strip()).suffix.lower()
    if suffix not in UNREADABLE_SUFFIXES:
        return None
    return f"TensorFlow does not read {suffix}; convert to PNG or JPEG"


def _not_a_sequence(path: str | os.PathLike) -> str | None:
    if Path(str(path).strip()).suffix.lower() in SEQUENCE_SUFFIXES:
        return None
    return "a feature sequence is a .npy or .npz file"


def image_array_problem(array: np.ndarray) -> str | None:
    """Why an array is no image, or None: its shape, its type and its values are looked at."""
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not an image; give numbers "
            "of shape (height, width) or (height, width, channels)"
        )
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
        return (
            f"an array of shape {array.shape} has its channels first; give (height, width, "
            "channels), e.g. array.transpose(1, 2, 0)"
        )
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        return (
            f"an array of shape {array.shape} has {array.shape[2]} channels; give 1 (grey), 3 "
            "(colour) or 4 (colour and transparency)"
        )
    return _pixel_problem(array, "an image")


def _pixel_problem(array: np.ndarray, what: str) -> str | None:
    if array.dtype.kind == "b" or not array.size:
        return None
    least, most = array.min(), array.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        return f"an array with NaN or infinite pixels is not {what}; fill or drop them"
    if array.dtype.kind == "f" and (least < 0 or most > 1):
        return (
            f"an array of floats from {least:g} to {most:g} is not {what}; floats are in "
            "[0, 1]: divide by 255, or convert to uint8"
        )
    if least < 0 or most > 255:
        return (
            f"an array of integers from {least} to {most} is not {what}; integers are in [0, 255]"
        )
    return None


def sound_array_problem(array: np.ndarray) -> str | None:
    """Why an array is no sound, or None."""
    integers = array.dtype == np.int16
    if array.ndim not in (1, 2) or not (integers or array.dtype.kind == "f"):
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not a sound; give int16 "
            "numbers, or floats in [-1, 1], of shape (samples,) or (samples, channels)"
        )
    if array.ndim == 2 and array.shape[1] > 32:
        return (
            f"an array of shape {array.shape} has {array.shape[1]} channels; give "
            "(samples, channels), e.g. array.T"
        )
    if integers or not array.size:
        return None
    most = np.abs(array).max()
    if not np.isfinite(most):
        return "an array with NaN or infinite samples is not a sound; fill or drop them"
    if most > 1:
        return f"an array of floats up to {most:g} is not a sound; floats are in [-1, 1]"
    return None


def video_array_problem(array: np.ndarray) -> str | None:
    """Why an array is no video, or None."""
    if array.ndim != 4 or array.dtype.kind not in "uif" or array.shape[3] not in (1, 3):
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not a video; give numbers "
            "of shape (frames, height, width, 1 or 3 channels)"
        )
    return _pixel_problem(array, "a video")


def sequence_array_problem(array: np.ndarray) -> str | None:
    """Why an array is no feature sequence, or None."""
    if array.ndim not in (1, 2) or array.dtype.kind not in "buif":
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not a feature sequence; "
            "give numbers of shape (steps, features), or (features,) for one step"
        )
    if not np.isfinite(array).all():
        step = int(np.flatnonzero(~np.isfinite(np.atleast_2d(array)).all(axis=1))[0])
        return f"step {step + 1} has NaN or infinite features; fill them or drop the row"
    return None


@dataclass(frozen=True)
class _Medium:
    """What the cells of one kind may be."""

    name: str
    forms: str  # what a user may give, in words
    array_problem: Callable[[np.ndarray], str | None]
    path_problem: Callable[[str], str | None] = lambda path: None
    folders: bool = False


MEDIA = {
    "image": _Medium(
        "an image",
        "a path, the bytes of an image file, or an array of (height, width, channels)",
        image_array_problem,
        unreadable_image,
    ),
    "audio": _Medium(
        "a sound",
        "a path, the bytes of a sound file, or an array of (samples,)",
        sound_array_problem,
    ),
    "video": _Medium(
        "a video",
        "a path of a file or of a folder of frames, the bytes of a video file, or an array of "
        "(frames, height, width, channels)",
        video_array_problem,
        folders=True,
    ),
    "sequence": _Medium(
        "a feature sequence",
        "the path of a .npy or .npz file, or an array of (steps, features)",
        sequence_array_problem,
        _not_a_sequence,
    ),
}


def read_media(cells: pd.Series, kind: str, folder: Path) -> tuple[pd.Series, list[Problem]]:
    """Reads a column of media: paths become absolute, arrays are checked, nothing is decoded.

    Args:
        cells: The cells as they came.
        kind: A key of `MEDIA`.
        folder: What paths are relative to.

    Returns:
        The cells, and what is wrong with them.
    """
    medium = MEDIA[kind]
    values: list[Any] = []
    problems: list[Problem] = []
    found: dict[str, bool] = {}
    for row, value in enumerate(cells, start=1):
        if kind == "sequence":
            value = _as_array(value)
        if is_empty(value):
            value = None
        elif isinstance(value, str | os.PathLike):
            cell, value = str(value), str(folder / value)
            if value not in found:
                found[value] = _is_there(value, medium.folders)
            unreadable = medium.path_problem(cell)
            if unreadable:
                problems.append((row, f"{unreadable}: {cell}"))
            elif not found[value]:
                what = "a web address; download the file" if "://" in cell else "file not found"
                problems.append((row, f"{what}: {cell if '://' in cell else value}"))
        elif isinstance(value, np.ndarray):
            problem = medium.array_problem(value)
            if problem:
                problems.append((row, problem))
        elif isinstance(value, bytes | bytearray) and kind != "sequence":
            value = bytes(value)
        else:
            shown = repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            kind_of = f" ({type(value).__name__})" if not isinstance(value, str | int) else ""
            problems.append((row, f"{shown}{kind_of} is not {medium.name}; give {medium.forms}"))
        values.append(value)
    if len(found) > 1 and not any(found.values()):
        hint = f"none of {len(found)} files is there; paths are relative to {folder}"
        problems.append((None, f"{hint} (`base_dir` names another folder)"))
    return object_series(values, cells), problems


def _as_array(value: Any) -> Any:
    """Lists of numbers as arrays: Parquet gives a matrix back as an array of arrays."""
    nested = isinstance(value, np.ndarray) and value.dtype == object
    if not (isinstance(value, list | tuple) or nested):
        return value
    try:
        return np.array([np.asarray(step, np.float32) for step in value], np.float32)
    except (ValueError, TypeError):
        return value


def _is_there(path: str, folders: bool) -> bool:
    try:
        return Path(path).is_file() or (folders and Path(path).is_dir())
    except (OSError, ValueError):  # a text that is too long for a file name, a null character
        return False
