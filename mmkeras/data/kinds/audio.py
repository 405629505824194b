"""Sounds: settings, what is fitted, checks of cells, decoding, batches, and pictures."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import MediaKind, check_choice, check_scaling, drawn, resized
from mmkeras.data.media.sounds.full_scale import full_scale
from mmkeras.data.unprepared import Unprepared, cut_short
from mmkeras.reading import check_fields
from mmkeras.schema import Audio, InputSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.media.stores import MediaStore
    from mmkeras.data.sources import InputMaker

_MOST_SOUNDS = 2000  # evenly drawn; more would move the means by less than their own noise
_USUAL = 0.95  # this share of the training sounds is as long as the input, or shorter
_MOST_USUAL = 10.0  # seconds; longer inputs only on demand


@dataclass(frozen=True)
class AudioSettings:
    """How sounds become inputs.

    Every sound is mixed to one channel, brought to `rate` and to `seconds`: a shorter one is
    followed by silence, of a longer one the middle is kept.

    Args:
        rate: Samples per second (Hz).
        seconds: The length of every input, in seconds; `None` for one that 95 % of the training
            sounds fit into, but at most 10 seconds. Sounds that lose much are counted, and said.
        features: `"waveform"`, `"spectrogram"` (the power of the short-time Fourier transform, in
            decibels), `"log_mel"` (the same in mel bands) or `"mfcc"` (the cosine transform of
            the log-mel energies).
        window: The Fourier transform's Hann window, in seconds.
        hop: From one window to the next, in seconds.
        fft_length: Points of the transform; the window is padded with zeros. 0 is the next power
            of two.
        mel_bands: Bands of `"log_mel"`, and those that `"mfcc"` is made of.
        low_hz: The lowest band's lower edge.
        high_hz: The highest band's upper edge; 0 is half of `rate`.
        coefficients: How many coefficients `"mfcc"` keeps.
        deltas: 1 appends the features' slopes over time, 2 also the slopes' slopes.
        scaling: `"standardize"` (to the training sounds' mean 0 and standard deviation 1, by
            band), `"each"` (to each sound's own, of spectrograms and log-mel energies) or `"none"`.
        speed: Augmentation, training only: each sound is played slower or faster by up to this
            share, as by another voice; of a slower one the end is lost that goes beyond `seconds`.
        shift: Augmentation: largest move in time, in seconds.
        noise_snr: Augmentation: white noise with a signal-to-noise ratio drawn between this and
            30 dB above it, in decibels; `None` for none.
        time_masks: Augmentation: how many stretches of time are hidden (SpecAugment).
        time_mask: Longest such stretch, as a share of all frames.
        band_masks: Augmentation: how many runs of bands are hidden.
        band_mask: Widest such run, as a share of all bands.
    """

    rate: int = 16000
    seconds: float | None = None
    features: str = "log_mel"
    window: float = 0.025
    hop: float = 0.010
    fft_length: int = 0
    mel_bands: int = 64
    low_hz: float = 0.0
    high_hz: float = 0.0
    coefficients: int = 20
    deltas: int = 0
    scaling: str = "standardize"
    speed: float = 0.0
    shift: float = 0.0
    noise_snr: float | None = None
    time_masks: int = 0
    time_mask: float = 0.2
    band_masks: int = 0
    band_mask: float = 0.2

    def __post_init__(self):
        check_fields(self)
        choices = ("waveform", "spectrogram", "log_mel", "mfcc")
        check_choice("AudioSettings", "features", self.features, choices)
        check_choice("AudioSettings", "scaling", self.scaling, ("standardize", "each", "none"))
        check_choice("AudioSettings", "deltas", self.deltas, (0, 1, 2))
        for name in ("rate", "seconds", "window", "hop", "mel_bands", "coefficients"):
            value = getattr(self, name)
            if not (value is None and name == "seconds") and not value > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {value}.")
        for name in ("low_hz", "high_hz", "shift", "time_masks", "band_masks", "fft_length"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("speed", "time_mask", "band_mask"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")
        longest = self.hop_samples if self.seconds is None else self.samples
        if self.hop_samples < 1 or longest < self.hop_samples:
            raise ValueError(
                f"`hop` must be at least a sample and at most `seconds`. Received: hop={self.hop} "
                f"and seconds={self.seconds} at {self.rate} Hz."
            )
        if self.window_samples < 2:
            raise ValueError(
                f"`window` must have at least two samples. Received: {self.window} s at "
                f"{self.rate} Hz."
            )
        if self.fft_length and self.fft_length < self.window_samples:
            raise ValueError(
                f"`fft_length` must be at least the window's {self.window_samples} samples. "
                f"Received: {self.fft_length}."
            )
        if not self.low_hz < (self.high_hz or self.rate / 2) <= self.rate / 2:
            raise ValueError(
                f"Bands are between 0 and half of `rate`, {self.rate / 2:g} Hz. Received: "
                f"low_hz={self.low_hz} and high_hz={self.high_hz}."
            )
        if self.features == "mfcc" and self.coefficients > self.mel_bands:
            raise ValueError(
                f"There are at most as many `coefficients` as `mel_bands`. Received: "
                f"{self.coefficients} and {self.mel_bands}."
            )
        if self.features == "waveform" and (self.deltas or self.time_masks or self.band_masks):
            raise ValueError("`deltas` and masks are for spectrograms, not for waveforms.")
        if self.scaling == "each" and (self.features in ("waveform", "mfcc") or self.deltas):
            raise ValueError(
                "scaling='each' is for spectrograms and log-mel energies without slopes. Received: "
                f"features={self.features!r} and deltas={self.deltas}."
            )

    @property
    def samples(self) -> int:
        """Samples of every sound."""
        if self.seconds is None:
            raise ValueError(
                "`seconds` is chosen from the training sounds: take the settings of the fitted "
                "preprocessing, or set it."
            )
        return round(self.rate * self.seconds)

    @property
    def hop_samples(self) -> int:
        return round(self.rate * self.hop)

    @property
    def window_samples(self) -> int:
        return round(self.rate * self.window)

    @property
    def frames(self) -> int:
        """Windows of every sound; the first and the last are centred on its ends."""
        return 1 + self.samples // self.hop_samples

    @property
    def fft_points(self) -> int:
        return self.fft_length or 2 ** max(0, self.window_samples - 1).bit_length()

    @property
    def shape(self) -> tuple[int, int]:
        """Of every input: `(samples, 1)` for waveforms, else `(frames, bands)`."""
        if self.features == "waveform":
            return (self.samples, 1)
        bands = {
            "spectrogram": 1 + self.fft_points // 2,
            "log_mel": self.mel_bands,
            "mfcc": self.coefficients,
        }[self.features]
        return (self.frames, bands * (1 + self.deltas))


@dataclass(frozen=True)
class AudioPreprocessor:
    """Fitted state of an audio modality: the mean and deviation of each feature's band."""

    settings: AudioSettings
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        shape, waveform = self.settings.shape, self.settings.features == "waveform"
        return InputSpec(shape, max_length=shape[0], is_waveform=waveform)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Audio, settings: AudioSettings
    ) -> AudioPreprocessor:
        kind = AudioKind()
        column = drawn(frame[modality.column], _MOST_SOUNDS)
        settings = kind.with_length(settings, column)
        if settings.scaling != "standardize":
            return cls(settings)
        # Imports TensorFlow, which tables without sounds need not wait for.
        from mmkeras.data.media.decoded import keep_with
        from mmkeras.data.media.sounds.spectrogram import sound_features

        store = kind.open_store(column, settings, cache="memory")
        waves = store.values[store.readable]
        if not len(waves):
            raise ValueError(f"No training row has a sound in column {modality.column!r}.")
        total, squares, count = np.zeros(()), np.zeros(()), 0
        for start in range(0, len(waves), 64):
            batch = waves[start : start + 64].astype(np.float32) / 32768
            features = sound_features(batch, settings).numpy().astype(np.float64)
            total = total + features.sum(axis=(0, 1))
            squares = squares + (features**2).sum(axis=(0, 1))
            count += features.shape[0] * features.shape[1]
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        fitted = cls(settings, tuple(mean.tolist()), tuple(np.maximum(deviation, 1e-3).tolist()))
        keep_with(fitted, store.decoded)
        return fitted

    def input_maker(self) -> InputMaker:
        """What makes batches of samples model inputs: augmented by a seed, as scaled features."""
        import tensorflow as tf

        from mmkeras.data.media.sounds.augment_sound import (
            add_noise,
            mask_spectrograms,
            shift_sounds,
            stretch_sounds,
        )
        from mmkeras.data.media.sounds.spectrogram import scale_each, sound_features
        from mmkeras.data.sources import NOT_PADDING

        settings, fold_in = self.settings, tf.random.experimental.stateless_fold_in
        mean = tf.constant(self.mean or (0.0,), tf.float32)
        deviation = tf.constant(self.deviation or (1.0,), tf.float32)

        def make_inputs(decoded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            waves = tf.cast(decoded, tf.float32) * (1 / 32768.0)
            seeds = [None] * 4 if seed is None else [fold_in(seed, place) for place in range(4)]
            if seed is not None and settings.speed:
                waves = stretch_sounds(waves, seeds[3], settings.speed)
            if seed is not None and settings.shift:
                waves = shift_sounds(waves, seeds[0], round(settings.shift * settings.rate))
            if seed is not None and settings.noise_snr is not None:
                waves = add_noise(waves, seeds[1], settings.noise_snr)
            features = (sound_features(waves, settings) - mean) / deviation
            if settings.scaling == "each":
                features = scale_each(features)
            if seed is not None and (settings.time_masks or settings.band_masks):
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

        return make_inputs


class AudioKind(MediaKind[AudioSettings, AudioPreprocessor]):
    """Sounds, decoded to int16 `(samples,)`."""

    name, noun = "audio", "sound"
    settings, preprocessor = AudioSettings, AudioPreprocessor

    def check_fitted(self, modality, fitted):
        check_scaling(fitted.mean, fitted.deviation, fitted.settings.shape[-1])
        if (fitted.settings.scaling == "standardize") != bool(fitted.mean):
            raise ValueError(f"`mean` does not go with scaling={fitted.settings.scaling!r}.")

    a_noun, plural = "a sound", "sounds"
    forms = "a path, the bytes of a sound file, or an array of (samples,)"
    complaint = "not a sound that can be read"
    suffixes = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac")
    signature = re.compile(rb"RIFF....WAVE|fLaC|OggS|ID3|\xff[\xfb\xf3\xf2]", re.DOTALL)
    dtype = "int16"
    is_audible = has_heat_map = True

    def array_problem(self, array: np.ndarray) -> str | None:
        integers = array.dtype == np.int16
        if array.ndim not in (1, 2) or not (integers or array.dtype.kind == "f"):
            return (
                f"an array of shape {array.shape} and type {array.dtype} is not a sound; give "
                "int16 numbers, or floats in [-1, 1], of shape (samples,) or (samples, channels)"
            )
        if array.ndim == 2 and array.shape[1] > 32:
            return (
                f"an array of shape {array.shape} has {array.shape[1]} channels; give "
                "(samples, channels), e.g. array.T"
            )
        if integers or not array.size:
            return None
        most = np.abs(array).max()
        if not np.isfinite(most):
            return "an array with NaN or infinite samples is not a sound; fill or drop them"
        try:
            is_sound = most <= 1 or full_scale(array) > 1
        except ValueError:
            is_sound = False
        if is_sound:
            return None
        return (
            f"an array of floats up to {most:g} is not a sound; floats are in [-1, 1], or in the "
            "range of 16-bit integers"
        )

    def is_array(self, array: np.ndarray) -> bool:
        few_channels = array.ndim == 2 and array.shape[1] <= min(8, len(array) // 100)
        return array.dtype == np.int16 and (array.ndim == 1 or few_channels)

    def with_length(self, settings: AudioSettings, column: pd.Series) -> AudioSettings:
        """The settings with `seconds`: their own, or what suits the sounds of a column."""
        if settings.seconds is not None:
            return settings
        from mmkeras.data.media.decoding import media_cells

        some = media_cells(drawn(column, _MOST_SOUNDS), self, settings)
        cells = [cell for cell in some if cell is not None]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            lengths = [found for found in pool.map(_seconds, cells) if found is not None]
        if not lengths:
            raise ValueError(f"No training row has a sound in column {column.name!r}.")
        usual = min(float(np.quantile(lengths, _USUAL, method="higher")), _MOST_USUAL)
        # Whole hops; without the rounding of 0.57 / 0.01, which is a little above 57.
        hops = max(1, math.ceil(round(usual / settings.hop, 6)))
        return dataclasses.replace(settings, seconds=round(hops * settings.hop, 6))

    def decoded_bytes(self, column: pd.Series, settings: AudioSettings) -> int:
        if settings.seconds is None:
            settings = dataclasses.replace(settings, seconds=_MOST_USUAL)
        return super().decoded_bytes(column, settings)

    def open_store(
        self, column, settings, *, fitted=None, cache=None, cache_dir=None
    ) -> MediaStore:
        settings = self.with_length(settings, column)
        return super().open_store(column, settings, fitted=fitted, cache=cache, cache_dir=cache_dir)

    def shape(self, settings: AudioSettings) -> tuple[int, ...]:
        return (settings.samples,)

    def decoding(self, settings: AudioSettings) -> list:
        return [settings.rate, settings.seconds]

    def encode(self, array: np.ndarray, settings: AudioSettings) -> bytes:
        import soundfile

        file = io.BytesIO()
        subtype = "PCM_16" if array.dtype == np.int16 else "FLOAT"
        array = array if array.dtype == np.int16 else array.astype(np.float32)
        # Not WAV: there, libsndfile writes the time of day next to floats; no two files are equal.
        soundfile.write(file, array, settings.rate, format="AU", subtype=subtype)
        return file.getvalue()

    def decode(self, cell: bytes | str, settings: AudioSettings) -> np.ndarray:
        return self.decode_measured(cell, settings)[0]

    def decode_measured(
        self, cell: bytes | str, settings: AudioSettings
    ) -> tuple[np.ndarray, float]:
        from mmkeras.data.media.sounds.plain_wav import decode_plain_wav, is_plain_wav
        from mmkeras.data.media.sounds.sound import fit_sound
        from mmkeras.data.media.sounds.sound_file import load_sound_file, read_sound

        source = cell if isinstance(cell, bytes) else load_sound_file(cell)
        if isinstance(source, bytes) and is_plain_wav(source, settings.rate):
            return decode_plain_wav(source, settings)
        samples, rate = read_sound(source)
        return fit_sound(samples, rate, settings), len(samples) / rate

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        seconds = fitted.settings.seconds
        return cut_short(modality.column, source.lengths, seconds, "seconds", "`seconds`")

    def pictures(self, column: pd.Series, fitted: AudioPreprocessor) -> np.ndarray:
        """Spectrograms, with time from left to right and high frequencies at the top."""
        import matplotlib

        from mmkeras.data.media.sounds.spectrogram import sound_features

        settings = fitted.settings
        samples = self.open_store(column, settings, cache="memory").values
        # Whatever the model reads of a sound, this is what people can read.
        if settings.features in ("log_mel", "mfcc"):
            shown = dataclasses.replace(settings, features="log_mel", deltas=0)
        else:
            # 40 bands of a window of 64 ms hold a Fourier bin each, whatever the rate.
            shown = AudioSettings(
                rate=settings.rate, seconds=settings.seconds, window=0.064, mel_bands=40
            )
        decibels = sound_features(samples.astype(np.float32) / 32768, shown).numpy()
        highest = decibels.max(axis=(1, 2), keepdims=True)
        share = np.clip((decibels - highest + 80.0) / 80.0, 0, 1)
        colours = matplotlib.colormaps["magma"](share.transpose(0, 2, 1)[:, ::-1])[..., :3]
        return resized(np.round(colours * 255).astype(np.uint8))

    def upright(self, values: np.ndarray) -> np.ndarray:
        # Time runs to the right, low bands are at the bottom.
        return values.T[::-1]


def _seconds(cell: bytes | str) -> float | None:
    """How long a sound is; `None` if it cannot be read, which decoding will say."""
    from mmkeras.data.media.sounds.sound_file import load_sound_file, sound_seconds

    try:
        return sound_seconds(cell if isinstance(cell, bytes) else load_sound_file(cell))
    except (ValueError, OSError, MemoryError):
        return None
