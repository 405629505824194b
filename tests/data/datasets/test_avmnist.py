import gzip
import os
import struct
import wave

import numpy as np
import pytest

from mmkeras.data.datasets import avmnist, avmnist_export, avmnist_sound, fsdd, mnist
from mmkeras.data.download import provided_dir

SPEAKERS = ("ada", avmnist_sound.TEST_SPEAKER)
needs_data = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """200 test and 240 training images, 10 of 20 test images of a digit; 240 short recordings."""
    random = np.random.default_rng(0)
    parts = {
        part: (
            random.integers(0, 256, (count, 28, 28)).astype(np.uint8),
            np.arange(count, dtype=np.uint8) % 10,
        )
        for part, count in (("test", 200), ("train", 240))
    }
    monkeypatch.setattr(mnist, "load_images", lambda part="test": parts[part])
    recordings = []
    for digit in range(10):
        for speaker in SPEAKERS:
            for index in range(12):
                path = tmp_path / f"{digit}_{speaker}_{index}.wav"
                with wave.open(str(path), "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    samples = random.integers(-3000, 3000, 400 + 10 * digit + index)
                    file.writeframes(samples.astype("<i2").tobytes())
                recordings.append(fsdd.Recording(path, digit, speaker, index))
    monkeypatch.setattr(fsdd, "recordings", lambda: recordings)
    return parts


def test_cells_are_pixels_and_samples_and_the_pair_shares_its_digit(sources):
    table, schema = avmnist.load()
    image, audio = table["image"][0], table["audio"][0]
    assert (image.dtype, image.shape) == (np.uint8, (28, 28))
    assert (audio.dtype, audio.shape) == (np.int16, (8000,))
    assert (table["recording"].str[0] == table["digit"]).all()
    labels = sources["test"][1][table["image_index"]]
    assert (labels.astype(str) == table["digit"]).all()
    assert schema.names == ("image", "audio")
    assert schema.target.column == "digit"


def test_small_is_split_by_digit_without_sharing_an_image_or_a_recording(sources):
    table, _ = avmnist.load()
    counts = table.groupby("split", sort=False)["digit"].value_counts().unstack()
    assert counts.index.tolist() == ["train", "validation", "test"]
    assert counts.to_numpy().tolist() == [[14] * 10, [2] * 10, [4] * 10]
    assert table["image_index"].is_unique
    assert (table.groupby("recording")["split"].nunique() == 1).all()


def test_full_keeps_the_official_test_images(sources):
    table, _ = avmnist.load("full")
    assert table["split"].value_counts().to_dict() == {"train": 220, "test": 200, "validation": 20}
    test = table[table["split"] == "test"]
    assert test["image_index"].tolist() == list(range(200))
    assert table.loc[table["split"] != "test", "image_index"].is_unique
    labels = sources["train"][1][table["image_index"][:240]]
    assert (labels.astype(str) == table["digit"][:240]).all()


def test_the_test_speaker_is_heard_in_the_test_rows_only(sources):
    table, _ = avmnist.load(speakers=True)
    is_test = table["split"] == "test"
    assert set(table.loc[is_test, "speaker"]) == {avmnist_sound.TEST_SPEAKER}
    assert set(table.loc[~is_test, "speaker"]) == {"ada"}


@pytest.mark.parametrize("speakers", [False, True])
def test_every_recording_belongs_to_one_split_at_most(speakers):
    def split(speaker, index):
        recording = fsdd.Recording(None, 0, speaker, index)
        return avmnist_sound.recording_split(recording, speakers)

    ada = [split("ada", index) for index in range(50)]
    held_out = [split(avmnist_sound.TEST_SPEAKER, index) for index in range(50)]
    assert ada[5:] == ["validation"] * 5 + ["train"] * 40
    assert ada[:5] == [None if speakers else "test"] * 5
    assert held_out == (["test"] * 50 if speakers else ada)


def test_training_rows_know_nothing_of_the_test_rows_sources(sources):
    before = avmnist.load()[0]
    is_test = (before["split"] == "test").to_numpy()
    sources["test"][0][before.loc[is_test, "image_index"]] //= 2
    for recording in fsdd.recordings():
        if avmnist_sound.recording_split(recording, speakers=False) == "test":
            samples = fsdd.read_recording(recording.path)
            recording.path.write_bytes(
                recording.path.read_bytes()[: -2 * len(samples)] + samples[::-1].tobytes()
            )
    after = avmnist.load()[0]
    for column in ("image", "audio"):
        same = np.array(
            [np.array_equal(a, b) for a, b in zip(before[column], after[column], strict=True)]
        )
        assert same[~is_test].all()
        assert not same[is_test].any()


def test_speech_and_babble_are_equally_loud():
    speech, babble = np.full(1000, 300), np.tile([50, -50], 4000)
    sound = avmnist_sound.mix(speech, babble, 2000).astype(np.float64)
    noise = np.abs(np.delete(sound, np.s_[2000:3000]))
    assert noise.std() == 0
    assert sound[2000] - noise[0] == pytest.approx(noise[0], rel=1e-3)
    assert np.abs(sound).max() == 16384


def test_long_recordings_keep_their_middle_second():
    samples = np.r_[np.zeros(100), np.full(8000, 700), np.zeros(100)].astype(np.int16)
    np.testing.assert_array_equal(avmnist_sound.equal_level(samples), np.full(8000, 1000))


def test_all_recordings_of_a_digit_are_used_before_any_twice():
    wanted = np.repeat([1, 2], [7, 2])
    chosen = avmnist_sound.choose(wanted, np.array([1, 2, 1, 1]), np.random.RandomState(0))
    assert np.bincount(chosen[:7], minlength=4).tolist() in (
        [3, 0, 2, 2],
        [2, 0, 3, 2],
        [2, 0, 2, 3],
    )
    assert chosen[7:].tolist() == [1, 1]


def test_blurred_images_are_their_leading_principal_components():
    from sklearn.decomposition import PCA

    random = np.random.default_rng(0)
    shapes = random.random((6, 784)) * np.array([9, 7, 5, 4, 3, 2])[:, None]
    images = np.clip(random.standard_normal((300, 6)) @ shapes * 4 + 128, 0, 255).astype(np.uint8)
    images = images.reshape(300, 28, 28)
    pca = PCA(0.25, svd_solver="full").fit(images[:200].reshape(200, -1))
    pixels = images.reshape(300, -1).astype(float)
    expected = pca.inverse_transform(pca.transform(pixels))
    blurred = avmnist.blur(images, images[:200]).reshape(300, -1)
    assert np.abs(blurred - np.clip(expected, 0, 255)).max() < 0.6


def test_one_seed_one_content(sources):
    first, again = avmnist.load()[0], avmnist.load()[0]
    assert avmnist.content_hash(first) == avmnist.content_hash(again)
    assert avmnist.content_hash(first) != avmnist.content_hash(avmnist.load(seed=1)[0])
    changed = again.copy()
    changed.at[3, "audio"] = np.roll(changed.at[3, "audio"], 1)
    assert avmnist.content_hash(changed) != avmnist.content_hash(again)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match=r"one of \('small', 'full'\). Received: 'tiny'"):
        avmnist.load("tiny")


