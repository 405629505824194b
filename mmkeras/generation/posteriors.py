"""Latent distributions: normal ones of each modality, and what joins those that a row has.

Means and log-variances are float32 `(batch, modalities, latent)`, and `given` is boolean `(batch,
modalities)`: the modalities that count. What stands in the others changes nothing, as long as it is
finite.
"""

from __future__ import annotations

import itertools
import math
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
        means, log_variances: See above.
        given: See above, or several sets of modalities at once, `(..., batch, modalities)`.
        prior: Whether N(0, 1) is one of the factors. Without it a row with nothing given is the
            prior, too.

    Returns:
        Mean and log-variance, `(..., batch, latent)`.

    References:
        - [Wu and Goodman, 2018](https://arxiv.org/abs/1802.05335), section 2.1
    """
    counts = ops.cast(given, "float32")
    precisions = ops.exp(-log_variances)
    total = ops.einsum("...bm,bml->...bl", counts, precisions)
    total = total + (1.0 if prior else 1.0 - ops.max(counts, axis=-1, keepdims=True))
    mean = ops.einsum("...bm,bml->...bl", counts, precisions * means) / total
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
    # Far below any log-density, yet finite: a row with nothing given has finite gradients, too.
    each = ops.where(given, each, -1e30)
    count = ops.sum(ops.cast(given, "float32"), axis=-1)
    return ops.logsumexp(each, axis=-1) - ops.log(ops.maximum(count, 1.0))


def importance_bound(explained: Any, ratio: Any, beta: float) -> tuple[Any, Any]:
    """The importance-weighted bound of K samples, in the two parts that `beta` weighs.

        log 1/K sum_k exp(e_k - beta r_k) = sum_k s_k e_k - beta sum_k s_k r_k + c
        s = softmax(e - beta r),   c = -sum_k s_k log s_k - log K

    `s` is constant for the gradient, which then is that of the left side: the derivatives of a
    logarithm of a sum weigh each sample by its share.

    Args:
        explained: Log-densities `(K, ...)` of inputs given each sample.
        ratio: `log q - log p` of each sample, `(K, ...)`.
        beta: Its weight.

    Returns:
        `sum_k s_k e_k + c` and `sum_k s_k r_k`. With one sample these are `explained` and `ratio`.

    References:
        - [Burda et al., 2016](https://arxiv.org/abs/1509.00519), equation 14
    """
    samples = explained.shape[0]
    if samples == 1:
        return explained[0], ratio[0]
    logs = ops.stop_gradient(ops.log_softmax(explained - beta * ratio, axis=0))
    shares = ops.exp(logs)
    constant = -ops.sum(shares * logs, axis=0) - math.log(samples)
    return ops.sum(shares * explained, axis=0) + constant, ops.sum(shares * ratio, axis=0)


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
