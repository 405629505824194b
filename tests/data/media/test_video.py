import os

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, VideoSettings
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.media.video import read_frames
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.schema import Audio, Schema, Video
from tests.data.media_files import GREY_STEP, grey_places, image_bytes, make_clip, wav_bytes

SMALL = VideoSettings(frames=4, size=(8, 8))
CONTAINERS = [("mpeg4", "mp4"), ("libx264", "mp4"), ("libvpx", "webm"), ("mpeg4", "avi")]
SCHEMA = Schema([Video("clip")], "label")


def read(path, **settings):
    return read_frames(str(path), VideoSettings(**settings), lambda frame: frame)[0]


def store_of(*cells, settings=SMALL):
    return MediaStore(KINDS["video"], pd.Series(list(cells), dtype=object), settings, "memory")


def make_folder(folder, names, shape=(6, 5)):
    folder.mkdir()
    for place, name in enumerate(names):
        grey = np.full((*shape, 3), place * GREY_STEP % 256, np.uint8)
        (folder / name).write_bytes(image_bytes(grey))
    return folder


@pytest.mark.parametrize(("codec", "suffix"), CONTAINERS)
def test_without_a_rate_the_middles_of_equal_parts_are_read(codec, suffix, tmp_path):
    path = make_clip(tmp_path / f"a.{suffix}", frames=10, codec=codec)
    assert read(path, frames=5).shape == (5, 16, 16, 3)
    assert grey_places(read(path, frames=5)) == [1, 3, 5, 7, 9]
    assert grey_places(read(path, frames=2)) == [2, 7]
    assert grey_places(read(path, frames=1)) == [5]
    assert grey_places(read(path, frames=10)) == list(range(10))
    # More than there are: each is shown as often.
    assert grey_places(read(path, frames=20)) == np.repeat(np.arange(10), 2).tolist()


@pytest.mark.parametrize(("codec", "suffix"), CONTAINERS)
def test_with_a_rate_the_frame_on_show_at_each_time_is_read(codec, suffix, tmp_path):
    path = make_clip(tmp_path / f"a.{suffix}", frames=10, rate=10, codec=codec)
    assert grey_places(read(path, frames=4, rate=10)) == [0, 1, 2, 3]
    assert grey_places(read(path, frames=4, rate=5)) == [0, 2, 4, 6]
    assert grey_places(read(path, frames=6, rate=20)) == [0, 0, 1, 1, 2, 2]
    # The clip lasts a second; its last frame stays.
    assert grey_places(read(path, frames=5, rate=4)) == [0, 2, 5, 7, 9]
    assert grey_places(read(path, frames=4, rate=1)) == [0, 9, 9, 9]


def test_bytes_and_a_path_of_one_clip_are_the_same(tmp_path):
    path = make_clip(tmp_path / "ü b.mp4")
    values = store_of(str(path), path.read_bytes()).values
    assert values.shape == (2, 4, 8, 8, 3) and np.ptp(values[0]) > 100
    np.testing.assert_array_equal(values[0], values[1])


def test_frames_of_a_folder_are_read_in_natural_order(tmp_path):
    names = [f"frame_{number}.png" for number in range(1, 13)]
    folder = make_folder(tmp_path / "clip", names)
    (folder / "notes.txt").write_text("not a frame")
    assert grey_places(read(folder, frames=12)) == list(range(12))
    assert grey_places(read(folder, frames=3)) == [2, 6, 10]
    with pytest.raises(ValueError, match="no clock"):
        read(folder, frames=3, rate=2)


