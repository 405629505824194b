import functools
import http.server
import os
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from mmkeras.data.datasets import fsdd
from mmkeras.data.download import files_sha256
from mmkeras.schema import Audio


def write_wav(path, samples, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two speakers and six recordings of each digit in place of six and fifty."""
    monkeypatch.setattr(fsdd, "SPEAKERS", ("ada", "bob"))
    monkeypatch.setattr(fsdd, "PER_DIGIT", 6)
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in range(10):
        for speaker in ("ada", "bob"):
            for index in range(6):
                write_wav(folder / f"{digit}_{speaker}_{index}.wav", [digit, index, -1])
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_rows_say_digit_speaker_and_official_split(folder):
    table, schema = fsdd.load()
    assert len(table) == 120
    row = table[table["recording"] == "7_bob_5.wav"].iloc[0]
    assert (row["digit"], row["speaker"], row["index"], row["split"]) == ("7", "bob", 5, "train")
    assert Path(row["audio"]) == folder / "7_bob_5.wav"
    assert set(table.loc[table["split"] == "test", "index"]) == {0, 1, 2, 3, 4}
    assert schema.modalities == (Audio("audio"),)
    assert (schema.target.column, schema.id, schema.group) == ("digit", "recording", None)


def test_a_recording_is_read_as_16_bit_samples(folder):
    samples = fsdd.read_recording(folder / "3_ada_2.wav")
    assert samples.dtype == np.int16
    assert samples.tolist() == [3, 2, -1]


def test_a_file_of_another_format_is_refused(tmp_path):
    write_wav(tmp_path / "fast.wav", [1, 2], rate=16000)
    with pytest.raises(ValueError, match=r"8000 Hz.*Received: \(16000, 1, 2\)"):
        fsdd.read_recording(tmp_path / "fast.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match="not a WAV file"):
        fsdd.read_recording(tmp_path / "text.wav")


def test_an_incomplete_folder_names_what_is_missing(folder):
    (folder / "4_bob_1.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 4_bob_1\.wav\. Complete"):
        fsdd.load()


def test_download_checks_all_recordings(folder, monkeypatch, tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(fsdd, "_SOURCE", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("MMKERAS_DATA")
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path / "cache"))
    try:
        with pytest.raises(ValueError, match="not the ones they should be"):
            fsdd.load()
        right = files_sha256(folder, [path.name for path in folder.glob("*.wav")])
        monkeypatch.setattr(fsdd, "_RECORDINGS_SHA256", right)
        table, _ = fsdd.load()
    finally:
        server.shutdown()
        server.server_close()
    assert all(Path(path).parent == tmp_path / "cache/fsdd/recordings" for path in table["audio"])


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_recordings_are_the_pinned_ones():
    table, _ = fsdd.load()
    assert len(table) == 3000
    assert table["digit"].value_counts().unique().tolist() == [300]
    assert (table["split"] == "test").sum() == 300
    paths = [Path(path) for path in table["audio"]]
    names = [path.name for path in paths]
    assert files_sha256(paths[0].parent, names) == fsdd._RECORDINGS_SHA256
    assert all(len(fsdd.read_recording(path)) >= 1148 for path in paths[::50])
