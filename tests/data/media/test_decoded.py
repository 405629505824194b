"""Cells are decoded once for all stores of an experiment, and freed when nobody needs them."""

import gc
import weakref

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, ImageSettings
from mmkeras.data.media import decoded
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Audio, Image, Schema
from tests.data.media_files import tone, wav_bytes

SCHEMA = Schema([Audio("sound")], "label")
SETTINGS = {"sound": AudioSettings(rate=8000, seconds=0.1, mel_bands=8)}


@pytest.fixture
def count(monkeypatch):
    """How many cells were decoded, by kind."""
    counts = {"audio": 0, "image": 0}
    for name in counts:
        decode = type(KINDS[name]).decode_measured

        def counted(self, cell, settings, name=name, decode=decode):
            counts[name] += 1
            return decode(self, cell, settings)

        monkeypatch.setattr(type(KINDS[name]), "decode_measured", counted)
    return counts


def table(rows=12, first=300):
    sounds = [wav_bytes(tone(first + 40 * row)) for row in range(rows)]
    return pd.DataFrame({"sound": sounds, "label": ["a", "b"] * (rows // 2)})


def sounds_of(column, cache="memory", **options):
    return MediaStore(KINDS["audio"], column, SETTINGS["sound"], cache, **options)


def test_fitting_and_feeding_decode_each_sound_once(count):
    train, test = table(), table(4, first=2000)
    fitted = fit_preprocessing(train, SCHEMA, SETTINGS)
    assert count["audio"] == 12
    pipelines = [Pipeline(train, fitted), Pipeline(test, fitted)]
    assert count["audio"] == 16
    assert len(pipelines) == 2


def test_all_models_of_an_experiment_decode_each_file_once(count):
    frame = table().assign(
        picture=list(np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8))
    )
    both = Schema([Audio("sound"), Image("picture")], "label")
    pictures = {"picture": ImageSettings(size=(8, 8), scaling="standardize")}
    plain = Pipeline(frame, fit_preprocessing(frame, both, {**SETTINGS, **pictures}))
    (expected,) = plain.evaluate().as_numpy_iterator()
    del plain
    gc.collect()
    count.update(audio=0, image=0)
    with decoded_once():
        for schema in (SCHEMA, both.select(["picture"]), both):
            own = {name: {**SETTINGS, **pictures}[name] for name in schema.names}
            fitted = fit_preprocessing(frame, schema, own)
            pipeline = Pipeline(frame, fitted)
            del fitted
    assert count == {"audio": 12, "image": 12}
    (given,) = pipeline.evaluate().as_numpy_iterator()
    for name in both.names:
        np.testing.assert_array_equal(given[0][name], expected[0][name])


def test_a_store_takes_the_cells_that_another_has(count, tmp_path):
    column = table()["sound"]
    whole = sounds_of(column)
    part = sounds_of(column[::-3])
    assert count["audio"] == 12
    np.testing.assert_array_equal(part.values, whole.values[::-3])
    np.testing.assert_array_equal(part.lengths, 0.1)
    in_file = sounds_of(column[:5], "file", cache_dir=tmp_path)
    np.testing.assert_array_equal(in_file.values, whole.values[:5])
    assert sounds_of(column, None).readable.all()
    assert count["audio"] == 12
    assert sounds_of(column).decoded is whole.decoded
    with pytest.raises(ValueError, match="read-only"):
        whole.values[0] = 0


def test_other_settings_and_changed_files_are_decoded_again(count, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(tone()))
    column = pd.Series([str(path)])
    first = sounds_of(column)
    longer = MediaStore(KINDS["audio"], column, AudioSettings(rate=8000, seconds=0.2), "memory")
    assert count["audio"] == 2 and longer.shape == (1600,)
    path.write_bytes(wav_bytes(tone(900.0, seconds=0.05)))
    second = sounds_of(column)
    assert count["audio"] == 3
    assert (first.values != second.values).any()
    assert (first.lengths, second.lengths) == (0.1, 0.05)


def test_what_nobody_needs_is_freed(count):
    column = table()["sound"]
    sounds_of(column)
    gc.collect()
    sounds_of(column)
    assert count["audio"] == 24
    fitted = fit_preprocessing(table(6, first=5000), SCHEMA, SETTINGS)
    assert len(decoded._fitted) == 1
    del fitted
    gc.collect()
    assert not decoded._fitted
    with decoded_once():
        sounds_of(column)
        assert decoded._kept
    assert decoded._kept is None


def test_no_more_is_kept_than_the_budget(count):
    column = table()["sound"]
    size = 4 * 800 * 2
    with decoded_once(budget=2 * size):
        for start in (0, 4, 8):
            sounds_of(column[start : start + 4])
            assert sum(each.nbytes for each in decoded._kept) <= 2 * size
        gc.collect()
        sounds_of(column[4:8])
        assert count["audio"] == 12
        sounds_of(column[:4])
        assert count["audio"] == 16


def test_an_unreadable_cell_has_its_reason_in_every_store(count):
    column = pd.Series([wav_bytes(tone()), b"no sound"], dtype=object)
    first, second = sounds_of(column), sounds_of(column)
    for store in (first, second, sounds_of(column[::-1])):
        assert store.readable.sum() == 1
    assert "not a sound" in second.reason(1)


def test_a_pipeline_is_freed_after_its_batches_and_not_before():
    frame = table()
    fitted = fit_preprocessing(frame, SCHEMA, SETTINGS)
    (expected,) = Pipeline(frame, fitted, batch_size=12).evaluate().as_numpy_iterator()
    pipeline = Pipeline(frame, fitted, batch_size=3)
    store = weakref.ref(pipeline.source("sound")._store)
    batches = pipeline.evaluate().map(lambda inputs, targets: inputs["sound"]).prefetch(1)
    epochs = pipeline.train(seed=0, epochs=2).as_numpy_iterator()
    next(epochs)
    del pipeline
    gc.collect()
    given = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_allclose(given, expected[0]["sound"], atol=1e-5)
    assert len(list(epochs)) == 7
    del batches, epochs
    gc.collect()
    assert store() is None
