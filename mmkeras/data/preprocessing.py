"""State fitted on the training rows only: vocabularies, means, class names. JSON in and out.

Everything between a raw row and the model's inputs is here and is saved with the model. What is
fitted for each kind of modality is in its file in `mmkeras.data.kinds`, and for the target in
`preprocess_target`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.kinds.protocols import Fitted
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.notes import DECIMAL_MARKS, noted
from mmkeras.files import write_json
from mmkeras.nested import differences, jsonable
from mmkeras.reading import (
    check_fields,
    check_keys,
    check_value,
    construct,
    naming,
    read_json,
)
from mmkeras.schema import InputSpec, Modality, Schema
from mmkeras.tasks import Task, task_class


@dataclass(frozen=True)
class Preprocessing:
    """All that is between raw rows and the model's inputs. Made by `fit_preprocessing`.

    Args:
        schema: The table's schema.
        modalities: A fitted preprocessor for each modality.
        fitted_target: What is fitted of the target; `None` without a target.
        presence: Whether the model is told which modalities a row has.
        decimal_marks: By column, the decimal mark that the table's numbers were written with,
            where they show one: new rows are read by it.
    """

    schema: Schema
    modalities: dict[str, Fitted] = field(repr=False)
    fitted_target: Task | None = field(repr=False)
    presence: bool = False
    decimal_marks: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What `mmkeras.build_model` needs to know, by modality."""
        return {name: fitted.spec for name, fitted in self.modalities.items()}

    @property
    def num_outputs(self) -> int:
        return self.task.num_outputs

    def decoder_options(self, name: str | None = None) -> dict[str, Any]:
        """What a decoder must know of the target, as `mmkeras.build_model` takes it.

        Args:
            name: The decoder; by default the task's own choice. No decoder, no options.
        """
        if not self.task.decoders:
            return {}
        return self.task.decoder_options(name or self.task.default_decoder)

    @property
    def task(self) -> Task:
        """The fitted target.

        Raises:
            ValueError: The schema has no target.
        """
        if self.fitted_target is None:
            raise ValueError("The schema has no target, so there is nothing to predict.")
        return self.fitted_target

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_dict(),
            "presence": self.presence,
            "decimal_marks": self.decimal_marks,
            "target": None if self.schema.target is None else self.task.to_dict(),
            "modalities": {
                name: dataclasses.asdict(fitted)  # type: ignore[call-overload]
                for name, fitted in self.modalities.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """What `to_dict` wrote.

        Raises:
            ValueError: Anything is missing, unknown or of another type. The message says what.
        """
        check_keys(data, _KEYS)
        if unknown := sorted(set(data) - {*_KEYS, "target", "decimal_marks"}):
            raise ValueError(f"there are the unknown keys {unknown}.")
        with naming("`schema`"):
            schema = Schema.from_dict(data["schema"])
        states = data["modalities"]
        if set(states) != set(schema.names):
            raise ValueError(
                f"`modalities` must be those of the schema, {list(schema.names)}. Received: "
                f"{list(states)}."
            )
        modalities = {
            modality.name: _fitted(modality, states[modality.name])
            for modality in schema.modalities
        }
        if (schema.target is None) != (data.get("target") is None):
            raise ValueError("`target` and the schema's target are there, or neither of them.")
        task = None if schema.target is None else _fitted_target(schema.target, data["target"])
        marks = data.get("decimal_marks", {})
        check_value(marks, Mapping[str, str], "decimal_marks")
        return cls(schema, modalities, task, data["presence"], dict(marks))

    def save(self, path: str | Path) -> None:
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Preprocessing:
        """Reads what `save` wrote.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is damaged, or was changed to what it cannot be.
        """
        values = read_json(path)
        with naming(path):
            return cls.from_dict(values)


# What `preprocessing.json` has in any case.
_KEYS = {"schema": Mapping[str, Any], "presence": bool, "modalities": Mapping[str, Any]}


def _fitted(modality: Modality, state: Any) -> Fitted:
    """The fitted state of a modality, as `Preprocessing.to_dict` wrote it."""
    kind: Any = KINDS[modality.kind]
    where = f"modalities.{modality.name}"
    fitted = construct(kind.preprocessor, state, where, complete=True)
    with naming(f"`{where}`"):
        check_fields(fitted)
        kind.check_fitted(modality, fitted)
        sizes = [size for size in fitted.spec.shape if size is not None]
        if min(sizes, default=1) < 1:
            raise ValueError(f"its inputs have the shape {fitted.spec.shape}.")
    return fitted


def _fitted_target(target: Any, state: Any) -> Task:
    """The fitted state of a target, as `Preprocessing.to_dict` wrote it."""
    with naming("`target`"):
        check_keys(state, {})
        task = task_class(target).from_dict(target, state)
        check_fields(task)
        said = jsonable(task.to_dict())
        # Earlier versions wrote the numbers of one column without a list.
        state = {
            key: [value] if isinstance(value, float) and said.get(key) == [value] else value
            for key, value in state.items()
        }
        if shown := differences(state, said):
            raise ValueError(f"not what a fitted target of {task.words} says: {shown[:300]}.")
        if task.is_flat and task.num_outputs < 1:
            raise ValueError("it has no answers.")
    return task


def fit_preprocessing(
    train: pd.DataFrame,
    schema: Schema,
    settings: Mapping[str, Any] | None = None,
    *,
    target: Mapping[str, Any] | None = None,
    presence: bool | None = None,
) -> Preprocessing:
    """Learns vocabularies, means and class names from the training rows, and from nothing else.

    Args:
        train: The training rows of a validated table (`read_table`).
        schema: What its columns are.
        settings: By modality name; a modality without settings gets the defaults.
        target: Settings of the target that differ from its defaults, e.g. `{"pieces": "words"}`.
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
    task = None
    if schema.target is not None:
        kind_of_target = task_class(schema.target)
        task = kind_of_target.fit(train, schema.target, kind_of_target.settings_of(target or {}))
    modalities = {}
    for modality in schema.modalities:
        kind = KINDS[modality.kind]
        expected = kind.settings
        given = settings.get(modality.name, expected())
        if not isinstance(given, expected):
            raise ValueError(
                f"The {kind.name} modality {modality.name!r} takes {expected.__name__}. "
                f"Received: {type(given).__name__}."
            )
        rows = train[~holes[modality.name]]
        if not len(rows):
            raise ValueError(f"No training row has the modality {modality.name!r}.")
        fitted = kind.preprocessor.fit(rows, modality, given)
        modalities[modality.name] = kind.filtered(rows, modality, fitted, task)
    if task is not None:
        task.check_modalities(modalities)
    if presence is None:
        presence = bool(holes.to_numpy().any())
    marks = noted(train, DECIMAL_MARKS) or {}
    own = (*schema.columns, *schema.target_columns)
    marks = {column: mark for column, mark in marks.items() if column in own}
    return Preprocessing(schema, modalities, task, presence, marks)
