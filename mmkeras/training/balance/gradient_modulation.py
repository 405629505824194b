"""On-the-fly gradient modulation (OGM-GE): slow down the encoder that is ahead of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mmkeras.models.parts import encoder_layers


def true_class_score(targets: Any, probabilities: Any, sample_weight: Any | None = None) -> Any:
    """A modality's probability of the true class, added up over a batch.

    Args:
        targets: One-hot, `(batch, classes)` or `(batch, steps, classes)`.
        probabilities: The modality's own, of the same shape.
        sample_weight: `None`, or `(batch,)` or `(batch, steps)`: 0 for what does not count.
    """
    scores = ops.sum(ops.cast(targets, "float32") * ops.cast(probabilities, "float32"), axis=-1)
    if sample_weight is not None:
        scores = scores * ops.cast(sample_weight, "float32")
    return ops.sum(scores)


def ogm_coefficients(scores: Any, strength: float) -> Any:
    """What each modality's gradient is multiplied with.

    Args:
        scores: `(modalities,)`, of `true_class_score`.
        strength: The paper's alpha.

    Returns:
        `(modalities,)`: 1 for a modality that is not ahead, `1 - tanh(strength * ratio)` for one
        that is, where `ratio` is its score over the mean score of the others.

    Example:

    >>> coefficients = ogm_coefficients(keras.ops.array([2.0, 1.0]), strength=0.5)
    >>> [round(float(k), 2) for k in coefficients]
    [0.24, 1.0]
    """
    others = (ops.sum(scores) - scores) / (scores.shape[0] - 1)
    ratio = scores / ops.maximum(others, 1e-8)
    return ops.where(ratio > 1, 1 - ops.tanh(strength * ratio), 1.0)


class GradientModulation(keras.Model):
    """A model with auxiliary outputs, trained with on-the-fly gradient modulation.

    With `p_i^u` the probability that modality `u` alone gives row `i`'s true class, at each step:

        s^u = sum_i p_i^u,    rho^u = s^u / s^v
        k^u = 1 - tanh(alpha rho^u) if rho^u > 1, else 1                        (OGM)
        theta^u <- theta^u - eta (k^u g^u + h^u),    h^u ~ N(0, std(g^u)^2)     (GE: the noise)

    where `g^u` is the gradient of a weight of that modality's encoder, of all losses: with an
    auxiliary loss also of that, which the paper does not have. The gradients of all other weights
    (fusion, head, auxiliary heads) stay as they are. The paper has two modalities; of more than
    two, `s^v` is the mean score of the others. Its noise has the covariance of a batch's gradients;
    `std(g^u)`, that of the entries of one weight's gradient, is what the authors' code has for it.
    They scale and disturb convolutions only, here it is all weights of an encoder. The modality's
    own probabilities are those of the auxiliary outputs, which for late fusion are its own part of
    the logits, as in the paper.

    Adam divides a gradient by its running size, so that a `k` that hardly changes from step to
    step hardly slows an encoder down; the paper trains with SGD.

    Args:
        inputs, outputs: Of `mmkeras.models.parts.auxiliary_model`.
        strength: The paper's alpha, above 0.
        noise: Whether to add the noise of GE.

    References:
        - [Peng et al., 2022](https://arxiv.org/abs/2203.15332) (equations 9 to 11 for OGM;
          section 3.3 for GE)
    """

    def __init__(self, inputs, outputs, strength: float, noise: bool, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        if keras.config.backend() not in ("tensorflow", "jax"):
            raise ValueError(
                "Gradient modulation works with TensorFlow and JAX. Received: the "
                f"{keras.config.backend()} backend. Set KERAS_BACKEND to one of them, or use "
                "another way to balance."
            )
        self.strength = strength
        self.modalities = [
            name.removesuffix("_auxiliary") for name in outputs if name.endswith("_auxiliary")
        ]
        self.noise = keras.random.SeedGenerator() if noise else None

    def modulate(
        self,
        gradients: Sequence[Any],
        targets: Mapping[str, Any],
        outputs: Mapping[str, Any],
        sample_weight: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """The gradients of `self.trainable_variables`, those of the encoders modulated."""
        names = [f"{modality}_auxiliary" for modality in self.modalities]
        weights = sample_weight or dict.fromkeys(names)
        scores = [true_class_score(targets[n], outputs[n], weights[n]) for n in names]
        coefficients = ops.stop_gradient(ogm_coefficients(ops.stack(scores), self.strength))
        encoders = encoder_layers(self)
        owner = {
            id(variable): place
            for place, modality in enumerate(self.modalities)
            for variable in encoders[modality].trainable_variables
        }
        modulated = []
        for gradient, variable in zip(gradients, self.trainable_variables, strict=True):
            if gradient is not None and id(variable) in owner:
                gradient = ops.convert_to_tensor(gradient)  # an embedding's is sparse
                scaled = gradient * ops.cast(coefficients[owner[id(variable)]], gradient.dtype)
                if self.noise is not None:
                    draw = keras.random.normal(
                        ops.shape(gradient), dtype=gradient.dtype, seed=self.noise
                    )
                    scaled = scaled + ops.std(gradient) * draw
                gradient = scaled
            modulated.append(gradient)
        return modulated

    def train_step(self, *args):
        # Keras calls it with (data) on TensorFlow, with (state, data) on JAX.
        return _tensorflow_step(self, *args) if len(args) == 1 else _jax_step(self, *args)


def _tensorflow_step(model: GradientModulation, data):
    """Keras' own training step, with `modulate` before the optimizer."""
    import tensorflow as tf

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(x, y, outputs, sample_weight, training=True)
        scaled = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, model.trainable_weights)
    gradients = model.modulate(gradients, y, outputs, sample_weight)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    model._loss_tracker.update_state(loss, sample_weight=tf.shape(outputs["output"])[0])
    return model.compute_metrics(x, y, outputs, sample_weight=sample_weight)


def _jax_step(model: GradientModulation, state, data):
    """The same for JAX: a pure function of the state, fit for `jax.jit` and `jax.vmap`."""
    import jax

    trainable, other, optimizer, metrics = state
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    step = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (_, (loss, outputs, other, metrics)), gradients = step(
        trainable, other, metrics, x, y, sample_weight, training=True, optimizer_variables=optimizer
    )
    mapping = list(zip(model.non_trainable_variables, other, strict=True))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        gradients = model.modulate(gradients, y, outputs, sample_weight)
    # The noise has moved its seed on.
    other = [scope.get_current_value(variable) for variable in model.non_trainable_variables]
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    logs, metrics = model._update_metrics_variables(metrics, loss, x, y, outputs, sample_weight)
    return logs, (trainable, other, optimizer, metrics)
