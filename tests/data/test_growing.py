"""Rows that are encoded one after another, in memory and in files."""

import os

import numpy as np
import pytest

from mmkeras.data.growing import GrowingRows, Room

ROWS = [[3, 1, 4], [], [1], [5, 9, 2, 6], []]


@pytest.mark.parametrize("limit", [None, 0, 16])
def test_rows_come_back_from_memory_and_from_files(limit, tmp_path):
    room = Room() if limit is None else Room(tmp_path / "new", limit)
    with GrowingRows(np.int32, room) as growing:
        for start in range(0, len(ROWS), 2):
            growing.add(ROWS[start : start + 2])
        rows = growing.finish()
    assert (rows.mapped is not None) == (limit is not None)
    assert rows.values.dtype == np.int32 and rows.lengths.tolist() == list(map(len, ROWS))
    # Nameless files: nothing is left behind.
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    for chosen in ([3, 0, 0], [1], [4, 2], [], [0, 1, 2, 3, 4]):
        values, lengths = rows.take(np.array(chosen, np.int32))
        assert lengths.tolist() == [len(ROWS[place]) for place in chosen]
        assert values.tolist() == [value for place in chosen for value in ROWS[place]]


def test_nothing_is_written_of_rows_that_are_all_empty(tmp_path):
    with GrowingRows(np.int32, Room(tmp_path, 0)) as growing:
        growing.add([[], []])
        rows = growing.finish()
    assert rows.values.shape == (0,) and rows.lengths.tolist() == [0, 0]


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system maps instead")
def test_rows_of_a_file_are_read_and_not_mapped(tmp_path, monkeypatch):
    with GrowingRows(np.int32, Room(tmp_path, 0)) as growing:
        growing.add(ROWS)
        rows = growing.finish()
    rows.values = np.full(8, 7, np.int32)  # would be seen
    assert rows.take(np.array([3, 0]))[0].tolist() == [5, 9, 2, 6, 3, 1, 4]
    os.ftruncate(rows.descriptor, 4)
    with pytest.raises(OSError, match="shorter"):
        rows.take(np.array([3]))
    monkeypatch.delattr(os, "preadv")
    assert rows.take(np.array([3]))[0].tolist() == [7, 7, 7, 7]
