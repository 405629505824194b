"""Load `.keras` files that anyone may have made: nothing in them runs, and what is wrong is a line.

Keras' safe mode refuses code in a file. What is checked here comes before Keras reads it: the sizes
of the archive's members, so that no small file takes all memory.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import keras

# JSON of this size takes up to half a gigabyte of memory; that of large networks has one megabyte.
_LARGEST_JSON = 16 << 20
_JSON = ("metadata.json", "config.json")
# What `zipfile` raises; OSError for places outside the file.
_DAMAGED = (ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, OSError,
            struct.error, OverflowError)  # fmt: skip
_SHOWN = 300  # characters of Keras' own words


def load_keras(path: str | Path, *, compile: bool = True) -> keras.Model:
    """The model in a `.keras` file, loaded in Keras' safe mode.

    Args:
        path: The file.
        compile: Whether loss and optimizer are restored, too.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, holds no model, or one that cannot be loaded safely. The message
            is one line, and names the file.
    """
    check_keras_file(path)
    try:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # of any kind: the file says which classes are called
        raise ValueError(f"{path} cannot be loaded: {_first_words(error)}") from error


def load_keras_weights(model: keras.Model, path: str | Path) -> None:
    """Puts the weights of a `.keras` file into a model of the same architecture.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or of another architecture.
    """
    check_keras_file(path)
    try:
        model.load_weights(path)
    except Exception as error:
        raise ValueError(
            f"The weights of {path} do not fit the model: {_first_words(error)}"
        ) from error


def check_keras_file(path: str | Path) -> None:
    """Refuses an archive that is none of Keras', or whose members are larger than they may be.

    Keras stores members as they are, so that none is larger than the file itself.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is such an archive.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, path.stat().st_size)
        except _DAMAGED as error:
            raise ValueError(
                f"{path} is damaged, or no model that Keras saved: {_first_words(error)}."
            ) from error


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError("a member is compressed, which Keras' are not")
        if member.filename in _JSON and member.file_size > _LARGEST_JSON:
            raise ValueError(f"{member.filename} has {member.file_size:,} bytes")
    if missing := {*_JSON} - {member.filename for member in members}:
        raise ValueError(f"{' and '.join(sorted(missing))} is missing")
    if sum(max(member.file_size, member.compress_size) for member in members) > size:
        raise ValueError("its members are larger than the file")
    for name in _JSON:
        archive.read(name)  # checks the checksum


def _first_words(error: Exception) -> str:
    """The first line of a message, and no more than fits into one."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."
