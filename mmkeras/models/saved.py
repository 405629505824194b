"""A model in a run folder, and the preprocessing beside it: their files' names, and how to load."""

from __future__ import annotations

from pathlib import Path

import keras

MODEL, PREPROCESSING = "model.keras", "preprocessing.json"


def load_model(folder: str | Path) -> keras.Model:
    """Loads `model.keras` from a run folder, and only from inside it, in Keras' safe mode."""
    folder = Path(folder).resolve()
    path = folder / MODEL
    # A directory, or a link to a file of another kind, takes other, less guarded ways into Keras.
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(f"{MODEL} must be a file in {folder} itself.")
    return keras.saving.load_model(path, safe_mode=True)
