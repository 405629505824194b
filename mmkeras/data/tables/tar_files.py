"""Tar files that hold samples side by side, as WebDataset writes them, as rows of a table.

References:
    - [WebDataset, the format](https://github.com/webdataset/webdataset#the-webdataset-format)
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mmkeras.data.media.tar_members import (
    TarIndex,
    member_path,
    read_place,
    split_member,
    tar_index,
)
from mmkeras.data.tables.errors import TableError, listed
from mmkeras.data.tables.guess.names import SAMPLE_KEY
from mmkeras.progress import ProgressBar

# Extensions of files that are read into the cell, by the part after the last dot.
_TEXTS = ("txt", "text", "transcript", "caption")
_NAMES = ("cls", "cls2", "class", "count", "index", "inx", "id", "label")  # without blanks around
_JSON = "json"
_MOST_TEXT = 2**24  # bytes

Row = dict[str, Any]


class _Sample(NamedTuple):
    """The files of one sample: the member's name by extension."""

    key: str
    parts: dict[str, str]


class _Unreadable(ValueError):
    """A text or an object that cannot be read."""


def load_shards(paths: Sequence[Path]) -> list[Row]:
    """The samples of tar files in the order of the files, a row each.

    Files next to each other whose names are equal up to the first dot are a sample; what follows
    that dot, in lower case, is the column. Texts and names are read into the cell, and the entries
    of an object in a file `.json` are columns of their own, with what is nested as JSON text. Of
    all other files the cell names the member (`/data/train-0.tar::n01/7.jpg`): nothing of these is
    read. An entry that is called like an extension is in the column `json.NAME`.

    Args:
        paths: The tar files.

    Returns:
        For each sample the cells that it has, by column. `__key__` is the part of its files' names
        before the dot, with their folder.

    Raises:
        TableError: A file is damaged, cut off or holds no sample; the files of a sample do not
            stand together, or are two of one extension; links and other members that are no plain
            files; texts that are not UTF-8. All problems at once.
    """
    problems: list[str] = []
    left_out: list[str] = []
    read: list[tuple[Row, Row]] = []
    with ProgressBar("reading tar files", len(paths)) as progress:
        for path in paths:
            shard = str(path.absolute())
            try:
                if split_member(shard):
                    raise ValueError("no name of a file or folder may hold '.tar::'; rename it")
                index = tar_index(shard)
            except ValueError as error:
                problems.append(f"{path.name}: {error}")
                continue
            refused = index.refused.items()
            problems += [f"{member_path(path.name, name)}: {why}" for name, why in refused]
            samples, found = _samples(index, path.name, left_out)
            problems += found
            if not samples and not refused:
                problems.append(f"{path.name}: holds no sample: no file is called KEY.EXTENSION")
            with path.open("rb") as file:
                read += _rows(file, shard, samples, index, problems)
            progress.add()
    if problems:
        raise TableError(problems)
    if left_out:
        warnings.warn(
            f"{len(left_out):,} files without a key or an extension are in no row: "
            f"{listed(left_out, 3)}.",
            UserWarning,
            stacklevel=5,
        )
    return _with_entries(read)


def _samples(index: TarIndex, shard: str, left_out: list[str]) -> tuple[list[_Sample], list[str]]:
    """The samples of a tar file, and what is wrong with them."""
    samples: list[_Sample] = []
    problems: list[str] = []
    last: dict[str, str] = {}  # the last file of each sample so far
    for name in index.places:
        folder, slash, base = name.rpartition("/")
        stem, dot, extension = base.partition(".")
        if not (stem and dot and extension):
            left_out.append(member_path(shard, name))
            continue
        key, extension = folder + slash + stem, extension.lower()
        if not samples or samples[-1].key != key:
            if key in last:
                problems.append(
                    f"{shard}: the files of the sample {key!r} do not stand together: "
                    f"{name!r} comes after others that follow {last[key]!r}"
                )
            samples.append(_Sample(key, {}))
        parts = samples[-1].parts
        if extension == SAMPLE_KEY:
            problems.append(f"{member_path(shard, name)}: this extension is the name of the keys")
        if extension in parts:
            problems.append(
                f"{shard}: the sample {key!r} has two files .{extension}: {parts[extension]!r} "
                f"and {name!r}"
            )
        parts[extension] = last[key] = name
    return samples, problems


def _rows(
    file: BinaryIO, shard: str, samples: list[_Sample], index: TarIndex, problems: list[str]
) -> Iterator[tuple[Row, Row]]:
    """For each sample the cells of its files, and the entries of its object; adds to `problems`."""
    for key, parts in samples:
        cells: Row = {SAMPLE_KEY: key}
        entries: Row = {}
        for extension, name in parts.items():
            last = extension.rpartition(".")[2]
            if last not in (*_TEXTS, *_NAMES, _JSON):
                cells[extension] = member_path(shard, name)
                continue
            try:
                text = _text(file, index.places[name])
                value = _object(text) if extension == _JSON else None
            except _Unreadable as error:
                problems.append(f"{member_path(Path(shard).name, name)}: {error}")
                continue
            if value is not None:
                entries = value
            else:
                cells[extension] = text.strip() if last in _NAMES else text.rstrip("\r\n")
        yield cells, entries


def _text(file: BinaryIO, place: tuple[int, int]) -> str:
    if place[1] > _MOST_TEXT:
        raise _Unreadable(f"a text of {place[1]} bytes; at most {_MOST_TEXT} are read")
    try:
        return read_place(file, place).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"not UTF-8 ({error})") from error


def _object(text: str) -> Row | None:
    """The entries of an object; `None` where JSON holds something else."""
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            return None
        "".join(value).encode()  # half a character in a name
        return {name: _flat(entry) for name, entry in value.items()}
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"not JSON: {error}") from error


def _flat(entry: Any) -> Any:
    """What is nested as JSON text."""
    return json.dumps(entry, ensure_ascii=False) if isinstance(entry, list | dict) else entry


def _with_entries(read: list[tuple[Row, Row]]) -> list[Row]:
    """Each sample's cells and entries together."""
    extensions = {column for cells, _ in read for column in cells}
    names = {name: name for _, entries in read for name in entries}
    for name in names:
        names[name] = f"{_JSON}.{name}" if name in extensions else name
    columns = [*extensions, *names.values()]
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise TableError(
            f"an entry of the files .json would be the column {name!r}, which is there already"
            for name in twice
        )
    return [
        cells | {names[name]: entry for name, entry in entries.items()} for cells, entries in read
    ]
