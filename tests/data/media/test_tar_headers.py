"""Headers of tar files: what Python's `tarfile` and GNU tar write, and what is damaged."""

import io
import shutil
import subprocess
import tarfile

import numpy as np
import pytest

from mmkeras.data.media.tar_headers import MAX_MEMBER, read_headers
from tests.data.media_files import make_tar, tar_entry

FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
CONTENTS = [b"first", b"", b"x" * 512, b"y" * 1300]
NAMES = ["a.txt", "folder/b.txt", f"{'d' * 90}/{'e' * 90}.txt", "last.txt"]


def headers_of(path):
    with path.open("rb") as file:
        return list(read_headers(file, path.stat().st_size))


def headers_in(contents):
    return list(read_headers(io.BytesIO(contents), len(contents)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tar file of three members, as bytes."""
    members = {"a.txt": b"alpha", f"{'long/' * 60}b.txt": b"beta" * 200, "c.txt": b"gamma"}
    return make_tar(tmp_path_factory.mktemp("tar") / "t.tar", members).read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_members_are_where_tarfile_finds_them(format, tmp_path):
    names = list(NAMES) if format == "ustar" else [*NAMES[:3], f"{'ü/' * 200}ä.txt"]
    folder = tar_entry("folder/", tarfile.DIRTYPE)
    pairs = [(folder, b""), *zip(names, CONTENTS, strict=True)]
    path = make_tar(tmp_path / "t.tar", pairs, FORMATS[format])
    with tarfile.open(path) as archive:
        expected = [(m.name, m.offset_data, m.size, "") for m in archive if m.isfile()]
    assert headers_of(path) == expected
    assert [name for name, *_ in expected] == names
    contents = path.read_bytes()
    assert [contents[h.offset :][: h.size] for h in headers_of(path)] == CONTENTS


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar program")
@pytest.mark.parametrize("format", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_the_tar_program_writes_is_read(format, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_bytes(b"beta")
    (tmp_path / "a.txt").write_bytes(b"alpha")
    command = ["tar", f"--format={format}", "--sort=name", "-cf", "t.tar", "./a.txt", "./sub"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = headers_of(tmp_path / "t.tar")
    assert [(h.name, h.size, h.problem) for h in found] == [
        ("./a.txt", 5, ""),
        ("./sub/b.txt", 4, ""),
    ]


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar program")
@pytest.mark.parametrize("format", ["gnu", "posix"])
def test_a_sparse_file_is_named_and_the_files_behind_it_are_found(format, tmp_path):
    with (tmp_path / "holes.bin").open("wb") as file:
        for place in range(30):  # more holes than one header has room for
            file.seek(place * 100_000)
            file.write(b"x")
    (tmp_path / "z.txt").write_bytes(b"behind")
    command = ["tar", f"--format={format}", "-cSf", "t.tar", "holes.bin", "z.txt"]
    subprocess.run(command, cwd=tmp_path, check=True)
    sparse, behind = headers_of(tmp_path / "t.tar")
    assert "--sparse" in sparse.problem
    assert (behind.name, behind.size, behind.problem) == ("z.txt", 6, "")
    assert (tmp_path / "t.tar").read_bytes()[behind.offset :].startswith(b"behind")


NO_FILES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    b"Q": "an entry of the type",
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_plain_file_is_named_and_those_behind_it_are_found(kind, tmp_path):
    entry = tar_entry("odd.png", kind, "a.txt")
    found = headers_of(make_tar(tmp_path / "t.tar", [(entry, b""), ("b.txt", b"beta")]))
    assert [h.name for h in found] == ["odd.png", "b.txt"]
    assert found[0].problem.startswith(NO_FILES[kind]) and found[1].problem == ""


def test_a_member_above_the_limit_is_named_and_no_byte_of_it_is_read(tmp_path):
    entry = tarfile.TarInfo("huge.bin")
    entry.size = MAX_MEMBER + 1
    header = entry.tobuf(tarfile.PAX_FORMAT)
    with (tmp_path / "t.tar").open("wb") as file:
        file.write(header)
        file.seek(len(header) + -(-entry.size // 512) * 512 + 1023)
        file.write(b"\0")
    (found,) = headers_of(tmp_path / "t.tar")
    assert f"it has {entry.size} bytes; at most {MAX_MEMBER}" in found.problem


def test_names_that_are_no_text_are_named(tmp_path):
    members = {b"\xff.txt".decode("utf-8", "surrogateescape"): b"x"}
    (found,) = headers_of(make_tar(tmp_path / "t.tar", members, tarfile.GNU_FORMAT))
    assert (found.name, found.problem) == ("\\xff.txt", "its name is not UTF-8")


def with_size(contents, field):
    """The bytes with another size in the first header, whose sum is right."""
    header = bytearray(contents[:512])
    header[124:136] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + contents[512:]


DAMAGED = {
    "empty": (lambda c: b"", "it is empty"),
    "no tar": (lambda c: b"PNG" * 400, "it is no tar file; it starts with b'PNG"),
    "short": (lambda c: c[:100], "it is no tar file"),
    "gzip": (lambda c: b"\x1f\x8b" + c, "it is compressed"),
    "zstandard": (lambda c: b"\x28\xb5\x2f\xfd" + c, "it is compressed"),
    "cut in a member": (lambda c: c[:515], "cut off: its member 'a.txt' has 5 bytes .* and 3"),
    "cut in a header": (lambda c: c[:1100], "cut off after its member 'a.txt'"),
    "cut after a member": (lambda c: c[:1024], "cut off after its member 'a.txt'"),
    "cut in a record": (lambda c: c[:1600], "cut off after its member 'a.txt'"),
    "a header overwritten": (lambda c: c[:1024] + b"?" * 512 + c[1536:], "damaged after .*'a.txt'"),
    "joined": (lambda c: c + c, "there is more behind its end after its member 'c.txt'"),
    "a size below 0": (lambda c: with_size(c, b"\xff" * 12), "it is damaged: no size at byte 0"),
    "a size of letters": (lambda c: with_size(c, b"0000000000x\0"), "it is damaged: no size"),
    "a huge size": (lambda c: with_size(c, b"\x80" + b"\x7f" * 11), "it was cut off"),
    "a name without a file": (lambda c: c[:1024] + c[1024:2048] + bytes(1024), "without its file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_with_the_member_before(name, whole):
    damage, message = DAMAGED[name]
    with pytest.raises(ValueError, match=message):
        headers_in(damage(whole))


@pytest.mark.parametrize("record", [b"11 path=a\n", b"x path=a\n", b"9 path=a", b"5 a=\n9999999"])
def test_records_that_lie_about_their_length_are_refused(record):
    entry = tarfile.TarInfo("PaxHeaders/a")
    entry.type, entry.size = tarfile.XHDTYPE, len(record)
    file = tarfile.TarInfo("a").tobuf()
    contents = entry.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + file + bytes(1024)
    with pytest.raises(ValueError, match="is no record"):
        headers_in(contents)


def test_a_changed_bit_of_a_header_is_found_or_harmless(whole):
    as_it_was = headers_in(whole)
    found = 0
    for place in range(512):
        changed = bytearray(whole)
        changed[1024 + place] ^= 1 << place % 8
        try:
            assert headers_in(bytes(changed)) == as_it_was
        except ValueError as error:
            assert "damaged after its member 'a.txt'" in str(error)
            found += 1
    assert found > 500


def test_changed_bytes_anywhere_raise_nothing_but_value_errors(whole):
    random = np.random.default_rng(0)
    for _ in range(500):
        changed = bytearray(whole)
        start = int(random.integers(len(whole) - 8))
        changed[start : start + 8] = random.bytes(8)
        try:
            headers = headers_in(bytes(changed))
        except ValueError:
            continue
        assert all(h.offset + h.size <= len(whole) for h in headers)
