"""What a fold of a classical experiment found, kept in two files until all folds are there."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.files import write_arrays, write_json
from mmkeras.nested import differences, jsonable
from mmkeras.reading import check_keys, naming, read_json
from mmkeras.schema import Schema


@dataclass(frozen=True, eq=False)
class Said:
    """What one model says of a fold's test rows.

    Args:
        method: Its name.
        setting: What was chosen for it, in words.
        outputs: `(test rows, outputs)`.
        seconds: How long it took.
    """

    method: str
    setting: str
    outputs: np.ndarray
    seconds: float


# By what a table calls the model, and by the views that it sees.
Answers: TypeAlias = dict[tuple[str, tuple[str, ...]], Said]


@dataclass(frozen=True)
class KeptFold:
    """The files of one fold in the experiment's folder.

    Args:
        folder: The experiment's.
        number: The fold's, from 1.
        identity: What decides the answers (`fold_identity`).
    """

    folder: Path
    number: int
    identity: Mapping[str, Any]

    @property
    def _about(self) -> Path:
        return self.folder / f"fold{self.number}.json"

    @property
    def _outputs(self) -> Path:
        return self.folder / f"fold{self.number}.npz"

    def save(self, answers: Answers) -> None:
        """Writes the files; the one that says that the fold is done comes last."""
        write_arrays(self._outputs, *(each.outputs for each in answers.values()))
        models = [
            {"name": name, "views": views, **_without_outputs(each)}
            for (name, views), each in answers.items()
        ]
        write_json(self._about, {"identity": self.identity, "models": models})

    def read(self) -> Answers | None:
        """The answers; `None` if the fold has not been done yet.

        Raises:
            ValueError: They are of other rows or settings, or a file is damaged.
        """
        if not self._about.exists():
            return None
        about = read_json(self._about, {"identity": Mapping[str, Any], "models": list[Any]})
        if said := differences(about["identity"], self.identity):
            raise ValueError(
                f"{self.folder} holds folds of other rows or settings; it cannot resume. {said}. "
                "Give another --out."
            )
        with naming(self._about):
            for each in about["models"]:
                check_keys(each, {"name": str, "views": list[str]})
                check_keys(each, {"method": str, "setting": str, "seconds": float})
        arrays = self._read_outputs(len(about["models"]))
        return {
            (each["name"], tuple(each["views"])): Said(
                each["method"], each["setting"], outputs, each["seconds"]
            )
            for each, outputs in zip(about["models"], arrays, strict=True)
        }

    def _read_outputs(self, count: int) -> list[np.ndarray]:
        try:
            with naming(self._outputs), np.load(self._outputs, allow_pickle=False) as stored:
                return [stored[f"arr_{place}"] for place in range(count)]
        except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{self._outputs} is missing or damaged ({error}). Remove {self._about}: the fold "
                "is then done again."
            ) from error


def _without_outputs(said: Said) -> dict[str, Any]:
    return {"method": said.method, "setting": said.setting, "seconds": said.seconds}


def fold_identity(
    splits: Splits, schema: Schema, settings: Mapping[str, Any], how: Mapping[str, Any]
) -> dict[str, Any]:
    """What decides a fold's answers, as JSON holds it.

    Args:
        splits: Its rows.
        schema: Which column is what.
        settings: Preprocessing settings by modality.
        how: What else does.
    """
    return jsonable(
        {
            **how,
            "schema": schema.to_dict(),
            "settings": {name: dataclasses.asdict(own) for name, own in settings.items()},
            "train": fingerprint(splits.train, schema),
            "test": fingerprint(splits.test, schema),
        }
    )
