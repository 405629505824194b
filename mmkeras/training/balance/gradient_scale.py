"""Change how strongly a value is learnt from, without changing the value."""

from __future__ import annotations

from typing import Any

from keras import ops


def scale_gradient(x: Any, scale: Any) -> Any:
    """`x` itself; the gradient that flows back through it is multiplied by `scale`.

        y = stop_gradient(x) + scale (x - stop_gradient(x)),    dy/dx = scale

    Args:
        x: A tensor of finite numbers.
        scale: A number, or a tensor that broadcasts to `x`. No gradient flows into it.

    Returns:
        A tensor with the values of `x`, to the last bit.
    """
    fixed = ops.stop_gradient(x)
    return fixed + ops.cast(ops.stop_gradient(scale), x.dtype) * (x - fixed)
