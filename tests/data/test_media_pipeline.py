"""All kinds of modality in one table, with holes in each, from raw cells to a trained model."""

import itertools
import time

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import (
    KINDS,
    AudioSettings,
    ImageSettings,
    SequenceSettings,
    TextSettings,
    VideoSettings,
)
from mmkeras.data.media.decoding import media_cells
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.models import build_model, compile_model
from mmkeras.schema import Audio, Image, Schema, Sequence, Tabular, Text, Video
from tests.data.media_files import tone, wav_bytes

pytestmark = pytest.mark.eager

NAMES = ("picture", "sound", "clip", "motion", "note", "facts")
SCHEMA = Schema(
    [
        Image("picture"),
        Audio("sound"),
        Video("clip"),
        Sequence("motion"),
        Text("note"),
        Tabular("facts", ("size",), ("place",)),
    ],
    "label",
)
SETTINGS = {
    "picture": ImageSettings(size=(8, 8), flip=True, shift=0.1),
    "sound": AudioSettings(
        rate=8000, seconds=0.1, mel_bands=8, shift=0.01, noise_snr=10.0, time_masks=1, band_masks=1
    ),
    "clip": VideoSettings(frames=2, size=(8, 8), flip=True),
    "motion": SequenceSettings(noise=0.1),
    "note": TextSettings(representation="tokens"),
}
OPTIONS = {
    "picture": {"filters": (4,), "convs_per_block": 1},
    "sound": {"filters": (4,), "convs_per_block": 1},
    "clip": {"filters": (4,), "over_time": "none"},
    "motion": {"units": (4,)},
    "note": {"dim": 4, "num_heads": 1, "ff_dim": 4},
}
ROWS = 14


def make_table(rows=ROWS):
    """Row k < 6 lacks modality k; the others lack none."""
    rng = np.random.default_rng(0)
    cells = {
        "picture": [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(rows)],
        "sound": [0.3 * tone(300 + 90 * row) + 0.01 * rng.normal(size=800) for row in range(rows)],
        "clip": [rng.integers(0, 256, (3, 8, 8, 3), np.uint8) for _ in range(rows)],
        "motion": [rng.normal(size=(1 + row % 6, 3)) for row in range(rows)],
        "note": [f"word{row % 5} and word{row % 3}" for row in range(rows)],
        "size": [float(value) for value in rng.normal(size=rows)],
        "place": [f"place{row % 3}" for row in range(rows)],
    }
    columns = [("picture",), ("sound",), ("clip",), ("motion",), ("note",), ("size", "place")]
    for row, names in enumerate(columns):
        for name in names:
            cells[name][row] = None
    frame = pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in cells.items()})
    return frame.assign(label=[f"class{row % 2}" for row in range(rows)])


@pytest.fixture(scope="module")
def fed():
    frame = read_table(make_table(), SCHEMA)
    return frame, fit_preprocessing(frame, SCHEMA, SETTINGS, presence=True)


@pytest.fixture(scope="module")
def model(fed):
    _, fitted = fed
    keras.utils.set_random_seed(0)
    model = build_model(
        SCHEMA,
        fitted.inputs,
        num_outputs=2,
        # Without recurrent layers, which take seconds to trace.
        encoders={"motion": "mlp", "note": "self_attention"},
        encoder_options=OPTIONS,
        hidden=(8,),
        dropout=0.0,
        presence=True,
        modality_dropout=0.3,
    )
    compile_model(model, "label")
    return model


def batches(dataset):
    return [({k: v.numpy() for k, v in x.items()}, y.numpy()) for x, y in dataset]


def assert_same(one, other):
    assert len(one) == len(other)
    for (x1, y1), (x2, y2) in zip(one, other, strict=True):
        np.testing.assert_array_equal(y1, y2)
        assert set(x1) == set(x2)
        for name in x1:
            np.testing.assert_array_equal(x1[name], x2[name], err_msg=name)


