import os
import wave

import numpy as np
import pytest

from mmkeras.data.datasets import fsdd, load_dataset, mnist, mnist_sound
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Audio, Image, Label

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """100 images, 10 of a digit; recordings 3 to 11 of two speakers, of 400 samples and more."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (100, 28, 28)).astype(np.uint8)
    labels = np.arange(100, dtype=np.uint8) % 10
    recordings = []
    for digit in range(10):
        for speaker in fsdd.SPEAKERS[:2]:
            for index in range(3, 12):
                path = tmp_path / f"{digit}_{speaker}_{index}.wav"
                with wave.open(str(path), "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    samples = random.integers(100, 3000, 400 + 10 * digit + index)
                    file.writeframes(samples.astype("<i2").tobytes())
                recordings.append(fsdd.Recording(path, digit, speaker, index))
    monkeypatch.setattr(mnist, "load_images", lambda part: (images, labels))
    monkeypatch.setattr(fsdd, "recordings", lambda: recordings)
    return images


def test_a_row_is_an_image_and_a_recording_of_its_digit(images):
    table, schema = load_dataset("mnist_sound")
    assert schema.modalities == (Image("image"), Audio("audio"))
    assert schema.target == Label("digit") and schema.group == "recording"
    assert (table["recording"].str[0] == table["digit"]).all()
    assert (table["recording"].str.split("_").str[1] == table["speaker"]).all()
    for row in table.itertuples():
        np.testing.assert_array_equal(row.image, images[row.image_index])
        assert row.image_index % 10 == int(row.digit)


def test_splits_share_no_image_and_no_recording(images):
    table, _ = load_dataset("mnist_sound")
    assert table["split"].value_counts().to_dict() == {"train": 70, "test": 20, "validation": 10}
    assert table["image_index"].is_unique
    index = table["recording"].str.extract(r"_(\d+)\.wav")[0].astype(int)
    for split, own in {"test": (3, 4), "validation": range(5, 10), "train": (10, 11)}.items():
        assert index[table["split"] == split].isin(own).all()


def test_recordings_are_used_equally_often(images):
    table, _ = load_dataset("mnist_sound")
    counts = table.loc[table["split"] == "train", "recording"].value_counts()
    # Seven images of a digit, and two recordings of two speakers.
    assert len(counts) == 40 and set(counts) == {1, 2}


def test_sounds_begin_at_once_are_equally_loud_and_end_in_silence(images):
    table, _ = load_dataset("mnist_sound")
    for row in table.itertuples():
        length = 400 + 10 * int(row.digit) + int(row.recording.split("_")[2].removesuffix(".wav"))
        assert row.audio.dtype == np.int16 and row.audio.shape == (8000,)
        assert row.audio[:length].all() and not row.audio[length:].any()
        level = np.sqrt(np.mean(row.audio[:length].astype(float) ** 2))
        assert level == pytest.approx(1000, abs=1)


def test_high_peaks_are_cut_and_long_recordings_keep_their_middle_second():
    click = np.zeros(7000, np.int16)
    click[0] = -100
    assert mnist_sound.whole_second(click)[0] == -32767
    long = np.r_[np.zeros(100), np.full(8000, 700), np.zeros(100)].astype(np.int16)
    np.testing.assert_array_equal(mnist_sound.whole_second(long), np.full(8000, 1000))


def test_audio_is_32_frames_of_32_bands(images):
    table, schema = load_dataset("mnist_sound")
    sound = schema.select(["audio"])
    fitted = fit_preprocessing(table[:70], sound, {"audio": mnist_sound.AUDIO})
    inputs = next(iter(Pipeline(table[:4], fitted).evaluate()))[0]
    assert inputs["audio"].shape == (4, 32, 32)


def test_one_seed_one_content(images):
    first = mnist_sound.content_hash(load_dataset("mnist_sound")[0])
    again = load_dataset("mnist_sound")[0]
    assert mnist_sound.content_hash(again) == first
    assert mnist_sound.content_hash(load_dataset("mnist_sound", seed=1)[0]) != first
    again.at[3, "audio"] = np.roll(again.at[3, "audio"], 1)
    assert mnist_sound.content_hash(again) != first


@real
def test_the_real_pairs_are_the_pinned_ones():
    table, _ = load_dataset("mnist_sound")
    assert table["split"].value_counts().to_dict() == {
        "train": 7000,
        "test": 2000,
        "validation": 1000,
    }
    assert mnist_sound.content_hash(table) == mnist_sound.CONTENT_SHA256
    # Nothing is as loud as to be cut.
    assert max(np.abs(sound).max() for sound in table["audio"]) < 32767
