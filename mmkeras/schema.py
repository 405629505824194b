"""What the modalities of a table are: small frozen dataclasses, JSON in and out.

A schema names the columns that hold each modality and the column to predict. It says nothing
about sizes or vocabularies: those belong to preprocessing, which is fitted on training rows.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

TASKS = ("classification", "multilabel", "regression")

# Names become Keras layer names and folder names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"A modality's name must be letters, digits, '_', '.' or '-' and start with a letter "
            f"or digit. Received: {name!r}. Give the column separately: "
            f"Image('photo', column={name!r})."
        )


@dataclass(frozen=True)
class _OneColumn:
    """A modality that stands in one column.

    Args:
        name: The modality's name; it names the model's input and its encoder.
        column: The table's column. Defaults to `name`.
    """

    kind: ClassVar[str]
    name: str
    column: str = ""

    def __post_init__(self):
        _check_name(self.name)
        object.__setattr__(self, "column", self.column or self.name)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class Image(_OneColumn):
    """A column of images: file paths, encoded bytes, or arrays `(height, width, channels)`."""

    kind: ClassVar[str] = "image"


@dataclass(frozen=True)
class Text(_OneColumn):
    """A column of texts."""

    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Audio(_OneColumn):
    """A column of sounds: paths or bytes of sound files, or arrays of samples.

    Arrays say nothing of their rate; they are taken to be at `AudioSettings.rate`.

    A video file is a sound, too: its sound track. So `Video("picture", column="clip")` and
    `Audio("sound", column="clip")` make two modalities of one column. Where some videos have no
    sound track, give the sounds a column of their own, and leave the cell empty.
    """

    kind: ClassVar[str] = "audio"


@dataclass(frozen=True)
class Video(_OneColumn):
    """A column of videos: paths or bytes of video files, folders of frames, or arrays of frames."""

    kind: ClassVar[str] = "video"


@dataclass(frozen=True)
class Sequence(_OneColumn):
    """A column of feature sequences of varying length, computed beforehand.

    A cell is the path of a `.npy` or `.npz` file, or an array: `(steps, features)`, or
    `(features,)` for a single step.
    """

    kind: ClassVar[str] = "sequence"


@dataclass(frozen=True)
class Tabular:
    """Numeric and categorical columns that together form one modality.

    Args:
        name: The modality's name.
        numeric: Columns of numbers.
        categorical: Columns of categories (strings, integers or booleans).
    """

    kind: ClassVar[str] = "tabular"
    name: str
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def __post_init__(self):
        _check_name(self.name)
        for field in ("numeric", "categorical"):
            value = getattr(self, field)
            if isinstance(value, str):
                raise ValueError(f"`{field}` is a list of columns. Received: {value!r}.")
            object.__setattr__(self, field, tuple(value))
        if not self.columns:
            raise ValueError(f"Tabular modality {self.name!r} names no column.")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.numeric + self.categorical


Modality = Image | Text | Audio | Video | Sequence | Tabular
MODALITIES: dict[str, type] = {
    cls.kind: cls for cls in (Image, Text, Audio, Video, Sequence, Tabular)
}


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Args:
        column: The table's column.
        task: `"classification"` (one class a row), `"multilabel"` (any number of labels a row,
            joined by `separator`) or `"regression"` (a number).
        separator: What stands between two labels of a multi-label cell, and between the labels
            of two steps.
        per_step: Sequence labelling: a cell holds one class for each step of the row's sequences
            (a list, or joined by `separator`). All modalities are then `Sequence`s of equal
            length.
    """

    column: str
    task: str = "classification"
    separator: str = "|"
    per_step: bool = False

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(f"`task` must be one of {TASKS}. Received: {self.task!r}.")
        if self.per_step and self.task != "classification":
            raise ValueError(
                f"`per_step` labels each step with one class. Received: task={self.task!r}."
            )


