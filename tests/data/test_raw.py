import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import AudioSettings, SequenceSettings, TextSettings, VideoSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.raw import RawModality
from mmkeras.schema import Audio, Schema, Sequence, StepLabels, Text, Video

pytestmark = pytest.mark.filterwarnings("ignore:The model does not take some cells")


@pytest.fixture(scope="module")
def everything(shared_table):
    """A pipeline with all kinds of modalities, and the inputs of its rows."""
    frame, schema = shared_table
    rng = np.random.default_rng(0)
    rows = len(frame)
    frame = frame.assign(
        hum=[rng.integers(-9000, 9000, 400).astype(np.int16) for _ in range(rows)],
        clip=[rng.integers(0, 255, (3, 8, 8, 3)).astype(np.uint8) for _ in range(rows)],
        steps=[rng.normal(size=(rng.integers(2, 7), 3)).astype(np.float32) for _ in range(rows)],
        words=frame["note"],
    )
    schema = Schema(
        [*schema.modalities, Audio("hum"), Video("clip"), Sequence("steps"), Text("words")], "when"
    )
    settings = {
        "hum": AudioSettings(rate=2000, seconds=0.2, mel_bands=8),
        "clip": VideoSettings(frames=2, size=(8, 8)),
        "words": TextSettings(representation="tokens", max_length=3),
        "steps": SequenceSettings(max_length=5),
    }
    fitted = fit_preprocessing(frame, schema, settings)
    pipeline = Pipeline(frame[:20], fitted, batch_size=20, cache="memory")
    return pipeline, next(pipeline.evaluate().as_numpy_iterator())[0]


@pytest.mark.parametrize("name", ["picture", "note", "facts", "hum", "clip", "steps", "words"])
def test_unchanged_cells_become_the_pipelines_inputs(everything, name):
    pipeline, expected = everything
    raw = RawModality(pipeline, name)
    np.testing.assert_allclose(raw.inputs(), expected[name], atol=1e-6)
    np.testing.assert_array_equal(raw.inputs(raw.values), raw.inputs())
    assert len(raw.values) == 20


def test_changed_cells_become_other_inputs(everything):
    pipeline, expected = everything
    picture = RawModality(pipeline, "picture")
    np.testing.assert_allclose(picture.inputs(np.zeros_like(picture.values)), 0.0, atol=1e-6)
    note = RawModality(pipeline, "note")
    assert not note.inputs(["nothing known"] * 20).any()
    facts = RawModality(pipeline, "facts")
    emptied = facts.values.assign(warmth=np.nan)
    assert not facts.inputs(emptied)[:, 0].any()
    assert expected["facts"][:, 0].any()


def test_cells_that_are_missing_are_known():
    frame = pd.DataFrame({"a": ["x y", None], "b": ["u", "v"], "label": ["p", "q"]})
    schema = Schema([Text("a"), Text("b")], "label")
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema), cache="memory")
    assert RawModality(pipeline, "a").missing.tolist() == [False, True]
    assert not RawModality(pipeline, "b").missing.any()


def test_with_a_label_per_step_all_rows_have_the_pipelines_length():
    frame = pd.DataFrame(
        {
            "walk": [np.ones((3, 2), np.float32), np.ones((6, 2), np.float32)],
            "labels": ["a|b|a", "a|b|a|b|a|b"],
        }
    )
    schema = Schema([Sequence("walk")], StepLabels("labels"))
    settings = {"walk": SequenceSettings(scaling="none")}
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema, settings), cache="memory")
    inputs = RawModality(pipeline, "walk").inputs()
    assert inputs.shape == (2, pipeline.padded_steps, 2)
    np.testing.assert_array_equal(inputs.any(axis=2), pipeline.real_steps)
    np.testing.assert_array_equal(pipeline.real_steps.sum(axis=1), [3, 6])
