"""How a model's score falls as its inputs get worse: MultiBench's two figures.

Both read the scores over levels of corruption, the clean one first. The corruptions are in
`mmkeras.evaluation.corruptions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def relative_robustness(
    scores: Sequence[float] | np.ndarray, levels: Sequence[float] | np.ndarray | None = None
) -> float:
    """The area under the curve of a model's scores over the levels of corruption.

    By the trapezoid rule, of scores `f_0, ..., f_T` at the levels `l_0, ..., l_T`:

        area = sum over t = 1 .. T of  (f_{t-1} + f_t) / 2 * (l_t - l_{t-1})

    Unless levels are given they are equally spaced from 0 to 1, so that the area of a model whose
    score never falls is its clean score, whatever the number of levels. MultiBench's code always
    takes steps of 0.1. For its usual 11 scores (levels 0, 0.1, ..., 1) that is the same; for fewer
    it is the area up to the last level, which `levels` gives here too.

    Args:
        scores: The clean score, then that of each strength, `(levels,)`.
        levels: The level of each score, rising.

    Raises:
        ValueError: Fewer than two scores, one that is not finite, or levels that do not rise or
            are not as many.

    Example:

    >>> relative_robustness([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    0.5
    >>> relative_robustness([1.0, 0.5, 0.5])  # (1 + 0.5) / 2 * 0.5 + (0.5 + 0.5) / 2 * 0.5
    0.625
    >>> relative_robustness([1.0, 0.5, 0.5], levels=[0, 3, 4])
    2.75

    References:
        Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning",
        NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2107.07502;
        https://github.com/pliang279/MultiBench, `eval_scripts/robustness.py`,
        `relative_robustness_helper`.
    """
    scores = _curve(scores)
    if levels is None:
        levels = np.linspace(0.0, 1.0, len(scores))
    levels = np.asarray(levels, np.float64)
    if levels.shape != scores.shape or not (np.diff(levels) > 0).all():
        raise ValueError(
            f"There is one level for each of the {len(scores)} scores, and they rise. Received: "
            f"{levels.tolist()}."
        )
    return float(np.sum((scores[:-1] + scores[1:]) / 2 * np.diff(levels)))


def effective_robustness(
    scores: Sequence[float] | np.ndarray, late_fusion_scores: Sequence[float] | np.ndarray
) -> float:
    """How much more of its clean score a model keeps than late fusion does.

    Of scores `f_0, ..., f_T` and those of late fusion, `g_0, ..., g_T`, at the same levels:

        sum over t = 0 .. T of  f_t - beta_t,    beta_t = g_t + (f_0 - g_0)

    `beta` is late fusion's curve, lifted to the model's clean score: what a model that is that
    good on clean data would be expected to keep. A model that only starts higher, and falls as
    late fusion does, gets 0. The sum grows with the number of levels (level 0 adds nothing), so
    that only figures over the same levels compare. A higher score is taken to be a better one.

    Args:
        scores: The clean score, then that of each strength, `(levels,)`.
        late_fusion_scores: Those of a model with late fusion on the same rows, `(levels,)`.

    Raises:
        ValueError: Fewer than two scores, one that is not finite, or different numbers of them.

    Example:

    >>> effective_robustness([0.75, 0.75, 0.5], [0.5, 0.25, 0.25])  # 0 + 0.25 + 0
    0.25

    References:
        - Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation
          learning", NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2107.07502;
          https://github.com/pliang279/MultiBench, `eval_scripts/robustness.py`,
          `effective_robustness_helper`.
        - Taori et al., "Measuring robustness to natural distribution shifts in image
          classification", NeurIPS 2020, https://arxiv.org/abs/2007.00644 (the idea; there `beta`
          is fitted over many models).
    """
    scores, late = _curve(scores), _curve(late_fusion_scores)
    if scores.shape != late.shape:
        raise ValueError(
            "A model and late fusion are compared at the same levels. Received: "
            f"{len(scores)} and {len(late)} scores."
        )
    beta = late + (scores[0] - late[0])
    return float(np.sum(scores - beta))


def normalised(values: Mapping[str, float]) -> dict[str, float]:
    """Values of several methods, brought to [0, 1]: `(x - min) / (max - min)`.

    MultiBench does so with either figure before it compares methods: the best gets 1, the worst 0.
    Where all are equal none is better or worse, and each gets 0.5. (MultiBench's code then divides
    0 by 0.) The result says nothing of how far apart the methods are.

    Args:
        values: By method; the higher, the better.

    Raises:
        ValueError: No values, or one that is not finite.

    Example:

    >>> normalised({"concat": 0.25, "attention": 0.75, "late": 0.5})
    {'concat': 0.0, 'attention': 1.0, 'late': 0.5}
    """
    if not values or not np.isfinite(list(values.values())).all():
        raise ValueError(f"Each method has a finite value. Received: {dict(values)}.")
    least, most = min(values.values()), max(values.values())
    if least == most:
        return dict.fromkeys(values, 0.5)
    return {method: float((x - least) / (most - least)) for method, x in values.items()}


def _curve(scores: Sequence[float] | np.ndarray) -> np.ndarray:
    curve = np.asarray(scores, np.float64)
    if curve.ndim != 1 or len(curve) < 2 or not np.isfinite(curve).all():
        raise ValueError(
            "Scores are finite numbers, the clean one and at least one more. Received: "
            f"{curve.tolist()}."
        )
    return curve
