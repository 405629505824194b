"""A SavedModel answers on raw rows as the run that it was made of, without Keras and mmkeras."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.kinds import ImageSettings, TextSettings
from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.models.build import build_model
from mmkeras.schema import Labels, Number, Schema, Sequence, Tabular, Text, Video
from mmkeras.serving.export import export_model
from mmkeras.serving.rows import CannotServe
from mmkeras.serving.saved_model import argument_names

pytestmark = pytest.mark.filterwarnings("ignore:The model does not take some cells")


def numbers_table(target, holes):
    """A table of two cheap modalities, whose graphs are small."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "pose": pd.Series(
                [random.normal(size=(n, 2)).astype(np.float32) for n in [2, 3] * 10], dtype=object
            ),
            "price (€)": np.exp(random.normal(size=20)),
            "city": ["ulm", "bonn"] * 10,
            "tags": ["a|b", "b", "a", "c"] * 5,
            "size": np.exp(3 * random.normal(size=20)),
        }
    )
    if holes:
        frame.loc[1, "pose"] = None
        frame.loc[2, ["price (€)", "city"]] = None
    schema = Schema([Sequence("pose"), Tabular("facts", ["price (€)"], ["city"])], target)
    return read_table(frame, schema), schema


def model_of(preprocessing, **options):
    keras.utils.set_random_seed(0)
    return build_model(
        preprocessing.schema,
        preprocessing.inputs,
        num_outputs=preprocessing.num_outputs,
        presence=preprocessing.presence,
        hidden=(4,),
        **options,
    )


def cells_of(frame):
    length = max(0 if cell is None else len(cell) for cell in frame["pose"])
    poses = np.full((len(frame), length, 2), np.nan, np.float32)
    for row, cell in enumerate(frame["pose"]):
        if cell is not None:
            poses[row, : len(cell)] = cell
    return {
        "pose": poses,
        "price____": frame["price (€)"].to_numpy(),
        "city": [city or "" for city in frame["city"]],
    }


@pytest.mark.parametrize(
    "target, settings, holes",
    [
        (Labels("tags"), None, True),
        pytest.param(Number("size"), {"scaling": "log"}, False, marks=pytest.mark.slow),
    ],
)
def test_rows_give_the_runs_answers(target, settings, holes, tmp_path):
    table, schema = numbers_table(target, holes)
    preprocessing = fit_preprocessing(table, schema, target=settings, presence=holes)
    model, task = model_of(preprocessing), preprocessing.task
    folder = export_model(model, preprocessing, tmp_path / "exported")
    assert {path.name for path in tmp_path.iterdir()} == {"exported"}
    signatures = tf.saved_model.load(str(folder)).signatures
    pipeline = Pipeline(table, preprocessing, batch_size=len(table))
    expected = model.predict(pipeline.evaluate(), verbose=0)
    cells = {name: tf.constant(value) for name, value in cells_of(table).items()}
    if holes:
        cells["present"] = tf.ones((len(table), 2), tf.bool)
    answers = signatures["serve_rows"](**cells)
    np.testing.assert_allclose(answers["outputs"], expected, atol=1e-5)
    (inputs,) = next(iter(pipeline.evaluate().take(1)))[:1]
    tensors = signatures["serving_default"](**inputs)
    np.testing.assert_allclose(tensors["outputs"], expected, atol=1e-6)
    if task.has_classes:
        assert [name.decode() for name in answers["classes"].numpy()] == list(task.classes)
        np.testing.assert_array_equal(answers["applies"], task.said(expected))
    else:
        np.testing.assert_allclose(answers["predicted"][:, 0], task.decode(expected), rtol=1e-5)
    described = json.loads((folder / "inputs.json").read_text())
    assert described["serve_rows"]["price (€)"]["argument"] == "price____"
    if not holes:
        absent = {**cells, "pose": tf.fill(cells["pose"].shape, np.nan)}
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"lacks .*pose"):
            signatures["serve_rows"](**absent)
        return
    nothing = {**cells, "present": tf.zeros((len(table), 2), tf.bool)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="none of the modalities"):
        signatures["serve_rows"](**nothing)


def test_what_no_graph_can_read_is_said_before_anything_is_written(tmp_path):
    frame = pd.DataFrame(
        {
            "note": ["running dogs", "cats"] * 10,
            "clip": pd.Series([np.zeros((2, 4, 4, 3), np.uint8)] * 20, dtype=object),
            "label": ["a", "b"] * 10,
        }
    )
    schema = Schema([Text("note"), Video("clip")], "label")
    table = read_table(frame, schema)
    preprocessing = fit_preprocessing(table, schema, {"note": TextSettings(stemmer="german")})
    with pytest.raises(CannotServe, match=r"'note'.*stemmer.*'clip'.*rows=False"):
        export_model(keras.Sequential(), preprocessing, tmp_path / "new" / "exported")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(ValueError, match="not an empty folder"):
        export_model(keras.Sequential(), preprocessing, tmp_path)
    with pytest.raises(ValueError, match="`format` is one of"):
        export_model(keras.Sequential(), preprocessing, tmp_path / "x", "pickle")


def test_arguments_have_names_of_their_own():
    assert argument_names(["a b", "a_b", "a-b", "present"]) == {
        "a b": "a_b",
        "a_b": "a_b_2",
        "a-b": "a_b_3",
        "present": "present",
    }


# Imports nothing of Keras, mmkeras, OpenCV or Pillow, whatever asks for it.
ALONE = """
import importlib.abc, importlib.machinery, runpy, sys

class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "mmkeras", "cv2", "PIL"):
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ImportError(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not {"keras", "mmkeras", "cv2", "PIL"} & {name.split(".")[0] for name in sys.modules}
"""


@pytest.mark.slow
def test_the_client_reads_raw_rows_in_a_process_without_keras(shared_table, tmp_path):
    frame, schema = shared_table
    rows = frame[:12].copy()
    rows.loc[3, "note"], rows.loc[5, "picture"] = None, None
    table = read_table(pd.concat([rows, frame[12:]]), schema)
    settings = {
        "picture": ImageSettings(size=(9, 8), scaling="standardize"),
        "note": TextSettings(representation="tokens", max_length=8),
    }
    preprocessing = fit_preprocessing(table, schema, settings)
    model = model_of(preprocessing, encoders={"note": "lstm"}, fusion="attention")
    folder = export_model(model, preprocessing, tmp_path / "exported")
    pipeline = Pipeline(table[:12], preprocessing)
    expected = preprocessing.task.decode(model.predict(pipeline.evaluate(), verbose=0))
    paths = []
    for row, picture in enumerate(rows["picture"]):
        paths.append("" if picture is None else f"{row}.png")
        if picture is not None:
            (tmp_path / paths[-1]).write_bytes(encode_png(picture))
    rows.assign(picture=paths).to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-c", ALONE, str(folder / "client.py"), str(tmp_path / "rows.csv")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split()[1] for line in result.stdout.splitlines()] == list(expected)
