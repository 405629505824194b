"""The headers of a tar file: which members it has, and where their bytes are.

Python's `tarfile` takes a damaged header in the middle of a file for its end, so that the samples
behind it would be missing without a word, and follows headers of any size. Here, every block is
checked, what is not a plain file is named, and no contents are read.

References:
    - [POSIX.1-2017, pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html)
      (the ustar and pax formats)
    - [GNU tar, Basic Tar Format](https://www.gnu.org/software/tar/manual/html_node/Standard.html)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

MAX_MEMBER = 2**30  # bytes
_BLOCK = 512
_MOST_HEADER = 2**20  # bytes of a long name, or of the records of one member
_CHUNK = 2**16
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_SPARSE = b"S"
_WITHOUT_BYTES = {
    b"1": "a hard link; write the tar with --hard-dereference",
    b"2": "a symbolic link; write the tar with --dereference",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
}
_IS_SPARSE = "a file with holes (sparse); write the tar without --sparse"
COMPRESSED = (
    "it is compressed, and a member in the middle cannot be read without all before it: reading "
    "rows in random order would unpack the whole file again and again. Unpack it once"
)
# What unpacks a file, by how it begins.
_UNPACKING = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
}


class Header(NamedTuple):
    """A member of a tar file.

    Args:
        name: As it stands there, with bytes that are not UTF-8 written as `\\xff`.
        offset: Where its bytes begin.
        size: How many there are.
        problem: Why it cannot be read, in words; "" if it can.
    """

    name: str
    offset: int
    size: int
    problem: str


def read_headers(file: BinaryIO, size: int) -> Iterator[Header]:
    """The files of a tar file, in order; folders are left out.

    Args:
        file: A tar file without compression, opened at its start.
        size: How many bytes it has.

    Raises:
        ValueError: It is no tar file, compressed, damaged or cut off; the message says after which
            member.
    """
    place, last = 0, ""
    common: dict[str, bytes] = {}  # records for all members that follow
    own: dict[str, bytes] = {}  # records of the next member
    while True:
        block = _block(file, place, last)
        if not any(block):
            if own:
                raise ValueError(f"it is damaged: a name without its file{_after(last)}")
            _check_end(file, last)
            return
        kind, claimed = block[156:157], _number(block[124:136], place, last)
        start = place + _BLOCK
        if kind in b"LKxXg":
            records = _records(file, kind, claimed, start, last)
            common, own = (common | records, own) if kind == b"g" else (common, own | records)
            place = start + _padded(claimed)
            continue
        records, own = common | own, {}
        name, problem = _name(block, records)
        if "size" in records:
            claimed = _decimal(records["size"], last)
        while kind == _SPARSE and block[482 if start == place + _BLOCK else 504]:
            block = _block(file, start, last, is_header=False)
            start += _BLOCK
        has_bytes = kind != _FOLDER and kind not in _WITHOUT_BYTES
        claimed = claimed if has_bytes else 0
        if start + claimed > size:
            raise ValueError(
                f"it was cut off: its member {name!r} has {claimed} bytes by its header, and "
                f"{max(0, size - start)} are there"
            )
        place, last = start + _padded(claimed), name
        if kind != _FOLDER and not (kind == b"\0" and name.endswith("/")):
            yield Header(name, start, claimed, problem or _problem(kind, claimed, records))
        file.seek(place)


def _problem(kind: bytes, size: int, records: Mapping[str, bytes]) -> str:
    """Why a member is not read; "" if it is."""
    if kind in _WITHOUT_BYTES:
        return _WITHOUT_BYTES[kind]
    if kind == _SPARSE or any(record.startswith("GNU.sparse.") for record in records):
        return _IS_SPARSE
    if kind not in _FILES:
        return f"an entry of the type {kind!r}, which is no plain file"
    if size > MAX_MEMBER:
        return f"it has {size} bytes; at most {MAX_MEMBER} are read"
    return ""


def _block(file: BinaryIO, place: int, last: str, is_header: bool = True) -> bytes:
    """The block that `file` stands at, with its sum checked."""
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        if not place:
            raise ValueError(_no_tar(block))
        raise ValueError(f"it was cut off{_after(last)}: the mark of a tar's end is not there")
    if not is_header or not any(block):
        return block
    summed = block[:148] + b" " * 8 + block[156:]
    claimed = _octal(block[148:156])
    # Some old programs took the bytes for signed ones.
    if claimed != sum(summed) and claimed != sum(byte - (byte > 127) * 256 for byte in summed):
        raise ValueError(
            f"it is damaged{_after(last)}: at byte {place} is no header"
            if place
            else _no_tar(block)
        )
    return block


def _no_tar(start: bytes) -> str:
    for begins, command in _UNPACKING.items():
        if start.startswith(begins):
            return f"{COMPRESSED}, to a file of another name: {command} -c FILE > PLAIN.tar"
    return f"it is no tar file; it starts with {start[:12]!r}" if start else "it is empty"


def _after(last: str) -> str:
    return f" after its member {last!r}" if last else ""


def _check_end(file: BinaryIO, last: str) -> None:
    """Refuses members behind the mark of the end, as of tar files that were joined."""
    while chunk := file.read(_CHUNK):
        if any(chunk):
            raise ValueError(
                f"there is more behind its end{_after(last)}: several tar files joined to one? "
                "Give each as a file of its own"
            )


def _records(file: BinaryIO, kind: bytes, size: int, start: int, last: str) -> dict[str, bytes]:
    """What a header before that of the member says about it; the file ends behind it."""
    if size > _MOST_HEADER:
        raise ValueError(f"it is damaged{_after(last)}: a name of {size} bytes")
    contents = file.read(_padded(size))
    if len(contents) < _padded(size):
        raise ValueError(f"it was cut off{_after(last)}")
    contents = contents[:size]
    if kind == b"K":  # the long name of what a link points to
        return {}
    if kind == b"L":
        return {"path": contents.split(b"\0", 1)[0]}
    records, at = {}, 0
    while at < size:
        length, _, rest = contents[at : at + 24].partition(b" ")
        end = at + (int(length) if length.isdigit() else 0)
        key, equals, value = contents[at + len(length) + 1 : end].partition(b"=")
        if not (rest and equals and value.endswith(b"\n")) or end > size:
            raise ValueError(f"it is damaged{_after(last)}: at byte {start + at} is no record")
        records[key.decode("utf-8", "backslashreplace")] = value[:-1]
        at = end
    return records


def _name(block: bytes, records: Mapping[str, bytes]) -> tuple[str, str]:
    """A member's name, and what is wrong with it."""
    name = records.get("path") or block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0]
    if "path" not in records and block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    try:
        return name.decode("utf-8"), "" if b"\0" not in name else "its name has a NUL character"
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace"), "its name is not UTF-8"


def _number(field: bytes, place: int, last: str) -> int:
    """A size, in octal digits or, of large files, as bytes."""
    number = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)
    if number is None:
        raise ValueError(f"it is damaged{_after(last)}: no size at byte {place}")
    return number


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0", 1)[0].strip()
    try:
        return int(digits or b"0", 8) if digits.isdigit() or not digits else None
    except ValueError:
        return None


def _decimal(digits: bytes, last: str) -> int:
    if not (digits.isdigit() and len(digits) < 20):
        raise ValueError(f"it is damaged{_after(last)}: the size {digits[:24]!r}")
    return int(digits)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
