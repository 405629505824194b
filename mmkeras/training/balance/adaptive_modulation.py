"""Adaptive gradient modulation (AGM): modulate by each modality's share in the prediction."""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion import Fusion
from mmkeras.models.parts import fusion_inputs, fusion_layer, head_layers, output_layer
from mmkeras.training.balance.gradient_scale import scale_gradient

MOST_MODALITIES = 4


def shapley_shares(count: int) -> dict[tuple[int, ...], list[float]]:
    """How much of each subset's logits is in each modality's Shapley value.

        phi_m = sum over S without m of |S|! (M - |S| - 1)! / M! (f(S + m) - f(S)),    f({}) = 0

    Args:
        count: The number of modalities, M.

    Returns:
        By non-empty subset, a number for each modality.

    Example:

    >>> shapley_shares(2)
    {(0,): [0.5, -0.5], (1,): [-0.5, 0.5], (0, 1): [0.5, 0.5]}
    """
    factorial = [1]
    for number in range(1, count + 1):
        factorial.append(factorial[-1] * number)
    shares = {}
    for size in range(1, count + 1):
        with_it = factorial[size - 1] * factorial[count - size] / factorial[count]
        for subset in itertools.combinations(range(count), size):
            # A subset without the modality is what the modality is added to.
            without = -with_it * size / (count - size) if size < count else 0.0
            shares[subset] = [with_it if m in subset else without for m in range(count)]
    return shares


def agm_coefficients(scores: Any, running: Any, strength: float) -> Any:
    """What the gradient through each modality's response is multiplied with.

    Args:
        scores: `(modalities,)`: the mean cross-entropy of each modality's response.
        running: Their running means over all earlier steps.
        strength: The paper's alpha.

    Returns:
        `(modalities,)`, positive: above 1 for a modality that is less ahead of the others than it
        has been on average, below 1 for one that is further ahead.
    """

    def ratio(values):
        others = (ops.sum(values) - values) / (values.shape[0] - 1)
        return ops.exp(others - values)

    return ops.exp(strength * ops.minimum(ratio(running) - ratio(scores), 10.0))


class _Responses(Fusion):
    # The model from its fusion on, run once for each subset of the modalities.
    def __init__(self, fusion: layers.Layer, head: list[layers.Layer], count: int, **kwargs):
        super().__init__(**kwargs)
        self.fusion, self.head, self.count = fusion, head, count

    def build(self, tokens_shape):
        pass  # The layers are built: they come from a model.

    def call(self, tokens, masks=None, present=None, training=None):
        if present is None:
            present = ops.ones((ops.shape(tokens[0])[0], self.count), dtype="bool")
        responses = [0.0] * self.count
        for subset, shares in shapley_shares(self.count).items():
            kept = ops.convert_to_tensor([[m in subset for m in range(self.count)]])
            shown = ops.logical_and(ops.cast(present, "bool"), kept)
            logits = self._logits(self.fusion(tokens, masks=masks, present=shown))
            responses = [r + share * logits for r, share in zip(responses, shares, strict=True)]
        return responses

    def _logits(self, x):
        *hidden, output = self.head
        for layer in hidden:
            x = layer(x)
        x = ops.cast(x, "float32")
        if isinstance(output, layers.Dense):
            x = ops.matmul(x, output.kernel) + output.bias
        return x


class AdaptiveModulation(keras.Model):
    """A model trained with adaptive gradient modulation, for any fusion.

    With `phi^m` modality `m`'s response, its Shapley value in the fused logits (`shapley_shares`;
    the responses add up to the logits), `s^m` the mean cross-entropy of softmax(phi^m), and `s~^m`
    the mean of `s^m` over all earlier steps:

        r^m = exp(mean of s^n over n other than m - s^m),    tau^m = the same of s~
        k^m = exp(alpha min(tau^m - r^m, 10))

    The gradient of the fused prediction's loss through `phi^m` is multiplied by `k^m`, in all
    weights that have a part in it. A modality that is further ahead than it used to be is slowed
    down, and one that falls behind is sped up. The running mean starts at 0, as in the authors'
    code; the cap is theirs for CREMA-D (others of their data sets have 7 or none). Where they feed
    zeros for a modality left out, here it is absent from the fusion. The fusion and the head are
    run once for each subset of the modalities (3 times for two, 15 for four), each time with
    dropout of its own, which they have with all modalities only; the encoders run once.

    Args:
        model: A model of `build_model` for classification, with 2 to 4 modalities.
        strength: The paper's alpha, above 0.

    The outputs are `"output"` and `"{modality}_auxiliary"`, the softmax of the modality's response.

    References:
        - [Li et al., 2023](https://arxiv.org/abs/2308.07686)
    """

    def __init__(self, inputs, outputs, strength: float, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.strength = strength
        self.modalities = [
            name.removesuffix("_auxiliary") for name in outputs if name.endswith("_auxiliary")
        ]
        self.running = self.add_weight(
            shape=(len(self.modalities),), initializer="zeros", trainable=False, name="running"
        )
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training:
            y_pred = {**y_pred, "output": self.modulated(y, y_pred, sample_weight)}
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def modulated(self, targets, outputs, sample_weight=None):
        """The fused prediction, with modulated gradients; moves the running means on."""
        # The softmax forgot what it has in common for all classes of a row, and so will the next.
        names = [f"{modality}_auxiliary" for modality in self.modalities]
        responses = [ops.log(ops.maximum(outputs[name], 1e-30)) for name in names]
        weights = ops.ones_like(responses[0][..., 0])
        if sample_weight is not None:
            weights = weights * ops.cast(sample_weight["output"], "float32")
        true = ops.cast(targets["output"], "float32")
        scores = ops.stack(
            [
                -ops.sum(weights * ops.sum(true * ops.maximum(r, -18.42), axis=-1))  # log(1e-8)
                / ops.maximum(ops.sum(weights), 1e-8)
                for r in responses
            ]
        )
        scores = ops.stop_gradient(scores)
        scales = agm_coefficients(scores, self.running, self.strength)
        self.steps.assign(self.steps + 1)
        self.running.assign(self.running + (scores - self.running) / self.steps)
        return ops.softmax(sum(scale_gradient(r, scales[m]) for m, r in enumerate(responses)))


def adaptive_modulation(model: keras.Model, strength: float) -> AdaptiveModulation:
    """A model to train instead of `model`, whose layers it shares; see `AdaptiveModulation`."""
    tokens, arguments = fusion_inputs(model)
    if len(tokens) > MOST_MODALITIES:
        raise ValueError(
            "Adaptive modulation runs the fusion for every subset of the modalities, and takes at "
            f"most {MOST_MODALITIES}. Received: {len(tokens)}. Use 'ogm'."
        )
    head = [*head_layers(model), output_layer(model)]
    responses = _Responses(fusion_layer(model), head, len(tokens))(
        list(tokens.values()), **arguments
    )
    outputs = {"output": ops.softmax(sum(responses))}
    for name, response in zip(tokens, responses, strict=True):
        outputs[f"{name}_auxiliary"] = ops.softmax(response)
    return AdaptiveModulation(model.input, outputs, strength, name="adaptive_modulation")
