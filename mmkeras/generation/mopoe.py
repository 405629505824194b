"""MoPoE: a mixture over all sets of modalities, each a product of experts."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.generation import posteriors
from mmkeras.generation.model import MultimodalVAE


@keras.saving.register_keras_serializable(package="mmkeras")
class MoPoE(MultimodalVAE):
    """Every set of modalities has its product of experts, and has to explain all modalities.

        q(z | X) = 1/|P| sum_{S in P} q_S(z | X_S),   q_S ~ prod_{m in S} q_m,   P all sets
        L = E_{S in P} E_{z from q_S} sum_m log p(x_m | z) - beta 1/|P| sum_{S in P} KL(q_S || p)

    For each row one set is drawn at random, and its latent is decoded. From given modalities the
    product of exactly these is taken, so that coherence rises with what is given. The authors' code
    has the prior as one more expert of the set of all modalities, which the paper's equation lacks;
    here no set has it.

    Args:
        views: See `MultimodalVAE`, as for all.

    References:
        - [Sutter, Daunhawer and Vogt, 2021](https://arxiv.org/abs/2105.02470)
    """

    def objective(self, inputs, means, log_variances, given, training):
        latent = self.draw_latent(means, log_variances, self.random_subsets(given))
        density = self.weighted(self.log_densities(latent, inputs), given)
        # All sets at once, `(sets, batch, ...)`; those that a row has in full count.
        sets = ops.convert_to_tensor(posteriors.subsets(len(self.names)))[:, None]
        counts = ops.cast(ops.all(ops.logical_or(given, ~sets), axis=-1), "float32")
        apart = posteriors.divergence(*self.joined(means, log_variances, sets & given))
        return density, ops.sum(counts * apart, axis=0) / ops.maximum(ops.sum(counts, axis=0), 1.0)
