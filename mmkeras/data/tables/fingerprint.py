"""Tell whether two tables hold the same: a digest of all cells, and of one cell its bytes."""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.cells import content_digest, is_empty, label_name, label_set, to_number
from mmkeras.data.tables.columns import column_roles
from mmkeras.schema import Schema

_FILES = {name for name, kind in KINDS.items() if kind.has_files}  # roles


def fingerprint(frame: pd.DataFrame, schema: Schema) -> str:
    """A SHA-256 over the cells of the schema's columns, in row order, as 64 hex digits.

    Tells whether a resumed run sees the same data. It is the same in every process, on every
    pandas version, and wherever the folder of images is: a path counts as its file's name and
    size in bytes, not as its folders or the file's content. Bytes and arrays count by content.

    Raises:
        FileNotFoundError: A file is no longer there.
    """
    digest = hashlib.sha256()
    for column, role in column_roles(schema).items():
        if column not in frame.columns:
            continue
        header = f"{column}\n{role}".encode()
        digest.update(struct.pack("<QQ", len(header), len(frame)) + header)
        for value in frame[column]:
            if role in _FILES and isinstance(value, str) and not is_empty(value):
                path = Path(value)
                value = f"{path.name}\n{_size(path)}"
            part = cell_bytes(value, role, schema)
            digest.update(struct.pack("<Q", len(part)) + part)
    return digest.hexdigest()


def _size(path: Path) -> int:
    """Bytes of a file; entries of a folder of frames."""
    return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size


def cell_bytes(value: Any, role: str, schema: Schema) -> bytes:
    """One cell as bytes that are equal when the cells mean the same."""
    if is_empty(value):
        return b""
    if role in _FILES and isinstance(value, np.ndarray):
        return b"a" + content_digest(value)
    if isinstance(value, bytes):
        return b"b" + content_digest(value)
    if role == "number":
        number = to_number(value)
        if number is not None:
            # Adding zero turns -0.0 into 0.0, which equals it.
            return b"" if math.isnan(number) else b"n" + struct.pack("<d", number + 0.0)
    if role == "label":
        value = label_name(value)
    elif role == "labels":
        value = "\n".join(label_set(value, getattr(schema.target, "separator", "|")))
    return b"s" + str(value).encode("utf-8", "surrogatepass")
