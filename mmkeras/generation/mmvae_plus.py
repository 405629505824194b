"""MMVAE+: a mixture of experts over what is shared, and a latent of its own for each modality."""

from __future__ import annotations

import keras
from keras import ops, random

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MMVAEPlus(MultimodalVAE):
    """What all modalities share is in `z`; what one alone has, such as its style, is in its `w_m`.

        q(z | X_S) = 1/|S| sum_{m in S} q_m(z | x_m),    q_m(w_m | x_m)
        L = 1/M sum_m [ log p(x_m | z_m, w_m) + sum_{n != m} log p(x_n | z_m, v_n)
              - beta (log q(z_m | X) - log p(z_m) + log q_m(w_m | x_m) - log p(w_m)) ]

    with `z_m`, `w_m` from the distributions of modality `m`, and `v_n` from `r_n`, a normal
    distribution with a learnt deviation: what is made of another modality has no style to copy,
    so that `z` cannot smuggle any. A latent is `z` and all `w`, side by side; those of modalities
    that are not given are drawn from `r_n`.

    Args:
        views: See `MultimodalVAE`. A view's `latent_dim` is `latent_dim + own_dim`, and so is its
            `decoded_dim`.
        own_dim: The width of each `w_m`.

    References:
        - [Palumbo, Daunhawer and Vogt, 2023](https://openreview.net/forum?id=sdQGxouELX)
    """

    has_middle = False

    def __init__(self, views, own_dim: int = 16, **kwargs):
        super().__init__(views, **kwargs)
        self.own_dim = int(own_dim)
        self.log_deviations = self.add_weight(
            shape=(len(self.names), self.own_dim), initializer="zeros", name="log_deviations"
        )

    def _split(self, values):
        """What is shared, and what is the modality's own: the last axis in two."""
        return values[..., : self.latent_dim], values[..., self.latent_dim :]

    def _from_auxiliary(self, rows):
        """Own latents from `r`, `(rows, modalities, own_dim)`."""
        shape = (rows, len(self.names), self.own_dim)
        noise = random.normal(shape, dtype="float32", seed=self.seed_generator)
        return ops.exp(self.log_deviations) * noise

    def objective(self, inputs, means, log_variances, given, training):
        counts = ops.cast(given, "float32")
        total = ops.maximum(ops.sum(counts, axis=1), 1.0)
        (shared, own), (shared_log, own_log) = self._split(means), self._split(log_variances)
        density, apart = 0.0, 0.0
        for place in range(len(self.names)):
            z = self.draw(shared[:, place], shared_log[:, place])
            styles = self._from_auxiliary(ops.shape(means)[0])
            w = self.draw(own[:, place], own_log[:, place])
            mine = ops.one_hot(place, len(self.names))[None, :, None]
            styles = mine * w[:, None] + (1 - mine) * styles
            each = self.log_densities(self._latent(z, styles), inputs)
            ratio = posteriors.mixture_log_prob(z, shared, shared_log, given)
            ratio = ratio - posteriors.normal_log_prob(z, 0.0, ops.zeros_like(z))
            ratio = ratio + posteriors.divergence(own[:, place], own_log[:, place])
            share = counts[:, place] / total
            density = density + share * self.weighted(each, given)
            apart = apart + share * ratio
        return density, apart

    def _latent(self, z, styles):
        flat = ops.reshape(styles, (-1, len(self.names) * self.own_dim))
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
        styles = ops.where(
            given[..., None], self.draw(own, own_log), self._from_auxiliary(ops.shape(z)[0])
        )
        return self._latent(z, styles)

    def draw_prior(self, rows):
        shape = (rows, len(self.names), self.own_dim)
        styles = random.normal(shape, dtype="float32", seed=self.seed_generator)
        return self._latent(super().draw_prior(rows), styles)

    def log_ratio(self, latent, means, log_variances, given):
        (shared, own), (shared_log, own_log) = self._split(means), self._split(log_variances)
        z, flat = self._split(latent)
        ratio = super().log_ratio(z, shared, shared_log, given)
        for place in range(len(self.names)):
            w = flat[..., place * self.own_dim : (place + 1) * self.own_dim]
            there = given[:, place]
            drawn = ops.where(
                there,
                posteriors.normal_log_prob(w, own[:, place], own_log[:, place]),
                posteriors.normal_log_prob(w, 0.0, 2 * self.log_deviations[place]),
            )
            ratio = ratio + posteriors.normal_log_prob(w, 0.0, ops.zeros_like(w)) - drawn
        return ratio

    def latent_log_prob(self, latent, means, log_variances, given):
        return posteriors.mixture_log_prob(latent, means, log_variances, given)

    def _middle(self, means, log_variances, given):
        raise ValueError(
            "The posterior of MMVAE+ is a mixture, without a middle. Leave `mean` out."
        )