def test_export_writes_what_multibench_reads(sources, tmp_path):
    table, _ = avmnist.load()
    avmnist_export.export_multibench(table.sample(frac=1, random_state=0), tmp_path / "out")
    arrays = {
        (content, part): np.load(tmp_path / "out" / content / f"{part}_data.npy")
        for content in ("image", "audio")
        for part in ("train", "test")
    }
    # MultiBench divides in place, which only floats allow, and reshapes.
    images = arrays["image", "train"]
    assert (images.dtype, images.shape) == (np.float32, (160, 784))
    assert 1 < images.max() <= 255
    sounds = arrays["audio", "train"]
    assert (sounds.dtype, sounds.shape) == (np.float32, (160, 112, 112))
    np.testing.assert_allclose(sounds.max(axis=(1, 2)), 255)
    assert sounds.min() >= 0
    assert arrays["image", "test"].shape == (40, 784)
    assert arrays["audio", "test"].shape == (40, 112, 112)
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_export_ends_with_the_validation_rows_and_keeps_rows_together(sources, tmp_path):
    table, _ = avmnist.load()
    avmnist_export.export_multibench(table.iloc[::-1], tmp_path)
    images = np.load(tmp_path / "image/train_data.npy").reshape(-1, 28, 28)
    labels = np.load(tmp_path / "train_labels.npy")
    validation = table[table["split"] == "validation"].iloc[::-1]
    assert labels[-20:].tolist() == validation["digit"].astype(int).tolist()
    np.testing.assert_array_equal(images[-20:], np.stack(list(validation["image"])))


def test_another_content_than_the_pinned_one_is_refused():
    with pytest.raises(ValueError, match="this machine makes another data set"):
        avmnist_export.check_hash("0" * 64, "small", False)
    avmnist_export.check_hash("0" * 64, "full", False)


def test_command_line_ends_in_one_line_where_a_file_is_missing(monkeypatch, tmp_path):
    def offline(part):
        raise ConnectionError("no network")

    monkeypatch.setattr(mnist, "load_images", offline)
    with pytest.raises(SystemExit, match="error: no network"):
        avmnist_export.main(["--out", str(tmp_path)])


def test_idx_files_are_read_and_checked(tmp_path):
    path = tmp_path / "pixels.gz"
    data = struct.pack(">4B2I", 0, 0, 8, 2, 2, 3) + bytes(range(6))
    path.write_bytes(gzip.compress(data))
    assert mnist.read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="not the file it should be"):
        mnist.read_idx(path, "0" * 64)
    path.write_bytes(gzip.compress(data[:-1]))
    with pytest.raises(ValueError, match=r"says shape \(2, 3\) and holds 5 values"):
        mnist.read_idx(path)
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="not a gzip file"):
        mnist.read_idx(path)


def test_an_unknown_part_of_mnist_is_refused():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        mnist.load_images("validation")


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("speakers", [False, True])
def test_the_real_small_variant_is_the_pinned_one(speakers):
    table, _ = avmnist.load(speakers=speakers)
    assert avmnist.content_hash(table) == avmnist.CONTENT_SHA256["small", speakers]
    assert table["split"].value_counts().to_dict() == {
        "train": 7000,
        "test": 2000,
        "validation": 1000,
    }
    assert (table.groupby("recording")["split"].nunique() == 1).all()
    assert table["image_index"].is_unique


@needs_data
def test_a_missing_training_file_without_network_says_where_to_put_it(monkeypatch, tmp_path):
    if (provided_dir("mnist") / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("the training images are there")
    monkeypatch.setattr("mmkeras.data.download._SECONDS_BEFORE_RETRY", ())
    monkeypatch.setattr(mnist, "_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"put the file at .*train-images-idx3-ubyte\.gz"):
        mnist.load_images("train")
