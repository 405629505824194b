"""Tar files of samples as tables: the same rows as of files beside a CSV, and what is refused."""

import gzip
import json
import tarfile
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.media import tar_headers
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.files import table_files
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_raw, read_table
from mmkeras.schema import Image, Label, Schema, Tabular, Text
from tests.data.media_files import image_bytes, make_tar, tar_entry

ROWS = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 3), np.uint8)
NOTES = [f"a small picture, number {n}" for n in range(ROWS)]
SCHEMA = Schema([Image("png"), Text("txt"), Tabular("facts", ["w"])], "cls")


def members_of(rows):
    members = {}
    for row in rows:
        key = f"n01/{row:06d}"
        members[f"{key}.png"] = image_bytes(PIXELS[row])
        members[f"{key}.txt"] = NOTES[row].encode() + b"\n"
        members[f"{key}.cls"] = f"{row % 3}\n".encode()
        members[f"{key}.json"] = json.dumps({"w": row / 2, "where": {"x": [row]}}).encode()
    return members


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two tar files, the second written first; and a README that is no table."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    folder.mkdir()
    make_tar(folder / "train-000001.tar", members_of(range(10, ROWS)))
    make_tar(folder / "train-000000.tar", members_of(range(10)), tarfile.GNU_FORMAT)
    (folder / "README.txt").write_text("two shards")
    return folder


@pytest.fixture(scope="module")
def table(shards):
    """The same data as a CSV and files."""
    folder = shards.parent / "files"
    folder.mkdir()
    for row in range(ROWS):
        (folder / f"{row:06d}.png").write_bytes(image_bytes(PIXELS[row]))
    columns = {
        "png": [f"{row:06d}.png" for row in range(ROWS)],
        "txt": NOTES,
        "cls": [row % 3 for row in range(ROWS)],
        "w": [row / 2 for row in range(ROWS)],
    }
    pd.DataFrame(columns).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def test_rows_are_samples_in_order_and_cells_name_members(shards):
    raw = read_raw(shards)
    assert list(raw) == ["__key__", "png", "txt", "cls", "w", "where"]
    assert raw["__key__"].tolist() == [f"n01/{row:06d}" for row in range(ROWS)]
    assert raw["png"][0] == f"{shards}/train-000000.tar::n01/000000.png"
    assert raw["png"][10] == f"{shards}/train-000001.tar::n01/000010.png"
    assert raw["txt"].tolist() == NOTES
    assert raw["cls"].tolist() == [str(row % 3) for row in range(ROWS)]
    assert raw["w"].tolist() == [row / 2 for row in range(ROWS)]
    assert raw["where"][3] == '{"x": [3]}'
    one = read_raw(shards / "train-000001.tar")
    pd.testing.assert_frame_equal(one, raw[10:].reset_index(drop=True))


def test_a_folder_of_tar_files_feeds_what_a_csv_with_files_feeds(shards, table):
    inferred = infer_schema(shards, target="cls")
    use = {choice.column: choice.use for choice in inferred.columns}
    assert use | {"where": ""} == {
        "__key__": "id", "png": "image", "txt": "text", "cls": "target", "w": "number", "where": ""
    }  # fmt: skip
    assert inferred.schema.target == Label("cls") == infer_schema(table, target="cls").schema.target
    frames = [read_table(source, SCHEMA) for source in (shards, table)]
    pd.testing.assert_frame_equal(
        frames[0][["txt", "cls", "w"]], frames[1][["txt", "cls", "w"]], check_dtype=False
    )
    assert len({fingerprint(frame, SCHEMA) for frame in frames}) == 1
    settings = {"png": ImageSettings(size=(8, 8))}
    fitted = [fit_preprocessing(frame, SCHEMA, settings) for frame in frames]
    assert fitted[0].modalities == fitted[1].modalities
    batches = [list(Pipeline(frame, fitted[0]).evaluate()) for frame in frames]
    for (inputs, targets), (others, other_targets) in zip(*batches, strict=True):
        np.testing.assert_array_equal(targets, other_targets)
        for name in SCHEMA.names:
            np.testing.assert_array_equal(inputs[name], others[name])


