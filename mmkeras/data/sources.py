"""How a modality's rows become the tensors of a batch, by kind."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.kinds.audio import AudioPreprocessor
from mmkeras.data.kinds.image import ImagePreprocessor
from mmkeras.data.kinds.sequence import SequencePreprocessor
from mmkeras.data.kinds.settings import ImageSettings
from mmkeras.data.kinds.text import FIRST_WORD, TextPreprocessor
from mmkeras.data.kinds.video import VideoPreprocessor
from mmkeras.data.media.augment_sound import add_noise, mask_spectrograms, shift_sounds
from mmkeras.data.media.image import augment_images
from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.media.spectrogram import sound_features
from mmkeras.data.media.stores import MediaStore

# Sequences are padded to a multiple of this: a backend that compiles a program for each shape
# (JAX) then compiles a few, and none has length 0, which layers dislike.
LENGTH_STEP = 4


# What a real step of zeros is given, so that encoders do not take it for padding.
NOT_PADDING = 1e-4


def padded_length(length: Any) -> Any:
    """The next multiple of `LENGTH_STEP`, at least one of them (a number or a tensor)."""
    longest = tf.maximum(length, 1) if tf.is_tensor(length) else max(length, 1)
    return longest + -longest % LENGTH_STEP


class ArraySource:
    """Rows of an array."""

    live = mapped = False

    def __init__(self, values: np.ndarray):
        self._values = tf.constant(values)

    def batch(self, indices, decoded=None, augmentation=None):
        return tf.gather(self._values, indices)


class TextSource:
    """Token sequences, padded to about the batch's longest; or bags of words."""

    live = mapped = False

    def __init__(self, texts: pd.Series, fitted: TextPreprocessor):
        self._representation = fitted.settings.representation
        self._size = len(fitted.vocabulary)
        self._idf = tf.constant(fitted.idf, tf.float32)
        ids = fitted.token_ids(list(texts))
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        values = np.fromiter(itertools.chain.from_iterable(ids), np.int32, lengths.sum())
        self._ids = tf.RaggedTensor.from_row_lengths(values, lengths)

    def batch(self, indices, decoded, augmentation):
        ids = tf.gather(self._ids, indices)
        if self._representation == "tokens":
            padded = ids.to_tensor()
            length = tf.shape(padded)[1]
            return tf.pad(padded, [[0, 0], [0, padded_length(length) - length]])
        places = tf.stack([tf.cast(ids.value_rowids(), tf.int32), ids.values - FIRST_WORD], axis=1)
        ones = tf.ones_like(ids.values, tf.float32)
        bag = tf.scatter_nd(places, ones, (tf.shape(indices)[0], self._size))
        if self._representation == "binary":
            bag = tf.minimum(bag, 1.0)
        elif self._representation == "tfidf":
            bag = tf.math.l2_normalize(bag * self._idf, axis=1)
        return bag


class SequenceSource:
    """Feature sequences, padded with steps of zeros to about the batch's longest.

    A real step that is all zeros after scaling is given a number next to zero, since a step of
    zeros is what encoders take for padding.

    Args:
        store: The column's cells.
        positions: Which of them are fed.
        fitted: Length and scaling.
        length: Pad to this length instead, the same in every batch.
    """

    live = mapped = False

    def __init__(
        self,
        store: SequenceStore,
        positions: np.ndarray,
        fitted: SequencePreprocessor,
        length: int | None = None,
    ):
        values = fitted.scaled([store.values[position] for position in positions])
        for value in values:
            value[~value.any(axis=1), 0] = NOT_PADDING
        lengths = np.array([len(value) for value in values], np.int64)
        steps = tf.constant(np.concatenate(values), tf.float32)
        self._steps = tf.RaggedTensor.from_row_lengths(steps, lengths)
        self._features, self._length = fitted.features, length
        self._noise = fitted.settings.noise

    def batch(self, indices, decoded, augmentation):
        steps = tf.gather(self._steps, indices)
        length = self._length
        if length is None:
            length = padded_length(tf.cast(steps.bounding_shape()[1], tf.int32))
        # As one tensor: a list may not hold a length that is only known when the batch is.
        padded = steps.to_tensor(shape=tf.stack([-1, length, self._features]))
        padded.set_shape((None, self._length, self._features))
        if augmentation is None or not self._noise:
            return padded
        noise = tf.random.stateless_normal(tf.shape(padded), augmentation, stddev=self._noise)
        real = tf.sequence_mask(steps.row_lengths(), tf.shape(padded)[1])
        return tf.where(real[..., tf.newaxis], padded + noise, 0.0)