def test_a_folder_of_frames_that_cannot_be_one_clip_is_refused(tmp_path):
    folder = make_folder(tmp_path / "clip", ["1.png", "2.png"])
    (folder / "3.png").write_bytes(image_bytes(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"3\.png has \(9, 9\), the first \(6, 5\)"):
        read(folder, frames=3)
    (folder / "3.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"frame 3\.png: it starts with"):
        read(folder, frames=3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no frame"):
        read(tmp_path / "empty", frames=3)


def test_arrays_of_integers_and_of_floats_are_the_same():
    grey = (np.arange(8) * GREY_STEP).astype(np.uint8)
    clip = np.broadcast_to(grey[:, None, None, None], (8, 6, 6, 3)).copy()
    store = store_of(clip, clip / 255.0, clip[..., :1], None)
    assert store.readable.all()
    for values in store.values[:3]:
        assert grey_places(values) == [1, 3, 5, 7]
    assert (store.values[3] == 0).all()
    # An array does not say how fast it is to be shown.
    store = store_of(clip, settings=VideoSettings(frames=4, rate=5, size=(8, 8)))
    assert "no clock" in store.reason(0)


def test_grey_videos_have_one_channel():
    clip = np.full((4, 6, 6, 3), (255, 0, 0), np.uint8)
    values = store_of(clip, settings=VideoSettings(frames=2, size=(6, 6), channels=1)).values
    assert values.shape == (1, 2, 6, 6, 1) and (values == 76).all()


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((4, 6, 6), np.uint8), "give numbers of shape"),
        (np.zeros((4, 6, 6, 2), np.uint8), "1 or 3 channels"),
        (np.full((4, 6, 6, 3), 7.0), r"floats from 7 to 7.*divide by 255"),
        (np.full((4, 6, 6, 3), np.nan), "NaN or infinite"),
        (np.full((4, 6, 6, 3), 300), "300"),
        (np.full((4, 6, 6, 3), "a"), "type <U1"),
    ],
)
def test_arrays_that_are_no_video_are_refused_with_their_row(array, problem):
    good = np.zeros((4, 6, 6, 3), np.uint8)
    frame = pd.DataFrame({"clip": [good, array], "label": ["a", "b"]})
    with pytest.raises(TableError, match=f"row 2, column 'clip'.*{problem}"):
        read_table(frame, SCHEMA)


