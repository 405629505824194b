"""Files whose sizes lie, and what is not a file: refused in words, in little memory."""

import io
import os
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, VideoSettings
from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.media.sounds.sound_file import _SMALL, read_sound
from mmkeras.data.media.stores import MediaStore
from tests.data.media.sounds.test_sound import encoded, tones
from tests.data.media_files import gif_claiming, image_bytes, tone, wav_bytes

SOUND, CLIP = AudioSettings(rate=8000, seconds=0.1), VideoSettings(frames=2, size=(8, 8))
GIGABYTES = 6 * 2**30


@contextmanager
def at_most(megabytes):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


def sparse(path, start=b"", size=GIGABYTES):
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return str(path)


def reason(kind, settings, path):
    store = MediaStore(KINDS[kind], pd.Series([str(path)]), settings, None)
    assert not store.readable[0]
    return store.reason(0)


def npy_header(shape, descr="<f4"):
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "6442450944 bytes"),
        (wav_bytes(tones()), None),  # whole; what follows the samples is not read
        (encoded(tones(), fmt="AIFF"), None),
        (
            b"RIFF" + struct.pack("<I", 2**32 - 1) + wav_bytes(tone())[8:40] + b"\xff" * 4,
            "At most 14400 s",
        ),
        (encoded(tones(), fmt="OGG", subtype="VORBIS"), "bytes; at most"),
    ],
    ids=["zeros", "wav", "aiff", "wav without a size", "ogg"],
)
def test_sparse_files_that_are_called_sounds(start, words, tmp_path):
    path = sparse(tmp_path / "huge.wav", start, 2**28 if start else GIGABYTES)
    with at_most(48):
        if words is None:
            store = MediaStore(KINDS["audio"], pd.Series([path]), SOUND, "memory")
            assert store.readable.all() and store.values.any()
        else:
            with pytest.raises(ValueError, match=words):
                raise ValueError(reason("audio", SOUND, path))


@pytest.mark.parametrize("fmt", ["WAV", "FLAC", "AIFF", "OGG"])
def test_a_large_sound_is_what_it_would_be_in_memory(fmt, tmp_path, monkeypatch):
    monkeypatch.setattr("mmkeras.data.media.sounds.sound_file._SMALL", 1000)
    contents = encoded(tones(20000), fmt=fmt, subtype="VORBIS" if fmt == "OGG" else "PCM_16")
    (tmp_path / "large").write_bytes(contents)
    assert len(contents) < _SMALL
    kind, path = KINDS["audio"], str(tmp_path / "large")
    np.testing.assert_array_equal(read_sound(path)[0], read_sound(contents)[0])
    np.testing.assert_array_equal(kind.decode(path, SOUND), kind.decode(contents, SOUND))
    if fmt == "WAV":
        for size in (0xFFFFFFFF, 2**31 - 4096):
            unknown = contents[:40] + struct.pack("<I", size) + contents[44:]
            (tmp_path / "large").write_bytes(unknown)
            np.testing.assert_array_equal(read_sound(path)[0], read_sound(contents)[0])
        (tmp_path / "large").write_bytes(contents[:-100])
        with pytest.raises(ValueError, match="cut off: its header announces 80000 bytes"):
            read_sound(path)


def test_arrays_that_lie(tmp_path):
    whole = np.arange(6, dtype=np.float32).reshape(3, 2)
    made = {
        "zeros.npy": sparse(tmp_path / "zeros.npy"),
        "claims.npy": sparse(tmp_path / "claims.npy", npy_header((2**29, 3))),
        "short.npy": sparse(tmp_path / "short.npy", npy_header((1000, 3)), 500),
        "tail.npy": sparse(tmp_path / "tail.npy", npy_header((3, 2)) + whole.tobytes()),
    }
    bomb = zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED)
    with bomb, bomb.open("x.npy", "w", force_zip64=True) as member:
        member.write(npy_header((400_000_000, 2)))
        for _ in range(64):
            member.write(bytes(2**20))
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr("x.npy", npy_header((100_000_000, 2)) + bytes(100))
    cells = [*made.values(), str(tmp_path / "bomb.npz"), str(tmp_path / "short.npz")]
    with at_most(16):
        store = SequenceStore(pd.Series(cells))
    words = [store.reason(place) for place in (0, 1, 2, 4, 5)]
    assert "no .npy or .npz file" in words[0]
    assert "it claims 1610612736 numbers; at most" in words[1]
    assert "cut off: it claims 12000 bytes of numbers and has 372" in words[2]
    np.testing.assert_array_equal(store.values[3], whole)
    assert "it claims 800000000 numbers; at most" in words[3]
    assert "cut off: it claims 800000000 bytes" in words[4]


def test_videos_that_claim_huge_frames(tmp_path):
    (tmp_path / "a.gif").write_bytes(gif_claiming(10_000, 10_000))
    with at_most(32):
        words = reason("video", CLIP, tmp_path / "a.gif")
    assert "frames of 10000×10000 pixels; at most 67108864 are read" in words
    assert "not MP4" in reason("video", CLIP, sparse(tmp_path / "zeros.mp4"))


def test_arrays_of_frames_that_claim_more_than_is_there():
    store = MediaStore(
        KINDS["video"],
        pd.Series([npy_header((9, 900, 900, 3), "|u1") + bytes(100)], dtype=object),
        CLIP,
        None,
    )
    assert "cut off" in store.reason(0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_not_a_plain_file_is_never_opened(tmp_path):
    for name in ("a.wav", "a.mp4", "a.npy"):
        os.mkfifo(tmp_path / name)
    assert "a pipe" in reason("audio", SOUND, tmp_path / "a.wav")
    assert "a pipe" in reason("video", CLIP, tmp_path / "a.mp4")
    assert "a pipe" in SequenceStore(pd.Series([str(tmp_path / "a.npy")])).reason(0)
    assert "a pipe" in SequenceStore(pd.Series(["/dev/zero"])).reason(0)
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.png").write_bytes(image_bytes(np.zeros((4, 4, 3), np.uint8)))
    os.mkfifo(folder / "2.png")
    assert "frame 2.png: it is a pipe" in reason("video", CLIP, folder)
