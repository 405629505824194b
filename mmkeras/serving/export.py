"""Export a trained model in a format that other programs run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.files import write_json
from mmkeras.models.parts import PRESENT
from mmkeras.models.saved import PREPROCESSING

if TYPE_CHECKING:
    import tensorflow as tf

CLIENT, INPUTS = "client.py", "inputs.json"
Specs = Mapping[str, Mapping[str, "tf.TensorSpec"]]


def export_model(
    model: keras.Model,
    preprocessing: Preprocessing,
    folder: str | Path,
    format: str = "saved_model",
    *,
    rows: bool = True,
) -> Path:
    """Writes a trained model for other programs, with its preprocessing beside it.

    Every format has the tensors that the pipelines make as inputs. `"saved_model"` has a second
    signature, `serve_rows`, for raw rows: images as the bytes of PNG or JPEG files, sounds as those
    of WAV files, texts and categories as strings, numbers, and `present` where the model knows of
    missing modalities. What mmkeras does with them in Python is inside the graph, and TensorFlow
    alone runs it.

    The folder also gets `preprocessing.json`, `inputs.json` (by signature, the form of each input
    and the argument that it is given as) and `client.py`, which shows how the export is used.

    Args:
        model: Of a run.
        preprocessing: Of the same run.
        folder: A new folder, or an empty one.
        format: `"saved_model"`, `"litert"` (TensorFlow Lite's file) or `"onnx"` (needs the extra
            `export`).
        rows: Whether a SavedModel shall read raw rows, too.

    Returns:
        The folder.

    Raises:
        ValueError: There is no such format; the folder is not empty; the format cannot hold the
            model, or `serve_rows` its preprocessing (`mmkeras.serving.rows.CannotServe`). Nothing
            is written then.
        ImportError: The extra is not installed.
    """
    if format not in FORMATS:
        raise ValueError(f"`format` is one of {list(FORMATS)}. Received: {format!r}.")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not an empty folder. Give the export a folder of its own.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        specs = FORMATS[format](model, preprocessing, temporary, rows)
        preprocessing.save(temporary / PREPROCESSING)
        write_json(temporary / INPUTS, _described(preprocessing, specs))
        client = Path(__file__).parent / "clients" / f"{format}.py"
        shutil.copyfile(client, temporary / CLIENT)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _saved_model(
    model: keras.Model, preprocessing: Preprocessing, folder: Path, rows: bool
) -> Specs:
    from mmkeras.serving.saved_model import write_saved_model

    return write_saved_model(model, preprocessing, folder, rows)


def _litert(model: keras.Model, preprocessing: Preprocessing, folder: Path, rows: bool) -> Specs:
    from mmkeras.serving.tensors import write_litert

    return write_litert(model, preprocessing, folder)


def _onnx(model: keras.Model, preprocessing: Preprocessing, folder: Path, rows: bool) -> Specs:
    from mmkeras.serving.tensors import write_onnx

    return write_onnx(model, preprocessing, folder)


FORMATS: dict[str, Callable[..., Specs]] = {
    "saved_model": _saved_model,
    "litert": _litert,
    "onnx": _onnx,
}


def _described(preprocessing: Preprocessing, specs: Specs) -> dict[str, Any]:
    """What `inputs.json` says."""
    from mmkeras.serving.saved_model import argument_names

    kinds = {PRESENT: "presence"}
    for modality in preprocessing.schema.modalities:
        kinds |= dict.fromkeys((*modality.columns, modality.name), modality.kind)
    described = {}
    for signature, inputs in specs.items():
        arguments = argument_names(inputs)
        described[signature] = {
            name: {
                "argument": arguments[name],
                "kind": kinds[name],
                "dtype": spec.dtype.name,
                "shape": spec.shape.as_list(),
            }
            for name, spec in inputs.items()
        }
    return {**described, "modalities": list(preprocessing.schema.names)}
