"""LiteRT and ONNX files of a model, from the pipelines' tensors to its outputs."""

from __future__ import annotations

import functools
import logging
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Convertible:
    """What a file is made of, and tried on.

    Args:
        function: From named tensors to `{"outputs": ...}`.
        specs: The tensors' forms, by name.
        owner: What holds the function's variables.
        examples: Batches of tensors, by name.
    """

    function: tf.types.experimental.PolymorphicFunction
    specs: Mapping[str, tf.TensorSpec]
    owner: tf.Module
    examples: Sequence[Mapping[str, np.ndarray]]


def write_litert(model: keras.Model, preprocessing: Preprocessing, folder: Path) -> Specs:
    """Writes `model.tflite`.

    Raises:
        ValueError: LiteRT cannot hold the model, or gives other outputs.
    """
    served = ServedModel(model, preprocessing, rows=False)
    write_bytes(folder / LITERT, litert_of(_convertible(served, preprocessing)))
    return served.specs


def write_onnx(model: keras.Model, preprocessing: Preprocessing, folder: Path) -> Specs:
    """Writes `model.onnx`.

    Raises:
        ValueError: ONNX cannot hold the model, or gives other outputs.
        ImportError: The extra `export` is not installed.
    """
    _import_onnx()
    served = ServedModel(model, preprocessing, rows=False)
    write_bytes(folder / ONNX, onnx_of(_convertible(served, preprocessing)))
    return served.specs


def litert_of(convertible: Convertible) -> bytes:
    """A LiteRT file of LiteRT's own operations, which was tried on the examples.

    Raises:
        ValueError: LiteRT cannot hold the function, or gives other outputs.
    """
    concrete = convertible.function.get_concrete_function(**convertible.specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], convertible.owner)
    with _quiet():
        contents = _tried(converter.convert, "LiteRT")
    runner = tf.lite.Interpreter(model_content=contents).get_signature_runner()
    _compare("LiteRT", convertible, lambda tensors: runner(**tensors)["outputs"])
    return contents


def onnx_of(convertible: Convertible) -> bytes:
    """An ONNX file, which was tried on the examples.

    Raises:
        ValueError: ONNX cannot hold the function, or gives other outputs.
        ImportError: The extra `export` is not installed.
    """
    tf2onnx, onnxruntime = _import_onnx()
    names = list(convertible.specs)

    def positional(*tensors: tf.Tensor) -> tf.Tensor:
        return convertible.function(**dict(zip(names, tensors, strict=True)))["outputs"]

    function = tf.function(positional, autograph=False)
    signature = [
        tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in convertible.specs.items()
    ]
    with _quiet():
        proto, _ = _tried(
            lambda: tf2onnx.convert.from_function(function, signature, opset=_OPSET), "ONNX"
        )
        _rename_output(proto, "outputs")
        contents = proto.SerializeToString()
        session = _tried(
            lambda: onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"]),
            "ONNX",
        )
    _compare("ONNX", convertible, lambda tensors: session.run(["outputs"], dict(tensors))[0])
    return contents


def _import_onnx() -> tuple[Any, Any]:
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            'ONNX files need the extra "export": pip install "mmkeras[export]"'
        ) from error
    return tf2onnx, onnxruntime


def _rename_output(proto: Any, name: str) -> None:
    (output,) = proto.graph.output
    for node in proto.graph.node:
        for names in (node.input, node.output):
            for place, each in enumerate(names):
                if each == output.name:
                    names[place] = name
    output.name = name


def _convertible(served: ServedModel, preprocessing: Preprocessing) -> Convertible:
    specs = served.specs[TENSORS]
    arguments = argument_names(specs)

    def named(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {name: tensors[argument] for name, argument in arguments.items()}
        return {"outputs": served.outputs(inputs)}

    examples = [
        example_inputs(specs, preprocessing, rows, length)
        for rows, length in zip((3, 2), _LENGTHS, strict=True)
    ]
    return Convertible(
        tf.function(named, autograph=False),
        {arguments[n]: tf.TensorSpec(s.shape, s.dtype, arguments[n]) for n, s in specs.items()},
        served,
        [{arguments[name]: value for name, value in batch.items()} for batch in examples],
    )


def _tried(make: Callable[[], Any], format: str) -> Any:
    try:
        return make()
    except Exception as error:  # converters raise whatever comes
        # Of what TensorFlow's compiler writes, the operations that LiteRT does not have.
        missing = sorted(set(re.findall(r"'(tf\.\w+)' op (?:is neither|requires)", str(error))))
        why = " ".join(str(error).split())
        why = f"it has no {', '.join(missing)}." if missing else why
        why = why if len(why) <= 300 else f"{why[:300]}..."
        raise ValueError(
            f"{format} cannot hold this model: {why} Export it as a SavedModel, which holds every "
            "model, or train one of other encoders, another fusion or decoder."
        ) from error


def _compare(format: str, convertible: Convertible, run: Runner) -> None:
    """Refuses a file whose outputs are not the model's."""
    for tensors in convertible.examples:
        expected = convertible.function(**tensors)["outputs"].numpy()
        with _quiet():
            given = _tried(functools.partial(run, tensors), format)
        same = expected.shape == given.shape
        if same and np.allclose(expected, given, rtol=_TOLERANCE, atol=_TOLERANCE):
            continue
        apart = (
            f"up to {np.abs(expected - given).max():.2g} apart"
            if same
            else f"of the shape {given.shape} instead of {expected.shape}"
        )
        raise ValueError(
            f"{format} gives other outputs than this model, {apart}. Export it as a SavedModel, "
            "which holds every model."
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
        if name != PRESENT and spec.shape[1] is None:
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
