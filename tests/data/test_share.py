"""Shares of batches: side by side they are the batches that one process would make."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import mmkeras
from mmkeras.data.kinds import AudioSettings, ImageSettings, SequenceSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.share import WHOLE, Share, drawing_for, normal, uniform
from mmkeras.data.tables.read import read_table

ROWS = 22


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    random = np.random.default_rng(0)
    cells = {
        "picture": [random.integers(0, 255, (8, 8, 3), np.uint8) for _ in range(ROWS)],
        "views": [
            [random.integers(0, 255, (8, 8, 1), np.uint8) for _ in range(1 + row % 3)]
            for row in range(ROWS)
        ],
        "sound": [random.integers(-9000, 9000, 800).astype(np.int16) for _ in range(ROWS)],
        "words": [" ".join("abcde"[: 1 + row % 5]) for row in range(ROWS)],
        "steps": [random.normal(size=(2 + row % 7, 3)) for row in range(ROWS)],
        "width": random.normal(size=ROWS),
        "label": ["yes" if row % 2 else "no" for row in range(ROWS)],
    }
    cells["sound"][4] = None
    schema = mmkeras.Schema(
        [
            mmkeras.Image("picture"),
            mmkeras.Image("views", several=True),
            mmkeras.Audio("sound"),
            mmkeras.Text("words"),
            mmkeras.Sequence("steps"),
            mmkeras.Tabular("table", numeric=("width",)),
        ],
        mmkeras.Label("label"),
    )
    pictures = {"size": (8, 8), "flip": True, "rotation": 20.0, "crop": 0.2, "shift": 0.2}
    settings = {
        "picture": ImageSettings(**pictures),
        "views": ImageSettings(**pictures, channels=1),
        "sound": AudioSettings(
            rate=8000, seconds=0.1, speed=0.1, shift=0.02, noise_snr=5.0, time_masks=1, band_masks=1
        ),
        "steps": SequenceSettings(noise=0.5, time_masks=1, speed=0.2),
    }
    frame = read_table(pd.DataFrame(cells), schema)
    fitted = fit_preprocessing(frame, schema, settings, presence=True)
    return Pipeline(frame, fitted, batch_size=8)


def batches(pipeline: Pipeline, augment: bool) -> list:
    data = pipeline.train(seed=1, epochs=2) if augment else pipeline.evaluate()
    return list(data.as_numpy_iterator())


@pytest.mark.parametrize(
    ("processes", "devices", "augment"), [(2, 2, True), (2, 4, True), (4, 4, False)]
)
def test_shares_side_by_side_are_the_batches_of_one_process(pipeline, processes, devices, augment):
    of_all = batches(pipeline, augment)
    shares = [
        batches(pipeline.shared(Share(process, processes, devices)), augment)
        for process in range(processes)
    ]
    # 8 + 8 + 6 rows: of the last batch 2 devices have halves, and 4 all of it each.
    for number, (whole, *parts) in enumerate(zip(of_all, *shares, strict=True)):
        alike = number % 3 == 2 and devices == 4
        assert [bool(inputs.pop(WHOLE)) for inputs, _ in parts] == [alike] * processes
        for have, *made in zip(*map(tf.nest.flatten, (whole, *parts)), strict=True):
            found = made[0] if alike else np.concatenate(made)
            # Spectrograms and noise are computed for other numbers of rows at a time.
            np.testing.assert_allclose(found, have, atol=2e-5)


def test_a_share_that_cannot_be_is_refused(pipeline):
    with pytest.raises(ValueError, match="3 devices cannot divide batches of 8 rows"):
        pipeline.shared(Share(0, 1, 3))
    with pytest.raises(ValueError, match=r"from 0 to 1\. Received: 2"):
        Share(2, 2, 2)
    with pytest.raises(ValueError, match=r"as many devices as the others\. Received: 3"):
        Share(0, 2, 3)


def test_random_numbers_of_a_part_are_those_of_its_rows():
    part = Share(1, 2, 2).of(tf.constant(6))
    for draw in (uniform, normal):
        of_all = draw((2, 6), (3, 4), rows=1)
        with drawing_for(part):
            np.testing.assert_array_equal(draw((2, 3), (3, 4), rows=1), of_all[:, 3:])
    np.testing.assert_array_equal(
        uniform((6, 2), (3, 4), 0, 9, dtype=tf.int32),
        tf.random.stateless_uniform((6, 2), (3, 4), 0, 9, tf.int32),
    )
