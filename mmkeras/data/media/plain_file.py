"""Files that a table names: only plain ones are opened, of a size that the medium can have.

A path may name a member of a tar file (`mmkeras.data.media.tar_members`). Everything that reads
files of media asks here, so that such a path works wherever one does.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path, PurePath
from typing import BinaryIO

from mmkeras.data.media.tar_members import check_size, member_place, read_member, split_member


def check_plain_file(path: str, most_bytes: int) -> None:
    """Refuses what is not to be opened: reading a pipe or a device may never end.

    Args:
        path: The file.
        most_bytes: The largest size that is read.

    Raises:
        FileNotFoundError: There is nothing at this path.
        IsADirectoryError: It is a folder.
        ValueError: It is no plain file, or larger.

    Example:

    >>> check_plain_file("/dev/zero", 1000)
    Traceback (most recent call last):
    ValueError: it is a pipe, a device or a socket, and not a plain file
    """
    check_size(plain_file_size(path), most_bytes)


def plain_file_size(path: str) -> int:
    """How many bytes a plain file has; raises what `check_plain_file` raises."""
    if member := split_member(path):
        return member_place(*member)[1]
    status = os.stat(path)  # noqa: PTH116 (a Path takes as long again)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("it is a folder, and not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is a pipe, a device or a socket, and not a plain file")
    return status.st_size


def open_plain_file(path: str, most_bytes: int) -> BinaryIO:
    """A file that passes `check_plain_file`, opened; a member of a tar file is in memory."""
    if split_member(path):
        return io.BytesIO(read_plain_file(path, most_bytes))
    check_plain_file(path, most_bytes)
    return open(path, "rb")  # noqa: PTH123 (a Path takes as long again)


def read_plain_file(path: str, most_bytes: int) -> bytes:
    """The contents of a file that passes `check_plain_file`."""
    if member := split_member(path):
        return read_member(*member, most_bytes)
    check_plain_file(path, most_bytes)
    return Path(path).read_bytes()


def is_plain_file(path: str) -> bool:
    """Whether a path names a plain file; no for a text that cannot be a name at all."""
    member = split_member(path)
    if member is None:
        # Unlike a Path's, this takes half the time.
        return os.path.isfile(path)  # noqa: PTH113
    try:
        member_place(*member)
    except (OSError, ValueError):
        return False
    return True


def file_name(path: str) -> str:
    """The name of a file without its folders.

    >>> file_name("/data/a.png"), file_name("/data/train-0.tar::a.png")
    ('a.png', 'a.png')
    """
    member = split_member(path)
    return PurePath(path if member is None else member[1]).name


def file_on_disk(path: str) -> str:
    """The file that has the bytes: the tar file of a member."""
    member = split_member(path)
    return path if member is None else member[0]
