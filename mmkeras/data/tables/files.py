"""The files that hold tables: CSV and its kin, Parquet, JSON lines, Feather, Excel, tar."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.csv_files import unescaped_predictions
from mmkeras.data.media.tar_headers import COMPRESSED
from mmkeras.data.memory import give_memory_back
from mmkeras.data.tables.errors import TableError, listed
from mmkeras.data.tables.excel_files import load_excel
from mmkeras.data.tables.tar_files import load_shards
from mmkeras.data.tables.text_files import encoding_of, load_text, opened

_TEXT = (".csv", ".tsv", ".txt")
_JSON_LINES = (".jsonl", ".ndjson")
_ARROW = (".feather", ".arrow")
_EXCEL = (".xlsx", ".xlsm")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
_TAR = ".tar"
# What makes a plain tar file of a compressed one.
_UNPACKING = {
    ".tgz": "gunzip",
    ".tar.gz": "gunzip",
    ".tbz2": "bunzip2",
    ".tar.bz2": "bunzip2",
    ".txz": "unxz",
    ".tar.xz": "unxz",
    ".tar.zst": "unzstd",
    ".tar.zip": "unzip",
}
TABLE_SUFFIXES = (*_TEXT, ".parquet", *_JSON_LINES, *_ARROW, *_EXCEL, _TAR)
# A README in .txt is no table.
_BESIDE_TAR = tuple(s for s in TABLE_SUFFIXES if s not in (_TAR, ".txt"))
_FORMS = (
    f"a file that ends in {', '.join(TABLE_SUFFIXES)} (a text file may be compressed: "
    f"{', '.join(_COMPRESSED)}), a folder of Parquet files or of tar files, or a "
    "pandas.DataFrame"
)
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


def load_file(
    path: Path, roles: Mapping[str, str] | None, marks: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The cells of a file.

    Args:
        path: The file, or a folder of Parquet files or of tar files.
        roles: How columns will be read (`column_roles`). Of a text file their cells stay texts as
            they stand, apart from numbers; the other columns are of the types that pandas gives
            them. With `None`, all are, but numbers that begin with a zero ("007") stay texts.
        marks: The decimal marks of columns, where training rows have shown them.

    Raises:
        TableError: The file is not a well-formed table.
        FileNotFoundError: There is no such file.
        ValueError: The file's kind is not known.
    """
    suffix, compressed = _suffix(path)
    if path.is_dir():
        shards = _shards(path)
        return _load_folder_of_shards(path, shards) if shards else _load_arrow(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise ValueError(f"A table is read from this machine. Download it first: {path}.")
    _refuse_compressed_tar(path)
    if suffix not in TABLE_SUFFIXES or (compressed and suffix not in (*_TEXT, *_JSON_LINES)):
        raise ValueError(f"A table is {_FORMS}. Received: {path}.")
    if not path.exists():
        raise FileNotFoundError(f"No table at {path.absolute()}.")
    if not path.is_file():
        raise ValueError(f"A table is {_FORMS}. This is no plain file: {path}.")
    try:
        if suffix == ".parquet" or suffix in _ARROW:
            return _load_arrow(path)
        if suffix == _TAR:
            return _as_frame(load_shards([path]))
        if suffix in _EXCEL:
            return load_excel(path, roles)
        if suffix in _JSON_LINES:
            return _load_json_lines(path)
        return unescaped_predictions(load_text(path, suffix, roles, marks or {}))
    except pd.errors.EmptyDataError:
        raise TableError([f"{path.name}: the file is empty"]) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise TableError([f"{path.name}: not a well-formed table: {error}"]) from error
    except UnicodeDecodeError as error:
        hint = "Save it as UTF-8, e.g. iconv -f latin1 -t utf-8"
        raise TableError([f"{path.name}: not UTF-8 ({error}). {hint}"]) from error
    except _DAMAGED as error:
        raise TableError([f"{path.name}: cannot be decompressed: {error}"]) from error


def _suffix(path: Path) -> tuple[str, bool]:
    """The suffix that says what a table is, in lower case, and whether it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if len(suffixes) > 1 and suffixes[-1] in _COMPRESSED:
        return suffixes[-2], True
    return (suffixes or [""])[-1], False


def table_files(path: Path) -> list[Path]:
    """The files that a table is read from: those of a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    shards = sorted(file for file in path.iterdir() if file.suffix.lower() == _TAR)
    return shards or sorted(path.rglob("*.parquet"))


def _shards(folder: Path) -> list[Path]:
    """The tar files of a folder, in order; none of a folder of Parquet files.

    Raises:
        ValueError: Beside them are tables of another kind, or all of them are in folders below.
            A Parquet file that is called like one of them is no other table: img2dataset writes
            what it knows of a tar file's samples there, too.
    """
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    shards = [file for file in files if file.suffix.lower() == _TAR]
    for file in files:
        _refuse_compressed_tar(file)
    beside = set(_beside(shards))
    others = [file.name for file in files if _suffix(file)[0] in _BESIDE_TAR and file not in beside]
    if shards and others:
        raise ValueError(
            f"A folder that is a table holds files of one kind. {folder} holds {len(shards)} .tar "
            f"files and {listed(others, 3)}. Keep other tables in another folder; only a .parquet "
            "file that is called like a .tar file may stand beside it."
        )
    in_folders = sorted(folder.glob(f"*/*{_TAR}"))
    below = sorted({file.parent.name for file in in_folders})
    if not shards and below and (_beside(in_folders) or not any(folder.rglob("*.parquet"))):
        raise ValueError(
            f"There is no .tar file in {folder} itself, but in folders below. Name one of these: "
            f"{listed(below)}."
        )
    return shards


def _refuse_compressed_tar(path: Path) -> None:
    for ending, command in _UNPACKING.items():
        if path.name.lower().endswith(ending):
            raise ValueError(f"{path.name}: {COMPRESSED}: {command} {path.name}.")


def _beside(shards: Sequence[Path]) -> list[Path]:
    """The Parquet files that are called like a tar file, `00000.parquet` beside `00000.tar`."""
    return [file for shard in shards if (file := shard.with_suffix(".parquet")).is_file()]


def _load_folder_of_shards(folder: Path, shards: Sequence[Path]) -> pd.DataFrame:
    """The samples of the tar files; says which Parquet files beside them are not read."""
    frame = _as_frame(load_shards(shards))
    if beside := _beside(shards):
        import pyarrow.parquet

        with _as_table_errors(beside[0]):
            columns = pyarrow.parquet.read_schema(beside[0]).names
        lacking = [name for name in columns if name not in frame and f"json.{name}" not in frame]
        said = "the samples of the tar files have their columns in .json files"
        if lacking:
            said = f"their columns {listed(lacking)} are in no sample of the tar files"
        warnings.warn(
            f"{folder} is read as {len(shards):,} tar files. The Parquet files of the same names "
            f"are not read ({listed([file.name for file in beside], 3)}); {said}.",
            UserWarning,
            stacklevel=4,
        )
    return frame


@contextlib.contextmanager
def _as_table_errors(path: Path) -> Iterator[None]:
    """What Arrow cannot read becomes a `TableError` that names the file."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's, which names the file
        raise TableError([f"{path.name}: not a well-formed table: {error}"]) from error


def _load_arrow(path: Path) -> pd.DataFrame:
    """A Parquet or Arrow file, or a folder of Parquet files."""
    if path.is_dir() and not any(path.rglob("*.parquet")):
        raise ValueError(
            f"A folder that is a table holds .parquet files or .tar files. There is none in {path}."
        )
    read = pd.read_feather if path.suffix.lower() in _ARROW else pd.read_parquet
    with _as_table_errors(path):
        frame = read(path)
    give_memory_back()
    return frame


def _load_json_lines(path: Path) -> pd.DataFrame:
    import json

    rows = []
    with io.TextIOWrapper(opened(path), encoding=encoding_of(path)) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise TableError([f"{path.name}, line {number}: not JSON: {error}"]) from None
            if not isinstance(row, dict):
                raise TableError([f"{path.name}, line {number}: not an object of columns"])
            rows.append(row)
    if not rows:
        raise TableError([f"{path.name}: the file is empty"])
    return _as_frame(rows)


def _as_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with the cells that they have, as a table with holes."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return pd.DataFrame({c: _json_column([row.get(c) for row in rows]) for c in columns})


def _json_column(values: list[Any]) -> pd.Series:
    column = pd.Series(values, dtype=object)
    if any(isinstance(v, list | dict) for v in values):
        return column
    try:
        return column.infer_objects()
    except UnicodeEncodeError:  # half a character: `read_table` says in which row
        return column
