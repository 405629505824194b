"""Which columns look like media and feature sequences: by file names, first bytes and shapes."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.kinds.image import SEVERAL
from mmkeras.data.media.cells import is_there, split_cell
from mmkeras.data.media.foreign import own_form
from mmkeras.data.media.plain_file import is_plain_file, open_plain_file
from mmkeras.data.tables.cells import is_empty

_FILES = {name: kind for name, kind in KINDS.items() if kind.has_files}
_SUFFIX = re.compile(r"[^\s@][^@]*\.([A-Za-z][A-Za-z0-9]{1,4})")
# Names of web sites end so, and no files.
_DOMAINS = {"com", "org", "net", "io", "edu", "gov", "co", "uk", "de", "fr", "eu", "info", "ai"}
_LEFT_OUT = "left out"
_ONE_FILE = "several files in one cell; one file a cell is read: give each a column of its own"

Found = tuple[str, str, str]  # a kind or "left out", why, and a warning


def guess_paths(column: str, some: Sequence[Any], base_dir: str | Path | None) -> Found | None:
    """What a column of texts names, if these are names of files.

    Raises:
        ValueError: They are images that cannot be decoded.
    """
    if found := _guess_several(some, base_dir):
        return found
    if sum(_names_several(text, base_dir) for text in some) > len(some) / 2:
        return _LEFT_OUT, _ONE_FILE, _ONE_FILE
    found = guess_medium(column, some, base_dir)
    if found is not None:
        return found
    suffixes = [m[1].lower() for text in some if (m := _SUFFIX.fullmatch(text.strip()))]
    common = Counter(suffixes).most_common(3)
    count = sum(number for suffix, number in common if suffix not in _DOMAINS)
    if count > len(some) / 2:
        ends = ", ".join(f".{suffix}" for suffix, _ in common if suffix not in _DOMAINS)
        why = f"names of files that end in {ends}, which no kind of input reads"
        return _LEFT_OUT, why, f"{why}; convert them"
    return None


def guess_medium(column: str, some: Sequence[Any], base_dir: str | Path | None) -> Found | None:
    """The kind that most of some cells look like, with the reason; `None` for no medium.

    Raises:
        ValueError: They are images that cannot be decoded.
    """
    if found := _guess_several(some, base_dir):
        return found
    raw, some = some, [_as_own(cell) for cell in some]
    arrays = [cell for cell in some if isinstance(cell, np.ndarray) and cell.dtype.kind in "buif"]
    if len(arrays) > len(some) / 2:
        return guess_array(arrays, lists=any(_is_nested(cell) for cell in raw))
    kinds = Counter(_medium(cell, base_dir) for cell in some)
    likeliest = max(_FILES, key=lambda kind: kinds[kind])
    if kinds[likeliest] > len(some) / 2:
        count, noun = kinds[likeliest], _FILES[likeliest].noun
        if count == len(some):
            return likeliest, f"all {count:,} cells looked at are {noun}s", ""
        share = f"{count:,} of {len(some):,} cells looked at are {noun}s"
        return likeliest, share, f"only {share}"
    if reason := _path_problem(some):
        raise ValueError(
            f"Column {column!r} holds image files. {reason}, or drop the column if it is not an "
            "input."
        )
    if all(_is_nested(cell) for cell in some):
        if all(_medium(item, None) for cell in some for item in cell):
            return _LEFT_OUT, _ONE_FILE, _ONE_FILE
        why = "lists of names; join each to one text if they are an input"
        return _LEFT_OUT, why, why
    if all(isinstance(cell, bytes) for cell in some):
        why = "bytes that start like no image, sound or video"
        return _LEFT_OUT, why, why
    if all(isinstance(cell, dict) for cell in some):
        why = f"dictionaries of {sorted(map(str, some[0]))[:5]}, which no kind of input reads"
        return _LEFT_OUT, why, why
    return None


def _guess_several(some: Sequence[Any], base_dir: str | Path | None) -> Found | None:
    """Images, if most of some cells hold them, and any does in a list or joined in a text."""
    parts = [_parts(cell, base_dir, KINDS["image"].suffixes) for cell in some]
    filled = [items for items in parts if items]
    listed = any(map(_is_nested, some)) or any(len(items) > 1 for items in parts)
    count = sum(all(_is_image(item, base_dir) for item in items) for items in filled)
    if not listed or count <= len(filled) / 2:
        return None
    share = "all" if count == len(filled) else f"{count:,} of"
    most = max(map(len, filled))
    why = f"{share} {len(filled):,} cells looked at are images, up to {most} in one cell"
    return SEVERAL, why, "" if count == len(filled) else f"only {why}"


def _parts(cell: Any, base_dir: str | Path | None, suffixes: tuple[str, ...]) -> list[Any]:
    """The media of a cell, if it is one with several."""
    if isinstance(cell, np.ndarray) and not _is_nested(cell):
        return [cell]  # of numbers: a clip, rather than several images
    folder = Path() if base_dir is None else Path(base_dir)
    parts = split_cell(cell, suffixes, lambda path: is_there(str(folder / path), folders=False))
    return [part for part in parts if not is_empty(part)]


def _is_image(item: Any, base_dir: str | Path | None) -> bool:
    try:
        return _medium(own_form(item), base_dir) == "image"
    except ValueError:  # a decoded sound
        return False


def guess_array(arrays: Sequence[np.ndarray], lists: bool = False) -> Found:
    """The kind of input that arrays of numbers are, by rank, type and range.

    Args:
        arrays: Some cells.
        lists: Whether these were lists, which only feature sequences are read from.
    """
    shape = f"arrays of shape {arrays[0].shape}"
    widths = {array.shape[1:] for array in arrays}
    lengths = {array.shape[:1] for array in arrays}
    steps = next(name for name, kind in _FILES.items() if kind.varying_length)
    like = Counter(
        next((n for n, kind in _FILES.items() if kind.is_array(array)), None) for array in arrays
    )
    kind = like.most_common(1)[0][0]
    is_steps = all(_FILES[steps].array_problem(array) is None for array in arrays)
    refused = kind is not None and any(_FILES[kind].array_problem(array) for array in arrays)
    floats = all(array.dtype.kind == "f" for array in arrays)
    varying = len(lengths) > 1 and len(widths) == 1 and floats and arrays[0].ndim == 2
    if is_steps and (kind is None or refused or varying or lists):
        return steps, f"{shape}: steps of features", ""
    if kind is None:
        return _LEFT_OUT, f"{shape}, which no kind of input reads", ""
    both = is_steps and kind != steps and arrays[0].ndim == 2
    warning = f"may be steps of features as well; then write Sequence(...), not {kind}"
    return kind, shape, warning if both and floats else ""


def _as_own(cell: Any) -> Any:
    """What other libraries put into cells, in our form; lists of numbers as arrays."""
    try:
        cell = own_form(cell)
    except ValueError:
        return cell
    if _is_nested(cell):
        steps = next(kind for kind in _FILES.values() if kind.varying_length)
        return steps.as_array(cell)
    return cell


def _is_nested(cell: Any) -> bool:
    """Whether a cell is a list, or an array of arrays, as Parquet gives lists back."""
    of_arrays = isinstance(cell, np.ndarray) and cell.dtype == object
    return of_arrays or isinstance(cell, list | tuple)


def _names_several(text: str, base_dir: str | Path | None) -> bool:
    suffixes = tuple(suffix for kind in _FILES.values() for suffix in kind.suffixes)
    parts = _parts(text, base_dir, suffixes)
    return len(parts) > 1 and all(part.lower().endswith(suffixes) for part in parts)


def _path_problem(cells: Sequence[Any]) -> str | None:
    """What to do about a column of image files of which some, or all, cannot be decoded."""
    image = KINDS["image"]
    paths = [str(cell) for cell in cells if isinstance(cell, str | os.PathLike)]
    reasons = [reason for reason in map(image.path_problem, paths) if reason]
    readable = sum(path.strip().lower().endswith(image.suffixes) for path in paths)
    return reasons[0] if reasons and len(reasons) + readable > len(cells) / 2 else None


def _medium(value: Any, base_dir: str | Path | None) -> str | None:
    """The kind of files that a cell looks like."""
    if isinstance(value, bytes | bytearray):
        return _by_signature(bytes(value[:12]))
    if isinstance(value, np.ndarray):
        return next((name for name, kind in _FILES.items() if kind.is_array(value)), None)
    if not isinstance(value, str | os.PathLike):
        return None
    path = str(value).strip().lower()
    for name, kind in _FILES.items():
        if path.endswith(kind.suffixes):
            return name
    if base_dir is None or len(path) > 255 or (" " in path and len(PurePath(path).name) > 100):
        return None
    try:
        place = str(Path(base_dir, value))
        if not is_plain_file(place):  # whatever else it is, opening it may wait for ever
            return None
        with open_plain_file(place, sys.maxsize) as file:
            return _by_signature(file.read(12))
    except (OSError, ValueError):  # a text is not a file name, or too long for one
        return None


def _by_signature(start: bytes) -> str | None:
    signatures = {name: kind.signature for name, kind in _FILES.items() if kind.signature}
    return next((name for name, known in signatures.items() if known.match(start)), None)
