import os
from pathlib import Path

import numpy as np
import pytest

from mmkeras.data.datasets import digit_strings, fsdd, load_dataset, mnist
from mmkeras.schema import Audio, Image, Text

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
# Of the sounds, pictures and texts that the real sources give for 20 strings per speaker.
SMALL_SHA256 = "54354607f7b61cc168eace60cd2ee73eaba1033fe394e5ac9d0c3655beca05f4"


@pytest.fixture
def small(monkeypatch):
    """Recordings of 100 samples and 120 images in which a digit and its owner can be read off."""
    random = np.random.RandomState(0)

    def read(path):
        digit, *_ = path.stem.split("_")
        return random.permutation(np.arange(-50, 50) * (1 + int(digit))).astype(np.int16)

    labels = np.arange(120, dtype=np.uint8) % 10
    images = np.tile((20 * labels)[:, np.newaxis, np.newaxis], (1, 28, 28))
    paths = [
        fsdd.Recording(Path(f"{d}_{s}_{i}.wav"), d, s, i)
        for d in range(10)
        for s in fsdd.SPEAKERS
        for i in range(2)
    ]
    monkeypatch.setattr(fsdd, "recordings", lambda: paths)
    monkeypatch.setattr(fsdd, "read_recording", read)
    monkeypatch.setattr(mnist, "load_images", lambda part: (images, labels))


def test_sound_pictures_and_text_say_the_same_digits(small):
    table, schema = load_dataset("digit_strings", strings=10)
    assert len(table) == 60 and table["id"].is_unique
    for row in table.itertuples():
        digits = [digit_strings.WORDS.index(word) for word in row.digits.split()]
        assert 3 <= len(digits) <= 6
        assert [int(name[0]) for name in row.recordings.split()] == digits
        assert {name.split("_")[1] for name in row.recordings.split()} == {row.speaker}
        assert [int(place) % 10 for place in row.images.split()] == digits
        # Recordings of 100 samples, and pauses of 400 to 1,200 around them.
        assert 500 * len(digits) + 400 <= len(row.sound) <= 1300 * len(digits) + 1200
        assert row.sound.dtype == np.int16 and np.abs(row.sound).max() == 16384
        assert not row.sound[:400].any() and not row.sound[-400:].any()
        assert row.pictures.shape == (28, 168) and row.pictures.dtype == np.uint8
    assert schema.modalities == (Audio("sound"), Image("pictures"))
    assert schema.target == Text("digits", judged_by="wer") and schema.group == "speaker"


def test_speakers_share_no_recording_and_no_image(small):
    table, _ = load_dataset("digit_strings", strings=30, speaker="lucas")
    assert set(table.loc[table["split"] == "test", "speaker"]) == {"lucas"}
    assert (table["split"] == "test").sum() == 30 and table["split"].iloc[0] == "train"
    for column in ("recordings", "images"):
        parts = table.assign(part=table[column].str.split()).explode("part")
        assert parts.groupby("part")["speaker"].nunique().max() == 1
        assert parts["part"].nunique() == 120


def test_noise_changes_the_sounds_only(small):
    clean = load_dataset("digit_strings", strings=5)[0]
    noisy = load_dataset("digit_strings", strings=5, noise=10.0)[0]
    same = ["digits", "speaker", "split", "recordings", "images"]
    assert noisy[same].equals(clean[same])
    for one, other in zip(clean["pictures"], noisy["pictures"], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(clean["sound"], noisy["sound"], strict=True):
        # The pauses hold noise alone; where the digits are, there is both.
        quiet = one == 0
        noise = np.mean(other[quiet].astype(float) ** 2)
        both = np.mean(other[~quiet].astype(float) ** 2)
        assert 10 * np.log10(both / noise - 1) == pytest.approx(10, abs=1.5)


def test_pictures_are_coarse_and_noisy_and_one_per_digit_on_demand(small):
    table, schema = load_dataset("digit_strings", strings=5, several=True)
    assert schema["pictures"] == Image("pictures", several=True)
    strips = load_dataset("digit_strings", strings=5)[0]["pictures"]
    for pictures, digits in zip(table["pictures"], table["digits"], strict=True):
        assert [picture.shape for picture in pictures] == [(28, 28)] * len(digits.split())
    np.testing.assert_array_equal(strips[0][:, :28], table["pictures"][0][0])
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, :2] = 200  # half of the uppermost squares
    means = np.mean(
        [digit_strings.blurred(image, np.random.RandomState(seed)) for seed in range(300)], axis=0
    )[0]
    # The mean of a noisy 0 that is cut at 0 is about 50; that of 100 is about 112.
    assert abs(means[:4].mean() - 112) < 4 and abs(means[4:].mean() - 50) < 2


def test_an_unknown_speaker_is_refused(small):
    with pytest.raises(ValueError, match=r"george, jackson, .*'ada'"):
        load_dataset("digit_strings", speaker="ada")


@real
def test_the_same_strings_are_made_on_every_machine():
    table, _ = load_dataset("digit_strings", noise=0.0, strings=20)
    assert digit_strings.content_hash(table) == SMALL_SHA256


@real
@pytest.mark.slow
@pytest.mark.parametrize("noise", [None, 0.0])
def test_the_real_strings_are_the_pinned_ones(noise):
    table, _ = load_dataset("digit_strings", noise=noise)
    assert table["split"].value_counts().to_dict() == {"train": 4000, "test": 800}
    assert digit_strings.content_hash(table) == digit_strings.CONTENT_SHA256[noise]
    seconds = table["sound"].map(len) / fsdd.RATE
    assert seconds.max() <= digit_strings.AUDIO.seconds
