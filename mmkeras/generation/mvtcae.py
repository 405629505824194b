"""MVTCAE: a product of experts that keeps what modalities have in common."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MVTCAE(MultimodalVAE):
    """The total correlation of the modalities is made large: each is close to what all say.

        L = (M - alpha)/M E_{z from q(z | X)} sum_m log p(x_m | z)
              - beta ((1 - alpha) KL(q(z | X) || p(z)) + alpha/M sum_m KL(q(z | X) || q_m(z | x_m)))

    with `q(z | X)` the product of the modalities' distributions, and `M` how many a row has.

    Args:
        views: See `MultimodalVAE`, as for all but `alpha`.
        alpha: From 0 (the information bottleneck with the prior) to 1 (with the modalities).

    References:
        - [Hwang et al., 2021](https://openreview.net/forum?id=1BsQLJ5iMOt), equation 9
    """

    def __init__(self, views, alpha: float = 0.9, **kwargs):
        super().__init__(views, **kwargs)
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` is in [0, 1]. Received: {alpha}.")
        self.alpha = float(alpha)

    def objective(self, inputs, means, log_variances, given, training):
        count = ops.maximum(ops.sum(ops.cast(given, "float32"), axis=1), 1.0)
        mean, log_variance = self.joined(means, log_variances, given)
        latent = self.draw(mean, log_variance)
        density = self.weighted(self.log_densities(latent, inputs), given)
        own = posteriors.divergence(mean[:, None], log_variance[:, None], means, log_variances)
        own = ops.sum(ops.where(given, own, 0.0), axis=1) / count
        prior = posteriors.divergence(mean, log_variance)
        apart = (1 - self.alpha) * prior + self.alpha * own
        return (count - self.alpha) / count * density, apart
