"""Files are written whole or not at all, and are on the disk before they have their name."""

import errno
import json
import os

import numpy as np
import pytest

from mmkeras.files import (
    remove_unfinished,
    sha256_of,
    write_arrays,
    write_json,
    write_text,
    written,
)


def test_contents_reach_the_disk_before_the_name_and_the_name_after(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.txt", []
    path.write_text("old")
    fsync = os.fsync

    def noted(number):
        seen.append((os.path.samestat(os.fstat(number), tmp_path.stat()), path.read_text()))
        fsync(number)

    monkeypatch.setattr(os, "fsync", noted)
    write_text(path, "new")
    assert seen == [(False, "old"), (True, "new")]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"a": 2})
    with pytest.raises(RuntimeError), written(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def unknown(number):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", unknown)
    write_text(tmp_path / "a.txt", "there")
    assert (tmp_path / "a.txt").read_text() == "there"


def test_what_was_there_before_is_kept_where_asked_for(tmp_path):
    path, before = tmp_path / "a.npz", tmp_path / "before.npz"
    for number in (1, 2, 3):
        write_arrays(path, a=np.full(2, number), keep=before)
    assert np.load(path)["a"][0] == 3 and np.load(before)["a"][0] == 2
    assert sha256_of(path) != sha256_of(before)


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    inside = tmp_path / "epochs"
    inside.mkdir()
    for folder in (tmp_path, inside):
        (folder / ".tmp-1-a.txt").write_text("half")
        write_text(folder / "a.txt", "whole")
    remove_unfinished(tmp_path)
    for folder in (tmp_path, inside):
        assert [path.name for path in folder.iterdir() if path.is_file()] == ["a.txt"]
