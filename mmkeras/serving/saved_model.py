"""A SavedModel with a model and its preprocessing, which TensorFlow alone loads and runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.models.answer import answer_model
from mmkeras.models.architecture import input_tensors
from mmkeras.models.parts import PRESENT
from mmkeras.serving.rows import READERS, CannotServe, RowReader
from mmkeras.serving.rows.answers import answers

TENSORS, ROWS = "serving_default", "serve_rows"


def row_readers(preprocessing: Preprocessing) -> dict[str, RowReader]:
    """What reads each modality's cells inside a graph, by name.

    Raises:
        CannotServe: The preprocessing of one or several modalities is no TensorFlow graph; the
            message has all of them, and why.
    """
    readers, reasons = {}, []
    for modality in preprocessing.schema.modalities:
        try:
            if modality.kind not in READERS:
                raise CannotServe(
                    f"the {modality.kind} modality {modality.name!r}: nothing here reads one in "
                    f"TensorFlow operations; give the tensors of this model to `{TENSORS}`"
                )
            fitted = preprocessing.modalities[modality.name]
            readers[modality.name] = READERS[modality.kind](modality, fitted)
        except CannotServe as error:
            reasons.append(str(error))
    if reasons:
        raise CannotServe(
            f"The signature `{ROWS}` cannot read raw rows of this run. "
            + " ".join(f"{reason[0].upper()}{reason[1:]}." for reason in reasons)
            + f" `rows=False` (--no-rows) exports `{TENSORS}` alone."
        )
    return readers


class ServedModel(tf.Module):
    """A trained model as TensorFlow functions.

    Args:
        model: Of a run.
        preprocessing: Of the same run.
        rows: Whether it shall read raw rows, too.

    Raises:
        CannotServe: Raw rows cannot be read.
        ValueError: Keras runs on another backend than TensorFlow.
    """

    def __init__(self, model: keras.Model, preprocessing: Preprocessing, rows: bool = True):
        super().__init__()
        if keras.config.backend() != "tensorflow":
            raise ValueError(
                "Exports are made with Keras on TensorFlow, which also loads models that were "
                "trained on another backend: set KERAS_BACKEND=tensorflow. Received: "
                f"{keras.config.backend()}."
            )
        self._preprocessing = preprocessing
        self._readers = row_readers(preprocessing) if rows else None
        self._answering = answer_model(model)
        self._weights = [variable.value for variable in self._answering.variables]

    @property
    def specs(self) -> dict[str, dict[str, tf.TensorSpec]]:
        """By signature, what each of its inputs is given as: by modality, or by column."""
        tensors = {
            name: tf.TensorSpec(tensor.shape, tensor.dtype)
            for name, tensor in input_tensors(self._preprocessing).items()
        }
        return {TENSORS: tensors, **({} if self._readers is None else {ROWS: self._row_specs()})}

    def signatures(self) -> dict[str, Any]:
        """The concrete functions by name, as `tf.saved_model.save` takes them."""
        calls = {TENSORS: self._tensors, ROWS: self._rows}
        return {name: _function(calls[name], specs) for name, specs in self.specs.items()}

    def _row_specs(self) -> dict[str, tf.TensorSpec]:
        specs: dict[str, tf.TensorSpec] = {}
        for reader in (self._readers or {}).values():
            for column, spec in reader.specs().items():
                if specs.setdefault(column, spec) != spec:
                    raise CannotServe(
                        f"Two modalities read the column {column!r} in different forms, "
                        f"{specs[column]} and {spec}. Give each a column of its own."
                    )
        if self._preprocessing.presence:
            if PRESENT in specs:
                raise CannotServe(f"A column is called {PRESENT!r}, as an input of its own is.")
            count = len(self._preprocessing.schema.modalities)
            specs[PRESENT] = tf.TensorSpec((None, count), tf.bool)
        return specs

    def outputs(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The model's outputs for the tensors of pipelines."""
        return self._answering(dict(inputs), training=False)

    def _tensors(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return answers(self._preprocessing.task, self.outputs(inputs))

    def _rows(self, cells: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        knows_holes = self._preprocessing.presence
        here = {name: ~reader.absent(cells) for name, reader in (self._readers or {}).items()}
        checks = [] if knows_holes else [_all(rows, _LACKS.format(n)) for n, rows in here.items()]
        present = tf.stack(list(here.values()), axis=1)
        if knows_holes:
            present &= cells[PRESENT]
            checks.append(_all(tf.reduce_any(present, axis=1), "A row has none of the modalities."))
        with tf.control_dependencies(checks):
            cells = {column: tf.identity(tensor) for column, tensor in cells.items()}
        inputs = {name: reader.inputs(cells) for name, reader in (self._readers or {}).items()}
        return self._tensors({**inputs, **({PRESENT: present} if knows_holes else {})})


_LACKS = "A row lacks {!r}, which all rows had that this model was trained on."


def _all(rows: tf.Tensor, otherwise: str) -> tf.Operation:
    return tf.debugging.assert_equal(rows, True, otherwise)


def argument_names(names: Iterable[str]) -> dict[str, str]:
    """What a signature calls its inputs: letters, digits and `_`, where names may have more.

    >>> argument_names(["price (€)", "price", "2nd"])
    {'price (€)': 'price____', 'price': 'price', '2nd': 'arg_2nd'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if re.match("[A-Za-z]", plain) else f"arg_{plain}"
        numbers = itertools.count(2)
        argument = plain
        while argument in found.values():
            argument = f"{plain}_{next(numbers)}"
        found[name] = argument
    return found


def _function(
    call: Callable[[Mapping[str, tf.Tensor]], Any], specs: Mapping[str, tf.TensorSpec]
) -> Any:
    """A concrete function with a named argument for each input."""
    arguments = argument_names(specs)

    def named(**tensors: tf.Tensor) -> Any:
        return call({name: tensors[argument] for name, argument in arguments.items()})

    # No line here depends on the value of a tensor.
    return tf.function(named, autograph=False).get_concrete_function(
        **{
            arguments[name]: tf.TensorSpec(spec.shape, spec.dtype, arguments[name])
            for name, spec in specs.items()
        }
    )


def write_saved_model(
    model: keras.Model, preprocessing: Preprocessing, folder: Path, rows: bool = True
) -> dict[str, dict[str, tf.TensorSpec]]:
    """Writes a SavedModel with the signatures `serving_default` and, with `rows`, `serve_rows`.

    Returns:
        `ServedModel.specs`.
    """
    served = ServedModel(model, preprocessing, rows)
    tf.saved_model.save(served, str(folder), signatures=served.signatures())
    return served.specs
