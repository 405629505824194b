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
from typing import Any, ClassVar, get_args

from mmkeras.files import write_text
from mmkeras.reading import check_keys, check_value, construct, parse_json, read_json

# Names become Keras layer names and folder names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


JUDGED_BY = ("", "wer", "cer", "chrf")


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"A modality's name must be letters, digits, '_', '.' or '-' and start with a letter "
            f"or digit. Received: {name!r}. Give the column separately: "
            f"Image('photo', column={name!r})."
        )


@dataclass(frozen=True)
class _OneColumn:
    """A modality that is in one column.

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
    """A column of images: file paths, encoded bytes, or arrays `(height, width, channels)`.

    Args:
        name: The modality's name; it names the model's input and its encoder.
        column: The table's column. Defaults to `name`.
        several: Whether a cell may hold several images: a list of them, or one text that joins
            their paths (`a.png;b.png`, also with `|` or `,`). An empty list is an empty cell.

    Example:

    >>> Schema([Image("views", several=True)], target="label")["views"].several
    True
    """

    kind: ClassVar[str] = "image"
    several: bool = False


@dataclass(frozen=True)
class Text(_OneColumn):
    """A column of texts.

    Args:
        name: The modality's name; it names the model's input and its encoder.
        column: The table's column. Defaults to `name`.
        judged_by: Of a target, the main figure: `"wer"` (word errors, the default), `"cer"`
            (character errors) or `"chrf"` (shared character n-grams, for translations).
    """

    kind: ClassVar[str] = "text"
    judged_by: str = ""

    def __post_init__(self):
        super().__post_init__()
        if self.judged_by not in JUDGED_BY:
            raise ValueError(f"`judged_by` is one of {JUDGED_BY}. Received: {self.judged_by!r}.")


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
    """Columns of numbers, categories and dates that together form one modality.

    Args:
        name: The modality's name.
        numeric: Columns of numbers.
        categorical: Columns of categories (strings, integers or booleans).
        dates: Columns of dates: a model gets year, month, day, weekday and, if there is one, hour.
        day_first: Whether `03/04/2020` is the 3rd of April; `None` where no date is so written.
    """

    kind: ClassVar[str] = "tabular"
    name: str
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    day_first: bool | None = None

    def __post_init__(self):
        _check_name(self.name)
        for field in ("numeric", "categorical", "dates"):
            value = getattr(self, field)
            if isinstance(value, str):
                raise ValueError(f"`{field}` is a list of columns. Received: {value!r}.")
            object.__setattr__(self, field, tuple(value))
        if not self.columns:
            raise ValueError(f"Tabular modality {self.name!r} names no column.")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.numeric + self.categorical + self.dates


Modality = Image | Text | Audio | Video | Sequence | Tabular
MODALITIES: dict[str, type] = {cls.kind: cls for cls in get_args(Modality)}


@dataclass(frozen=True)
class _OneTarget:
    """A target that is in one column."""

    kind: ClassVar[str]
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.column


@dataclass(frozen=True)
class Label(_OneTarget):
    """One class for each row.

    Args:
        column: The table's column. A cell is the class's name, a whole number or a boolean.
        na_is_class: Whether NA, None, null and the like are classes and not empty cells.
    """

    kind: ClassVar[str] = "label"
    na_is_class: bool = False


@dataclass(frozen=True)
class _Columns:
    """A target that is in one column, or in several."""

    kind: ClassVar[str]
    column: str | tuple[str, ...]

    def __post_init__(self):
        if not isinstance(self.column, str):
            object.__setattr__(self, "column", tuple(self.column))
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError(
                f"The columns of {type(self).__name__} are one or more, each named once. "
                f"Received: {self.column!r}."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column

    @property
    def name(self) -> str:
        """What reports call it."""
        return ", ".join(self.columns)


@dataclass(frozen=True)
class Labels(_Columns):
    """Any number of labels for each row (multi-label classification).

    Args:
        column: The table's column. A cell is a list of labels, or one text that joins them; an
            empty cell is a row without labels. Or the columns of one label each, which say 0 or 1
            (false or true): `Labels(("red", "round"))`.
        separator: What joins the labels of a text.
        na_is_class: Whether NA, None, null and the like are labels and not empty cells.
    """

    kind: ClassVar[str] = "labels"
    separator: str = "|"
    na_is_class: bool = False

    def __post_init__(self):
        super().__post_init__()
        joined = [column for column in self.columns if self.separator in column]
        if self.by_column and joined:
            raise ValueError(
                f"The label {joined[0]!r} has the separator {self.separator!r}. Give another "
                "`separator`."
            )

    @property
    def by_column(self) -> bool:
        """Whether each label has a column of its own."""
        return not isinstance(self.column, str)


@dataclass(frozen=True)
class Number(_Columns):
    """One number for each row, or several at once (regression).

    Args:
        column: The table's column, or a list of columns: `Number(("x", "y"))`.
    """

    kind: ClassVar[str] = "number"


@dataclass(frozen=True)
class StepLabels(_OneTarget):
    """One class for each step of the row's sequences (sequence labelling).

    All modalities are then `Sequence`s of equal length.

    Args:
        column: The table's column. A cell is a list of classes, one for each step, or one text
            that joins them.
        separator: What joins the classes of a text.
    """

    kind: ClassVar[str] = "step_labels"
    separator: str = "|"


@dataclass(frozen=True)
class Boxes(_OneTarget):
    """Boxes in a picture: where the one thing is that a phrase names, or where all objects are.

    Args:
        column: The table's column. A cell is a list of boxes, or such a list as JSON. A box is
            `[left, top, width, height]` in pixels of the picture as it is stored (turned upright,
            where its file says that it lies), or
            `{"box": [left, top, width, height], "label": "circle"}`.
        image: The modality whose picture they are in; by default the schema's only image.
        several: Whether a picture may have any number of boxes (detection), and not exactly one
            (the place that a phrase names). An empty list is then a picture without objects.
        image_column: The column of that picture; the schema knows it.

    Example:

    >>> schema = Schema([Image("picture"), Text("phrase")], target=Boxes("place"))
    >>> schema.target.column
    'place'
    """

    kind: ClassVar[str] = "boxes"
    image: str = ""
    several: bool = False
    image_column: str = ""


@dataclass(frozen=True)
class Targets:
    """Several answers at once (multi-task): a label and a number, for example.

    Args:
        parts: Each a `Label`, `Labels` or `Number`.
        weights: What each one's loss weighs; by default 1 each.

    Example:

    >>> schema = Schema([Image("photo")], target=[Label("species"), Number("age")])
    >>> schema.target_columns
    ('species', 'age')
    """

    kind: ClassVar[str] = "several"
    parts: tuple[Label | Labels | Number, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self):
        parts = tuple(Label(part) if isinstance(part, str) else part for part in self.parts)
        object.__setattr__(self, "parts", parts)
        weights = tuple(float(x) for x in self.weights) or (1.0,) * len(parts)
        object.__setattr__(self, "weights", weights)
        if len(parts) < 2 or not all(isinstance(p, Label | Labels | Number) for p in parts):
            raise ValueError(
                "Several targets at once are two or more of Label, Labels and Number. Received: "
                f"{self.parts!r}."
            )
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"A column is the target twice. Received: {list(self.columns)}.")
        if len(weights) != len(parts) or not all(0 < x < float("inf") for x in weights):
            raise ValueError(
                f"`weights` are {len(parts)} numbers above 0, one per target. Received: "
                f"{self.weights!r}."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for part in self.parts for column in part.columns)

    @property
    def name(self) -> str:
        """What reports call them."""
        return ", ".join(part.name for part in self.parts)


# A kind of input that may be the answer, too, is described by the same class.
Target = Label | Labels | Number | StepLabels | Text | Image | Sequence | Boxes | Targets
TARGETS: dict[str, type] = {cls.kind: cls for cls in get_args(Target)}
# Older schema files name a task instead of a kind of target.
_KIND_OF_TASK = {"classification": "label", "multilabel": "labels", "regression": "number"}


@dataclass(frozen=True)
class Schema:
    """Which column is what.

    Args:
        modalities: The inputs, in the order in which fusions see them.
        target: What is predicted: a `Label`, `Labels`, `Number`, `StepLabels`, `Text`, `Image`,
            `Sequence` or `Boxes`; a column's name is a `Label`, and a list is several targets at
            once (`Targets`). `None` where nothing is predicted (features, pre-training).
        id: A column whose values name the rows; it must not repeat.
        group: A column whose equal values belong together (a patient, a video, a speaker):
            splits never put rows of one group on two sides.
        weight: A column of numbers, 0 or more: what each row counts in the loss of a `Label`,
            `Labels`, `Number` or several of them. Figures count all rows alike.

    Example:

    >>> schema = Schema([Image("photo"), Text("caption")], target=Label("species"))
    >>> schema["caption"].column
    'caption'
    >>> Schema.from_json(schema.to_json()) == schema
    True
    """

    modalities: tuple[Modality, ...]
    target: Target | None = None
    id: str | None = None
    group: str | None = None
    weight: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if isinstance(self.target, str):
            object.__setattr__(self, "target", Label(self.target))
        if isinstance(self.target, list | tuple):
            object.__setattr__(self, "target", Targets(tuple(self.target)))
        if not isinstance(self.target, (Target, type(None))):
            names = ", ".join(cls.__name__ for cls in TARGETS.values())
            raise ValueError(
                f"`target` is one of {names}, a column's name, or None. Received: {self.target!r}."
            )
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
        if isinstance(self.target, StepLabels) and others:
            raise ValueError(
                f"A target with a label for each step needs sequences only; {others} have no steps."
            )
        judged = [m.name for m in self.modalities if isinstance(m, Text) and m.judged_by]
        if judged:
            raise ValueError(f"`judged_by` is for a target. Received: that of the inputs {judged}.")
        if isinstance(self.target, Image) and self.target.several:
            raise ValueError("A target is one image. Received: an Image with several=True.")
        if isinstance(self.target, Boxes):
            object.__setattr__(self, "target", self._placed(self.target))
        own = filter(None, (self.id, self.group, self.weight))
        for name in (*self.columns, *self.target_columns, *own):
            if any("\ud800" <= character <= "\udfff" for character in name):
                raise ValueError(f"A column is named {name!r}: half a character. Rename it.")
        self._check_weight()
        for use, column in (("id", self.id), ("group", self.group), ("weight", self.weight)):
            if column is not None and column in self.target_columns:
                raise ValueError(f"The target column {column!r} cannot be the {use}, too.")
        for column in self.target_columns:
            users = [m.name for m in self.modalities if column in m.columns]
            if users:
                raise ValueError(
                    f"The target column {column!r} is also an input of {users}: the model would be "
                    "given the answer. Remove it from the modality."
                )

    def _check_weight(self) -> None:
        if self.weight is None:
            return
        if self.weight in (self.id, self.group, *self.columns):
            raise ValueError(
                f"The column {self.weight!r} holds the rows' weights, and is also an input, the id "
                "or the group. Remove it there."
            )
        weighed = Label | Labels | Number | Targets | None
        if not isinstance(self.target, weighed):
            raise ValueError(
                "Rows are weighed in the loss of classes and numbers. Received: weight="
                f"{self.weight!r} with the target {type(self.target).__name__}."
            )

    def _placed(self, target: Boxes) -> Boxes:
        """Boxes, with the modality whose picture they are in."""
        images = {
            m.name: m.column for m in self.modalities if isinstance(m, Image) and not m.several
        }
        name = target.image or next(iter(images), "")
        if name not in images or (not target.image and len(images) > 1):
            raise ValueError(
                f"Boxes are in the picture of one of the schema's images {list(images)}: "
                f"Boxes({target.column!r}, image=NAME). Received: image={target.image!r}."
            )
        return dataclasses.replace(target, image=name, image_column=images[name])

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

    @property
    def needed(self) -> tuple[str, ...]:
        """The modalities without which the target means nothing: the picture that boxes are in."""
        return (self.target.image,) if isinstance(self.target, Boxes) else ()

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns that are predicted; none without a target."""
        return () if self.target is None else self.target.columns

    @property
    def each_target(self) -> tuple[Any, ...]:
        """The targets, one by one; none without a target."""
        if isinstance(self.target, Targets):
            return self.target.parts
        return () if self.target is None else (self.target,)

    def target_of(self, column: str) -> Any:
        """The target that a column belongs to; `None` for the column of an input."""
        return next((target for target in self.each_target if column in target.columns), None)

    def na_is_class(self, column: str) -> bool:
        """Whether words such as NA are classes in a target column, where it has classes."""
        target = self.target_of(column)
        return isinstance(target, Label | Labels) and target.na_is_class

    def separator(self, column: str) -> str:
        """What joins the labels of one cell of a target column."""
        target = self.target_of(column)
        return target.separator if isinstance(target, Labels | StepLabels) else "|"

    def select(self, names: list[str] | tuple[str, ...]) -> Schema:
        """The same schema with only the named modalities, e.g. for a unimodal baseline."""
        return dataclasses.replace(self, modalities=tuple(self[name] for name in names))

    def to_dict(self) -> dict[str, Any]:
        return {
            "modalities": [_described(modality) for modality in self.modalities],
            "target": None if self.target is None else _described(self.target),
            "id": self.id,
            "group": self.group,
            **({} if self.weight is None else {"weight": self.weight}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        check_keys(data, {})
        unknown = set(data) - {"modalities", "target", "id", "group", "weight"}
        if unknown or "modalities" not in data:
            raise ValueError(
                "A schema has the keys modalities, and optionally target, id, group and weight. "
                f"Unknown: {sorted(unknown)}. Received: {sorted(data)}."
            )
        check_keys(data, {"modalities": list[Any]})
        for column in ("id", "group", "weight"):
            check_value(data.get(column), str | None, column)
        return cls(
            tuple(_of_kind("modality", MODALITIES, entry) for entry in data["modalities"]),
            _target(data.get("target")),
            id=data.get("id"),
            group=data.get("group"),
            weight=data.get("weight"),
        )

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        return cls.from_dict(parse_json(text))

    def save(self, path: str | Path) -> None:
        write_text(path, self.to_json() + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No schema file at {path}.")
        try:
            data = read_json(path)
            return cls.from_dict(data.get("schema", data))  # a run's config.json holds one
        except ValueError as error:
            raise ValueError(f"{path} is not a valid schema: {error}") from error


def _described(part: Modality | Target) -> dict[str, Any]:
    if isinstance(part, Targets):
        parts = [_described(each) for each in part.parts]
        return {"kind": part.kind, "parts": parts, "weights": list(part.weights)}
    values = {"kind": part.kind, **dataclasses.asdict(part)}
    # Not said unless they differ.
    rarely = {"na_is_class": False, "dates": (), "day_first": None, "several": False}
    rarely |= {"judged_by": ""}
    values.pop("image_column", None)  # the schema finds it
    return {key: v for key, v in values.items() if key not in rarely or v != rarely[key]}


def _of_kind(what: str, classes: Mapping[str, type], data: Mapping[str, Any]):
    check_value(data, Mapping[str, Any], what)
    values = dict(data)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in classes:
        raise ValueError(f"A {what}'s kind must be one of {sorted(classes)}. Received: {kind!r}.")
    return _construct(classes[kind], values)


def _target(data: Any) -> Any:
    if not isinstance(data, Mapping):
        check_value(data, str | tuple[str, ...] | None, "target")
        return data
    if "kind" in data:
        if "parts" in data:
            check_keys(data, {"parts": list[Any]}, "target")
            parts = tuple(_of_kind("target", TARGETS, part) for part in data["parts"])
            data = {**data, "parts": parts}
        return _of_kind("target", TARGETS, data)
    values = dict(data)
    task, per_step = values.pop("task", "classification"), values.pop("per_step", False)
    if not isinstance(task, str) or task not in _KIND_OF_TASK:
        raise ValueError(f"A target needs a kind, one of {sorted(TARGETS)}. Received: {data}.")
    kind = "step_labels" if per_step else _KIND_OF_TASK[task]
    if kind in ("label", "number"):
        values.pop("separator", None)
    return _construct(TARGETS[kind], values)


def _construct(cls: type, data: Mapping[str, Any]):
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"{cls.__name__} has no setting {unknown}. It has {sorted(known)}.")
    required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
    missing = sorted(required - set(data))
    if missing:
        raise ValueError(f"{cls.__name__} needs {missing}.")
    return construct(cls, data, cls.kind)  # type: ignore[attr-defined]


def is_taken(name: str, names: Iterable[str]) -> bool:
    """Whether a model of the modalities `names` has a part, or an experiment a run, so named."""
    parts = {f"{other}{part}" for other in names for part in ("_encoder", "_mask", "_auxiliary")}
    return name in {
        "present",
        "modality_dropout",
        "previous",
        "decoder",
        "target",
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
        numbers: How many of the first groups are of numbers (with a 1 for what is missing, or the
            parts of a date); the others are one-hot codes of categories.
        max_length: The most steps or tokens that a batch has, where there is such a limit.
        is_waveform: Whether the inputs are a sound's samples.
        several: Whether the first axis is that of several images, which are padded with images of
            zeros; an encoder then reads each of them by itself.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    vocabulary_size: int | None = None
    groups: tuple[int, ...] | None = None
    numbers: int | None = None
    max_length: int | None = None
    is_waveform: bool = False
    several: bool = False