def test_files_that_are_no_video_or_damaged_say_so(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", sound=True).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("this is a text, and no video at all " * 9)
    (tmp_path / "zero.mp4").write_bytes(b"")
    make_clip(tmp_path / "sound.mp4", sound=True, picture=False)
    names = {
        "cut": "damaged, or not MP4",
        "text": "damaged, or not MP4",
        "zero": "damaged, or not MP4",
        "sound": "no pictures, only sound",
    }
    frame = pd.DataFrame(
        {"clip": ["whole.mp4", *(f"{name}.mp4" for name in names)], "label": list("ababa")}
    )
    table = read_table(frame, SCHEMA, base_dir=tmp_path)
    fitted = fit_preprocessing(table, SCHEMA, {"clip": SMALL})
    with pytest.raises(ValueError, match="4 cell") as error:
        Pipeline(table, fitted)
    pipeline = Pipeline(table, fitted, on_error="skip")
    assert list(pipeline.frame.index) == [0] and len(pipeline.skipped) == 4
    for row, (name, reason) in enumerate(names.items(), start=1):
        message = pipeline.skipped[row - 1]
        assert message in str(error.value)
        assert message.startswith(f"index {row}, column 'clip': not a video that can be read")
        assert f"{name}.mp4" in message and reason in message


def test_ffmpeg_is_not_left_to_follow_playlists_or_to_draw_texts(tmp_path):
    clip = make_clip(tmp_path / "whole.mp4")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n"
    for name, text in [
        ("list.m3u8", playlist),
        ("list.mp4", f"ffconcat version 1.0\nfile '{clip.name}'\n"),
        ("notes.txt", "FFmpeg draws a text in the font of an old terminal\n" * 20),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match="not MP4"):
            read(tmp_path / name, frames=2)


@pytest.mark.filterwarnings("ignore:The model does not take some cells")
def test_the_sound_track_of_a_clip_can_be_a_second_modality(tmp_path):
    for name in ("a", "b"):
        make_clip(tmp_path / f"{name}.mp4", frames=5, sound=True)
    schema = Schema([Video("picture", column="clip"), Audio("sound", column="clip")], "label")
    (tmp_path / "table.csv").write_text("clip,label\na.mp4,x\nb.mp4,y\n")
    table = read_table(tmp_path / "table.csv", schema)
    audio = AudioSettings(rate=8000, seconds=0.4, features="waveform", scaling="none")
    fitted = fit_preprocessing(table, schema, {"picture": SMALL, "sound": audio})
    assert Preprocessing.from_dict(fitted.to_dict()) == fitted
    ((inputs, targets),) = Pipeline(table, fitted).evaluate()
    assert inputs["picture"].shape == (2, 4, 8, 8, 3) and targets.shape == (2, 2)
    assert fitted.inputs["picture"].shape == (4, 8, 8, 3)
    assert grey_places(inputs["picture"][0] * 255) == [0, 1, 3, 4]
    spectrum = np.abs(np.fft.rfft(inputs["sound"][0, :, 0]))
    assert spectrum.argmax() * 8000 / 3200 == pytest.approx(440, abs=5)
    silent = make_clip(tmp_path / "b.mp4", frames=5)
    with pytest.raises(ValueError, match=rf"(?s)index 1, column 'clip'.*{silent.name}.*no sound"):
        Pipeline(table, fitted)


def test_training_moves_all_frames_of_a_clip_alike():
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(12):
        clip = rng.integers(0, 256, (4, 8, 8, 3), np.uint8)
        clip[1:] = clip[0] // 2  # the later frames look like the first, but darker
        clips.append(clip)
    frame = pd.DataFrame({"clip": clips, "label": ["a", "b"] * 6})
    settings = VideoSettings(frames=4, size=(8, 8), flip=True)
    pipeline = Pipeline(frame, fit_preprocessing(frame, SCHEMA, {"clip": settings}), batch_size=5)
    plain = np.stack(clips) / 255.0
    flipped = 0
    for inputs, _ in pipeline.train(seed=1, epochs=1):
        for clip in inputs["clip"].numpy():
            match = np.abs(plain - clip).max(axis=(2, 3, 4)) < 1e-5
            mirror = np.abs(plain[:, :, :, ::-1] - clip).max(axis=(2, 3, 4)) < 1e-5
            # All frames are those of one clip, or all are mirrored.
            assert match.all(axis=1).any() != mirror.all(axis=1).any()
            flipped += mirror.all(axis=1).any()
    assert 0 < flipped < 12


def test_batches_are_a_function_of_seed_and_epoch():
    rng = np.random.default_rng(0)
    clips = list(rng.integers(0, 256, (6, 4, 8, 8, 3), np.uint8))
    frame = pd.DataFrame({"clip": clips, "label": ["a", "b"] * 3})
    settings = VideoSettings(frames=3, size=(8, 8), flip=True, rotation=20, crop=0.2, shift=0.1)
    fitted = fit_preprocessing(frame, SCHEMA, {"clip": settings})

    def batches(**options):
        data = Pipeline(frame, fitted, batch_size=4).train(**options)
        return [inputs["clip"].numpy() for inputs, _ in data]

    whole = batches(seed=3, epochs=2)
    assert len(whole) == 4
    for one, other in zip(whole, batches(seed=3, epochs=2), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole[2:], batches(seed=3, epochs=2, first_epoch=1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(whole[0], batches(seed=4, epochs=1)[0])


def test_the_file_cache_notices_a_changed_frame_of_a_folder(tmp_path):
    folder = make_folder(tmp_path / "clip", ["1.png", "2.png"])
    column = pd.Series([str(folder)], dtype=object)

    def last_pixel():
        store = MediaStore(KINDS["video"], column, SMALL, "file", tmp_path / "cache")
        return store.values[0, -1, 0, 0, 0]

    assert last_pixel() == GREY_STEP and last_pixel() == GREY_STEP
    assert len(list((tmp_path / "cache").iterdir())) == 2
    times = folder.stat().st_mtime_ns
    (folder / "2.png").write_bytes(image_bytes(np.full((6, 5, 3), 99, np.uint8)))
    os.utime(folder, ns=(times, times))
    assert last_pixel() == 99


def test_an_unknown_coding_says_so(tmp_path):
    whole = make_clip(tmp_path / "a.webm", codec="libvpx").read_bytes()
    store = store_of(whole.replace(b"V_VP8", b"V_ZZ8"))
    assert not store.readable[0]
    assert "coded in a way that this FFmpeg cannot read" in store.reason(0)


def test_a_sound_file_is_no_video(tmp_path):
    (tmp_path / "a.mp4").write_bytes(wav_bytes(np.zeros(800)))
    with pytest.raises(ValueError, match="not MP4"):
        read(tmp_path / "a.mp4", frames=2)


@pytest.mark.parametrize(
    "contents",
    [b"\x93NUMPY\x01\x00v\x00{'descr': (((((", b"\x93NUMPY"],
    ids=["broken header", "no header"],
)
def test_damaged_arrays_of_frames_are_named(contents):
    with pytest.raises(ValueError, match=r"damaged \.npy"):
        read_frames(contents, VideoSettings(), lambda frame: frame)
