"""Members of tar files as files: `shard.tar::folder/name.jpg` is read like a path, never unpacked.

A name inside a tar file is only ever looked up among its members, and is no path of this machine.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import BinaryIO

from mmkeras.data.media.tar_headers import read_headers

SEPARATOR = "::"
_IN_TAR = re.compile(r"\.tar::", re.IGNORECASE)
# Members whose places are kept in memory, of the shards last used: about 500 MB.
_MOST_PLACES = 2**21

_lock = threading.Lock()
_indexes: OrderedDict[str, TarIndex] = OrderedDict()


@dataclass(frozen=True)
class TarIndex:
    """Where the members of a tar file are.

    Args:
        stamp: The file's size and time, by which a changed one is told.
        places: Offset and size in bytes by the member's name, in the file's order.
        refused: Why members cannot be read, by name.
        damage: Why none can, in words; "" if the file is whole.
    """

    stamp: tuple[int, int]
    places: dict[str, tuple[int, int]]
    refused: dict[str, str]
    damage: str = ""


def member_path(shard: str, name: str) -> str:
    """What names a member wherever a path may stand.

    >>> member_path("/data/train-0.tar", "n01/7.jpg")
    '/data/train-0.tar::n01/7.jpg'
    """
    return f"{shard}{SEPARATOR}{name}"


def split_member(path: str) -> tuple[str, str] | None:
    """The tar file and the name of a member that a path names; `None` for any other path.

    >>> split_member("/data/train-0.tar::./n01//7.jpg"), split_member("a.png")
    (('/data/train-0.tar', 'n01/7.jpg'), None)
    """
    found = _IN_TAR.search(path) if SEPARATOR in path else None
    if found is None:
        return None
    return path[: found.end() - len(SEPARATOR)], plain_name(path[found.end() :])


def plain_name(name: str) -> str:
    """A member's name in one spelling: without `./` and slashes that say nothing."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def tar_index(shard: str) -> TarIndex:
    """Where the members of a tar file are; read once as long as the file does not change.

    Safe to call from several threads.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no tar file, compressed, damaged or cut off.
    """
    stamp = _stamp(os.stat(shard))  # noqa: PTH116 (a Path takes as long again)
    with _lock:
        index = _indexes.get(shard)
        if index is None or index.stamp != stamp:
            index = _indexes[shard] = _read_index(shard)
            kept = sum(len(each.places) for each in _indexes.values())
            while kept > _MOST_PLACES and len(_indexes) > 1:
                kept -= len(_indexes.popitem(last=False)[1].places)
        _indexes.move_to_end(shard)
    if index.damage:
        raise ValueError(index.damage)
    return index


def member_place(shard: str, name: str) -> tuple[int, int]:
    """Where a member is: its offset and its size, in bytes.

    Raises:
        FileNotFoundError: There is no such tar file, or no such member in it.
        ValueError: The tar file cannot be read, or the member is a link, too large, or twice there.
    """
    return _place(tar_index(shard), shard, name)


def _place(index: TarIndex, shard: str, name: str) -> tuple[int, int]:
    if name in index.refused:
        raise ValueError(index.refused[name])
    if name not in index.places:
        raise FileNotFoundError(f"no member {name!r} in {shard}")
    return index.places[name]


def member_problem(path: str) -> str:
    """Why the member that a path names cannot be read; "" of any other path, or where it is not."""
    member = split_member(path)
    try:
        if member is not None:
            member_place(*member)
    except ValueError as error:
        return str(error)
    except OSError:  # "file not found" says enough
        return ""
    return ""


def read_member(shard: str, name: str, most_bytes: int) -> bytes:
    """The contents of a member; raises what `member_place` raises, and of a larger one."""
    index = tar_index(shard)
    place = _place(index, shard, name)
    check_size(place[1], most_bytes)
    with open(shard, "rb") as file:  # noqa: PTH123 (a Path takes as long again)
        if _stamp(os.fstat(file.fileno())) != index.stamp:
            raise ValueError("the tar file was changed while it was read")
        return read_place(file, place)


def read_place(file: BinaryIO, place: tuple[int, int]) -> bytes:
    """The bytes at a place of an open tar file.

    Raises:
        ValueError: The file ends before.
    """
    offset, size = place
    file.seek(offset)
    contents = file.read(size)
    if len(contents) < size:
        raise ValueError(f"the tar file was cut off: {len(contents)} of {size} bytes are there")
    return contents


def check_size(size: int, most_bytes: int) -> None:
    """Refuses a file with more bytes than are read."""
    if size > most_bytes:
        raise ValueError(f"it has {size} bytes; at most {most_bytes} are read")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    """Size and time of a file.

    Raises:
        ValueError: It is no plain file: reading a pipe may never end.
    """
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no plain file, and no tar file")
    return status.st_size, status.st_mtime_ns


def _read_index(shard: str) -> TarIndex:
    places: dict[str, tuple[int, int]] = {}
    refused: dict[str, str] = {}
    damage = ""
    with open(shard, "rb") as file:  # noqa: PTH123 (a Path takes as long again)
        stamp = _stamp(os.fstat(file.fileno()))
        try:
            for header in read_headers(file, stamp[0]):
                name = plain_name(header.name)
                if name in places or name in refused:
                    refused[name] = "it is there twice"
                elif header.problem:
                    refused[name] = header.problem
                else:
                    places[name] = (header.offset, header.size)
        except ValueError as error:
            damage = str(error)
    return TarIndex(stamp, places, refused, damage)
