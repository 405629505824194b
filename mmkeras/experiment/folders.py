"""Folders that one process makes and one process at a time writes to."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mmkeras.files import remove_unfinished, write_json
from mmkeras.interrupts import resume_with_more
from mmkeras.reading import read_json

LOCK, OWNER = ".lock", ".lock.json"


class FolderInUse(OSError):
    """Another process is writing to the folder; the message says which."""


def new_folder(path: str | Path, ending: str = "") -> Path:
    """Makes a folder that was not there: `path`, or `path-2`, `path-3`, ... if that is taken.

    Of several processes that call it at once, each gets a folder of its own.

    Args:
        path: The wanted folder; its parents are made, too.
        ending: What the folder's name ends with, after the number.
    """
    path = Path(path)
    for number in itertools.count(1):
        folder = path.with_name(f"{path.name}{'' if number == 1 else f'-{number}'}{ending}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def experiment_folder(out: Path | None, parent: str | Path, ending: str = "") -> Path:
    """The folder that the user gave; otherwise a new one in `parent`, named by the time."""
    if out is None:
        folder = new_folder(Path(parent) / time_stamp(), ending)
        resume_with_more("--out", folder)
        return folder
    out.mkdir(parents=True, exist_ok=True)
    return out


def time_stamp() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if it is not there.

    The operating system ends the lock with the process that holds it, however that dies.

    Raises:
        FolderInUse: Another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise FolderInUse(
            f"{folder} is in use by {_owner(folder)}. Wait until it has finished, or stop it; then "
            "run the same command again."
        ) from None
    try:
        remove_unfinished(folder)
        write_json(
            folder / OWNER,
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            },
        )
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        owner = read_json(folder / OWNER, {"pid": int, "host": str, "since": str})
    except (FileNotFoundError, ValueError):  # it has just begun, or was stopped in the middle
        return "another process"
    return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
