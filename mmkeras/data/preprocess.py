"""State fitted on the training rows only: vocabularies, means, class names. JSON in and out.

Everything between a raw row and the model's inputs is here and is saved with the model.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.cells import label_names, missing_cells
from mmkeras.data.settings import SETTINGS, ImageSettings, TabularSettings, TextSettings
from mmkeras.data.text import make_analyzer
from mmkeras.schema import Image, InputSpec, Schema, Tabular, Target, Text

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True)
class ImagePreprocessor:
    """Fitted state of an image modality: the channels' mean and deviation in [0, 1]."""

    settings: ImageSettings
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        return InputSpec((*self.settings.size, self.settings.channels))

    @classmethod
    def fit(cls, frame: pd.DataFrame, modality: Image, settings: ImageSettings):
        if settings.scaling == "unit":
            return cls(settings)
        from mmkeras.data.images import decoded_images

        images, readable = decoded_images(frame[modality.column], settings)
        pixels = images[readable].reshape(-1, settings.channels) / np.float32(255)
        if not len(pixels):
            raise ValueError(f"No training row has an image in column {modality.column!r}.")
        deviation = np.maximum(pixels.std(axis=0, dtype=np.float64), 1e-6)
        mean = pixels.mean(axis=0, dtype=np.float64)
        return cls(settings, tuple(mean.tolist()), tuple(deviation.tolist()))