def test_what_a_sample_lacks_is_a_hole(tmp_path):
    members = {
        "a.png": b"1",
        "a.txt": b"one",
        "b.cls": b"3",
        "c.json": b'{"w": null}',
        "c.txt": b"",
    }
    raw = read_raw(make_tar(tmp_path / "t.tar", members))
    holes = raw.isna() | (raw == "")
    assert list(raw) == ["__key__", "png", "txt", "cls", "w"]
    assert holes.to_numpy().tolist() == [
        [False, False, False, True, True],
        [False, True, True, False, True],
        [False, True, True, True, True],
    ]
    schema = Schema([Image("png"), Text("txt")], None)
    frame = read_table(tmp_path / "t.tar", schema, allow_holes=True)
    assert frame["png"].tolist() == [f"{tmp_path}/t.tar::a.png", None, None]
    assert frame["txt"].tolist() == ["one", None, None]


def test_keys_end_at_the_first_dot_and_extensions_are_in_lower_case(tmp_path):
    members = [
        ("./v1.0/7.seg.png", b"mask"),
        ("v1.0/7.JPG", b"picture"),
        ("/v1.0/8.Jpg", b"picture"),
        ("v1.0//8.Seg.PNG", b"mask"),
    ]
    raw = read_raw(make_tar(tmp_path / "T.TAR", members))
    shard = f"{tmp_path}/T.TAR"
    assert raw.to_dict("list") == {
        "__key__": ["v1.0/7", "v1.0/8"],
        "seg.png": [f"{shard}::v1.0/7.seg.png", f"{shard}::v1.0/8.Seg.PNG"],
        "jpg": [f"{shard}::v1.0/7.JPG", f"{shard}::v1.0/8.Jpg"],
    }


def test_keys_that_repeat_are_no_ids_and_files_of_no_kind_no_inputs(tmp_path):
    for shard in "ab":
        members = {}
        for key in range(12):
            members[f"{key:03d}.bin"] = b"\x80"
            members[f"{key:03d}.txt"] = f"a {shard}, number {key}".encode()
            members[f"{key:03d}.cls"] = b"01"[key % 2 :][:1]
        make_tar(tmp_path / f"{shard}.tar", members)
    inferred = infer_schema(tmp_path, target="cls")
    assert {c.column: c.use for c in inferred.columns} == {
        "__key__": "left out", "bin": "left out", "txt": "text", "cls": "target"
    }  # fmt: skip
    assert "end in .bin, which no kind of input reads" in inferred["bin"].why
    assert len(read_table(tmp_path, inferred.schema)) == 24


def test_texts_keep_their_blanks_and_names_do_not(tmp_path):
    members = {
        "a.txt": b"\xef\xbb\xbf  two  words \r\n\n", "a.en.text": b"x\n", "a.cls": b" 007 \n",
        "a.index": b"12\n", "a.meta.json": b'{"x": 1}', "a.json": b"[1, 2]\n",
    }  # fmt: skip
    raw = read_raw(make_tar(tmp_path / "t.tar", members))
    assert raw.drop(columns="__key__").iloc[0].to_dict() == {
        "txt": "  two  words ", "en.text": "x", "cls": "007",
        "index": "12", "meta.json": '{"x": 1}', "json": "[1, 2]",
    }  # fmt: skip


def test_entries_that_are_called_like_a_column_get_a_name_of_their_own(tmp_path):
    entries = {"txt": "other", "__key__": 5, "n": True}
    members = {"a.txt": b"one", "a.json": json.dumps(entries).encode(), "b.txt": b"two"}
    raw = read_raw(make_tar(tmp_path / "t.tar", members))
    assert list(raw) == ["__key__", "txt", "json.txt", "json.__key__", "n"]
    assert raw.iloc[0].tolist() == ["a", "one", "other", 5, True]
    members["b.json.txt"] = b"taken"
    with pytest.raises(TableError, match=r"the column 'json\.txt', which is there already"):
        read_raw(make_tar(tmp_path / "t.tar", members))


def test_files_that_are_part_of_no_sample_are_said(tmp_path):
    members = {"README": b"", "a.txt": b"one", "._a.txt": b"", ".hidden": b"", "b.txt": b"two"}
    path = make_tar(tmp_path / "t.tar", members)
    with pytest.warns(
        UserWarning, match=r"3 files .* in no row: t\.tar::README, t\.tar::\._a\.txt"
    ):
        raw = read_raw(path)
    assert raw["txt"].tolist() == ["one", "two"]


