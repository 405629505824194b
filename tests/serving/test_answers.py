"""Answers that are more than a class or a number: from the server, and from a SavedModel."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.models.answer import answer_model
from mmkeras.models.build import build_model
from mmkeras.schema import Schema, Sequence, StepLabels, Tabular, Text
from mmkeras.serving.export import export_model
from mmkeras.serving.server.answering import Answerer

SMALL = {"dim": 8, "num_heads": 2, "num_layers": 1, "ff_dim": 8}


def written():
    """A model that writes a text, its preprocessing, and rows."""
    frame = pd.DataFrame(
        {
            "pose": pd.Series([np.full((n, 2), n, np.float32) for n in (1, 2, 3, 2)], dtype=object),
            "x": [1.0, 2.0, 3.0, 4.0],
            "french": ["pomme rouge", "poire verte", "pomme verte", "pomme"],
        }
    )
    schema = Schema([Sequence("pose"), Tabular("facts", ["x"])], Text("french"))
    table = read_table(frame, schema)
    preprocessing = fit_preprocessing(table, schema, target={"pieces": "words"})
    keras.utils.set_random_seed(0)
    options = {**preprocessing.decoder_options("text"), **SMALL}
    return build_model(schema, preprocessing.inputs, decoder_options=options), preprocessing, table


def steps():
    """A model with a label per step, its preprocessing, and rows of two lengths."""
    random = np.random.default_rng(0)
    lengths = [2, 5, 3, 4]
    frame = pd.DataFrame(
        {
            "pose": pd.Series(
                [random.normal(size=(n, 2)).astype(np.float32) for n in lengths], dtype=object
            ),
            "moves": ["|".join(["up", "down", "up", "up", "down"][:n]) for n in lengths],
        }
    )
    schema = Schema([Sequence("pose")], StepLabels("moves"))
    table = read_table(frame, schema)
    preprocessing = fit_preprocessing(table, schema)
    keras.utils.set_random_seed(0)
    model = build_model(schema, preprocessing.inputs, num_outputs=2, hidden=(4,))
    return model, preprocessing, table


def test_a_text_is_answered_as_the_run_writes_it():
    model, preprocessing, table = written()
    outputs = answer_model(model).predict(Pipeline(table, preprocessing).evaluate(), verbose=0)
    rows = table[["pose", "x"]].to_dict("records")
    answers = Answerer(model, preprocessing)([rows[:3], rows[3:]])
    said = [answer["predicted"] for request in answers for answer in request]
    assert said == list(preprocessing.task.decode(outputs))


def test_each_step_of_a_row_has_its_answer():
    model, preprocessing, table = steps()
    pipeline = Pipeline(table, preprocessing)
    outputs = pipeline.unpad(model.predict(pipeline.evaluate(), verbose=0))
    answers = Answerer(model, preprocessing)([table[["pose"]].to_dict("records")])[0]
    assert [len(answer["steps"]) for answer in answers] == [2, 5, 3, 4]
    said = [step["confidence"] for answer in answers for step in answer["steps"]]
    np.testing.assert_allclose(said, outputs.max(axis=1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [written, steps])
def test_a_saved_model_gives_the_same_answers(make, tmp_path):
    model, preprocessing, table = make()
    folder = export_model(model, preprocessing, tmp_path / "exported")
    serve = tf.saved_model.load(str(folder)).signatures["serve_rows"]
    poses = np.full((4, 8, 2), np.nan, np.float32)
    for row, pose in enumerate(table["pose"]):
        poses[row, : len(pose)] = pose
    cells = {"pose": tf.constant(poses)}
    if "x" in table:
        cells["x"] = tf.constant(table["x"].to_numpy())
    outputs = serve(**cells)["outputs"].numpy()
    expected = answer_model(model).predict(Pipeline(table, preprocessing).evaluate(), verbose=0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