@dataclass(frozen=True)
class TextPreprocessor:
    """Fitted state of a text modality: the vocabulary, most frequent first, and its IDF."""

    settings: TextSettings
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        if self.settings.representation == "tokens":
            return InputSpec((None,), "int32", vocabulary_size=FIRST_WORD + len(self.vocabulary))
        return InputSpec((len(self.vocabulary),))

    @classmethod
    def fit(cls, frame: pd.DataFrame, modality: Text, settings: TextSettings):
        analyze = _analyzer(settings)
        texts = [text for text in frame[modality.column] if isinstance(text, str)]
        frequency: Counter[str] = Counter()
        for text in texts:
            frequency.update(set(analyze(text)))
        kept = [item for item in frequency.items() if item[1] >= settings.min_count]
        # By frequency, then by alphabet, so that the vocabulary does not depend on row order.
        kept.sort(key=lambda item: (-item[1], item[0]))
        kept = kept[: settings.vocabulary_size]
        if not kept:
            raise ValueError(
                f"No word of column {modality.column!r} is left for the vocabulary: "
                f"{len(texts)} training texts, min_count={settings.min_count}."
            )
        idf = ()
        if settings.representation == "tfidf":
            idf = tuple(float(np.log((1 + len(texts)) / (1 + n)) + 1) for _, n in kept)
        return cls(settings, tuple(word for word, _ in kept), idf)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: FIRST_WORD + place for place, word in enumerate(self.vocabulary)}

    def token_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Word numbers of each text: 0 is padding, 1 an unknown word, 2 the most frequent word.

        Sequences are cut at `max_length`; bags are whole and leave unknown words out.
        """
        analyze = _analyzer(self.settings)
        index = self._index
        sequences = [
            [index.get(term, UNKNOWN) for term in analyze(text)] if isinstance(text, str) else []
            for text in texts
        ]
        if self.settings.representation == "tokens":
            return [ids[: self.settings.max_length] for ids in sequences]
        return [[i for i in ids if i != UNKNOWN] for ids in sequences]


def _analyzer(settings: TextSettings):
    return make_analyzer(
        lowercase=settings.lowercase,
        stop_words=settings.stop_words,
        stemmer=settings.stemmer,
        ngrams=settings.ngrams,
        characters=settings.characters,
    )


@dataclass(frozen=True)
class TabularPreprocessor:
    """Fitted state of a tabular modality.

    The input vector is, column by column: for a number its z-score (0 where missing) and, if a
    training row lacked it, a 1 where it is missing; for a category a one-hot code whose first
    place means "missing or not seen in training".
    """

    settings: TabularSettings
    mean: dict[str, float]
    deviation: dict[str, float]
    indicated: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @property
    def spec(self) -> InputSpec:
        width = len(self.mean) + len(self.indicated)
        return InputSpec((width + sum(1 + len(names) for names in self.categories.values()),))

    @classmethod
    def fit(cls, frame: pd.DataFrame, modality: Tabular, settings: TabularSettings):
        mean, deviation, indicated = {}, {}, []
        for column in modality.numeric:
            values = _numbers(frame[column])
            known = values[~np.isnan(values)]
            if not len(known):
                raise ValueError(f"Column {column!r} is empty in every training row; leave it out.")
            mean[column] = float(known.mean())
            deviation[column] = float(known.std()) or 1.0
            if len(known) < len(values):
                indicated.append(column)
        categories = {}
        for column in modality.categorical:
            counts = Counter(label_names(frame[column].dropna()))
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            categories[column] = tuple(name for name, _ in ranked[: settings.max_categories])
        return cls(settings, mean, deviation, tuple(indicated), categories)

    def vectors(self, frame: pd.DataFrame) -> np.ndarray:
        """Input vectors, float32 `(rows, width)`."""
        parts = []
        for column, mean in self.mean.items():
            values = _numbers(frame[column])
            missing = np.isnan(values)
            parts.append(np.where(missing, 0.0, (values - mean) / self.deviation[column])[:, None])
            if column in self.indicated:
                parts.append(missing[:, None])
        for column, names in self.categories.items():
            place = {name: 1 + position for position, name in enumerate(names)}
            cells = frame[column]
            known = label_names(cells.dropna()).map(place)
            codes = known.reindex(cells.index).fillna(0).to_numpy(np.int64)
            parts.append(np.eye(1 + len(names))[codes])
        return np.concatenate(parts, axis=1).astype(np.float32)


def _numbers(series: pd.Series) -> np.ndarray:
    return pd.to_numeric(series).to_numpy(np.float64, na_value=np.nan)


@dataclass(frozen=True)
class TargetPreprocessor:
    """Fitted state of the target: class or label names, or the mean and deviation of a number."""

    target: Target
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def num_outputs(self) -> int:
        return len(self.classes) if self.target.task != "regression" else 1

    @classmethod
    def fit(cls, frame: pd.DataFrame, target: Target):
        column = frame[target.column]
        if target.task == "regression":
            values = _numbers(column)
            return cls(target, mean=float(values.mean()), deviation=float(values.std()) or 1.0)
        names: set[str] = set()
        for cell in label_names(column):
            names.update(_labels(cell, target))
        if len(names) < 2:
            raise ValueError(
                f"The training rows of column {target.column!r} have {len(names)} class(es) "
                f"({sorted(names)}); there is nothing to tell apart."
            )
        return cls(target, classes=tuple(sorted(names)))

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Targets, float32 `(rows, outputs)`: one-hot, multi-hot, or z-scores.

        Raises:
            ValueError: A label that no training row has.
        """
        column = frame[self.target.column]
        if self.target.task == "regression":
            return ((_numbers(column) - self.mean) / self.deviation).astype(np.float32)[:, None]
        place = {name: position for position, name in enumerate(self.classes)}
        encoded = np.zeros((len(frame), len(self.classes)), np.float32)
        for row, cell in enumerate(label_names(column)):
            for name in _labels(cell, self.target):
                if name not in place:
                    raise ValueError(
                        f"Row {row + 1} (index {frame.index[row]!r}), column "
                        f"{self.target.column!r}: the label {name!r} is in no training row. "
                        f"Known labels: {list(self.classes)[:20]}."
                    )
                encoded[row, place[name]] = 1.0
        return encoded

    def decode(self, outputs: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """From model outputs `(rows, outputs)` to labels (strings) or numbers, `(rows,)`."""
        if self.target.task == "regression":
            return outputs[:, 0].astype(np.float64) * self.deviation + self.mean
        names = np.asarray(self.classes, dtype=object)
        if self.target.task == "classification":
            return names[outputs.argmax(axis=1)]
        joined = [self.target.separator.join(names[row >= threshold]) for row in outputs]
        return np.asarray(joined, dtype=object)


def _labels(cell: str, target: Target) -> list[str]:
    if target.task == "classification":
        return [cell]
    return [name.strip() for name in cell.split(target.separator) if name.strip()]


PREPROCESSORS = {
    "image": ImagePreprocessor,
    "text": TextPreprocessor,
    "tabular": TabularPreprocessor,
}


@dataclass(frozen=True)
class Preprocessing:
    """All that stands between raw rows and the model's inputs. Made by `fit_preprocessing`.

    Args:
        schema: The table's schema.
        modalities: A fitted preprocessor for each modality.
        target: The fitted target.
        presence: Whether the model is told which modalities a row has.
    """

    schema: Schema
    modalities: dict[str, Any] = field(repr=False)
    target: TargetPreprocessor = field(repr=False)
    presence: bool = False

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What `mmkeras.build_model` needs to know, by modality."""
        return {name: fitted.spec for name, fitted in self.modalities.items()}

    @property
    def num_outputs(self) -> int:
        return self.target.num_outputs

    def to_dict(self) -> dict[str, Any]:
        target = dataclasses.asdict(self.target)
        del target["target"]
        return {
            "schema": self.schema.to_dict(),
            "presence": self.presence,
            "target": target,
            "modalities": {
                name: dataclasses.asdict(fitted) for name, fitted in self.modalities.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        schema = Schema.from_dict(data["schema"])
        modalities = {}
        for modality in schema.modalities:
            state = dict(data["modalities"][modality.name])
            settings = SETTINGS[modality.kind](**state.pop("settings"))
            state = {key: _tuples(value) for key, value in state.items()}
            modalities[modality.name] = PREPROCESSORS[modality.kind](settings, **state)
        target = {key: _tuples(value) for key, value in data["target"].items()}
        return cls(
            schema, modalities, TargetPreprocessor(schema.target, **target), data["presence"]
        )

    def save(self, path: str | Path) -> None:
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Preprocessing:
        return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def fit_preprocessing(
    train: pd.DataFrame,
    schema: Schema,
    settings: Mapping[str, ImageSettings | TextSettings | TabularSettings] | None = None,
    *,
    presence: bool | None = None,
) -> Preprocessing:
    """Learns vocabularies, means and class names from the training rows, and from nothing else.

    Args:
        train: The training rows of a validated table (`read_table`).
        schema: What its columns are.
        settings: By modality name; a modality without settings gets the defaults.
        presence: Whether rows may lack modalities, which the model then is told. By default,
            whether a training row lacks one.

    Returns:
        A `Preprocessing`, to be given to `Pipeline` and, as `.inputs`, to `build_model`.

    Raises:
        ValueError: Settings for an unknown modality or of the wrong kind; a column without
            a single usable training cell; fewer than two classes.

    Example:

    >>> import pandas as pd
    >>> from mmkeras.schema import Schema, Text
    >>> frame = pd.DataFrame({"note": ["red apple", "green pear"], "fruit": ["apple", "pear"]})
    >>> fitted = fit_preprocessing(frame, Schema([Text("note")], "fruit"))
    >>> fitted.modalities["note"].vocabulary
    ('apple', 'green', 'pear', 'red')
    """
    settings = dict(settings or {})
    unknown = sorted(set(settings) - set(schema.names))
    if unknown:
        raise ValueError(f"Settings for unknown modalities {unknown}. There are {schema.names}.")
    if not len(train):
        raise ValueError("There are no training rows.")
    holes = missing_cells(train, schema)
    modalities = {}
    for modality in schema.modalities:
        expected = SETTINGS[modality.kind]
        given = settings.get(modality.name, expected())
        if not isinstance(given, expected):
            raise ValueError(
                f"The {modality.kind} modality {modality.name!r} takes {expected.__name__}. "
                f"Received: {type(given).__name__}."
            )
        rows = train[~holes[modality.name]]
        if not len(rows):
            raise ValueError(f"No training row has the modality {modality.name!r}.")
        modalities[modality.name] = PREPROCESSORS[modality.kind].fit(rows, modality, given)
    if presence is None:
        presence = bool(holes.to_numpy().any())
    return Preprocessing(schema, modalities, TargetPreprocessor.fit(train, schema.target), presence)
