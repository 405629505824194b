"""A model in a run folder, and the preprocessing beside it: their files' names, and how to load."""

from __future__ import annotations

from pathlib import Path

import keras

MODEL, PREPROCESSING = "model.keras", "preprocessing.json"


def load_model(folder: str | Path) -> keras.Model:
    """Loads `model.keras` from a run folder, and only from inside it, in Keras' safe mode."""
    return keras.saving.load_model(_model_file(folder), safe_mode=True)


def load_weights(model: keras.Model, folder: str | Path) -> None:
    """Puts the weights of a run folder's `model.keras` into a model of the same architecture.

    Raises:
        ValueError: It is of another architecture.
    """
    path = _model_file(folder)
    try:
        model.load_weights(path)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"The weights of {path} are of another architecture than the model's: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _model_file(folder: str | Path) -> Path:
    folder = Path(folder).resolve()
    path = folder / MODEL
    # A directory, or a link to a file of another kind, takes other, less guarded ways into Keras.
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(f"{MODEL} must be a file in {folder} itself.")
    return path
