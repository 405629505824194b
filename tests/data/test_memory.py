"""Freed memory goes back to the system."""

import ctypes
import sys

import numpy as np
import pyarrow
import pytest

from mmkeras.data.memory import give_memory_back


def anonymous() -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="needs /proc and glibc",
)
def test_what_is_free_between_what_is_used_goes_back():
    pyarrow.array([1])
    blocks = [np.ones(8_000, np.uint8) for _ in range(12_000)]  # some 96 MB, too small to map
    kept = blocks[::1000]
    del blocks
    before = anonymous()
    give_memory_back()
    assert all(block.all() for block in kept)
    assert anonymous() < before - 50_000  # kB


def test_no_allocator_is_asked_on_other_systems(monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    give_memory_back()
    assert not asked
