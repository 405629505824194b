"""Write files whole: under a temporary name first, to the disk, and then moved into place.

After a crash, a power cut or a full disk there is the old file or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_TEMPORARY = ".tmp-"  # what names begin with that are not the files' own yet


@contextlib.contextmanager
def written(path: str | Path, *, keep: Path | None = None) -> Iterator[Path]:
    """A temporary path beside a file, which it becomes when the block ends without an error.

    Args:
        path: The file.
        keep: Where the file that is there before goes; by default nowhere.

    Example:

    ```python
    with written("table.parquet") as temporary:
        frame.to_parquet(temporary)
    ```
    """
    path = Path(path)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    try:
        yield temporary
        to_disk(temporary)
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    to_disk(path.parent)


def to_disk(path: Path) -> None:
    """Waits until a file's contents, or the names in a folder, are on the disk."""
    if path.is_dir():
        if os.name != "posix":
            return  # Windows has no such call.
        number = os.open(path, os.O_RDONLY)
    else:
        number = os.open(path, os.O_RDWR)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some shared folders have no such call, either
            raise
    finally:
        os.close(number)


def many_to_disk() -> None:
    """Waits until all that was written is on the disk: once for many small files."""
    if hasattr(os, "sync"):
        os.sync()


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes left half written.

    Args:
        folder: Which nobody else writes to; folders in it are looked through, too.
    """
    for path in list(folder.rglob(f"{_TEMPORARY}*")):
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file; whoever reads `path` sees the old file or the new one, never a part."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, contents: bytes) -> None:
    """As `write_text`, of any contents."""
    with written(path) as temporary:
        temporary.write_bytes(contents)


def write_arrays(path: str | Path, *arrays: np.ndarray, keep: Path | None = None, **named) -> None:
    """Writes an `.npz` file; see `written`."""
    with written(path, keep=keep) as temporary, temporary.open("wb") as file:
        np.savez(file, *arrays, **named)


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Writes JSON that every parser reads: NaN and infinity, which JSON lacks, become null."""
    text = json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False, default=str)
    write_text(path, text + "\n")


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's contents, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
