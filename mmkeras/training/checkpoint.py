"""The whole state of a training run, written after every epoch; the one before it is kept.

Keras' `BackupAndRestore` restores the weights and the epoch, but not the random number
generators of the layers, the early stopping counters or the history. Here everything that the
next epoch depends on is kept, so that a resumed run continues bit for bit.

A checkpoint is `NAME.npz`, the one before it `before_NAME.npz`, and the best weights so far of
each are `best_NAME-EPOCH.npz`, written once.
"""

from __future__ import annotations

import json
import sys
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.files import write_arrays
from mmkeras.reading import check_keys, parse_json

_PROGRESS = {
    "history": list[Mapping[str, Any]],
    "best_epoch": int,
    "best_value": float,
    "improved_epoch": int,
}
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was stored after an epoch.

    Args:
        path: Its file.
        progress: The history, and what early stopping knows.
        variables: Of model and optimizer, in their order.
        best_weights: Of the best epoch so far.
    """

    path: Path
    progress: dict[str, Any]
    variables: list[np.ndarray]
    best_weights: list[np.ndarray]

    def give(self, model: keras.Model) -> None:
        """Puts its values into a model of the same architecture.

        Raises:
            ValueError: It is of another architecture.
        """
        variables = _variables(model)
        if [each.shape for each in self.variables] != [tuple(each.shape) for each in variables]:
            raise ValueError(
                f"{self.path} holds {len(self.variables)} variables that do not fit the model's "
                f"{len(variables)}: it was written by another architecture or optimizer."
            )
        for value, variable in zip(self.variables, variables, strict=True):
            variable.assign(value)


def save_checkpoint(path: str | Path, model: keras.Model, progress: dict[str, Any]) -> None:
    """Writes all variables of model and optimizer, and `progress`, in one atomic step.

    The best weights must have been saved before (`save_best`).

    Args:
        path: The `.npz` file.
        model: A compiled model whose optimizer is built.
        progress: Anything that JSON can hold: epoch, history, early stopping.
    """
    path = Path(path)
    arrays = {
        # By way of a tensor: a variable that several devices have gives none itself.
        f"variable_{place:05d}": keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))
        for place, variable in enumerate(_variables(model))
    }
    text = np.frombuffer(json.dumps(progress).encode(), np.uint8)
    write_arrays(path, progress=text, keep=_before(path), **arrays)


def save_best(path: str | Path, epoch: int, weights: list[np.ndarray]) -> None:
    """Writes the weights of an epoch that is the best so far, before the checkpoint that says so.

    A crash between the two is harmless: the repeated epoch writes the same file again.
    """
    write_arrays(_best(Path(path), epoch), *weights)


def forget_best(path: str | Path, keep: Collection[int]) -> None:
    """Removes the weights of epochs that no checkpoint calls the best any more."""
    path = Path(path)
    kept = {_best(path, epoch) for epoch in keep}
    for each in path.parent.glob(f"best_{path.stem}-*.npz"):
        if each not in kept:
            each.unlink()


def load_checkpoint(path: str | Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; `None` without any.

    One that a power cut left damaged is set aside, as `NAME.damaged`, and said; the one before it
    is taken.
    """
    path = Path(path)
    for each in (path, _before(path)):
        if not each.exists():
            continue
        try:
            arrays = _arrays(each)
            progress = parse_json(arrays.pop("progress").tobytes())
            check_keys(progress, _PROGRESS)
        except _DAMAGED as error:
            _set_aside(each, error)
            continue
        best = _best(path, progress["best_epoch"])
        try:
            return Checkpoint(each, progress, [*arrays.values()], [*_arrays(best).values()])
        except (*_DAMAGED, FileNotFoundError) as error:
            # Without them the checkpoint is of no use.
            _set_aside(best, error)
            _set_aside(each, error)
    return None


def _set_aside(path: Path, error: Exception) -> None:
    if not path.exists():
        return
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    print(
        f"{path} cannot be read ({error}). It was renamed to {aside.name}; training goes on from "
        "the checkpoint before it, or where there is none, from the beginning.",
        file=sys.stderr,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file, whose checksums reading checks."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("no arrays: the file is cut off, or holds something else")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except OSError as error:  # of places outside the file
            raise ValueError(str(error)) from error


def _variables(model: keras.Model) -> list[Any]:
    # `model.variables` has the weights, the moving statistics and the layers' random state.
    return [*model.variables, *model.optimizer.variables]


def _before(path: Path) -> Path:
    return path.with_name(f"before_{path.name}")


def _best(path: Path, epoch: int) -> Path:
    return path.with_name(f"best_{path.stem}-{epoch:04d}.npz")
