"""Kernels of one view: how alike two rows are.

A new kernel is one function and one line in `KERNELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.metrics.pairwise import (
    additive_chi2_kernel,
    cosine_similarity,
    euclidean_distances,
    linear_kernel,
)
from sklearn.utils.extmath import row_norms

# Kernels of the views: one or several names for all, or by view.
Kernels = str | Sequence[str] | Mapping[str, str | Sequence[str]]

# So many training rows tell the median distance.
_SAMPLE = 500


class Kernel(NamedTuple):
    """A kernel's function of two sets of rows and a scale, and where the scale comes from.

    `distance` is given by kernels that decrease with a distance: the scale is then the median
    distance times a width. Others have no width; theirs is the rows' mean square length.
    """

    function: Callable[[Any, Any, float], np.ndarray]
    distance: Callable[[Any, Any], np.ndarray] | None = None


def _dense(rows: Any) -> np.ndarray:
    return rows.toarray() if scipy.sparse.issparse(rows) else rows


def _squared(x: Any, z: Any) -> np.ndarray:
    return euclidean_distances(x, z, squared=True)


def _chi2(x: Any, z: Any) -> np.ndarray:
    return -additive_chi2_kernel(_dense(x), _dense(z))


KERNELS: dict[str, Kernel] = {
    # x z / s
    "linear": Kernel(lambda x, z, s: linear_kernel(x, z) / s),
    # (1 + x z / s)^2
    "polynomial": Kernel(lambda x, z, s: (1 + linear_kernel(x, z) / s) ** 2),
    # x z / (|x| |z|)
    "cosine": Kernel(lambda x, z, s: cosine_similarity(x, z)),
    # exp(-|x - z|^2 / s)
    "rbf": Kernel(lambda x, z, s: np.exp(-_squared(x, z) / s), _squared),
    # exp(-sum_j (x_j - z_j)^2 / (x_j + z_j) / s), of what is not negative, such as counts
    "chi2": Kernel(lambda x, z, s: np.exp(-_chi2(x, z) / s), _chi2),
}


@dataclass(frozen=True)
class ViewKernel:
    """A kernel of one view, fitted to training rows.

    Args:
        view: The view's position.
        name: Such as `image rbf 0.5`: view, kernel, width.
        kernel: A name of `KERNELS`.
        scale: What the kernel divides by.
        factor: What its value is multiplied by, so that it has a variance of 1.
    """

    view: int
    name: str
    kernel: str
    scale: float
    factor: float

    def __call__(self, x: Any, z: Any) -> np.ndarray:
        """The kernel of rows of the view, `(rows of x, rows of z)`."""
        return KERNELS[self.kernel].function(x, z, self.scale) * self.factor


def fit_kernels(
    views: Mapping[str, Any],
    kernels: Kernels,
    widths: Sequence[float],
    random: np.random.RandomState,
) -> list[ViewKernel]:
    """The kernels of all views: their scales, and factors that make their variances 1.

    The variance of a kernel is that of the rows in its feature space,
    `mean_i k(x_i, x_i) - mean_ij k(x_i, x_j)`; a kernel with a larger one would count for more only
    because of its units. Both are estimated from up to 500 training rows.

    Args:
        views: Each view's training rows.
        kernels: See `Kernels`.
        widths: One kernel each for those with a width: the squared width in units of the median
            squared distance. 0.5 is about `gamma="scale"` of scikit-learn.
        random: Draws the rows.

    Raises:
        ValueError: There is no such kernel or view, or a width that is not positive or has no
            effect.

    References:
        - [Kloft et al., 2011](https://www.jmlr.org/papers/v12/kloft11a.html) (section 4.4,
          multiplicative normalization)
    """
    widths = _check_widths(widths)
    by_view = _kernels_by_view(kernels, list(views))
    rows = next(iter(views.values())).shape[0]
    drawn = random.permutation(rows)[:_SAMPLE] if rows > _SAMPLE else slice(None)
    fitted: list[ViewKernel] = []
    for position, (view, x) in enumerate(views.items()):
        sample = x[drawn]
        for kernel in by_view[view]:
            distance = KERNELS[kernel].distance
            if distance is None:
                scale = float(np.mean(row_norms(sample, squared=True))) or 1.0
                scales = {f"{view} {kernel}": scale}
            else:
                far = distance(sample, sample)[np.triu_indices(sample.shape[0], 1)]
                median = (float(np.median(far)) if far.size else 0.0) or 1.0
                many = len(widths) > 1
                scales = {
                    f"{view} {kernel}{f' {width:g}' if many else ''}": width * median
                    for width in widths
                }
            for name, scale in scales.items():
                K = KERNELS[kernel].function(sample, sample, scale)
                variance = float(np.mean(np.diag(K)) - np.mean(K))
                factor = 1.0 / variance if variance > 1e-10 else 1.0
                fitted.append(ViewKernel(position, name, kernel, scale, factor))
    has_width = any(KERNELS[name].distance for names in by_view.values() for name in names)
    if not has_width and widths != [1.0]:
        raise ValueError(
            f"`widths` are those of {_with_width()}, and no view has such a kernel. Received: "
            f"{widths} with the kernels {kernels!r}."
        )
    return fitted


def _with_width() -> str:
    return " and ".join(name for name, kernel in KERNELS.items() if kernel.distance)


def _check_widths(widths: Sequence[float]) -> list[float]:
    found = [float(width) for width in np.atleast_1d(np.asarray(widths, dtype=float))]
    if not found or min(found) <= 0 or len(set(found)) < len(found):
        raise ValueError(f"`widths` are different positive numbers. Received: {widths!r}.")
    return found


def _kernels_by_view(kernels: Kernels, views: list[str]) -> dict[str, list[str]]:
    if isinstance(kernels, Mapping):
        if set(kernels) != set(views):
            raise ValueError(
                f"`kernel` by view names each view, {views}. Received: {sorted(kernels)}."
            )
        by_view = {view: kernels[view] for view in views}
    else:
        by_view = dict.fromkeys(views, kernels)
    names = {view: [k] if isinstance(k, str) else list(k) for view, k in by_view.items()}
    for view, chosen in names.items():
        unknown = [kernel for kernel in chosen if kernel not in KERNELS]
        if unknown or not chosen or len(set(chosen)) < len(chosen):
            raise ValueError(
                f"`kernel` is one or several different names of {sorted(KERNELS)}. Received: "
                f"{chosen!r} for the view {view!r}."
            )
    return names
