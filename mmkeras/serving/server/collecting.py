"""Python's collections of garbage, kept short while a server answers."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_long_collections() -> Iterator[None]:
    """Leaves what is in memory now out of collections of garbage, until the block ends.

    A process with TensorFlow and a model has some million objects. A full collection, of which the
    garbage of requests causes one every few seconds, looks at each of them: for a quarter of a
    second nothing is answered. What comes later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
