"""Files that a table names: only plain ones are opened, of a size that the medium can have."""

from __future__ import annotations

import os
import stat
from pathlib import Path


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
    status = os.stat(path)  # noqa: PTH116 (a Path takes as long again)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("it is a folder, and not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is a pipe, a device or a socket, and not a plain file")
    if status.st_size > most_bytes:
        raise ValueError(f"it has {status.st_size} bytes; at most {most_bytes} are read")


def read_plain_file(path: str, most_bytes: int) -> bytes:
    """The contents of a file that passes `check_plain_file`."""
    check_plain_file(path, most_bytes)
    return Path(path).read_bytes()