LINK = tar_entry("a.png", tarfile.SYMTYPE, "/etc/passwd")
HARD_LINK = tar_entry("b.png", tarfile.LNKTYPE, "a.png")
REFUSED = {
    "apart": (
        {"a.txt": b"", "b.txt": b"", "a.png": b""},
        r"t\.tar: .* sample 'a' do not stand together: 'a\.png' comes after .* follow 'a\.txt'",
    ),
    "twice": ([("a.txt", b"1"), ("a.txt", b"2")], r"t\.tar::a\.txt: it is there twice"),
    "in two cases": ({"a.txt": b"1", "a.TXT": b"2"}, r"two files \.txt: 'a\.txt' and 'a\.TXT'"),
    "a link": ([(LINK, b""), ("a.txt", b"x")], r"t\.tar::a\.png: a symbolic link"),
    "a hard link": ([("a.png", b"x"), (HARD_LINK, b"")], r"t\.tar::b\.png: a hard link"),
    "a key": ({"a.__key__": b""}, r"t\.tar::a\.__key__: .* the name of the keys"),
    "no sample": ({"README": b"x"}, r"t\.tar: holds no sample"),
    "nothing": ({}, r"t\.tar: holds no sample"),
    "not utf-8": ({"a.txt": b"\xff"}, r"t\.tar::a\.txt: not UTF-8"),
    "not json": ({"a.json": b"{"}, r"t\.tar::a\.json: not JSON"),
    "half a character": ({"a.json": b'{"\\ud800": 1}'}, r"t\.tar::a\.json: not JSON"),
    "deep json": ({"a.json": b"[" * 100_000}, r"t\.tar::a\.json: not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_samples_is_refused_with_its_member(name, tmp_path):
    members, message = REFUSED[name]
    path = make_tar(tmp_path / "t.tar", members)
    for read in (lambda path: read_table(path, SCHEMA), read_raw):
        with pytest.raises(TableError, match=message):
            read(path)


def test_all_problems_of_all_files_are_said_at_once(tmp_path):
    make_tar(tmp_path / "0.tar", [(LINK, b""), ("b.txt", b"\xff"), ("c.json", b"?")])
    whole = make_tar(tmp_path / "1.tar", {"a.txt": b"x"}).read_bytes()
    (tmp_path / "1.tar").write_bytes(whole[:700])
    make_tar(tmp_path / "2.tar", {})
    with pytest.raises(TableError) as error:
        read_raw(tmp_path)
    starts = [problem.split(": ")[0] for problem in error.value.problems]
    assert starts == ["0.tar::a.png", "0.tar::b.txt", "0.tar::c.json", "1.tar", "2.tar"]
    assert "cut off" in error.value.problems[3]


def test_members_and_texts_above_the_limits_are_refused(tmp_path, monkeypatch):
    path = make_tar(tmp_path / "t.tar", {"a.png": bytes(101), "a.txt": b"x" * 60})
    monkeypatch.setattr("mmkeras.data.tables.tar_files._MOST_TEXT", 50)
    with pytest.raises(TableError, match=r"t\.tar::a\.txt: a text of 60 bytes; at most 50"):
        read_raw(path)
    monkeypatch.setattr(tar_headers, "MAX_MEMBER", 100)
    make_tar(path, {"a.png": bytes(101), "a.txt": b"x" * 40})
    with pytest.raises(TableError, match=r"t\.tar::a\.png: it has 101 bytes; at most 100"):
        read_raw(path)


@pytest.mark.parametrize("name", ["t.tar.gz", "t.TGZ", "t.tar.zst", "t.tar"])
def test_compressed_files_are_refused(name, tmp_path):
    whole = make_tar(tmp_path / "whole", {"a.txt": b"x"})
    (tmp_path / name).write_bytes(gzip.compress(whole.read_bytes()))
    command = {"t.tar": r"gunzip -c FILE > PLAIN\.tar", "t.tar.zst": r"unzstd t\.tar\.zst"}
    unpack = command.get(name, f"gunzip {name}")
    words = f"{name}: it is compressed, .*random order.*Unpack it once.*: {unpack}"
    with pytest.raises(ValueError, match=words):
        read_raw(tmp_path / name)
    whole.rename(tmp_path / "whole.tar")
    with pytest.raises(ValueError, match=f"{name}: it is compressed"):
        read_raw(tmp_path)  # in a folder, too, rather than left out


def test_folders_of_other_files_are_refused(tmp_path):
    below = tmp_path / "train"
    below.mkdir()
    make_tar(below / "0.tar", {"a.txt": b"x"})
    with pytest.raises(ValueError, match=r"in folders below\. Name one of these: train"):
        read_raw(tmp_path)
    (below / "stats.csv").write_text("a,b\n")
    with pytest.raises(
        ValueError, match=r"files of one kind. .* holds 1 \.tar files and stats\.csv"
    ):
        read_raw(below)
    odd = tmp_path / "x.tar::y"
    odd.mkdir()
    make_tar(odd / "0.tar", {"a.txt": b"x"})
    with pytest.raises(TableError, match=r"may hold '\.tar::'; rename it"):
        read_raw(odd)


@pytest.fixture
def downloaded(tmp_path):
    """What img2dataset writes: of six links, two could not be downloaded."""
    for shard in range(2):
        links, members = [], {}
        for place in range(3):
            key, got = f"{shard:05d}{place:04d}", place != 1
            status = "success" if got else "failed_to_download"
            link = {"url": f"http://a/{key}.png", "caption": f"picture {place}", "key": key}
            link |= {"status": status, "error_message": None if got else "404", "width": 8 * got}
            links.append(link)
            if got:
                members[f"{key}.png"] = image_bytes(PIXELS[place])
                members[f"{key}.json"] = json.dumps(link).encode()
                members[f"{key}.txt"] = link["caption"].encode()
        make_tar(tmp_path / f"{shard:05d}.tar", members)
        pd.DataFrame(links).to_parquet(tmp_path / f"{shard:05d}.parquet")
        (tmp_path / f"{shard:05d}_stats.json").write_text('{"count": 3, "successes": 2}')
    return tmp_path


def test_parquet_files_beside_tar_files_of_their_names_are_said_and_not_read(downloaded):
    said = r"2 tar files\. .* not read \(00000\.parquet, 00001\.parquet\); the samples .*\.json"
    with pytest.warns(UserWarning, match=said):
        raw = read_raw(downloaded)
    assert raw["key"].tolist() == [f"{s:05d}{p:04d}" for s in range(2) for p in (0, 2)]
    assert set(raw["status"]) == {"success"} and raw["caption"].tolist() == raw["txt"].tolist()
    assert table_files(downloaded) == [downloaded / f"0000{shard}.tar" for shard in range(2)]
    more = pd.read_parquet(downloaded / "00000.parquet").assign(score=0.5)
    more.to_parquet(downloaded / "00000.parquet")
    with pytest.warns(UserWarning, match="their columns score are in no sample"):
        read_raw(downloaded)
    (downloaded / "00000.parquet").write_bytes(b"no table")
    with pytest.raises(TableError, match=r"00000\.parquet: not a well-formed table"):
        read_raw(downloaded)


def test_parquet_files_of_other_names_are_another_table(downloaded):
    below = downloaded / "below"
    below.mkdir()
    for path in list(downloaded.glob("0*")):
        path.rename(below / path.name)
    # The Parquet files alone would be a table without pictures.
    with pytest.raises(ValueError, match=r"in folders below\. Name one of these: below"):
        read_raw(downloaded)
    (below / "00001.parquet").rename(below / "links.parquet")
    with pytest.raises(ValueError, match=r"2 \.tar files and links\.parquet.* another folder"):
        read_raw(below)


def test_media_are_not_read_with_the_table(tmp_path):
    members = {}
    for key in "abcd":
        members |= {f"{key}.png": bytes(4_000_000), f"{key}.txt": b"words"}
    path = make_tar(tmp_path / "t.tar", members)
    read_raw(make_tar(tmp_path / "small.tar", {"a.txt": b""}))  # what is imported on the way
    tracemalloc.start()
    raw = read_raw(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(raw) == 4 and most < 500_000
