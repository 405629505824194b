"""Corruptions of a modality's raw cells at five strengths, by kind of modality.

They measure how a model's score falls as its inputs get worse, as the field does it; see
`mmkeras.evaluation.robustness` for the figures. What a corruption is given, all rows at once:

- image: uint8 `(rows, height, width, channels)`, of several images a row a list of uint8
  `(images, height, width, channels)`; video: uint8 `(rows, frames, height, width,
  channels)`, what `mmkeras.data.media.stores.MediaStore.values` holds,
- audio: int16 `(rows, samples)`, the same,
- text: a list of strings, `None` for a hole,
- sequence: a list of float arrays `(steps, features)`, as `SequenceStore.values`, `None` for a
  hole,
- tabular: a DataFrame of the modality's columns, as `read_table` gives them.

Example:

>>> import numpy as np
>>> deletion = CORRUPTIONS["text"]["word_deletion"]
>>> deletion.amounts[4], deletion.unit
(0.5, 'share of the words')
>>> [len(text.split()) for text in deletion(["one two three four"], 5, fitted=None, seed=0)]
[2]

A new one is a function in its kind's file and a line in the table below.

References:
    - Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
      perturbations", ICLR 2019, https://arxiv.org/abs/1903.12261
    - Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning",
      NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2107.07502
"""

from __future__ import annotations

from mmkeras.evaluation.corruptions import image, sequence, sound, tabular, text
from mmkeras.evaluation.corruptions.corruption import Corruption

_TO_HALF = (0.1, 0.2, 0.3, 0.4, 0.5)
_TO_NEARLY_ALL = (0.1, 0.3, 0.5, 0.7, 0.9)

_OF_PICTURES = [
    Corruption(
        "gaussian_noise",
        (0.08, 0.12, 0.18, 0.26, 0.38),
        "standard deviation, share of the range",
        image.gaussian_noise,
    ),
    Corruption("blur", (1, 2, 3, 4, 6), "sigma, pixels of an image of 224", image.blur),
    Corruption("brightness", _TO_HALF, "added value, share of the range", image.brightness),
    Corruption("occlusion", (0.05, 0.1, 0.2, 0.3, 0.4), "share of the area", image.occlusion),
    Corruption("jpeg", (25, 18, 15, 10, 7), "JPEG quality", image.jpeg),
]
_ALL = {
    "image": _OF_PICTURES,
    "video": _OF_PICTURES,
    "text": [
        Corruption("character_swaps", _TO_HALF, "share of the words", text.character_swaps),
        Corruption("word_deletion", _TO_HALF, "share of the words", text.word_deletion),
        # Up to all of the words: of a short text, one in ten is none or has nowhere to go.
        Corruption(
            "word_shuffling", (0.2, 0.4, 0.6, 0.8, 1.0), "share of the words", text.word_shuffling
        ),
    ],
    "audio": [
        Corruption("noise", (20, 15, 10, 5, 0), "signal-to-noise ratio, decibels", sound.noise),
        Corruption("time_mask", _TO_HALF, "share of the samples", sound.time_mask),
        Corruption("frequency_mask", _TO_HALF, "share of the frequencies", sound.frequency_mask),
    ],
    "sequence": [
        Corruption(
            "noise",
            (0.1, 0.25, 0.5, 1.0, 2.0),
            "standard deviation, in those of the features",
            sequence.noise,
        ),
        Corruption("missing_steps", _TO_NEARLY_ALL, "share of the steps", sequence.missing_steps),
        Corruption(
            "missing_features", _TO_NEARLY_ALL, "share of the features", sequence.missing_features
        ),
    ],
    "tabular": [
        Corruption(
            "noise", _TO_HALF, "share of the standard deviation; probability", tabular.noise
        ),
        Corruption("missing_values", _TO_NEARLY_ALL, "share of the cells", tabular.missing_values),
    ],
}

CORRUPTIONS: dict[str, dict[str, Corruption]] = {
    kind: {corruption.name: corruption for corruption in corruptions}
    for kind, corruptions in _ALL.items()
}
