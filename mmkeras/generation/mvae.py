"""MVAE: a product of experts, trained on all modalities, on each, and on random sets."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MVAE(MultimodalVAE):
    """The posterior of a set of modalities is the product of theirs and the prior.

        q(z | X_S) ~ p(z) prod_{m in S} q_m(z | x_m)
        L = sum over S in {all, each alone, k random sets} of
                sum_{m in S} log p(x_m | z_S) - beta KL(q(z | X_S) || p(z))

    A sharp modality can decide alone, which makes samples good and one blurred modality weak.

    Args:
        views: See `MultimodalVAE`, as for all but `random_sets`.
        random_sets: `k`.

    References:
        - [Wu and Goodman, 2018](https://arxiv.org/abs/1802.05335)
    """

    prior_expert = True

    def __init__(self, views, random_sets: int = 1, **kwargs):
        super().__init__(views, **kwargs)
        if random_sets < 0:
            raise ValueError(f"`random_sets` must not be negative. Received: {random_sets}.")
        self.random_sets = int(random_sets)

    def objective(self, inputs, means, log_variances, given, training):
        count = len(self.names)
        chosen = [given]
        if count > 1:
            alone = ops.cast(ops.eye(count), "bool")
            chosen += [ops.logical_and(given, alone[place]) for place in range(count)]
            chosen += [self.random_subsets(given) for _ in range(self.random_sets)]
        density, apart = 0.0, 0.0
        for each in chosen:
            mean, log_variance = self.joined(means, log_variances, each)
            latent = self.draw(mean, log_variance)
            density = density + self.weighted(self.log_densities(latent, inputs), each)
            # Of nothing given the posterior is the prior: both terms are 0.
            apart = apart + posteriors.divergence(mean, log_variance)
        return density, apart
