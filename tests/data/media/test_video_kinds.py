"""Every kind of video file gives the frames of PyAV, upright."""

import struct

import av
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.kinds import KINDS, VideoSettings
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.media.video import read_frames
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Schema, Video
from tests.data.media_files import grey_places, image_bytes, make_clip

ALL = VideoSettings(frames=6)


def read(path, settings=ALL):
    return read_frames(str(path), settings, lambda frame: frame)


def corner(height=32, width=48):
    """A picture whose corners and edges can be told apart."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[: height // 2, : width // 2] = 220
    picture[height // 2 :, : width // 2] = 140
    return picture


def write(path, pictures, codec="mpeg4", times=None, rotation=None, pixels="yuv420p", **options):
    with av.open(str(path), "w", **options) as file:
        stream = file.add_stream(codec, rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        if rotation:
            stream.set_display_rotation(rotation)
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts = place if times is None else times[place]
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def pyavs(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "size"),
    [
        ("mp4", "mpeg4", "yuv420p", (32, 48)),
        ("mp4", "libx264", "yuv420p", (34, 46)),
        ("m4v", "libx264", "yuv444p", (33, 47)),  # odd
        ("mov", "mpeg4", "yuv420p", (32, 48)),
        ("mov", "prores_ks", "yuv422p10le", (32, 48)),
        ("mkv", "mpeg4", "yuv420p", (31, 21)),
        ("mkv", "ffv1", "bgr0", (33, 47)),
        ("webm", "libvpx", "yuv420p", (32, 48)),
        ("webm", "libvpx-vp9", "yuv420p", (33, 47)),
        ("avi", "mpeg4", "yuv420p", (32, 48)),
        ("avi", "mjpeg", "yuvj420p", (33, 47)),
        ("gif", "gif", "rgb8", (33, 47)),
    ],
)
def test_frames_are_those_of_pyav(suffix, codec, pixels, size, tmp_path):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    pictures = [np.roll(corner(*size), 5 * place, axis=1) for place in range(6)]
    path = write(tmp_path / f"a.{suffix}", pictures, codec, pixels=pixels)
    theirs = pyavs(path)
    assert len(theirs) == 6 and theirs[0].shape == (*size, 3)
    frames, seconds = read(path)
    np.testing.assert_array_equal(frames, theirs)
    assert seconds == pytest.approx(0.6, abs=0.01)
    in_memory = read_frames(path.read_bytes(), ALL, lambda frame: frame)[0]
    np.testing.assert_array_equal(in_memory, theirs)


def with_matrix(path, matrix):
    """Writes a display matrix (a, b, c, d) into an MP4 file's track header."""
    contents = bytearray(path.read_bytes())
    place = contents.index(b"tkhd") + 4 + 40
    a, b, c, d = (65536 * value for value in matrix)
    assert struct.unpack_from(">9i", contents, place)[8] == 1 << 30
    struct.pack_into(">9i", contents, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(contents)
    return path


# What EXIF calls orientations 1 to 8, for each where a pixel (x, y) is shown.
ORIENTATIONS = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_is_that_of_images(orientation, tmp_path):
    path = write(tmp_path / "a.mp4", [corner()] * 2)
    (stored, _) = pyavs(path)
    (frame, *_), _ = read(with_matrix(path, ORIENTATIONS[orientation]))
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's transpositions
    image = PIL.Image.fromarray(stored)
    if orientation > 1:
        methods = PIL.Image.Transpose
        image = image.transpose(
            [
                methods.FLIP_LEFT_RIGHT,
                methods.FLIP_TOP_BOTTOM,
                methods.ROTATE_90,
                methods.ROTATE_180,
                methods.ROTATE_270,
                methods.TRANSPOSE,
                methods.TRANSVERSE,
            ][turns[orientation]]
        )
    np.testing.assert_array_equal(frame, np.asarray(image))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotation_that_a_phone_wrote_is_applied(rotation, suffix, tmp_path):
    path = write(tmp_path / f"a.{suffix}", [corner()] * 2, rotation=rotation)
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        assert frame.rotation % 360 == rotation
        expected = np.rot90(frame.to_ndarray(format="rgb24"), rotation // 90)
    np.testing.assert_array_equal(read(path)[0][0], expected)
    decoded = KINDS["video"].decode(str(path), VideoSettings(frames=1, size=(8, 8)))
    assert decoded.shape == (1, 8, 8, 3)


def test_a_single_frame_is_every_frame(tmp_path):
    path = write(tmp_path / "a.mp4", [corner()])
    frames, _ = read(path)
    np.testing.assert_array_equal(frames, pyavs(path) * 6)


def test_frames_of_varying_rate_are_taken_by_the_clock(tmp_path):
    pictures = [np.full((16, 16, 3), 20 * place, np.uint8) for place in range(6)]
    path = write(tmp_path / "a.mkv", pictures, "ffv1", times=[0, 1, 2, 8, 9, 20], pixels="bgr0")
    frames, _ = read(path, VideoSettings(frames=6, rate=4.0))  # 0, 0.25, 0.5, ... 1.25 s
    assert grey_places(frames) == [0, 2, 2, 2, 4, 4]
    assert grey_places(read(path)[0]) == [0, 1, 2, 3, 4, 5]


def test_of_a_file_that_was_cut_off_what_is_there_is_read(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=30, codec="mpeg4")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    frames, _ = read(path)  # what is there
    assert len(frames) == 6
    path.write_bytes(whole[:300])
    with pytest.raises(ValueError, match=r"no frame|damaged|only sound"):
        read(path)


def test_a_folder_of_frames_is_read_as_images_are(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(corner()).save(tmp_path / "1.png", exif=exif)
    (tmp_path / "2.png").write_bytes(image_bytes(np.rot90(corner(), -1)))
    frames, seconds = read(tmp_path, VideoSettings(frames=2))
    np.testing.assert_array_equal(frames[0], frames[1])
    assert frames.shape == (2, 48, 32, 3) and seconds == 0


def test_videos_that_are_cut_are_counted_and_sampled_ones_are_not(tmp_path):
    make_clip(tmp_path / "long.mp4", frames=30)
    make_clip(tmp_path / "short.mp4", frames=10)
    cells = [str(tmp_path / name) for name in ("long.mp4", "short.mp4", "short.mp4")]
    frame = pd.DataFrame({"clip": cells, "label": list("aba")})
    schema = Schema([Video("clip")], "label")

    def said(**settings):
        settings = VideoSettings(size=(8, 8), **settings)
        pipeline = Pipeline(frame, fit_preprocessing(frame, schema, {"clip": settings}))
        return [str(found) for found in pipeline.unprepared]

    with pytest.warns(UserWarning, match="1 of 3 cells"):
        (message,) = said(frames=5, rate=5.0)
    assert message == (
        "column 'clip': 1 of 3 cells have more than 1 seconds and are cut (the longest has 3); "
        "`frames` / `rate` says how much is kept"
    )
    assert said(frames=15, rate=5.0) == said(frames=5) == []


def test_only_one_frame_is_in_memory_at_its_own_size(tmp_path):
    alive = []
    path = write(tmp_path / "a.mp4", [corner()] * 8)
    frames, _ = read_frames(
        str(path), ALL, lambda frame: alive.append(frame.shape) or frame[:4, :4]
    )
    assert frames.shape == (6, 4, 4, 3) and alive == [(32, 48, 3)] * 6
    store = MediaStore(KINDS["video"], pd.Series([str(path)]), ALL, "memory")
    assert store.lengths[0] == pytest.approx(0.8)
