"""MoPoE: a mixture over all sets of modalities, each a product of experts."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MoPoE(MultimodalVAE):
    """Every set of modalities has its product of experts, and has to explain all modalities.

        q(z | X) = 1/|P| sum_{S in P} q_S(z | X_S),   q_S ~ prod_{m in S} q_m,   P all sets
        L = E_{S in P} E_{z from q_S} sum_m log p(x_m | z) - beta 1/|P| sum_{S in P} KL(q_S || p)

    For each row one set is drawn at random, and its latent is decoded. From given modalities the
    product of exactly these is taken, so that coherence rises with what is given.

    Args:
        views: See `MultimodalVAE`, as for all.

    References:
        - [Sutter, Daunhawer and Vogt, 2021](https://arxiv.org/abs/2105.02470)
    """

    def objective(self, inputs, means, log_variances, given, training):
        latent = self.draw_latent(means, log_variances, self.random_subsets(given))
        density = self.weighted(self.log_densities(latent, inputs), given)
        apart, sets = 0.0, ops.zeros(ops.shape(density))
        for chosen in posteriors.subsets(len(self.names)):
            counts = np.flatnonzero(chosen).tolist()
            there = ops.all(ops.take(given, counts, axis=1), axis=1)
            product = self.joined(
                means, log_variances, ops.logical_and(given, ops.convert_to_tensor(chosen))
            )
            apart = apart + ops.where(there, posteriors.divergence(*product), 0.0)
            sets = sets + ops.cast(there, "float32")
        return density, apart / ops.maximum(sets, 1.0)
