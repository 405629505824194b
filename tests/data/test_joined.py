"""The rows of two pipelines, one after the other: the very batches of one pipeline of all rows."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import mmkeras
from mmkeras.data.joined import JoinedSource
from mmkeras.data.kinds import ImageSettings, SequenceSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Audio, Image, Label, Schema, Sequence, StepLabels, Tabular, Text, Video

ROWS, FIRST = 14, 9


def every_kind() -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (ROWS, 8, 8, 3)).astype(np.uint8))
    frame = pd.DataFrame(
        {
            "picture": pictures,
            "album": [pictures[row : row + 1 + row % 3] for row in range(ROWS)],
            "sound": list(rng.integers(-9999, 9999, (ROWS, 2000)).astype(np.int16)),
            "clip": list(rng.integers(0, 256, (ROWS, 4, 8, 8, 3)).astype(np.uint8)),
            "motion": [rng.normal(size=(3 + row, 2)).astype(np.float32) for row in range(ROWS)],
            "note": [
                " ".join(rng.choice(["red", "green", "blue"], 1 + row)) for row in range(ROWS)
            ],
            "number": rng.normal(size=ROWS),
            "weight": rng.uniform(0.5, 2.0, ROWS),
            "answer": ["yes", "no"] * (ROWS // 2),
        },
        index=range(100, 100 + ROWS),
    )
    frame.loc[103, "note"] = frame.loc[111, "number"] = None
    schema = Schema(
        [
            Image("picture"),
            Image("album", several=True),
            Audio("sound"),
            Video("clip"),
            Sequence("motion"),
            Text("note"),
            Tabular("facts", ("number",)),
        ],
        Label("answer"),
        weight="weight",
    )
    return mmkeras.read_table(frame, schema), schema


SETTINGS = {
    "picture": ImageSettings(size=(8, 8), flip=True, rotation=10.0),
    "album": ImageSettings(size=(8, 8), flip=True),
    "motion": SequenceSettings(noise=0.1, speed=0.2),
    "note": TextSettings(representation="tokens"),
}


def batches(dataset):
    return [tf.nest.map_structure(lambda x: x.numpy(), batch) for batch in dataset]


def assert_same(one, other):
    assert len(one) == len(other) > 1
    for mine, others in zip(one, other, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, mine, others)


def joined_and_whole(frame, schema, settings, batch_size=4):
    fitted = fit_preprocessing(frame[:FIRST], schema, settings, presence=True)
    first, second, whole = (
        Pipeline(rows, fitted, batch_size=batch_size)
        for rows in (frame[:FIRST], frame[FIRST:], frame)
    )
    return first.followed_by(second), whole


def test_batches_of_every_kind_are_those_of_one_pipeline_of_all_rows():
    frame, schema = every_kind()
    joined, whole = joined_and_whole(frame, schema, SETTINGS)
    assert len(joined) == ROWS and joined.steps == whole.steps
    assert set(batches(joined.evaluate())[0][0]) == {*schema.names, "present"}
    assert_same(batches(joined.evaluate()), batches(whole.evaluate()))
    again = {"seed": 3, "epochs": 2}
    assert_same(batches(joined.train(**again)), batches(whole.train(**again)))
    np.testing.assert_array_equal(joined.targets, whole.targets)
    pd.testing.assert_frame_equal(joined.frame, whole.frame)


@pytest.mark.parametrize("longer", ["first", "second"])
def test_with_a_label_per_step_all_rows_are_padded_to_the_longest(longer):
    rng = np.random.default_rng(0)
    lengths = np.arange(3, 3 + ROWS)
    lengths = lengths[::-1] if longer == "first" else lengths
    frame = pd.DataFrame(
        {
            "motion": [rng.normal(size=(length, 2)).astype(np.float32) for length in lengths],
            "state": ["|".join(rng.choice(["up", "down"], length)) for length in lengths],
        }
    )
    schema = Schema([Sequence("motion")], StepLabels("state", separator="|"))
    joined, whole = joined_and_whole(frame, schema, {})
    # Examples that were asked for before are not those of the joined rows.
    assert len(joined.examples) == lengths.sum()
    assert_same(batches(joined.train(seed=0, epochs=1)), batches(whole.train(seed=0, epochs=1)))


class Padded:
    """Rows of ones, `(rows, longest, 1)`: as tokens of a frozen encoder are loaded."""

    rows_alone = False

    def __init__(self, lengths):
        self.lengths = tf.constant(lengths)

    def load(self, kept):
        lengths = tf.gather(self.lengths, kept)
        return tf.sequence_mask(lengths, tf.reduce_max(lengths), tf.float32)[..., tf.newaxis]

    def batch(self, loaded, seed):
        return loaded


def test_rows_that_each_source_pads_are_padded_to_the_longer_one():
    source = JoinedSource(Padded([1, 2]), Padded([4, 3]), 2)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
    def lengths(kept):
        return tf.reduce_sum(source.batch(source.load(kept), None), axis=[1, 2])

    for kept, wanted in (([3, 0, 2, 1], [3, 1, 4, 2]), ([1, 0], [2, 1]), ([3], [3])):
        assert lengths(tf.constant(kept)).numpy().tolist() == wanted


def test_rows_that_were_left_out_of_either_are_named(tmp_path):
    frame = pd.DataFrame({"picture": [b"no picture", *[np.zeros((4, 4, 3), np.uint8)] * 5]})
    frame = pd.concat([frame, frame], ignore_index=True).assign(answer=["a", "b"] * 6)
    schema = mmkeras.Schema([Image("picture")], "answer")
    fitted = fit_preprocessing(frame, schema, {"picture": ImageSettings(size=(4, 4))})
    first, second = (Pipeline(each, fitted, on_error="skip") for each in (frame[:6], frame[6:]))
    joined = first.followed_by(second)
    assert len(joined) == 10 and len(joined.skipped) == 2
    assert len(batches(joined.evaluate())[0][1]) == 10
