"""What number is full scale in sounds that are stored as floats."""

from __future__ import annotations

import numpy as np

# Floats up to this, 12 decibels above full scale, are clipped, as any player clips them.
MOST_CLIPPED = 4.0
# Below this, 54 decibels under full scale, hardly a sound of 16-bit numbers is.
_LEAST_INTEGERS = 64.0
_DEPTHS = (16, 24, 32)


def full_scale(samples: np.ndarray) -> float:
    """The number that is full scale in a sound of floats, decided for each sound on its own.

    Floats of sounds are in [-1, 1] by convention, but 16-bit numbers that became floats without
    a division are common, too. With `p`, the largest absolute value:

    - `p` up to 1, or up to 4 with fractions: full scale is 1; what is beyond is clipped.
    - `p` from 64 up, or whole numbers: full scale is that of 16 bits, 32768. Where `p` is beyond
      twice that, it is that of 24 or of 32 bits.
    - Anything else may be either, and is refused.

    Args:
        samples: Floats, of any shape.

    Raises:
        ValueError: They are not finite, or may be of either scale, or are too large.

    Example:
        >>> full_scale(np.array([0.5, -1.2])), full_scale(np.array([120.5, -9000.0]))
        (1.0, 32768.0)
    """
    if not samples.size:
        return 1.0
    peak = max(float(samples.max()), -float(samples.min()))
    if not np.isfinite(peak):
        raise ValueError("The sound has samples that are not finite numbers (NaN or infinity).")
    if peak <= 1:
        return 1.0
    # A first look at some: whole numbers are rare, and seen at a glance.
    whole = _are_whole(samples[:1000]) and _are_whole(samples)
    if peak <= MOST_CLIPPED and not whole:
        return 1.0
    depth = next((depth for depth in _DEPTHS if peak <= 2.0**depth), None)
    if depth is None or (peak < _LEAST_INTEGERS and not whole):
        raise ValueError(
            f"The sound has floats up to {peak:g}. Expected numbers in [-1, 1], or in the range "
            "of integers of 16, 24 or 32 bits: divide them by the number that is full scale."
        )
    return 2.0 ** (depth - 1)


def _are_whole(samples: np.ndarray) -> bool:
    return bool((samples == np.rint(samples)).all())
