import numpy as np
import pandas as pd

from mmkeras.data.kinds import AudioSettings, ImageSettings, VideoSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.inspection.examples import caption, example_pictures, side_by_side, telling_rows
from mmkeras.schema import Audio, Image, Label, Schema, Sequence, StepLabels, Video
from mmkeras.tasks import LabelTask

ROWS = 4
SOUND = AudioSettings(rate=8000, seconds=0.1, features="waveform")


def table():
    random = np.random.default_rng(0)
    low = np.sin(2 * np.pi * 300 * np.arange(800) / 8000)
    return pd.DataFrame(
        {
            "photo": list(random.integers(0, 256, (ROWS, 8, 8, 3), np.uint8)),
            "clip": list(np.full((ROWS, 3, 8, 8, 3), 200, np.uint8)),
            "sound": [low] * ROWS,
            "label": ["a", "b"] * 2,
        }
    )


def test_images_frames_and_spectrograms_stand_side_by_side():
    frame = table()
    schema = Schema([Audio("sound"), Image("photo"), Video("clip")], "label")
    settings = {
        "sound": SOUND,
        "photo": ImageSettings(size=(8, 8)),
        "clip": VideoSettings(frames=3, size=(8, 8)),
    }
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema, settings))
    pictures = side_by_side(example_pictures(pipeline, [0, 2]))
    assert pictures.shape == (2, 96, 3 * 96 + 2 * 4, 3) and pictures.dtype == np.uint8
    spectrogram, photo, clip = pictures[:, :, :96], pictures[:, :, 100:196], pictures[:, :, 200:]
    assert photo.std() > 20 and (clip == 200).all()
    # A low tone: the lower half of the picture is the bright one.
    assert spectrogram[:, 48:].mean() > spectrogram[:, :48].mean() + 20


def test_rows_without_anything_to_see_have_no_picture():
    frame = pd.DataFrame({"x": [np.ones(3)] * 4, "label": ["a", "b"] * 2, "name": list("pqrs")})
    schema = Schema([Sequence("x")], "label", id="name")
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema))
    assert side_by_side(example_pictures(pipeline, [0])) is None
    assert caption(pipeline, 2) == "r"


def test_a_step_is_named_with_its_row():
    frame = pd.DataFrame(
        {"x": [np.eye(2), np.eye(3)[:, :2]], "mood": ["up|down", "up|up|down"], "name": ["p", "q"]}
    )
    schema = Schema([Sequence("x")], StepLabels("mood"), id="name")
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema))
    assert [caption(pipeline, row) for row in (1, 4)] == ["p, step 2", "q, step 3"]


def test_the_most_confident_right_and_wrong_rows_are_told():
    outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    targets = np.eye(2)[[0, 1, 1, 0]]
    task = LabelTask(Label("kind"), ("a", "b"))
    assert telling_rows(task, targets, outputs) == [0, 2, 1, 3]
