"""A column of images, decoded once and kept in memory or in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.media import decode_image, image_source
from mmkeras.data.settings import ImageSettings
from mmkeras.progress import ProgressBar


class ImageStore:
    """A column of images, checked once; decoded to memory, to a memory-mapped file, or not kept."""

    def __init__(
        self,
        column: pd.Series,
        settings: ImageSettings,
        cache: str | None,
        cache_dir: str | Path | None = None,
    ):
        self._settings = settings
        contents, is_path = image_source(column)
        self._mapped: np.ndarray | None = None
        self._kept: tf.Tensor | None = None
        if cache == "file":
            self._mapped, self.readable = self._from_file(Path(cache_dir), contents, is_path)
        elif cache == "memory":
            pixels = np.zeros((len(contents), *settings.size, settings.channels), np.uint8)
            self.readable = self._decode_all(contents, is_path, pixels)
            self._kept = tf.constant(pixels)
        else:
            self.readable = self._decode_all(contents, is_path, None)
            self._contents_tensor = tf.constant(contents.tolist(), tf.string)
            self._is_path_tensor = tf.constant(is_path)
        # Of the encoded images only those that `reason` is asked about: all would double the cost.
        self._unreadable = {
            int(position): (contents[position], bool(is_path[position]))
            for position in np.flatnonzero(~self.readable)
        }
        self.live, self.mapped = cache is None, cache == "file"

    @property
    def pixels(self) -> np.ndarray:
        return self._kept.numpy() if self._mapped is None else self._mapped

    def decode(self, position):
        return self._decode_one(
            tf.gather(self._contents_tensor, position), tf.gather(self._is_path_tensor, position)
        )

    def gather(self, positions):
        if self._kept is not None:
            return tf.gather(self._kept, positions)
        mapped = self._mapped
        batch = tf.numpy_function(lambda chosen: mapped[chosen], [positions], tf.uint8)
        batch.set_shape((None, *mapped.shape[1:]))
        return batch

    def reason(self, position: int) -> str:
        """Why the unreadable image at `position` cannot be decoded, in words."""
        contents, is_path = self._unreadable[position]
        where = contents.decode("utf-8", "replace") if is_path else "the encoded bytes"
        try:
            self._decode_one(tf.constant(contents), tf.constant(is_path))
        except tf.errors.NotFoundError:
            return f"file not found: {where}"
        except tf.errors.OpError as error:
            # Without the names of TensorFlow's own functions around it.
            why = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*", "", error.message).strip()
            return f"corrupt, or not PNG, JPEG, GIF or BMP: {where} ({why})"
        return f"could not be read a first time: {where}"

    def _decode_one(self, contents, is_path):
        settings = self._settings

        def blank():
            shape = (*settings.size, settings.channels)
            return tf.fill(shape, tf.constant(settings.background, tf.uint8))

        # An empty cell is a hole: whatever stands there, the model does not see it.
        absent = tf.logical_and(tf.logical_not(is_path), tf.equal(tf.strings.length(contents), 0))
        image = tf.cond(
            absent,
            blank,
            lambda: decode_image(
                contents,
                is_path,
                size=settings.size,
                channels=settings.channels,
                resize=settings.resize,
                background=settings.background,
            ),
        )
        image.set_shape((*settings.size, settings.channels))
        return image

    def _decode_all(
        self, contents: np.ndarray, is_path: np.ndarray, pixels: np.ndarray | None
    ) -> np.ndarray:
        """Decodes every image into `pixels`, if given; returns which could be decoded."""
        rows = len(contents)
        readable = np.zeros(rows, bool)
        dataset = tf.data.Dataset.from_tensor_slices(
            (np.arange(rows), tf.constant(contents.tolist(), tf.string), is_path)
        )
        dataset = dataset.map(
            lambda row, contents, is_path: (row, self._decode_one(contents, is_path)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        dataset = dataset.ignore_errors(log_warning=False).batch(64).prefetch(2)
        with ProgressBar("decoding images", rows) as progress:
            for places, images in dataset.as_numpy_iterator():
                readable[places] = True
                if pixels is not None:
                    pixels[places] = images
                progress.add(len(places))
        return readable

    def _from_file(
        self, folder: Path, contents: np.ndarray, is_path: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings
        decoding = [settings.size, settings.channels, settings.resize, settings.background]
        key = hashlib.sha256(json.dumps(decoding).encode())
        for cell, names_a_file in zip(contents, is_path, strict=True):
            key.update(cell)
            path = Path(cell.decode("utf-8")) if names_a_file else None
            if path is not None and path.exists():
                status = path.stat()
                key.update(f"|{status.st_size}|{status.st_mtime_ns}".encode())
            key.update(b"\0")
        name = folder / f"images-{key.hexdigest()[:24]}"
        pixels_path, readable_path = Path(f"{name}.npy"), Path(f"{name}-readable.npy")
        if not (pixels_path.exists() and readable_path.exists()):
            shape = (len(contents), *settings.size, settings.channels)
            temporary = Path(f"{name}.{os.getpid()}.tmp.npy")
            pixels = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            readable = self._decode_all(contents, is_path, pixels)
            pixels.flush()
            del pixels
            temporary_readable = Path(f"{name}.{os.getpid()}.readable.tmp.npy")
            np.save(temporary_readable, readable)
            temporary_readable.replace(readable_path)
            temporary.replace(pixels_path)
        return np.load(pixels_path, mmap_mode="r"), np.load(readable_path)


def decoded_images(column: pd.Series, settings: ImageSettings) -> tuple[np.ndarray, np.ndarray]:
    """All images of a column, uint8 `(rows, height, width, channels)`, and which were readable."""
    store = ImageStore(column, settings, "memory")
    return store.pixels, store.readable
