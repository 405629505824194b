"""What is in memory before requests come is no part of collections of garbage."""

import gc
import weakref

from mmkeras.serving.server.collecting import without_long_collections


class Thing:
    def __init__(self):
        self.itself = self


def test_collections_look_at_later_objects_alone():
    many = [[number] for number in range(1000)]
    with without_long_collections():
        assert gc.get_freeze_count() > len(many)
        assert len(gc.get_objects()) < len(many)
        later = Thing()
        known = weakref.ref(later)
        del later
        gc.collect()
        assert known() is None
    assert gc.get_freeze_count() == 0


def test_garbage_from_before_is_collected_first_and_all_is_collected_as_ever_afterwards():
    before, kept = Thing(), Thing()
    first, second = weakref.ref(before), weakref.ref(kept)
    del before
    with without_long_collections():
        assert first() is None
        del kept
        gc.collect()
        assert second() is not None
    gc.collect()
    assert second() is None
