"""Folders that one process makes, and one process at a time writes to."""

import multiprocessing
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmkeras.experiment.folders import FolderInUse, experiment_folder, locked, new_folder


def hold(folder):
    with locked(folder):
        (folder / "held").write_text("")
        time.sleep(60)


def test_a_folder_is_in_use_until_its_owner_is_dead(tmp_path):
    owner = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path,))
    owner.start()
    for _ in range(600):
        if (tmp_path / "held").exists():
            break
        time.sleep(0.1)
    says = rf"in use by process {owner.pid} on {socket.gethostname()} since \d{{4}}-\d\d-\d\d"
    with pytest.raises(FolderInUse, match=says), locked(tmp_path):
        pass
    owner.kill()
    owner.join()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock.json").read_text()


def test_a_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "new"):
        raise KeyboardInterrupt
    with locked(tmp_path / "new"):
        pass
    assert not (tmp_path / "new" / ".lock.json").exists()


def test_everyone_who_wants_a_new_folder_gets_another(tmp_path):
    wanted = tmp_path / "runs" / "20260102-030405"
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: new_folder(wanted, "-fused"), range(8)))
    expected = ["20260102-030405-fused", *(f"20260102-030405-{n}-fused" for n in range(2, 9))]
    assert sorted(folder.name for folder in made) == sorted(expected)


def test_an_experiment_has_the_folder_that_was_given_or_a_new_one(tmp_path):
    given = tmp_path / "a" / "b"
    assert experiment_folder(given, "x") == experiment_folder(given, "x") == given
    first, second = (experiment_folder(None, tmp_path / "runs") for _ in range(2))
    assert first != second and first.is_dir() and second.is_dir()
