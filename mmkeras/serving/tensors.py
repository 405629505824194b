"""LiteRT and ONNX files of a model, from the pipelines' tensors to its outputs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.files import write_bytes
from mmkeras.models.parts import PRESENT
from mmkeras.serving.saved_model import TENSORS, ServedModel, argument_names

LITERT, ONNX = "model.tflite", "model.onnx"
_OPSET = 18
_TOLERANCE = 1e-4
_LENGTHS = (8, 12)  # of what may have any length, in the two batches that a file is tried on

Specs = dict[str, dict[str, tf.TensorSpec]]
Runner = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def write_litert(model: keras.Model, preprocessing: Preprocessing, folder: Path) -> Specs:
    """Writes `model.tflite`, made of LiteRT's own operations, after it was tried.

    Raises:
        ValueError: LiteRT cannot hold the model, or gives other outputs.
    """
    served, function = _function(model, preprocessing)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function(**_named(served))], served
    )
    with _quiet():
        contents = _tried(converter.convert, "LiteRT")
    interpreter = tf.lite.Interpreter(model_content=contents)
    runner = interpreter.get_signature_runner()
    _compare(
        "LiteRT", served, preprocessing, function, lambda tensors: runner(**tensors)["outputs"]
    )
    write_bytes(folder / LITERT, contents)
    return served.specs


def write_onnx(model: keras.Model, preprocessing: Preprocessing, folder: Path) -> Specs:
    """Writes `model.onnx` after it was tried.

    Raises:
        ValueError: ONNX cannot hold the model, or gives other outputs.
        ImportError: The extra `export` is not installed.
    """
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            'ONNX files need the extra "export": pip install "mmkeras[export]"'
        ) from error
    served, function = _function(model, preprocessing)
    signature = list(_named(served).values())
    with _quiet():
        proto, _ = _tried(
            lambda: tf2onnx.convert.from_function(
                _positional(function, list(_named(served))), signature, opset=_OPSET
            ),
            "ONNX",
        )
        contents = proto.SerializeToString()
        session = _tried(
            lambda: onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"]),
            "ONNX",
        )
    (output,) = session.get_outputs()
    _compare(
        "ONNX",
        served,
        preprocessing,
        function,
        lambda tensors: session.run([output.name], dict(tensors))[0],
    )
    write_bytes(folder / ONNX, contents)
    return served.specs


def _function(
    model: keras.Model, preprocessing: Preprocessing
) -> tuple[ServedModel, tf.types.experimental.PolymorphicFunction]:
    served = ServedModel(model, preprocessing, rows=False)
    arguments = argument_names(served.specs[TENSORS])

    def named(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {name: tensors[argument] for name, argument in arguments.items()}
        return {"outputs": served.outputs(inputs)}

    return served, tf.function(named, autograph=False)


def _positional(function: Any, names: list[str]) -> tf.types.experimental.PolymorphicFunction:
    return tf.function(
        lambda *tensors: function(**dict(zip(names, tensors, strict=True))), autograph=False
    )


def _named(served: ServedModel) -> dict[str, tf.TensorSpec]:
    specs = served.specs[TENSORS]
    arguments = argument_names(specs)
    return {
        arguments[name]: tf.TensorSpec(spec.shape, spec.dtype, arguments[name])
        for name, spec in specs.items()
    }


def _tried(make: Callable[[], Any], format: str) -> Any:
    try:
        return make()
    except Exception as error:  # converters raise whatever comes
        why = " ".join(str(error).split())
        why = why if len(why) <= 300 else f"{why[:300]}..."
        raise ValueError(
            f"{format} cannot hold this model: {why} Export it as a SavedModel, which holds every "
            "model, or train one of other encoders, another fusion or decoder."
        ) from error


def _compare(
    format: str,
    served: ServedModel,
    preprocessing: Preprocessing,
    function: Any,
    run: Runner,
) -> None:
    """Refuses a file whose outputs are not the model's, on batches of two sizes and lengths."""
    arguments = argument_names(served.specs[TENSORS])
    for rows, length in zip((3, 2), _LENGTHS, strict=True):
        inputs = example_inputs(served.specs[TENSORS], preprocessing, rows, length)
        tensors = {arguments[name]: value for name, value in inputs.items()}
        expected = function(**tensors)["outputs"].numpy()
        with _quiet():
            given = _tried(lambda tensors=tensors: run(tensors), format)
        if expected.shape != given.shape or not np.allclose(
            expected, given, rtol=_TOLERANCE, atol=_TOLERANCE
        ):
            same = expected.shape == given.shape
            apart = f"up to {np.abs(expected - given).max():.2g}" if same else str(given.shape)
            raise ValueError(
                f"{format} gives other outputs than this model: {apart}. Export it as a "
                "SavedModel, which holds every model."
            )


def example_inputs(
    specs: Mapping[str, tf.TensorSpec], preprocessing: Preprocessing, rows: int, length: int
) -> dict[str, np.ndarray]:
    """Random inputs of the form that pipelines make; the last row of what has a length is short."""
    random = np.random.default_rng(0)
    inputs: dict[str, np.ndarray] = {}
    for name, spec in specs.items():
        shape = [rows, *(length if side is None else side for side in spec.shape[1:])]
        if name == PRESENT:
            inputs[name] = np.ones(shape, bool)
            inputs[name][0, 0] = shape[1] == 1
        elif spec.dtype.is_integer:
            size = preprocessing.inputs[name].vocabulary_size or 2
            inputs[name] = random.integers(1, size, shape).astype(spec.dtype.as_numpy_dtype)
        else:
            inputs[name] = random.random(shape).astype(np.float32)
        if spec.shape.rank > 1 and spec.shape[1] is None and name != PRESENT:
            inputs[name][-1, length // 2 :] = 0
    return inputs


class _quiet:
    """Converters write pages to the log and to standard output."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)
        self._file = tempfile.TemporaryFile()
        self._saved = os.dup(1), os.dup(2)
        for number in (1, 2):
            os.dup2(self._file.fileno(), number)

    def __exit__(self, *details: Any) -> None:
        for number, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        self._file.close()
        logging.disable(logging.NOTSET)
