"""Feature sequences: settings, what is fitted, checks of cells, and batches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import FileKind, check_choice, check_scaling
from mmkeras.data.kinds.protocols import Source
from mmkeras.data.media.sequences import SequenceStore, sequence_array_problem
from mmkeras.data.scaling import MOST_DEVIATIONS, mean_and_deviation
from mmkeras.data.tables.written.lists import written_array
from mmkeras.data.unprepared import Unprepared, beyond_deviations, cut_short
from mmkeras.reading import check_fields
from mmkeras.schema import InputSpec, Sequence

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker


SCALINGS = ("standardize", "common", "none")


@dataclass(frozen=True)
class SequenceSettings:
    """How feature sequences become inputs.

    Args:
        max_length: A sequence's most steps; the rest is cut.
        scaling: `"standardize"` (to the training steps' mean 0 and standard deviation 1, by
            feature), `"common"` (to mean 0 by feature, and one standard deviation for all of
            them together: features that vary little stay small) or `"none"`.
        noise: Augmentation, training only: standard deviation of the Gaussian noise added to each
            feature, after scaling. Keeps a model from trusting features that fit the training
            rows better than any others.
        speed: Augmentation: each sequence becomes longer or shorter by up to this share, without
            being cut. With labels per step there must be none; a text that is written along the
            steps (CTC) needs enough of them when they are the fewest, or teaches nothing.
        time_masks: Augmentation: how many stretches of steps are hidden (SpecAugment).
        time_mask: Longest such stretch, as a share of the sequence's steps.
        feature_masks: Augmentation: how many runs of features are hidden.
        feature_mask: Widest such run, as a share of all features.
    """

    max_length: int = 512
    scaling: str = "standardize"
    noise: float = 0.0
    speed: float = 0.0
    time_masks: int = 0
    time_mask: float = 0.05
    feature_masks: int = 0
    feature_mask: float = 0.2

    def __post_init__(self):
        check_fields(self)
        if self.max_length < 1:
            raise ValueError(f"`max_length` must be at least 1. Received: {self.max_length}.")
        for name in ("noise", "time_masks", "feature_masks"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("speed", "time_mask", "feature_mask"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")
        check_choice("SequenceSettings", "scaling", self.scaling, SCALINGS)


@dataclass(frozen=True)
class SequencePreprocessor:
    """Fitted state of a sequence modality.

    Args:
        settings: Length and scaling.
        features: Features of a step.
        mean: Of each feature over the training steps; empty without scaling.
        deviation: The same; 1 for a feature that does not vary.
    """

    settings: SequenceSettings
    features: int
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        from mmkeras.data.sources import padded_length

        longest = padded_length(self.settings.max_length)
        return InputSpec((None, self.features), max_length=longest)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Sequence, settings: SequenceSettings
    ) -> SequencePreprocessor:
        store = SequenceStore(frame[modality.column])
        if not store.features:
            raise ValueError(
                f"No training row has a feature sequence in column {modality.column!r} that can "
                f"be read: {store.reason(0)}."
            )
        if settings.scaling == "none":
            return cls(settings, store.features)
        values = np.concatenate(store.values).astype(np.float64)
        mean, deviation = mean_and_deviation(values)
        if settings.scaling == "common":
            spread = float(np.sqrt(np.square(values - mean).mean()))
            deviation = np.full_like(deviation, spread if spread > 0 else 1.0)
        return cls(settings, store.features, tuple(mean.tolist()), tuple(deviation.tolist()))

    def scaled(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Sequences as the model reads them: cut to `max_length` and scaled, float32."""
        mean = np.asarray(self.mean or (0.0,))
        deviation = np.asarray(self.deviation or (1.0,))
        longest = self.settings.max_length
        scaled = ((v[:longest] - mean) / deviation for v in values)
        return [v.clip(-MOST_DEVIATIONS, MOST_DEVIATIONS).astype(np.float32) for v in scaled]

    def ragged_steps(self, values: list[np.ndarray]) -> tf.RaggedTensor:
        """Scaled sequences as a tensor, float32 `(sequences, None, features)`.

        A step that is all zeros after scaling is given a number next to zero, since a step of
        zeros is what encoders take for padding.
        """
        import tensorflow as tf

        from mmkeras.data.sources import NOT_PADDING

        scaled = self.scaled(values)
        for value in scaled:
            value[~value.any(axis=1), 0] = NOT_PADDING
        lengths = np.array([len(value) for value in scaled], np.int64)
        steps = tf.constant(np.concatenate(scaled), tf.float32)
        return tf.RaggedTensor.from_row_lengths(steps, lengths)

    def input_maker(self, length: int | None = None) -> InputMaker:
        """What makes batches of steps model inputs, padded with steps of zeros.

        Args:
            length: What they are padded to; by default to about each batch's longest.
        """
        import tensorflow as tf

        from mmkeras.data.media.augment_sequence import mask_sequences, stretch_sequences
        from mmkeras.data.sources import NOT_PADDING, padded_length

        fold_in = tf.random.experimental.stateless_fold_in
        not_padding = tf.one_hot(0, self.features, NOT_PADDING, 0.0)
        features, settings = self.features, self.settings

        def make_inputs(steps: tf.RaggedTensor, seed: tf.Tensor | None) -> tf.Tensor:
            if seed is not None and settings.speed:
                steps = stretch_sequences(
                    steps, fold_in(seed, 0), settings.speed, settings.max_length
                )
            longest = length
            if longest is None:
                longest = padded_length(tf.cast(steps.bounding_shape()[1], tf.int32))
            # As one tensor: a list may not hold a length that is only known when the batch is.
            padded = steps.to_tensor(shape=tf.stack([-1, longest, features]))
            padded.set_shape((None, length, features))
            return padded if seed is None else augmented(padded, steps.row_lengths(), seed)

        def augmented(padded: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            if settings.noise:
                shape = tf.shape(padded)
                padded += tf.random.stateless_normal(shape, seed, stddev=settings.noise)
            padded = mask_sequences(
                padded,
                lengths,
                fold_in(seed, 1),
                time_masks=settings.time_masks,
                time_mask=settings.time_mask,
                feature_masks=settings.feature_masks,
                feature_mask=settings.feature_mask,
            )
            # Hidden steps count like any others.
            empty = tf.reduce_all(tf.equal(padded, 0.0), axis=-1, keepdims=True)
            padded = tf.where(empty, not_padding, padded)
            real = tf.sequence_mask(lengths, tf.shape(padded)[1])
            return tf.where(real[..., tf.newaxis], padded, 0.0)

        return make_inputs


class SequenceKind(FileKind[SequenceSettings, SequencePreprocessor]):
    """Feature sequences, read to float32 `(steps, features)`."""

    name = noun = "sequence"
    settings, preprocessor = SequenceSettings, SequencePreprocessor

    def check_fitted(self, modality, fitted):
        check_scaling(fitted.mean, fitted.deviation, fitted.features)
        if (fitted.settings.scaling != "none") != bool(fitted.mean):
            raise ValueError(f"`mean` does not go with scaling={fitted.settings.scaling!r}.")

    a_noun = "a feature sequence"
    forms = "the path of a .npy or .npz file, or an array of (steps, features), or such a list"
    suffixes = (".npy", ".npz")
    signature = re.compile(rb"\x93NUMPY")
    takes_bytes = False
    varying_length = True

    def array_problem(self, array: np.ndarray) -> str | None:
        return sequence_array_problem(array)

    def path_problem(self, path: str) -> str | None:
        if Path(path.strip()).suffix.lower() in self.suffixes:
            return None
        return "a feature sequence is a .npy or .npz file"

    def is_array(self, array: np.ndarray) -> bool:
        # Asked after images and sounds: what is one of these is no sequence.
        return 1 <= array.ndim <= 3 and array.dtype != np.int16

    def as_array(self, value: Any) -> Any:
        # Lists of numbers, too: Parquet gives a matrix back as an array of arrays, CSV as a text.
        if isinstance(value, str) and value.lstrip().startswith("["):
            array = written_array(value)
            return value if array is None else array
        nested = isinstance(value, np.ndarray) and value.dtype == object
        if not (isinstance(value, list | tuple) or nested):
            return value
        try:
            return _numbers(value)
        except (ValueError, TypeError):
            return value

    def open_store(
        self, column, settings, *, fitted=None, cache=None, cache_dir=None
    ) -> SequenceStore:
        # Sequences are small compared with media: they are kept in memory whatever the cache.
        return SequenceStore(column, None if fitted is None else fitted.features)

    def source(self, rows, modality, fitted, store) -> Source:
        from mmkeras.data.sources import TensorSource

        if rows.padded_steps is not None and fitted.settings.speed:
            raise ValueError(
                "Labels per step belong to the steps as they are: set `speed` of "
                f"{modality.name!r} to 0. Received: speed={fitted.settings.speed}."
            )
        values = [store.values[position] for position in rows.positions]
        lengths = np.array([len(value) for value in values])
        steps = fitted.ragged_steps(values)
        return TensorSource(steps, fitted.input_maker(rows.padded_steps), lengths)

    def raw_values(self, frame, modality, fitted, source) -> list[np.ndarray]:
        return SequenceStore(frame[modality.column], fitted.features).values

    def inputs_of(self, values, fitted, length) -> np.ndarray:
        store = SequenceStore(pd.Series(list(values), dtype=object), fitted.features)
        return fitted.input_maker(length)(fitted.ragged_steps(store.values), None).numpy()

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        steps = source.values
        clipped = (np.abs(steps.values.numpy()) >= MOST_DEVIATIONS).any(axis=-1)
        rows = np.zeros(len(frame), bool)
        rows[steps.value_rowids().numpy()[clipped]] = True
        found = beyond_deviations(modality.column, rows, MOST_DEVIATIONS)
        most = fitted.settings.max_length
        cut = cut_short(modality.column, source.lengths, most, "steps", "`max_length`")
        return [found, *cut] if found.cells else cut

    def common_length(self, values: list[np.ndarray], fitted: SequencePreprocessor) -> int:
        from mmkeras.data.sources import padded_length

        return padded_length(min(max(map(len, values)), fitted.settings.max_length))


def _numbers(value: Any) -> np.ndarray:
    """Numbers in lists and arrays that hold each other, to any depth, as one array."""
    try:
        return np.asarray(value, np.float32)
    except (ValueError, TypeError):
        if not isinstance(value, list | tuple | np.ndarray):
            raise
        return np.array([_numbers(each) for each in value], np.float32)
