"""Threads that compute, which decide the last digits of a result.

A sum that several threads share is added up in another order than by one: equal numbers of threads
give equal bits, others change weights by about 1e-6 in a short training.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

_TENSORFLOW, _JAX = "TF_NUM_INTRAOP_THREADS", "NPROC"
_pinned: list[int] = []


def pin_threads(count: int) -> None:
    """Lets an operation use so many threads, in this process and those that it starts.

    Call it before anything is computed.

    Args:
        count: 1 or more. It may be more than there are cores, to repeat what another machine did.

    Raises:
        ValueError: It is less than 1, or TensorFlow has begun to compute with another number.
    """
    if count < 1:
        raise ValueError(f"`threads` must be at least 1. Received: {count}.")
    _pinned[:] = [count]
    # Read when a backend begins to compute, here or in a process that inherits them.
    os.environ |= {_TENSORFLOW: str(count), _JAX: str(count)}
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "tensorflow" in sys.modules:
        threading = sys.modules["tensorflow"].config.threading
        try:
            threading.set_intra_op_parallelism_threads(count)
        except RuntimeError:
            raise ValueError(
                "TensorFlow has begun to compute, so that its threads cannot be changed any more. "
                f"Set {_TENSORFLOW}={count} before Python starts."
            ) from None


def pinned_threads() -> list[str]:
    """The option `--threads` that repeats what was pinned; nothing if nothing was."""
    return [word for count in _pinned for word in ("--threads", str(count))]


def threads() -> int:
    """How many threads an operation of the Keras backend uses on the processor."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.get_num_threads()
    if backend == "jax":
        return _number(_JAX) or _cores()
    import tensorflow as tf

    set_here = tf.config.threading.get_intra_op_parallelism_threads()
    return set_here or _number(_TENSORFLOW) or _cores()


def processor() -> str:
    """The processor's name, as well as the system knows it."""
    about = Path("/proc/cpuinfo")
    if about.is_file():
        for line in about.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine()


def _number(variable: str) -> int:
    """A variable's number; 0 where it has none, which backends ignore, too."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
