"""A column of media, decoded once and kept in memory or in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.media.decoding import media_source
from mmkeras.data.tf_options import in_order
from mmkeras.progress import ProgressBar

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import MediaKind


class MediaStore:
    """A column of images, sounds or videos, checked once.

    What is kept is what the kind decodes to: pixels or samples, before any augmentation. A cell
    that is in many rows, as a picture with many questions, is decoded and kept once, at its
    place among the distinct cells. From outside, cells are asked for by position.

    Args:
        kind: Of the cells: it decodes them.
        column: The cells, as `read_table` returns them.
        settings: How they are decoded.
        cache: `"memory"`, `"file"` (memory-mapped, in `cache_dir`) or `None`: not kept.
        cache_dir: The folder for files.

    Attributes:
        readable: Booleans `(rows,)`: which cells could be decoded; empty ones count as such.
        live: Whether cells are decoded when they are asked for.
        mapped: Whether they lie in a file.
    """

    def __init__(
        self,
        kind: MediaKind,
        column: pd.Series,
        settings: Any,
        cache: str | None,
        cache_dir: str | Path | None = None,
    ):
        self._kind = kind
        self._settings = settings
        self._shape = kind.shape(settings)
        contents, is_path = media_source(column, kind, settings)
        self._has_holes = any(not cell for cell in contents)
        self._mapped: np.ndarray | None = None
        self._kept: tf.Tensor | None = None
        first, self._places = _distinct(contents, is_path)
        distinct = contents[first], is_path[first]
        if cache == "file":
            self._mapped, readable = self._from_file(Path(cache_dir), *distinct)
        elif cache == "memory":
            values = np.zeros((len(first), *self._shape), self._kind.dtype)
            readable = self._decode_all(*distinct, values)
            self._kept = tf.constant(values)
        else:
            readable = self._decode_all(*distinct, None)
            self._contents_tensor = tf.constant(contents.tolist(), tf.string)
            self._is_path_tensor = tf.constant(is_path)
        self.readable = readable[self._places]
        # Of the encoded cells only those that `reason` is asked about: all would double the cost.
        self._unreadable = {
            int(position): (contents[position], bool(is_path[position]))
            for position in np.flatnonzero(~self.readable)
        }
        self.live, self.mapped = cache is None, cache == "file"

    @property
    def values(self) -> np.ndarray:
        """What was decoded, `(rows, ...)`."""
        kept = self._kept.numpy() if self._mapped is None else self._mapped
        return kept if len(kept) == len(self._places) else kept[self._places]

    def decode(self, position: tf.Tensor) -> tf.Tensor:
        """The cell at a position, decoded now, where none are kept."""
        return self._decode_one(
            tf.gather(self._contents_tensor, position), tf.gather(self._is_path_tensor, position)
        )

    def gather(self, positions: tf.Tensor) -> tf.Tensor:
        """The cells at these positions, of those that are kept."""
        places = tf.gather(self._places, positions)
        if self._kept is not None:
            return tf.gather(self._kept, places)
        mapped = self._mapped
        batch = tf.numpy_function(lambda places: mapped[places], [places], self._kind.dtype)
        batch.set_shape((None, *self._shape))
        return batch

    def reason(self, position: int) -> str:
        """Why the unreadable cell at `position` cannot be decoded, in words."""
        contents, is_path = self._unreadable[position]
        where = contents.decode("utf-8", "replace") if is_path else "the encoded bytes"
        try:
            self._kind.explain(contents, is_path, self._settings)
        except (tf.errors.NotFoundError, FileNotFoundError):
            return f"file not found: {where}"
        except tf.errors.OpError as error:
            # Without the names of TensorFlow's own functions around it.
            why = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*", "", error.message).strip()
            asserted = re.search(r"to be true\. Summarized data: b'(.*)'", why)
            why = asserted[1] if asserted else why
            return f"{self._kind.complaint}: {where} ({why})"
        except (ValueError, OSError, MemoryError) as error:
            return f"{self._kind.complaint}: {where} ({error})"
        return f"could not be read a first time: {where}"

    def _decode_one(self, contents: tf.Tensor, is_path: tf.Tensor) -> tf.Tensor:
        def decode():
            return self._kind.decode(contents, is_path, self._settings)

        def blank():
            number = tf.constant(self._kind.blank(self._settings), self._kind.dtype)
            return tf.fill(self._shape, number)

        # An empty cell is a hole: whatever is there, the model does not see it. The condition
        # takes as long as a short sound's decoding, so columns without holes go without.
        if self._has_holes:
            is_empty = tf.equal(tf.strings.length(contents), 0)
            value = tf.cond(tf.logical_and(tf.logical_not(is_path), is_empty), blank, decode)
        else:
            value = decode()
        value.set_shape(self._shape)
        return value

    def _decode_all(
        self, contents: np.ndarray, is_path: np.ndarray, values: np.ndarray | None
    ) -> np.ndarray:
        """Decodes every cell into `values`, if given; returns which could be decoded."""
        rows = len(contents)
        readable = np.zeros(rows, bool)
        dataset = tf.data.Dataset.from_tensor_slices(
            (np.arange(rows), tf.constant(contents.tolist(), tf.string), is_path)
        )
        dataset = dataset.map(
            lambda row, contents, is_path: (row, self._decode_one(contents, is_path)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        dataset = in_order(dataset.ignore_errors(log_warning=False).batch(64).prefetch(2))
        with ProgressBar(f"decoding {self._kind.plural}", rows) as progress:
            for places, decoded in dataset.as_numpy_iterator():
                readable[places] = True
                if values is not None:
                    values[places] = decoded
                progress.add(len(places))
        return readable

    def _from_file(
        self, folder: Path, contents: np.ndarray, is_path: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(json.dumps(self._kind.decoding(self._settings)).encode())
        for cell, names_a_file in zip(contents, is_path, strict=True):
            key.update(cell)
            path = Path(cell.decode("utf-8")) if names_a_file else None
            if path is not None and path.exists():
                # A folder does not say when a file in it has changed.
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    status = file.stat()
                    key.update(f"|{file.name}|{status.st_size}|{status.st_mtime_ns}".encode())
            key.update(b"\0")
        name = folder / f"{self._kind.plural}-{key.hexdigest()[:24]}"
        values_path, readable_path = Path(f"{name}.npy"), Path(f"{name}-readable.npy")
        if not (values_path.exists() and readable_path.exists()):
            temporary = Path(f"{name}.{os.getpid()}.tmp.npy")
            values = np.lib.format.open_memmap(
                temporary, "w+", self._kind.dtype, (len(contents), *self._shape)
            )
            readable = self._decode_all(contents, is_path, values)
            values.flush()
            del values
            temporary_readable = Path(f"{name}.{os.getpid()}.readable.tmp.npy")
            np.save(temporary_readable, readable)
            temporary_readable.replace(readable_path)
            temporary.replace(values_path)
        return np.load(values_path, mmap_mode="r"), np.load(readable_path)


def _distinct(contents: np.ndarray, is_path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct cells, and which of them each row has.

    Returns:
        The position at which each distinct cell stands first, `(distinct cells,)`, and for each
        position its cell's place among these, `(rows,)`.
    """
    known: dict[tuple[bytes, bool], int] = {}
    cells = zip(contents.tolist(), is_path.tolist(), strict=True)
    places = np.array([known.setdefault(cell, len(known)) for cell in cells], np.int32)
    return np.unique(places, return_index=True)[1], places
