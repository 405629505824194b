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

    Random sets are drawn for each row. They have two modalities or more, but not all: those sets
    have their own terms. In a row with holes `all` means all that it has.

    Args:
        views: See `MultimodalVAE`, as for all but `random_sets`.
        random_sets: `k`, with three modalities or more.

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
        sets = [given[None]]
        if count > 1:
            sets.append(given & ops.cast(ops.eye(count), "bool")[:, None])
        if count > 2:
            sizes = range(2, count)
            sets += [self.random_subsets(given, sizes)[None] for _ in range(self.random_sets)]
        chosen = ops.concatenate(sets, axis=0)
        mean, log_variance = self.joined(means, log_variances, chosen)
        latent = self.draw(mean, log_variance)
        density = 0.0
        for place, (name, view) in enumerate(zip(self.names, self.views, strict=True)):
            # Decoded are the sets that may have the modality: not those of one of the others.
            rows = [0, *([1 + place] if count > 1 else []), *range(1 + count, chosen.shape[0])]
            each = view.log_prob(ops.take(latent, rows, axis=0), inputs[name])
            kept = ops.take(chosen[..., place], rows, axis=0)
            density = density + self._scales[place] * ops.sum(ops.where(kept, each, 0.0), axis=0)
        # Of nothing given the posterior is the prior: both terms are 0.
        return density, ops.sum(posteriors.divergence(mean, log_variance), axis=0)
