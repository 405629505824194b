"""Fetch public files into a cache: hashes checked, resumable, nothing half-written is ever seen."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PureWindowsPath

from mmkeras.data.bounded_request import Bounds, bounded_reply
from mmkeras.progress import ProgressBar

_SECONDS_BEFORE_RETRY = (1, 2, 4)
# Many times what any data set has in one file, and in one of a set of many.
_ONE_FILE = Bounds(bytes=1 << 30)
_ONE_OF_MANY = Bounds(bytes=1 << 26)

_OFFLINE = (
    "Check the network (HTTPS_PROXY names a proxy) and run again: what has been fetched is kept. "
    "On a machine without one, put the file at {path} by hand, or set MMKERAS_DATA to a folder "
    "that holds the data sets."
)


def cache_dir(name: str) -> Path:
    """The folder that the data set `name` is downloaded into (it may not exist yet).

    `$MMKERAS_CACHE/<name>`, or `~/.cache/mmkeras/<name>` where that variable is not set.
    """
    root = os.environ.get("MMKERAS_CACHE") or Path.home() / ".cache" / "mmkeras"
    return Path(root).expanduser().absolute() / name


def provided_dir(name: str) -> Path | None:
    """The folder `$MMKERAS_DATA/<name>`, which the user has filled, or `None`.

    Warns where the variable is set and the folder is not there, since that may be a typing error.
    """
    root = os.environ.get("MMKERAS_DATA")
    if not root:
        return None
    folder = Path(root).expanduser().absolute() / name
    if folder.is_dir():
        return folder
    warnings.warn(
        f"MMKERAS_DATA is set to {root!r}, which has no folder {name!r}; "
        f"using {cache_dir(name)} and the network.",
        stacklevel=3,
    )
    return None


def files_folder(name: str, source: str, sha256: Mapping[str, str]) -> Path:
    """The folder of a data set of a few files: the user's own, or where they are downloaded to.

    Args:
        name: The data set's folder.
        source: The address that the files' names are added to.
        sha256: Each file's hash, by name.

    Raises:
        FileNotFoundError: The user's folder lacks a file.
    """
    folder = provided_dir(name)
    if folder is None:
        folder = cache_dir(name)
        for file, expected in sha256.items():
            fetch_file(f"{source}/{file}", folder / file, expected)
        return folder
    _check_complete(folder, sha256)
    return folder


def many_files_folder(
    name: str, source: str, files: Sequence[str], *, sha256: str, description: str
) -> Path:
    """The folder of a data set of many files: as `files_folder`, with one hash for all of them.

    Args:
        name: The data set's folder.
        source: The address that the files' names are added to.
        files: The files' names, paths below the folder.
        sha256: Their `files_sha256`. Only what was downloaded is checked.
        description: What they are, for the progress bar and for errors.

    Raises:
        FileNotFoundError: The user's folder lacks a file.
        ValueError: The source gave other files.
    """
    folder = provided_dir(name)
    if folder is not None:
        _check_complete(folder, files)
        return folder
    folder = cache_dir(name)
    fetch_files(source, files, folder, description=description)
    got = files_sha256(folder, files)
    if got != sha256:
        raise ValueError(
            f"The {description} in {folder} are not the ones they should be (sha256 {got}, "
            f"expected {sha256}). Remove that folder and run again."
        )
    return folder


def files_sha256(folder: Path, files: Iterable[str]) -> str:
    """One hash for many files: of the sorted lines "name sha256"."""
    lines = sorted(f"{file} {file_sha256(folder / file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_complete(folder: Path, files: Collection[str]) -> None:
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        more = f" and {len(missing) - 5:,} other files" if len(missing) > 5 else ""
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(missing[:5])}{more}. Complete the folder, or unset "
            "MMKERAS_DATA to download the data set."
        )


def fetch_file(
    url: str, path: str | Path, sha256: str | None = None, bounds: Bounds = _ONE_FILE
) -> Path:
    """Downloads one file, unless it is there already.

    The file is written under a temporary name and moved into place when it is complete and right.
    Network failures are retried three times, with growing pauses.

    Args:
        url: An http or https address.
        path: Where the file goes; folders are made.
        sha256: The expected hash, in hexadecimal. A file that is there with another hash is
            fetched again. `None`: any file will do.
        bounds: What the download may take in bytes and seconds; by default 1 GiB and, all tries
            together, an hour.

    Returns:
        `path`.

    Raises:
        ValueError: The address is not http or https, or what it gave has another hash or is
            larger than allowed.
        FileNotFoundError: The server does not have the file.
        ConnectionError: The server cannot be reached, keeps failing or is too slow.
    """
    path = Path(path)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"Only http and https addresses can be fetched. Received: {url!r}.")
    if path.is_file() and (sha256 is None or file_sha256(path) == sha256):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unique, so that two processes which fill one cache do not write into each other's file.
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        got = _download_with_retries(url, partial, path, bounds)
        if sha256 is not None and got != sha256:
            raise ValueError(
                f"{url} is not the file it should be: {path.name} has sha256 {got}, expected "
                f"{sha256}. Nothing was kept. A proxy's login page or a changed source gives "
                "this; run again, or put the right file there by hand."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def fetch_files(
    base_url: str,
    names: Sequence[str],
    folder: str | Path,
    *,
    workers: int = 8,
    description: str,
) -> list[Path]:
    """Downloads many files of one place, several at a time, skipping those that are there.

    After an interruption, a second call resumes where the first one stopped.

    Args:
        base_url: What stands before each name, without the last slash.
        names: Paths below `base_url`, and below `folder`.
        folder: Where the files go.
        workers: How many are fetched at the same time.
        description: What they are, for the progress bar.

    Returns:
        The files' paths, in the order of `names`.

    Raises:
        ValueError: A name leads out of the folder, or a file has more than 64 MiB.
        FileNotFoundError, ConnectionError: As for `fetch_file`, for the first file that fails.
    """
    for name in names:
        _check_inside(name)
    folder = Path(folder)
    base_url = base_url.rstrip("/")
    missing = [name for name in dict.fromkeys(names) if not (folder / name).is_file()]
    if missing:
        print(f"fetching {description}: {base_url} -> {folder}", file=sys.stderr, flush=True)
        pool = ThreadPoolExecutor(workers)
        try:
            fetches = [
                pool.submit(
                    fetch_file,
                    f"{base_url}/{urllib.parse.quote(name)}",
                    folder / name,
                    bounds=_ONE_OF_MANY,
                )
                for name in missing
            ]
            with ProgressBar(description, len(missing)) as progress:
                for fetch in as_completed(fetches):
                    fetch.result()
                    progress.add()
        finally:
            # On an error or Ctrl-C the files not yet begun are not waited for.
            pool.shutdown(cancel_futures=True)
    return [folder / name for name in names]


def file_sha256(path: str | Path) -> str:
    """A file's SHA-256 in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _check_inside(name: str) -> None:
    # As Windows reads it too: there, a backslash and a drive letter also lead elsewhere.
    path = PureWindowsPath(name)
    if not path.parts or ".." in path.parts or path.anchor:
        raise ValueError(
            f"A file's name must lead to a place inside the folder, without '..'. "
            f"Received: {name!r}."
        )