def test_every_modality_arrives_in_its_shape_and_presence_tells_the_holes(fed):
    frame, fitted = fed
    ((inputs, targets),) = batches(Pipeline(frame, fitted).evaluate())
    assert {name: values.shape[1:] for name, values in inputs.items()} == {
        "picture": (8, 8, 3),
        "sound": (11, 8),
        "clip": (2, 8, 8, 3),
        "motion": (8, 3),
        "note": (4,),
        "facts": (5,),
        "present": (6,),
    }
    for name, spec in fitted.inputs.items():
        for given, expected in zip(inputs[name].shape[1:], spec.shape, strict=True):
            assert expected in (None, given)
        assert np.isfinite(inputs[name]).all()
    expected = np.ones((ROWS, 6), bool)
    expected[np.arange(6), np.arange(6)] = False
    np.testing.assert_array_equal(inputs["present"], expected)
    np.testing.assert_array_equal(targets, np.eye(2)[np.arange(ROWS) % 2])
    assert Preprocessing.from_dict(fitted.to_dict()) == fitted


def test_caches_give_equal_batches(fed, tmp_path):
    frame, fitted = fed

    def given(**options):
        pipeline = Pipeline(frame, fitted, batch_size=5, **options)
        return batches(pipeline.train(seed=1, epochs=2))

    expected = given(cache="memory")
    assert_same(given(cache=None), expected)
    assert_same(given(cache="file", cache_dir=tmp_path), expected)
    written = {path.name.split("-")[0] for path in tmp_path.iterdir()}
    assert written == {"images", "sounds", "videos"}
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert_same(given(cache="file", cache_dir=tmp_path), expected)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_sound_in_an_array_is_the_same_file_at_any_time():
    """Otherwise no cache of decoded files would ever be used again."""
    column, settings = pd.Series([tone()]), AudioSettings(rate=8000, seconds=0.1)
    (first,) = media_cells(column, KINDS["audio"], settings)
    time.sleep(1.1)
    (second,) = media_cells(column, KINDS["audio"], settings)
    assert first == second


def test_the_automatic_cache_goes_to_files_above_its_budget(fed, tmp_path):
    frame, fitted = fed
    needed = sum(
        KINDS[kind].decoded_bytes(frame[name], SETTINGS[name])
        for name, kind in [("picture", "image"), ("sound", "audio"), ("clip", "video")]
    )
    assert needed == ROWS * (8 * 8 * 3 + 2 * 800 + 2 * 8 * 8 * 3)
    Pipeline(frame, fitted, cache_dir=tmp_path / "cache", cache_budget=needed)
    assert not (tmp_path / "cache").exists()
    small = Pipeline(frame, fitted, cache_dir=tmp_path / "cache", cache_budget=needed - 1)
    assert len(list((tmp_path / "cache").iterdir())) == 6
    nowhere = Pipeline(frame, fitted, cache_budget=needed - 1)
    whole = batches(Pipeline(frame, fitted).evaluate())
    assert_same(batches(small.evaluate()), whole)
    assert_same(batches(nowhere.evaluate()), whole)


def test_a_resumed_run_sees_the_second_epoch_of_the_whole_run(fed):
    frame, fitted = fed
    pipeline = Pipeline(frame, fitted, batch_size=5)
    whole = batches(pipeline.train(seed=4, epochs=2))
    assert len(whole) == 2 * pipeline.steps == 6
    again = Pipeline(frame, fitted, batch_size=5)
    assert_same(batches(again.train(seed=4, epochs=2, first_epoch=1)), whole[3:])
    assert not np.array_equal(whole[0][0]["sound"], whole[3][0]["sound"])


