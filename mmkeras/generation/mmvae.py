"""MMVAE: a mixture of experts; every modality has to explain all of them alone."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MMVAE(MultimodalVAE):
    """The posterior of a set of modalities is the even mixture of theirs.

        q(z | X_S) = 1/|S| sum_{m in S} q_m(z | x_m)
        L = 1/M sum_m log 1/K sum_k exp( sum_n log p(x_n | z_mk)
                + beta (log p(z_mk) - log q(z_mk | X)) ),    z_mk from q_m

    Since each modality's latent has to give all modalities, one is as good as many: coherence does
    not rise with what is given, and what only one modality knows is averaged away.

    Unlike in the paper, the latent distributions are normal, not Laplace, the prior is not learnt,
    the default is one sample, not 30, and the gradient is the bound's own, not doubly
    reparameterised. While `beta` warms up, samples are weighted as if it were warm.

    Args:
        views: See `MultimodalVAE`, as for all but `samples`.
        samples: `K`: 1 is an evidence lower bound, more are closer to the likelihood.

    References:
        - [Shi et al., 2019](https://arxiv.org/abs/1911.03393)
    """

    has_middle = False

    def __init__(self, views, samples: int = 1, **kwargs):
        super().__init__(views, **kwargs)
        if samples < 1:
            raise ValueError(f"`samples` must be at least 1. Received: {samples}.")
        self.samples = int(samples)

    def objective(self, inputs, means, log_variances, given, training):
        # Latents of all modalities at once, `(samples, modalities, batch, latent)`.
        mean, log_variance = by_modality(means, log_variances)
        latent = self.draw(mean, log_variance, self.samples)
        explained = self.weighted(self.log_densities(latent, inputs), given)
        ratio = posteriors.mixture_log_prob(latent, means, log_variances, given)
        ratio = ratio - self.prior_log_prob(latent)
        density, apart = posteriors.importance_bound(explained, ratio, self.beta)
        return member_mean(density, given), member_mean(apart, given)

    def draw_latent(self, means, log_variances, given):
        """From one of the given modalities, drawn evenly."""
        return self.draw(*self.joined(means, log_variances, self.random_member(given)))

    def latent_log_prob(self, latent, means, log_variances, given):
        return posteriors.mixture_log_prob(latent, means, log_variances, given)

    def _middle(self, means, log_variances, given):
        raise ValueError("The posterior of MMVAE is a mixture, without a middle. Leave `mean` out.")


def by_modality(*values: Any) -> list[Any]:
    """`(batch, modalities, width)` as `(modalities, batch, width)`, of each."""
    return [ops.transpose(each, (1, 0, 2)) for each in values]


def member_mean(values: Any, given: Any) -> Any:
    """The mean over the modalities that a row has of `(modalities, batch)`: `(batch,)`."""
    kept = ops.where(given, ops.transpose(values), 0.0)
    count = ops.sum(ops.cast(given, "float32"), axis=1)
    return ops.sum(kept, axis=1) / ops.maximum(count, 1.0)
