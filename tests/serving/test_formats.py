"""Every fusion, encoder and decoder in LiteRT and ONNX files: the same numbers, or a clear no."""

import contextlib
import importlib.util
import io
import json
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.decoders import DECODERS
from mmkeras.encoders import ENCODERS
from mmkeras.fusion import FUSIONS, fusion_class
from mmkeras.schema import Label
from mmkeras.serving.export import export_model
from mmkeras.serving.tensors import Convertible, litert_of, onnx_of
from tests.decoders.standard import CASES, arguments_for
from tests.decoders.standard import example as decoder_example
from tests.decoders.standard import small as small_decoder
from tests.encoders.standard import case
from tests.fusion.standard import example, small
from tests.layer_checks import call, flat, some_always
from tests.serving.test_saved_model import model_of, numbers_table

FORMATS = {"litert": litert_of, "onnx": onnx_of}
NAMES = [
    *(f"{kind}-{name}" for kind, table in ENCODERS.items() for name in table),
    *(f"fusion-{name}" for name in FUSIONS),
    *(f"decoder-{name}" for name in DECODERS),
]
# What a format cannot hold; docs/serving.md has the same lists.
REFUSED: dict[str, set[str]] = {
    "litert": {
        *("text-lstm", "audio-recurrent", "sequence-recurrent", "fusion-early_concat"),
        *("fusion-memory", "text-pretrained", "video-frames", "video-conv3d", "fusion-film"),
        *("fusion-cca", "fusion-late_vote", "decoder-ctc", "decoder-text"),
    },
    "onnx": {
        *("fusion-co_attention", "fusion-late_vote", "decoder-boxes"),
        *("decoder-ctc", "decoder-text"),
    },
}
# What every test run tries: one that both hold, one that LiteRT refuses.
QUICK = ("tabular-mlp", "fusion-cca")


def named(arguments):
    return {f"x{place}": value for place, value in enumerate(flat(arguments))}


def of_layer(layer, arguments, how, lengths=None):
    """A layer, called with arguments, as what formats are made of.

    Args:
        layer: Built.
        arguments: What it is called with.
        how: What calls it.
        lengths: The shape of a row of its only input, `None` where it has any length.
    """
    structure = keras.tree.map_structure(lambda x: x is not None, arguments)

    def function(**tensors):
        parts = iter(tensors.values())
        filled = keras.tree.map_structure(lambda there: next(parts) if there else None, structure)
        return {"outputs": how(filled)}

    owner = tf.Module()
    owner.weights = [variable.value for variable in layer.variables]
    specs = {
        name: tf.TensorSpec((None, *(lengths or value.shape[1:])), value.dtype, name)
        for name, value in named(arguments).items()
    }
    return Convertible(tf.function(function, autograph=False), specs, owner, [named(arguments)])


def convertible(name):
    of, own = name.split("-", 1)
    if of == "fusion":
        arguments = example(aligned=fusion_class(own).aligned)
        arguments["present"][3, 0] = True  # every row that a model is asked about has something
        layer, lengths = small(own), None
    elif of == "decoder":
        layer, lengths = small_decoder(own), None
        call(layer, arguments_for(layer, CASES[own].target))
        given = decoder_example()
        given["present"][3, 0] = True
        return of_layer(layer, given, lambda arguments: layer.answer(**arguments))
    else:
        make, spec, inputs = case(of, own)
        layer, arguments, lengths = make(), {"inputs": inputs}, spec.shape
    call(layer, arguments)
    return of_layer(layer, arguments, lambda given: layer(**given), lengths)


@pytest.fixture(scope="module")
def needs_onnx():
    if importlib.util.find_spec("tf2onnx") is None:
        pytest.skip('the extra "export" is not installed')


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", some_always(NAMES, QUICK))
def test_a_part_is_held_or_refused_in_words(name, format, needs_onnx):
    part = convertible(name)
    if name not in REFUSED[format]:
        assert FORMATS[format](part)  # compares the outputs itself
        return
    with pytest.raises(ValueError, match="Export it as a SavedModel"):
        FORMATS[format](part)


def test_other_outputs_are_refused(monkeypatch):
    part = convertible("tabular-mlp")
    monkeypatch.setattr("mmkeras.serving.tensors._TOLERANCE", -1.0)
    with pytest.raises(ValueError, match="other outputs than this model, up to"):
        litert_of(part)


@pytest.mark.parametrize("format", [pytest.param("litert", marks=pytest.mark.slow), "onnx"])
def test_a_model_is_written_with_its_client(format, tmp_path, needs_onnx):
    table, schema = numbers_table(Label("tags"), holes=True)
    preprocessing = fit_preprocessing(table, schema, presence=True)
    model = model_of(preprocessing, encoders={"pose": "tcn"}, fusion="gmu")
    folder = export_model(model, preprocessing, tmp_path / "exported", format)
    (batch,) = Pipeline(table, preprocessing, batch_size=20).evaluate().as_numpy_iterator()
    expected = np.asarray(model(batch[0]))
    np.savez(tmp_path / "tensors.npz", **batch[0])
    client = runpy.run_path(str(folder / "client.py"))
    inputs = json.loads((folder / "inputs.json").read_text())["serving_default"]
    assert set(inputs) == {"pose", "facts", "present"}
    (file,) = folder.glob("model.*")
    np.testing.assert_allclose(client["run"](file, batch[0]), expected, atol=1e-4)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        client["main"](tmp_path / "tensors.npz")
    said = [line.split()[1] for line in printed.getvalue().splitlines()]
    assert said == list(preprocessing.task.decode(expected))