class _MediaSource:
    """What a store holds."""

    def __init__(self, store: MediaStore, positions: np.ndarray, fitted: Any):
        self._store = store
        self._positions = tf.constant(positions.astype(np.int32))
        self._settings = fitted.settings
        self.live, self.mapped = store.live, store.mapped

    def decode(self, row):
        return self._store.decode(tf.gather(self._positions, row))

    def load(self, rows):
        return self._store.gather(tf.gather(self._positions, rows))

    @property
    def decoded(self) -> np.ndarray:
        """What the store keeps of these rows, `(rows, ...)`."""
        return self._store.values[self._positions.numpy()]


class ImageSource(_MediaSource):
    """Decoded, scaled and, for training, augmented images."""

    def __init__(self, store: MediaStore, positions: np.ndarray, fitted: ImagePreprocessor):
        super().__init__(store, positions, fitted)
        self._mean = tf.constant(fitted.mean or (0.0,), tf.float32)
        self._deviation = tf.constant(fitted.deviation or (1.0,), tf.float32)

    def batch(self, indices, decoded, augmentation):
        decoded = self.load(indices) if decoded is None else decoded
        images = tf.cast(decoded, tf.float32) * (1 / 255.0)
        images = _augmented(images, augmentation, self._settings)
        if self._settings.scaling == "unit":
            return images
        return (images - self._mean) / self._deviation


class VideoSource(_MediaSource):
    """Frames in [0, 1]; for training, all frames of a clip are moved alike."""

    def __init__(self, store: MediaStore, positions: np.ndarray, fitted: VideoPreprocessor):
        super().__init__(store, positions, fitted)
        self._image = fitted.settings.image

    def batch(self, indices, decoded, augmentation):
        decoded = self.load(indices) if decoded is None else decoded
        clips = tf.cast(decoded, tf.float32) * (1 / 255.0)
        image = self._image
        if augmentation is None or not (image.flip or image.rotation or image.crop or image.shift):
            return clips
        # One map an image: so a clip's frames are, for this, the channels of one image.
        frames, (height, width), channels = self._settings.frames, image.size, image.channels
        stacked = tf.transpose(clips, (0, 2, 3, 1, 4))
        stacked = tf.reshape(stacked, (-1, height, width, frames * channels))
        stacked = _augmented(stacked, augmentation, image)
        stacked = tf.reshape(stacked, (-1, height, width, frames, channels))
        return tf.transpose(stacked, (0, 3, 1, 2, 4))


def _augmented(images: tf.Tensor, seed: tf.Tensor | None, settings: ImageSettings) -> tf.Tensor:
    if seed is None:
        return images
    return augment_images(
        images,
        seed,
        flip=settings.flip,
        rotation=settings.rotation,
        crop=settings.crop,
        shift=settings.shift,
        background=settings.background / 255.0,
    )


class AudioSource(_MediaSource):
    """Sounds as waveforms, spectrograms or coefficients; for training, augmented."""

    def __init__(self, store: MediaStore, positions: np.ndarray, fitted: AudioPreprocessor):
        super().__init__(store, positions, fitted)
        self._mean = tf.constant(fitted.mean or (0.0,), tf.float32)
        self._deviation = tf.constant(fitted.deviation or (1.0,), tf.float32)

    def batch(self, indices, decoded, augmentation):
        settings = self._settings
        decoded = self.load(indices) if decoded is None else decoded
        waves = tf.cast(decoded, tf.float32) * (1 / 32768.0)
        seeds = [None] * 3
        if augmentation is not None:
            fold_in = tf.random.experimental.stateless_fold_in
            seeds = [fold_in(augmentation, place) for place in range(3)]
        if augmentation is not None and settings.shift:
            waves = shift_sounds(waves, seeds[0], round(settings.shift * settings.rate))
        if augmentation is not None and settings.noise_snr is not None:
            waves = add_noise(waves, seeds[1], settings.noise_snr)
        features = (sound_features(waves, settings) - self._mean) / self._deviation
        if augmentation is not None and (settings.time_masks or settings.band_masks):
            features = mask_spectrograms(
                features,
                seeds[2],
                time_masks=settings.time_masks,
                time_mask=settings.time_mask,
                band_masks=settings.band_masks,
                band_mask=settings.band_mask,
                deltas=settings.deltas,
            )
        # Digital silence and masked frames count like any others.
        empty = tf.reduce_all(tf.equal(features, 0.0), axis=-1, keepdims=True)
        features = tf.where(empty, NOT_PADDING, features)
        features.set_shape((None, *settings.shape))
        return features


MEDIA_SOURCES = {"image": ImageSource, "audio": AudioSource, "video": VideoSource}
