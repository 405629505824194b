"""Members of tar files wherever a path of a medium may stand."""

import os
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, AudioSettings, ImageSettings, VideoSettings
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.media import tar_members
from mmkeras.data.media.decoded import cell_key
from mmkeras.data.media.images.image_file import image_size
from mmkeras.data.media.plain_file import (
    check_plain_file,
    is_plain_file,
    open_plain_file,
    plain_file_size,
    read_plain_file,
)
from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.data.tables.splits import Splits
from mmkeras.schema import Image, Schema, Sequence, Text
from tests.data.media_files import image_bytes, make_clip, make_tar, tar_entry, tone, wav_bytes

SETTINGS = {
    "a.png": ImageSettings(size=(8, 8)),
    "a.jpg": ImageSettings(size=(8, 8)),
    "a.wav": AudioSettings(rate=8000, seconds=0.1, mel_bands=8),
    "a.flac": AudioSettings(rate=8000, seconds=0.1, mel_bands=8),
    "a.mp4": VideoSettings(frames=2, size=(8, 8)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One file of each kind, and all of them in `t.tar`, in the folder `in`."""
    import soundfile

    folder = tmp_path_factory.mktemp("members")
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    (folder / "a.png").write_bytes(image_bytes(pixels))
    (folder / "a.jpg").write_bytes(image_bytes(pixels, "JPEG"))
    (folder / "a.wav").write_bytes(wav_bytes(0.5 * tone()))
    soundfile.write(folder / "a.flac", 0.5 * tone(seconds=0.2), 8000)
    make_clip(folder / "a.mp4", frames=6, sound=True)
    np.save(folder / "a.npy", np.arange(12.0).reshape(4, 3))
    np.savez(folder / "a.npz", np.arange(12.0).reshape(4, 3))
    make_tar(folder / "t.tar", {f"in/{f.name}": f.read_bytes() for f in sorted(folder.iterdir())})
    return folder


def member(folder, name):
    return f"{folder}/t.tar::in/{name}"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_member_is_decoded_as_the_file_is(name, folder):
    kind = next(kind for kind in KINDS.values() if f".{name[2:]}" in kind.suffixes)
    values, seconds = kind.decode_measured(str(folder / name), SETTINGS[name])
    of_member, its_seconds = kind.decode_measured(member(folder, name), SETTINGS[name])
    np.testing.assert_array_equal(values, of_member)
    assert seconds == its_seconds


def test_the_sound_track_of_a_video_in_a_tar_file_is_read(folder):
    kind, settings = KINDS["audio"], SETTINGS["a.wav"]
    expected = kind.decode(str(folder / "a.mp4"), settings)
    np.testing.assert_array_equal(kind.decode(member(folder, "a.mp4"), settings), expected)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_sequence_in_a_tar_file_is_read(name, folder):
    store = SequenceStore(pd.Series([str(folder / name), member(folder, name)]))
    assert store.readable.all()
    np.testing.assert_array_equal(store.values[0], store.values[1])
    assert store.values[1].flags.writeable


def test_files_and_members_have_the_same_door(folder):
    for path in (str(folder / "a.png"), member(folder, "a.png")):
        contents = (folder / "a.png").read_bytes()
        assert read_plain_file(path, sys.maxsize) == contents
        with open_plain_file(path, sys.maxsize) as file:
            assert file.read() == contents
        assert plain_file_size(path) == len(contents)
        assert is_plain_file(path) and image_size(path) == (12, 10)
        with pytest.raises(ValueError, match=f"it has {len(contents)} bytes; at most 10 are read"):
            check_plain_file(path, 10)
    # Spelled as some programs write names.
    assert is_plain_file(f"{folder}/t.tar::./in//a.png")


def test_a_member_is_no_path_of_this_machine(folder):
    secret = f"{folder}/t.tar::in/../../a.png"
    assert not is_plain_file(secret) and not is_plain_file(f"{folder}/t.tar::{folder}/a.png")
    with pytest.raises(FileNotFoundError, match="no member"):
        read_plain_file(secret, sys.maxsize)
    shard = make_tar(folder / "dots.tar", {"../../etc/x.png": b"pixels"})
    assert read_plain_file(f"{shard}::../../etc/x.png", sys.maxsize) == b"pixels"


def test_keys_change_with_the_tar_file_and_differ_by_member(tmp_path):
    path = make_tar(tmp_path / "t.tar", {"a.png": b"one", "b.png": b"one"})
    keys = [cell_key(f"{path}::{name}.png") for name in "ab"]
    assert keys == [cell_key(f"{path}::{name}.png") for name in "ab"] and keys[0] != keys[1]
    os.utime(path, ns=(1, 1))
    assert cell_key(f"{path}::a.png") not in keys


def test_a_tar_file_that_changes_is_read_anew(tmp_path):
    path = make_tar(tmp_path / "t.tar", {"x.txt": b"1" * 600, "a.png": b"one"})
    assert read_plain_file(f"{path}::a.png", 100) == b"one"
    make_tar(path, {"a.png": b"three"})
    assert read_plain_file(f"{path}::a.png", 100) == b"three"
    os.truncate(path, 514)
    with pytest.raises(ValueError, match=r"cut off: its member 'a\.png' has 5 bytes"):
        read_plain_file(f"{path}::a.png", 100)


def test_headers_are_read_once_and_no_more_places_are_kept_than_the_limit(tmp_path, monkeypatch):
    read = []
    whole = tar_members.read_headers

    def counted(file, size):
        read.append(file.name)
        return whole(file, size)

    monkeypatch.setattr(tar_members, "_indexes", tar_members.OrderedDict())
    monkeypatch.setattr(tar_members, "_MOST_PLACES", 5)
    monkeypatch.setattr(tar_members, "read_headers", counted)
    paths = [
        str(make_tar(tmp_path / f"{name}.tar", {f"{n}.txt": b"x" for n in range(2)}))
        for name in "abc"
    ]
    for path in (*paths[:2], *paths[:2]):
        assert is_plain_file(f"{path}::0.txt")
    assert read == paths[:2]
    assert is_plain_file(f"{paths[2]}::0.txt")  # the first is let go
    assert list(tar_members._indexes) == paths[1:]
    assert is_plain_file(f"{paths[0]}::1.txt") and read == [*paths, paths[0]]


def test_many_threads_read_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_members, "_MOST_PLACES", 60)  # indexes come and go meanwhile
    contents = {f"{n}.bin": bytes([n]) * (n * 37 % 1500) for n in range(50)}
    paths = [make_tar(tmp_path / f"{shard}.tar", contents) for shard in range(3)]
    wanted = [(path, name) for path in paths for name in contents] * 4
    np.random.default_rng(0).shuffle(wanted)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda w: read_plain_file(f"{w[0]}::{w[1]}", 10_000), wanted))
    assert found == [contents[name] for _, name in wanted]


def test_a_csv_may_name_members_and_mix_them_with_files(folder):
    table = folder / "table.csv"
    cells = ["t.tar::in/a.png", "a.png", str(folder / "t.tar::in/a.jpg")]
    pd.DataFrame({"picture": cells, "label": list("xyx")}).to_csv(table, index=False)
    schema = infer_schema(table).schema
    assert schema.modalities == (Image("picture"),)
    read = read_table(table, schema)["picture"].tolist()
    assert read == [member(folder, "a.png"), str(folder / "a.png"), member(folder, "a.jpg")]
    store = MediaStore(KINDS["image"], pd.Series(read), SETTINGS["a.png"], "memory")
    assert store.readable.all()
    np.testing.assert_array_equal(store.values[0], store.values[1])


def test_several_images_of_one_cell_may_be_members(folder):
    cell = f"{member(folder, 'a.png')};{member(folder, 'a.jpg')}"
    schema = Schema([Image("views", several=True)], "label")
    frame = read_table(pd.DataFrame({"views": [cell], "label": ["x"]}), schema)
    assert frame["views"][0] == (member(folder, "a.png"), member(folder, "a.jpg"))


def test_what_a_cell_names_and_is_not_there_is_said(folder):
    link = tar_entry("l.png", tarfile.SYMTYPE, "/etc/passwd")
    make_tar(folder / "odd.tar", [(link, b""), ("a.png", b"x")])
    (folder / "cut.tar").write_bytes((folder / "t.tar").read_bytes()[:900])
    cells = ["gone.tar::a.png", "t.tar::gone.png", "odd.tar::l.png", "cut.tar::in/a.flac"]
    frame = pd.DataFrame({"picture": cells, "label": list("xyxy")})
    with pytest.raises(TableError) as error:
        read_table(frame, Schema([Image("picture")], "label"), base_dir=folder)
    gone, no_member, link, cut = error.value.problems[1:]
    assert gone.endswith(f"file not found: {folder}/gone.tar::a.png")
    assert no_member.endswith(f"file not found: {folder}/t.tar::gone.png")
    assert "a symbolic link" in link and "odd.tar::l.png" in link
    assert "it was cut off" in cut and "cut.tar::in/a.flac" in cut


def test_a_member_that_cannot_be_decoded_is_named(folder):
    path = make_tar(folder / "bad.tar", {"a.png": image_bytes(np.zeros((4, 4), np.uint8))[:40]})
    store = MediaStore(KINDS["image"], pd.Series([f"{path}::a.png"]), SETTINGS["a.png"], None)
    assert not store.readable[0]
    assert KINDS["image"].complaint in store.reason(0) and f": {path}::a.png (" in store.reason(0)
    path.unlink()
    assert store.reason(0) == f"file not found: {path}::a.png"


def test_fingerprints_are_those_of_the_files(folder):
    schema = Schema([Image("picture"), Sequence("steps")], "label")
    columns = {"label": ["x"], "other": [1]}
    of_files = {"picture": [str(folder / "a.png")], "steps": [str(folder / "a.npy")]}
    of_members = {"picture": [member(folder, "a.png")], "steps": [member(folder, "a.npy")]}
    prints = {
        fingerprint(pd.DataFrame({**cells, **columns}), schema) for cells in (of_files, of_members)
    }
    assert len(prints) == 1


def test_the_same_picture_in_two_tar_files_is_on_both_sides(folder):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8), np.uint8)
    one, two, three = (image_bytes(picture) for picture in pixels)
    train = make_tar(folder / "train.tar", {"a.png": one, "b.png": two})
    test = make_tar(folder / "test.tar", {"c.png": one, "d.png": three})
    frame = pd.DataFrame(
        {
            "picture": [f"{train}::a.png", f"{train}::b.png", f"{test}::c.png", f"{test}::d.png"],
            "note": ["red", "green", "blue", "grey"],
            "label": list("xyxy"),
        }
    )
    schema = Schema([Image("picture"), Text("note")], "label")
    findings = check_leakage(Splits(frame[:2], frame[2:2], frame[2:]), schema)
    (shared,) = (f for f in findings if f.check == "same image on both sides")
    assert shared.rows == 1 and shared.severity == "error"