def test_a_model_of_all_modalities_trains(fed, model):
    frame, fitted = fed
    before = model.get_weights()
    pipeline = Pipeline(frame, fitted, batch_size=7)
    history = model.fit(
        pipeline.train(seed=0, epochs=1),
        steps_per_epoch=pipeline.steps,
        epochs=1,
        shuffle=False,
        verbose=0,
    )
    assert np.isfinite(history.history["loss"]).all()
    after = model.get_weights()
    assert all(np.isfinite(weights).all() for weights in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
    model.set_weights(before)


def test_the_content_of_an_absent_modality_changes_no_bit(fed, model):
    frame, fitted = fed
    ((inputs, _),) = batches(Pipeline(frame, fitted).evaluate())
    expected = model.predict_on_batch(inputs)
    rng = np.random.default_rng(1)
    for row, name in enumerate(NAMES):
        spoilt = {key: values.copy() for key, values in inputs.items()}
        if name == "note":
            spoilt[name][row] = rng.integers(0, 5, spoilt[name][row].shape)
        else:
            spoilt[name][row] = rng.normal(0, 100, spoilt[name][row].shape)
        assert not np.array_equal(spoilt[name], inputs[name])
        np.testing.assert_array_equal(model.predict_on_batch(spoilt), expected, err_msg=name)


def test_a_model_predicts_from_any_modalities_that_are_there(fed, model):
    frame, fitted = fed
    ((inputs, _),) = batches(Pipeline(frame.iloc[8:9], fitted).evaluate())
    subsets = np.array(list(itertools.product([False, True], repeat=6))[1:])
    many = {name: np.repeat(values, len(subsets), axis=0) for name, values in inputs.items()}
    outputs = model.predict_on_batch({**many, "present": subsets})
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    assert len(np.unique(outputs[:, 0].round(7))) > 60  # of 63


def test_training_sounds_have_mean_0_and_deviation_1_in_each_band(fed):
    frame, fitted = fed
    known = frame[[value is not None for value in frame["sound"]]]
    ((inputs, _),) = batches(Pipeline(known, fitted).evaluate())
    np.testing.assert_allclose(inputs["sound"].mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(inputs["sound"].std(axis=(0, 1)), 1, atol=1e-3)


def test_rows_that_are_not_for_training_do_not_change_what_was_fitted(fed):
    frame, fitted = fed
    audio = fit_preprocessing(frame[:10], SCHEMA, SETTINGS).modalities["sound"]
    assert audio.mean != fitted.modalities["sound"].mean
    loud = frame.copy()
    loud.at[13, "sound"] = np.ones(800, np.float32)
    assert fit_preprocessing(loud[:10], SCHEMA, SETTINGS).modalities["sound"] == audio


@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_as_integers_floats_and_files_are_the_same(channels):
    integers = np.round(20000 * tone()).astype(np.int16)
    integers = np.stack([integers] * channels, axis=1) if channels > 1 else integers
    floats = integers / np.float32(32768)
    cells = [integers, floats, floats.astype(np.float64), wav_bytes(integers)]
    column = pd.Series(cells, dtype=object)
    settings = AudioSettings(rate=8000, seconds=0.1, mel_bands=8)
    store = MediaStore(KINDS["audio"], column, settings, "memory")
    assert store.readable.all() and np.abs(store.values[0]).max() > 19000
    for values in store.values[1:]:
        np.testing.assert_array_equal(values, store.values[0])
    half = MediaStore(KINDS["audio"], pd.Series([floats.astype(np.float16)]), settings, "memory")
    np.testing.assert_allclose(half.values[0] / 32768, store.values[0] / 32768, atol=1e-3)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros(800, np.int32), "int16 numbers, or floats"),
        (np.zeros((2, 8, 8)), "of shape"),
        (np.zeros((2, 800)), r"800 channels.*array\.T"),
        (np.full(800, 1.5), "floats up to 1.5"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array, problem):
    frame = pd.DataFrame({"sound": [array], "label": ["a"]})
    with pytest.raises(ValueError, match=f"row 1, column 'sound'.*{problem}"):
        read_table(frame, Schema([Audio("sound")], "label"))


def test_without_presence_a_hole_is_refused_with_its_row(fed):
    frame, _ = fed
    fitted = fit_preprocessing(frame[6:], SCHEMA, SETTINGS)
    assert not fitted.presence
    with pytest.raises(ValueError, match="index 2: the row has no 'clip'"):
        Pipeline(frame[2:], fitted)


def test_a_modality_that_no_training_row_has_is_refused(fed):
    frame, _ = fed
    for name in ("sound", "clip", "motion"):
        empty = frame.assign(**{name: pd.Series([None] * ROWS, dtype=object)})
        with pytest.raises(ValueError, match=f"No training row has the modality '{name}'"):
            fit_preprocessing(empty, SCHEMA, SETTINGS)
