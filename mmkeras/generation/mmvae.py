"""MMVAE: a mixture of experts; every modality has to explain all of them alone."""

from __future__ import annotations

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
    not rise with what is given, and what only one modality knows is averaged away. Normal
    distributions and the plain gradient stand here in place of the paper's Laplace ones and its
    doubly reparameterised gradient.

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
        counts = ops.cast(given, "float32")
        total = ops.maximum(ops.sum(counts, axis=1), 1.0)
        density, apart = 0.0, 0.0
        for place in range(len(self.names)):
            latent = self.draw(means[:, place], log_variances[:, place], self.samples)
            explained = self.weighted(self.log_densities(latent, inputs), given)
            ratio = posteriors.mixture_log_prob(latent, means, log_variances, given)
            ratio = ratio - self.prior_log_prob(latent)
            if self.samples > 1:
                # The gradient of the logarithm above weighs each sample by its importance (as if
                # beta were warm).
                shares = ops.stop_gradient(ops.softmax(explained - self.beta * ratio, axis=0))
                explained, ratio = shares * explained, shares * ratio
            share = counts[:, place] / total
            density = density + share * ops.sum(explained, axis=0)
            apart = apart + share * ops.sum(ratio, axis=0)
        return density, apart

    def draw_latent(self, means, log_variances, given):
        """From one of the given modalities, drawn evenly."""
        return self.draw(*self.joined(means, log_variances, self.random_member(given)))

    def latent_log_prob(self, latent, means, log_variances, given):
        return posteriors.mixture_log_prob(latent, means, log_variances, given)

    def _middle(self, means, log_variances, given):
        raise ValueError("The posterior of MMVAE is a mixture, without a middle. Leave `mean` out.")
