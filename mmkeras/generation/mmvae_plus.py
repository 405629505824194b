"""MMVAE+: a mixture of experts over what is shared, and a latent of its own for each modality."""

from __future__ import annotations

import keras
from keras import ops, random

from mmkeras.generation import posteriors
from mmkeras.generation.mmvae import by_modality, member_mean
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MMVAEPlus(MultimodalVAE):
    """What all modalities share is in `z`; what one alone has, such as its style, is in its `w_m`.

        q(z | X_S) = 1/|S| sum_{m in S} q_m(z | x_m),    q_m(w_m | x_m)
        L = 1/M sum_m log 1/K sum_k exp( log p(x_m | z, w_m) + sum_{n != m} log p(x_n | z, v_n)
              - beta (log q(z | X) - log p(z) + log q_m(w_m | x_m) - log p(w_m)) )

    with `z`, `w_m` from the distributions of modality `m` and `v_n` from `r_n`, a normal
    distribution with a learnt deviation, all of them K times: what is made of another modality has
    no style to copy, so that `z` cannot smuggle any. A latent is `z` and all `w`, side by side;
    those of modalities that are not given are drawn from the prior, since `r_n` is for training.
    With `K = 1` the divergence of `w_m` is exact. Unlike in the paper, the latent distributions are
    normal, not Laplace, and the gradient is the bound's own (see `MMVAE`).

    Args:
        views: See `MultimodalVAE`. A view's `latent_dim` is `latent_dim + own_dim`, and so is its
            `decoded_dim`.
        own_dim: The width of each `w_m`.
        samples: `K`: 1 is an evidence lower bound, more are closer to the likelihood.

    References:
        - [Palumbo, Daunhawer and Vogt, 2023](https://openreview.net/forum?id=sdQGxouELX)
    """

    has_middle = False

    def __init__(self, views, own_dim: int = 16, samples: int = 1, **kwargs):
        super().__init__(views, **kwargs)
        if own_dim < 1 or samples < 1:
            raise ValueError(
                f"`own_dim` and `samples` are at least 1. Received: {own_dim} and {samples}."
            )
        self.own_dim, self.samples = int(own_dim), int(samples)
        self.log_deviations = self.add_weight(
            shape=(len(self.names), self.own_dim), initializer="zeros", name="log_deviations"
        )

    def _split(self, values):
        """What is shared, and what is the modality's own: the last axis in two."""
        return values[..., : self.latent_dim], values[..., self.latent_dim :]

    def _noise(self, *before):
        """Own latents of the prior, `(*before, modalities, own_dim)`."""
        shape = (*before, len(self.names), self.own_dim)
        return random.normal(shape, dtype="float32", seed=self.seed_generator)

    def objective(self, inputs, means, log_variances, given, training):
        count, rows = len(self.names), ops.shape(means)[0]
        (shared, own), (shared_log, own_log) = self._split(means), self._split(log_variances)
        # Of all modalities at once, `(samples, modalities, batch, ...)`.
        mean, log_variance, own, own_log = by_modality(shared, shared_log, own, own_log)
        z = self.draw(mean, log_variance, self.samples)
        w = self.draw(own, own_log, self.samples)
        auxiliary = ops.exp(self.log_deviations) * self._noise(self.samples, count, rows)
        mine = ops.cast(ops.eye(count), "bool")[:, None, :, None]
        styles = ops.where(mine, w[..., None, :], auxiliary)
        explained = self.weighted(self.log_densities(self._latent(z, styles), inputs), given)
        ratio = posteriors.mixture_log_prob(z, shared, shared_log, given)
        ratio = ratio - self.prior_log_prob(z)
        if self.samples == 1:
            ratio = ratio + posteriors.divergence(own, own_log)
        else:
            ratio = ratio + posteriors.normal_log_prob(w, own, own_log) - self.prior_log_prob(w)
        density, apart = posteriors.importance_bound(explained, ratio, self.beta)
        return member_mean(density, given), member_mean(apart, given)

    def _latent(self, z, styles):
        flat = ops.reshape(styles, (*ops.shape(z)[:-1], len(self.names) * self.own_dim))
        return ops.concatenate([z, flat], axis=-1)

    def _parts(self, latent):
        z, flat = self._split(latent)
        return [
            ops.concatenate([z, flat[..., i * self.own_dim : (i + 1) * self.own_dim]], axis=-1)
            for i in range(len(self.names))
        ]

    def log_densities(self, latent, inputs):
        each = [
            view.log_prob(part, inputs[name])
            for name, view, part in zip(self.names, self.views, self._parts(latent), strict=True)
        ]
        return ops.stack(each, axis=-1)

    def draw_latent(self, means, log_variances, given):
        """`z` from one of the given modalities, drawn evenly, and `w` of each that is given."""
        (shared, own), (shared_log, own_log) = self._split(means), self._split(log_variances)
        z = self.draw(*self.joined(shared, shared_log, self.random_member(given)))
        noise = self._noise(ops.shape(z)[0])
        return self._latent(z, ops.where(given[..., None], self.draw(own, own_log), noise))

    def draw_prior(self, rows):
        return self._latent(super().draw_prior(rows), self._noise(rows))

    def log_ratio(self, latent, means, log_variances, given):
        (shared, own), (shared_log, own_log) = self._split(means), self._split(log_variances)
        z, flat = self._split(latent)
        w = ops.reshape(flat, (*ops.shape(flat)[:-1], len(self.names), self.own_dim))
        # Own latents of modalities that are not given are the prior's: their ratio is 1.
        own_ratio = self.prior_log_prob(w) - posteriors.normal_log_prob(w, own, own_log)
        own_ratio = ops.sum(ops.where(given, own_ratio, 0.0), axis=-1)
        return super().log_ratio(z, shared, shared_log, given) + own_ratio

    def latent_log_prob(self, latent, means, log_variances, given):
        return posteriors.mixture_log_prob(latent, means, log_variances, given)

    def _middle(self, means, log_variances, given):
        raise ValueError(
            "The posterior of MMVAE+ is a mixture, without a middle. Leave `mean` out."
        )
