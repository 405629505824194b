"""What models learn about the label from their inputs, in bits, and how two of them share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SMALLEST = 1e-12


def pointwise_information(
    targets: np.ndarray, outputs: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """What a model's answer says of each row's true class, in bits.

        i(row) = log2 p(true class | inputs) - log2 p(true class)

    Its mean is how much of the label's entropy this model can use (V-information), at most the
    mutual information of inputs and label and, up to chance, only above 0 if the model beats the
    classes' frequencies. It is below 0 in rows where the model is surer of another class.

    Args:
        targets: One-hot rows `(rows, classes)`.
        outputs: Class probabilities `(rows, classes)`, best calibrated (`fit_temperature`): one
            wrong answer that the model was sure of costs dozens of bits.
        prior: The classes' frequencies in the training rows, `(classes,)`.

    Returns:
        `(rows,)`.

    Example:

    >>> pointwise_information(np.eye(2), np.array([[1.0, 0.0], [0.5, 0.5]]), np.ones(2) / 2)
    array([1., 0.])

    References:
        - [Xu et al., 2020](https://arxiv.org/abs/2002.10689) (V-information, definition 2)
        - [Ethayarajh et al., 2022](https://arxiv.org/abs/2110.08420) (equation 4, of a row)
    """
    true = np.asarray(targets).argmax(axis=1)
    told = np.asarray(outputs, np.float64)[np.arange(len(true)), true]
    known = np.asarray(prior, np.float64)[true]
    return np.log2(np.maximum(told, _SMALLEST)) - np.log2(np.maximum(known, _SMALLEST))


@dataclass(frozen=True)
class Decomposition:
    """What two modalities say about the label, in bits.

    Args:
        redundancy: What either says.
        unique: What only the first says, and only the second.
        synergy: What only both together say.
    """

    redundancy: float
    unique: tuple[float, float]
    synergy: float


def decompose(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> Decomposition:
    """Splits what two modalities say about the label into shared, own and joint parts.

    From what models of the first, of the second and of both say of each row, `i_1`, `i_2` and
    `i_12` (`pointwise_information`), with the co-information `c = i_1 + i_2 - i_12`:

        redundancy = mean of c over the rows in which i_1, i_2, i_12 and c have one sign (else 0)
        unique_k   = mean(i_k) - redundancy
        synergy    = mean(i_12) - mean(i_1) - mean(i_2) + redundancy

    These are the four atoms of a partial information decomposition, with the redundancy of common
    changes in surprisal. Two modalities that say different things about the label, one bit each,
    share nothing by it; a plain minimum of the two would call that bit shared.

    It is what *these models* found. A model that was trained badly hides information, and then a
    part may come out below 0.

    Args:
        first, second, both: Bits `(rows,)`.

    Example: XOR, of which neither says anything alone.

    >>> decompose(np.zeros(4), np.zeros(4), np.ones(4))
    Decomposition(redundancy=0.0, unique=(0.0, 0.0), synergy=1.0)

    References:
        - Williams and Beer, "Nonnegative decomposition of multivariate information", 2010,
          [arXiv](https://arxiv.org/abs/1004.2515) (the four parts)
        - [Ince, 2017](https://doi.org/10.3390/e19070318) (redundancy of common changes in
          surprisal, equation 34)
    """
    first, second, both = (np.asarray(x, np.float64) for x in (first, second, both))
    if not first.shape == second.shape == both.shape or first.ndim != 1 or not len(first):
        raise ValueError(
            "Bits of the same rows are needed from all three models. Received: shapes "
            f"{first.shape}, {second.shape} and {both.shape}."
        )
    common = first + second - both
    signs = np.sign(np.stack([first, second, both, common]))
    alike = (signs == signs[0]).all(axis=0)
    redundancy = float(np.where(alike, common, 0.0).mean())
    one, two, together = (float(x.mean()) for x in (first, second, both))
    return Decomposition(
        redundancy,
        (one - redundancy, two - redundancy),
        together - one - two + redundancy,
    )