@dataclass(frozen=True)
class Schema:
    """Which column is what.

    Args:
        modalities: The inputs, in the order in which fusions see them.
        target: The column to predict (a `Target`, or a column name for classification).
        id: A column whose values name the rows; it must not repeat.
        group: A column whose equal values belong together (a patient, a video, a speaker):
            splits never put rows of one group on two sides.

    Example:

    >>> schema = Schema([Image("photo"), Text("caption")], target=Target("label"))
    >>> schema["caption"].column
    'caption'
    >>> Schema.from_json(schema.to_json()) == schema
    True
    """

    modalities: tuple[Modality, ...]
    target: Target
    id: str | None = None
    group: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if isinstance(self.target, str):
            object.__setattr__(self, "target", Target(self.target))
        if not self.modalities:
            raise ValueError("A schema needs at least one modality.")
        names = self.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"Modality names must be unique. Repeated: {repeated}.")
        taken = [name for name in names if is_taken(name, names)]
        if taken:
            raise ValueError(
                f"The names {taken} belong to other parts of a model or an experiment. Rename the "
                f"modality and give its column: Image('{taken[0]}_2', column={taken[0]!r})."
            )
        others = [m.name for m in self.modalities if not isinstance(m, Sequence)]
        if self.target.per_step and others:
            raise ValueError(
                f"A target with a label per step needs sequences only; {others} have no steps."
            )
        users = [m.name for m in self.modalities if self.target.column in m.columns]
        if users:
            raise ValueError(
                f"The target column {self.target.column!r} is also an input of {users}: the model "
                "would be given the answer. Remove it from the modality."
            )

    def __getitem__(self, name: str) -> Modality:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise KeyError(f"No modality named {name!r}. The schema has {list(self.names)}.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(modality.name for modality in self.modalities)

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns of all modalities, each once."""
        return tuple(dict.fromkeys(c for m in self.modalities for c in m.columns))

    def select(self, names: list[str] | tuple[str, ...]) -> Schema:
        """The same schema with only the named modalities, e.g. for a unimodal baseline."""
        return dataclasses.replace(self, modalities=tuple(self[name] for name in names))

    def to_dict(self) -> dict[str, Any]:
        return {
            "modalities": [{"kind": m.kind, **dataclasses.asdict(m)} for m in self.modalities],
            "target": dataclasses.asdict(self.target),
            "id": self.id,
            "group": self.group,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        unknown = set(data) - {"modalities", "target", "id", "group"}
        missing = {"modalities", "target"} - set(data)
        if unknown or missing:
            raise ValueError(
                "A schema has the keys modalities, target, and optionally id and group. "
                f"Unknown: {sorted(unknown)}. Missing: {sorted(missing)}."
            )
        modalities = []
        for entry in data["modalities"]:
            entry = dict(entry)
            kind = entry.pop("kind", None)
            if kind not in MODALITIES:
                raise ValueError(
                    f"A modality's kind must be one of {sorted(MODALITIES)}. Received: {kind!r}."
                )
            modalities.append(_construct(MODALITIES[kind], entry))
        target = data["target"]
        if isinstance(target, Mapping):
            target = _construct(Target, target)
        return cls(tuple(modalities), target, id=data.get("id"), group=data.get("group"))

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        return cls.from_dict(json.loads(text))

    def save(self, path: str | Path) -> None:
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No schema file at {path}.")
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not a valid schema: {error}") from error


def _construct(cls: type, data: Mapping[str, Any]):
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"{cls.__name__} has no setting {unknown}. It has {sorted(known)}.")
    required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
    missing = sorted(required - set(data))
    if missing:
        raise ValueError(f"{cls.__name__} needs {missing}.")
    return cls(**data)


def is_taken(name: str, names: Iterable[str]) -> bool:
    """Whether a model of the modalities `names` has a part, or an experiment a run, so named."""
    parts = {f"{other}{part}" for other in names for part in ("_encoder", "_mask", "_auxiliary")}
    return name in {
        "present",
        "modality_dropout",
        "fusion",
        "fusion_dropout",
        "output",
        "fused",
    } | parts or name.startswith(("head_dense_", "head_dropout_"))


@dataclass(frozen=True)
class InputSpec:
    """What one modality's batch looks like when it reaches the model.

    Preprocessing makes these; model builders read them. Neither needs to know the other.

    Args:
        shape: Without the batch axis; `None` for an axis whose length varies.
        dtype: `"float32"` or `"int32"`.
        vocabulary_size: For token ids (0 is padding): one more than the largest id.
        groups: For a vector made of several columns: the width of each, in order.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    vocabulary_size: int | None = None
    groups: tuple[int, ...] | None = None