def _download_with_retries(url: str, partial: Path, path: Path, bounds: Bounds) -> str:
    pauses = iter(_SECONDS_BEFORE_RETRY)
    end = time.monotonic() + bounds.seconds
    while True:
        try:
            left = max(0.0, end - time.monotonic())
            return _download(url, partial, dataclasses.replace(bounds, seconds=left))
        # Other OSErrors (a full disk, a folder that is not ours) are not the network's.
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
            ssl.SSLError,
        ) as error:
            status = getattr(error, "code", None)
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            if status in (404, 410):
                raise FileNotFoundError(
                    f"{url} does not exist (HTTP {status}). The source has moved or the name is "
                    f"wrong; if you have the file, put it at {path}."
                ) from error
            pause = next(pauses, None)
            over = time.monotonic() > end
            if pause is None or over or not _may_pass(status):
                raise ConnectionError(
                    f"{url} could not be fetched: {error}. {_OFFLINE.format(path=path)}"
                ) from error
        time.sleep(pause)


def _may_pass(status: int | None) -> bool:
    """Whether asking again can help: not after 'forbidden', but after 'too many requests'."""
    return status is None or status >= 500 or status in (408, 429)


def _download(url: str, partial: Path, bounds: Bounds) -> str:
    digest, received = hashlib.sha256(), 0
    with bounded_reply(url, bounds) as (announced, chunks), partial.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            received += len(chunk)
            file.write(chunk)
    # Reading in chunks, http.client takes a connection cut short for the end of the file.
    if announced is not None and received != announced:
        raise ConnectionError(f"the reply ended after {received:,} of {announced:,} bytes")
    return digest.hexdigest()
