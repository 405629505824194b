"""A translator without a network: the text that agrees best with those of similar training rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mmkeras.data.tables.splits import Splits
from mmkeras.studies.nearest_texts import Answers, Likeness, by_modality
from mmkeras.tasks import Task
from mmkeras.tasks.text_figures import chrf_of_pairs

# Of training rows: it holds several matrices of all pairs of them, 0.2 GB each.
MOST_ROWS = 5000
# Chosen on the validation rows of emoji's names in German.
_WIDTH_OF_WORDS, _WIDTH_OF_OTHERS, _RIDGE = 0.4, 0.3, 0.5


def consensus_texts(
    splits: Splits, likeness: Mapping[str, Likeness], task: Task
) -> dict[str, Answers]:
    """Answers each test row with the training text of the highest expected chrF.

    With cosines `c_m` of modality `m` (`Likeness`), weights `v_m` and widths `t_m`, the expected
    chrF of a text `y` for the row `x` is that of kernel ridge regression on the training rows:

        k(x, z) = sum_m v_m exp((c_m(x, z) - 1) / t_m)
        E(y | x) = k(x, X) (k(X, X) + ridge I)^-1 chrF(y, Y)

    The nearest row's text is all or nothing; this one has what many similar rows' texts share, and
    texts that are in many training rows do not outvote the others.

    Args:
        splits: Training (at most `MOST_ROWS`), validation and test rows.
        likeness: Of these rows, by modality (`likeness_of_rows`).
        task: The fitted task of a text.

    Returns:
        As `by_modality` does.

    References:
        - [Kumar and Byrne, 2004](https://aclanthology.org/N04-1022/) (the answer of the highest
          expected score)
        - [Weston et al., 2002](https://papers.nips.cc/paper/2002/hash/
          e45823afe1e5120cec11fc4c379a0c67-Abstract.html) (kernel ridge regression of what has no
          coordinates, such as texts)
    """
    known = task.true(splits.train)
    shared = chrf_of_pairs(list(known), list(known))

    def kernel(part: str, weights: Mapping[str, float]) -> np.ndarray:
        total = np.zeros(getattr(next(iter(likeness.values())), part).shape)
        for name, weight in weights.items():
            width = _WIDTH_OF_WORDS if likeness[name].words else _WIDTH_OF_OTHERS
            total += weight * np.exp((getattr(likeness[name], part) - 1) / width)
        return total

    def answer(part: str, weights: Mapping[str, float]) -> np.ndarray:
        regularized = kernel("train", weights) + _RIDGE * np.eye(len(known))
        shares = cho_solve(cho_factor(regularized, lower=True), kernel(part, weights).T).T
        return known[(shares @ shared.T).argmax(1)]

    return by_modality(splits, likeness, task, answer)
