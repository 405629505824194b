"""Rows that are encoded one after another, in memory and in files."""

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


def test_pages_of_a_mapped_file_are_let_go_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("mmkeras.data.growing._ROWS_BETWEEN", 2)
    with GrowingRows(np.int32, Room(tmp_path, 0)) as growing:
        growing.add(ROWS)
        rows = growing.finish()
    let_go = []
    monkeypatch.setattr(rows, "let_go", lambda own=rows.let_go: (let_go.append(1), own()))
    for _ in range(4):
        assert rows.take(np.array([3, 0]))[0].tolist() == [5, 9, 2, 6, 3, 1, 4]
    assert len(let_go) == 2
