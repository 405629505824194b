"""One seed for everything, and operations that give the same bits every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from mmkeras.sum_order import sum_in_order


def set_seed(seed: int) -> None:
    """Seeds Python, NumPy and the backend, and turns on deterministic operations.

    With it, two runs of one seed on one machine and backend end with the same weights, bit for
    bit. TensorFlow's deterministic kernels can be slower on a GPU; on a CPU they cost nothing
    that could be measured.

    Args:
        seed: Any integer from 0 to 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be in [0, 2**32). Received: {seed}.")
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        sum_in_order()
    elif keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


@contextmanager
def same_draws() -> Iterator[None]:
    """What is drawn inside changes nothing of what Python and NumPy draw after it."""
    state, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(of_numpy)
