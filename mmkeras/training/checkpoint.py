"""The whole state of a training run in one file, written after every epoch.

Keras' `BackupAndRestore` restores the weights and the epoch, but not the random number
generators of the layers, the early stopping counters or the history. Here everything that the
next epoch depends on is kept, so that a resumed run continues bit for bit.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np


def _variables(model: keras.Model) -> list[Any]:
    # `model.variables` has the weights, the moving statistics and the layers' random state.
    return [*model.variables, *model.optimizer.variables]


def save_checkpoint(path: str | Path, model: keras.Model, progress: dict[str, Any]) -> None:
    """Writes all variables of model and optimizer, and `progress`, in one atomic step.

    Args:
        path: The `.npz` file.
        model: A compiled model whose optimizer is built.
        progress: Anything that JSON can hold: epoch, history, early stopping.
    """
    path = Path(path)
    arrays = {
        f"variable_{place:05d}": keras.ops.convert_to_numpy(variable.value)
        for place, variable in enumerate(_variables(model))
    }
    text = json.dumps(progress).encode()
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, progress=np.frombuffer(text, np.uint8), **arrays)
    temporary.replace(path)


def load_checkpoint(path: str | Path, model: keras.Model) -> dict[str, Any]:
    """Puts a checkpoint's values into a model of the same architecture.

    Returns:
        The `progress` that was saved.

    Raises:
        ValueError: The checkpoint is of another architecture.
    """
    variables = _variables(model)
    with np.load(path, allow_pickle=False) as stored:
        names = [name for name in stored.files if name != "progress"]
        shapes = [stored[name].shape for name in names]
        expected = [tuple(variable.shape) for variable in variables]
        if shapes != expected:
            raise ValueError(
                f"{path} holds {len(shapes)} variables that do not fit the model's "
                f"{len(expected)}: it was written by another architecture or optimizer."
            )
        for name, variable in zip(names, variables, strict=True):
            variable.assign(stored[name])
        return json.loads(stored["progress"].tobytes().decode())


def stored_progress(path: str | Path) -> dict[str, Any]:
    """The `progress` of a checkpoint, whose variables are left alone."""
    with np.load(path, allow_pickle=False) as stored:
        return json.loads(stored["progress"].tobytes().decode())
