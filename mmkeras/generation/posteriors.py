"""Latent distributions: normal ones of each modality, and what joins those that a row has.

Means and log-variances are float32 `(batch, modalities, latent)`, and `given` is boolean `(batch,
modalities)`: the modalities that count. What stands in the others changes nothing, as long as it is
finite.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from keras import ops

_LOG_2PI = 1.8378770664093453
# Variances between e^-10 and e^10: beyond, a product of experts leaves the range of float32.
LOG_VARIANCE = 10.0


def product_of_experts(
    means: Any, log_variances: Any, given: Any, *, prior: bool = True
) -> tuple[Any, Any]:
    """The normal distribution that the product of normal densities is, when normalised.

        1 / v = [1 +] sum_m 1 / v_m,    mu = v sum_m mu_m / v_m

    Args:
        means, log_variances, given: See above.
        prior: Whether N(0, 1) is one of the factors. Without it a row with nothing given is the
            prior, too.

    Returns:
        Mean and log-variance, `(batch, latent)`.

    References:
        - [Wu and Goodman, 2018](https://arxiv.org/abs/1802.05335), section 2.1
    """
    counts = ops.expand_dims(ops.cast(given, "float32"), axis=-1)
    precisions = counts * ops.exp(-log_variances)
    total = ops.sum(precisions, axis=1)
    any_given = ops.max(counts, axis=1)
    total = total + (1.0 if prior else 1.0 - any_given)
    mean = ops.sum(precisions * means, axis=1) / total
    return mean, -ops.log(total)


def normal_log_prob(z: Any, mean: Any, log_variance: Any) -> Any:
    """The log-density of N(mean, exp(log_variance)), summed over the last axis."""
    squared = ops.square(z - mean) * ops.exp(-log_variance)
    return -0.5 * ops.sum(squared + log_variance + _LOG_2PI, axis=-1)


def mixture_log_prob(z: Any, means: Any, log_variances: Any, given: Any) -> Any:
    """The log-density of the even mixture of the given modalities' distributions.

        log q(z) = log( 1/|S| sum_{m in S} N(z; mu_m, v_m) )

    Args:
        z: `(..., batch, latent)`.
        means, log_variances, given: See above.

    Returns:
        `(..., batch)`.

    References:
        - [Shi et al., 2019](https://arxiv.org/abs/1911.03393), equation 3
    """
    each = normal_log_prob(ops.expand_dims(z, axis=-2), means, log_variances)
    counts = ops.cast(given, "float32")
    each = each + ops.log(ops.maximum(counts, 1e-30))
    return ops.logsumexp(each, axis=-1) - ops.log(ops.maximum(ops.sum(counts, axis=-1), 1.0))


def divergence(mean: Any, log_variance: Any, other_mean: Any = 0.0, other_log: Any = 0.0) -> Any:
    """The Kullback-Leibler divergence of two normal distributions, summed over the last axis.

        KL(N(m, v) || N(n, w)) = 1/2 sum( log w - log v + (v + (m - n)^2) / w - 1 )

    The other one is N(0, 1) by default.
    """
    other_log = ops.convert_to_tensor(other_log, dtype="float32")
    squared = ops.exp(log_variance) + ops.square(mean - other_mean)
    return 0.5 * ops.sum(other_log - log_variance + squared * ops.exp(-other_log) - 1.0, axis=-1)


def subsets(modalities: int) -> np.ndarray:
    """All sets of modalities but the empty one, small ones first: booleans `(sets, modalities)`.

    >>> subsets(2).astype(int).tolist()
    [[1, 0], [0, 1], [1, 1]]
    """
    if modalities < 1:
        raise ValueError(f"There is at least one modality. Received: {modalities}.")
    places = range(modalities)
    sets = [
        chosen
        for size in range(1, modalities + 1)
        for chosen in itertools.combinations(places, size)
    ]
    return np.array([[place in chosen for place in places] for chosen in sets])
