"""How long inputs are, what is cut of cells, and that it is said."""

import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, SequenceSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.unprepared import cut_short
from mmkeras.schema import Audio, Schema, Sequence, Text
from tests.data.media_files import tone, wav_bytes

SOUND = Schema([Audio("sound")], "label")
AUTO = AudioSettings(rate=8000, mel_bands=8)


def sounds(*seconds):
    cells = [wav_bytes(0.5 * tone(300 + 5 * row, s)) for row, s in enumerate(seconds)]
    labels = (["a", "b"] * len(cells))[: len(cells)]
    return pd.DataFrame({"sound": pd.Series(cells, dtype=object), "label": labels})


def fitted_to(frame, settings=AUTO):
    return fit_preprocessing(frame, SOUND, {"sound": settings})


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ([1.2] * 4, 1.2),
        ([0.1] * 10 + [0.43] * 10, 0.43),
        ([0.2] * 29 + [3.0], 0.2),  # one of thirty does not decide
        ([0.2] * 9 + [3.0], 3.0),
        ([0.123] * 3, 0.13),  # whole hops
        ([12.0] * 2, 10.0),  # longer inputs only on demand
    ],
)
def test_the_length_of_sounds_comes_from_the_training_rows(seconds, chosen):
    frame = sounds(*seconds)
    fitted = fitted_to(frame, dataclasses.replace(AUTO, scaling="none"))
    state = fitted.modalities["sound"]
    assert state.settings.seconds == chosen
    assert fitted.inputs["sound"].shape == (1 + round(chosen * 100), 8)
    stored = json.loads(json.dumps(fitted.to_dict()))
    assert stored["modalities"]["sound"]["settings"]["seconds"] == chosen
    assert Preprocessing.from_dict(stored) == fitted


def test_a_length_of_ones_own_is_kept_and_none_is_refused_before_fitting():
    frame = sounds(0.3, 0.3)
    assert fitted_to(frame, dataclasses.replace(AUTO, seconds=0.2)).inputs["sound"].shape == (21, 8)
    with pytest.raises(ValueError, match="`seconds` is chosen from the training sounds"):
        AUTO.samples  # noqa: B018
    frame["sound"] = [b"no sound"] * 2
    with pytest.raises(ValueError, match="No training row has a sound in column 'sound'"):
        fitted_to(frame)


def test_sounds_that_are_cut_are_counted():
    fitted = fitted_to(sounds(0.5, 0.5, 0.5))
    with pytest.warns(UserWarning, match="2 of 5 cells have more than 0.5 seconds and are cut"):
        pipeline = Pipeline(sounds(0.5, 2.5, 0.4, 0.52, 0.7), fitted)
    (found,) = pipeline.unprepared
    assert (found.column, found.cells, found.rows) == ("sound", 2, 5)
    assert "the longest has 2.5" in found.what and "`seconds`" in found.what
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Pipeline(sounds(0.5, 0.54, 0.1), fitted).unprepared == []


def test_the_length_is_that_before_cutting_wherever_sounds_come_from(tmp_path):
    frame = sounds(0.7, 0.3)
    wave = 0.5 * tone(seconds=0.7)
    frame["sound"] = [wave, wav_bytes(wave[::2], 4000)]  # an array, and another rate
    settings = dataclasses.replace(AUTO, seconds=0.2)
    fitted = fitted_to(frame, settings)
    for options in ({"cache": None}, {"cache": "file", "cache_dir": tmp_path}) * 2:
        with pytest.warns(UserWarning, match="2 of 2 cells have more than 0.2 seconds"):
            pipeline = Pipeline(frame, fitted, **options)
        np.testing.assert_allclose(pipeline.source("sound").lengths, 0.7)


def test_texts_and_sequences_that_are_cut_are_counted():
    rows = 8
    frame = pd.DataFrame(
        {
            "note": ["a red pear"] * (rows - 2) + ["word " * 11, "word " * 30],
            "motion": [np.eye(3)] * (rows - 1) + [np.ones((40, 3))],
            "label": ["a", "b"] * (rows // 2),
        }
    )
    schema = Schema([Text("note"), Sequence("motion")], "label")
    settings = {
        "note": TextSettings(representation="tokens", max_length=10),
        "motion": SequenceSettings(max_length=20),
    }
    with pytest.warns(UserWarning, match="are cut"):
        pipeline = Pipeline(frame, fit_preprocessing(frame, schema, settings))
    assert [str(found) for found in pipeline.unprepared] == [
        "column 'note': 1 of 8 cells have more than 10 words and are cut (the longest has 30); "
        "`max_length` says how much is kept",
        "column 'motion': 1 of 8 cells have more than 20 steps and are cut (the longest has 40); "
        "`max_length` says how much is kept",
    ]
    settings["note"] = TextSettings()  # bags are whole
    pipeline = Pipeline(frame[:7], fit_preprocessing(frame, schema, settings))
    assert pipeline.unprepared == []


def test_few_cells_that_are_cut_are_not_worth_a_word():
    lengths = np.full(1000, 5.0)
    lengths[:9] = 50
    assert cut_short("x", lengths, 10, "words", "`max_length`") == []
    lengths[9] = 50
    (found,) = cut_short("x", lengths, 10, "words", "`max_length`")
    assert found.cells == 10
    assert cut_short("x", np.zeros(3), 10, "words", "`max_length`") == []


def test_steps_of_several_dimensions_are_flattened(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 20, 3))
    np.save(tmp_path / "a.npy", points)
    np.savez_compressed(tmp_path / "a.npz", points)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(points))
    files = [str(tmp_path / name) for name in ("a.npy", "a.npz", "fortran.npy")]
    cells = pd.Series([*files, points, points.tolist()], dtype=object)
    kind = KINDS["sequence"]
    cells, problems = kind.read_cells(cells, tmp_path)
    assert problems == []
    parquet = pd.DataFrame({"x": [points.tolist()]})
    parquet.to_parquet(tmp_path / "table.parquet")
    nested = pd.read_parquet(tmp_path / "table.parquet")["x"]
    (cells.loc[5],), problems = kind.read_cells(nested, tmp_path)
    assert problems == []
    store = kind.open_store(cells, SequenceSettings())
    assert store.readable.all() and store.features == 60
    for value in store.values:
        np.testing.assert_array_equal(value, points.reshape(5, 60).astype(np.float32))


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.random.default_rng(0).normal(size=(50, 13)), "sequence"),
        (np.random.default_rng(0).normal(size=(30, 20, 3)), "sequence"),
        (640 * np.random.default_rng(0).random((30, 20, 2)), "sequence"),
        (np.random.default_rng(0).random((50, 5)), "sequence"),
        (np.arange(300).reshape(100, 3), "sequence"),
        (np.random.default_rng(0).random(40), "sequence"),
        (np.random.default_rng(0).random((28, 28)), "image"),
        (np.random.default_rng(0).random((32, 40, 3)), "image"),
        (np.random.default_rng(0).random((3, 32, 40)), "image"),  # told how to turn it
        (np.full((32, 40, 3), 200.0), "image"),  # told to divide
        (np.full((480, 640), 4000, np.uint16), "image"),  # told its range
        (np.zeros((4, 4, 3), np.uint8), "image"),
        (np.zeros((8, 32, 32, 3), np.uint8), "video"),
        (np.zeros(8000, np.int16), "audio"),
        (np.zeros((8000, 2), np.int16), "audio"),
    ],
)
def test_an_array_looks_like_one_kind(array, kind):
    alike = [name for name, each in KINDS.items() if each.has_files and each.is_array(array)]
    assert alike[0] == kind
