"""A run folder's model and preprocessing: saved together, and loaded as a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import keras

from mmkeras.files import sha256_of, write_json, written
from mmkeras.keras_files import load_keras, load_keras_weights
from mmkeras.reading import read_json
from mmkeras.sum_order import sum_in_order

MODEL, PREPROCESSING = "model.keras", "preprocessing.json"
PAIR = "pair.json"  # the hashes of the two


class Savable(Protocol):
    """What saves itself to a file: the preprocessing, which this file need not know."""

    def save(self, path: str | Path) -> None: ...


def save_pair(folder: Path, model: keras.Model, preprocessing: Savable) -> None:
    """Writes a model, the preprocessing that it was trained with, and what ties the two.

    The model comes last: a folder that has it has all three.
    """
    preprocessing.save(folder / PREPROCESSING)
    with written(folder / MODEL) as temporary:
        model.save(temporary)
        hashes = {MODEL: sha256_of(temporary), PREPROCESSING: sha256_of(folder / PREPROCESSING)}
        write_json(folder / PAIR, hashes)


def check_pair(folder: Path, *names: str) -> None:
    """Refuses a file that was not saved with the other: the model would read other inputs.

    Args:
        folder: A run folder. One without `pair.json`, as earlier versions made it, is not checked.
        names: Which of the two files.

    Raises:
        ValueError: It is of another run, or was changed since.
    """
    if not (folder / PAIR).exists():
        return
    known = read_json(folder / PAIR, {MODEL: str, PREPROCESSING: str})
    for name in names:
        if sha256_of(folder / name) != known[name]:
            raise ValueError(
                f"{folder / MODEL} and {folder / PREPROCESSING} were not saved together: {name} is "
                f"of another run, or was changed since ({PAIR}). Take both from one run."
            )


def load_model(folder: str | Path) -> keras.Model:
    """Loads `model.keras` from a run folder, and only from inside it, in Keras' safe mode.

    Raises:
        OSError: It is not there, or cannot be read.
        ValueError: It is damaged, cannot be loaded safely, or was not saved with the preprocessing
            beside it.
    """
    sum_in_order()  # as it was trained: the graph is then the same, and so are its numbers
    return load_keras(_model_file(folder))


def load_weights(model: keras.Model, folder: str | Path) -> None:
    """Puts the weights of a run folder's `model.keras` into a model of the same architecture.

    Raises:
        OSError, ValueError: As of `load_model`, or it is of another architecture.
    """
    load_keras_weights(model, _model_file(folder))


def _model_file(folder: str | Path) -> Path:
    folder = Path(folder).resolve()
    path = folder / MODEL
    # A directory, or a link to a file of another kind, takes other, less guarded ways into Keras.
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(f"{MODEL} must be a file in {folder} itself.")
    if (folder / PREPROCESSING).exists():
        check_pair(folder, MODEL, PREPROCESSING)
    return path
