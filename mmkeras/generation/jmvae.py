"""JMVAE: one encoder of all modalities together, which each modality's own learns to imitate."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class JMVAE(MultimodalVAE):
    """A joint encoder `q(z | x_1 ... x_M)`, and one of each modality that is drawn towards it.

        L = sum_m log p(x_m | z) - beta KL(q(z | X) || p(z))
              - alpha sum_m KL(q(z | X) || q_m(z | x_m))

    The joint encoder is a dense network over the modalities' means and log-variances, with zeros
    and a mark where one is absent: so rows with holes train it, too. The paper's joint encoder is a
    network of its own, which reads the inputs. From a part of the modalities the product of their
    own distributions is taken.

    Args:
        views: See `MultimodalVAE`, as for all but those below.
        alpha: The weight of imitation.
        units: The width of the joint encoder's hidden layer.

    References:
        - [Suzuki, Nakayama and Matsuo, 2016](https://arxiv.org/abs/1611.01891), equation 6
    """

    def __init__(self, views, alpha: float = 0.1, units: int = 256, **kwargs):
        super().__init__(views, **kwargs)
        if alpha < 0:
            raise ValueError(f"`alpha` must not be negative. Received: {alpha}.")
        self.alpha, self.units = float(alpha), int(units)
        self.hidden = layers.Dense(self.units, activation="relu", dtype="float32")
        self.joint = layers.Dense(2 * self.latent_dim, dtype="float32")

    def build(self, input_shape):
        super().build(input_shape)
        self.hidden.build((None, len(self.names) * (2 * self.latent_dim + 1)))
        self.joint.build((None, self.units))

    def _joint(self, means, log_variances, given):
        marks = ops.cast(given, "float32")[..., None]
        # Encoders follow their own loss, and through it the joint one.
        seen = ops.concatenate([marks * means, marks * log_variances, marks], axis=-1)
        flat = ops.reshape(seen, (-1, len(self.names) * (2 * self.latent_dim + 1)))
        mean, log_variance = ops.split(self.joint(self.hidden(flat)), 2, axis=-1)
        limit = posteriors.LOG_VARIANCE
        return mean, ops.clip(log_variance, -limit, limit)

    def objective(self, inputs, means, log_variances, given, training):
        mean, log_variance = self._joint(means, log_variances, given)
        latent = self.draw(mean, log_variance)
        density = self.weighted(self.log_densities(latent, inputs), given)
        imitation = posteriors.divergence(
            mean[:, None], log_variance[:, None], means, log_variances
        )
        imitation = ops.sum(ops.where(given, imitation, 0.0), axis=1)
        return density - self.alpha * imitation, posteriors.divergence(mean, log_variance)

    def joined(self, means, log_variances, given):
        """The joint encoder's, where all modalities are given; else a product of experts."""
        joint = self._joint(means, log_variances, given)
        product = super().joined(means, log_variances, given)
        whole = ops.all(given, axis=1)[:, None]
        return tuple(ops.where(whole, a, b) for a, b in zip(joint, product, strict=True))
