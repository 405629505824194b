"""Gradient blending: weigh each prediction's loss by how well it generalises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from mmkeras.models.parts import auxiliary_model
from mmkeras.training.balance.gradient_scale import scale_gradient

# A smaller change of the gap between two losses is one of chance, and would divide by almost 0.
SMALLEST_GAP = 0.01


def blending_weights(histories: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """Weights for the losses of unimodal and fused predictions.

    Between a first and a last checkpoint, with L the training and L* the validation loss, and the
    gap O = L* - L (the overfitting so far):

        dG = L*_first - L*_last    (generalisation)
        dO = O_last - O_first      (overfitting)
        w_k = 1/Z dG_k / dO_k^2,    Z such that the weights add up to 1

    A prediction whose validation loss did not fall gets 0; if none's did, all weights are equal. A
    dO between -0.01 and 0.01 counts as 0.01.

    Args:
        histories: `{"loss": [...], "val_loss": [...]}` by prediction: an epoch's losses after the
            other, of which the first and the last are compared. For offline blending they are of
            separately trained models: one per modality, and the fused one.

    Returns:
        A weight for each prediction.

    Raises:
        ValueError: For fewer than two predictions or epochs, and where a loss is missing.

    Example:

    >>> weights = blending_weights({
    ...     "image": {"loss": [2.0, 1.5], "val_loss": [2.0, 1.6]},
    ...     "fused": {"loss": [2.0, 1.0], "val_loss": [2.0, 1.2]},
    ... })
    >>> {name: round(weight, 2) for name, weight in weights.items()}
    {'image': 0.67, 'fused': 0.33}

    References:
        - [Wang, Tran and Feiszli, 2020](https://arxiv.org/abs/1905.12681) (proposition 1 and
          algorithm 1)
    """
    if len(histories) < 2:
        raise ValueError(f"Blending weighs two or more predictions. Received: {list(histories)}.")
    raw = {}
    for name, history in histories.items():
        missing = [key for key in ("loss", "val_loss") if len(history.get(key, ())) < 2]
        if missing:
            raise ValueError(
                f"Blending compares the losses of two epochs. The history of {name!r} has fewer "
                f"under {missing}. Received: {dict(history)}. Train with validation rows."
            )
        (train, *_, train_last), (held, *_, held_last) = history["loss"], history["val_loss"]
        generalised = max(0.0, held - held_last)
        overfitted = (held_last - train_last) - (held - train)
        raw[name] = generalised / max(abs(overfitted), SMALLEST_GAP) ** 2
    total = sum(raw.values())
    if not total > 0:
        return dict.fromkeys(raw, 1 / len(raw))
    return {name: float(weight / total) for name, weight in raw.items()}


class _Blend(layers.Layer):
    # Scaling the gradient that flows into an output is weighing its loss. Here, and not in the
    # loss, the weights are variables of the model: a checkpoint has them, and JAX sees them change.
    def build(self, outputs_shape):
        count = len(outputs_shape)
        self.blend = self.add_weight(
            shape=(count,),
            initializer=keras.initializers.Constant(1 / count),
            trainable=False,
            name="blend",
        )

    def call(self, outputs):
        # By name: the order of a dict's entries is not the same on all backends.
        return {
            name: scale_gradient(outputs[name], self.blend[place])
            for place, name in enumerate(sorted(outputs))
        }


def blended_model(model: keras.Model, num_outputs: int) -> keras.Model:
    """An `auxiliary_model` whose outputs' losses are weighted by variables, at first equally.

    Compile it with a weight of 1 for each loss. The outputs' values are not changed.
    """
    auxiliary = auxiliary_model(model, num_outputs)
    outputs = _Blend(name="output_blend")(auxiliary.output)
    return keras.Model(model.input, outputs, name="blended")


class GradientBlending(keras.callbacks.Callback):
    """Estimates the weights of a `blended_model` again after every few epochs (a super-epoch).

    The paper estimates each super-epoch's weights by training a copy of every single modality and
    of the fused model on their own, from where the model now stands (algorithms 1 and 2). Here
    they come from the model itself: from each output's own training and validation losses at the
    beginning and the end of the last super-epoch. That costs nothing, and is an approximation:
    the outputs share their encoders, and the training losses are means over an epoch, with
    dropout. The weights that an epoch was trained with are written to its logs.

    Args:
        epochs: The length of a super-epoch, 2 or more.
        history: A row for each epoch that was completed before, of a resumed run.
    """

    def __init__(self, epochs: int, history: Sequence[Mapping[str, float]] = ()):
        super().__init__()
        if epochs < 2:
            raise ValueError(f"A super-epoch has 2 epochs or more. Received: {epochs}.")
        self._epochs = epochs
        self._history = list(history)

    def on_epoch_end(self, epoch, logs: dict[str, Any] | None = None):
        logs = {} if logs is None else logs
        self._history.append(dict(logs))
        variable, names = self.model.get_layer("output_blend").blend, sorted(self.model.output)
        used = keras.ops.convert_to_numpy(variable)
        for name, weight in zip(names, used, strict=True):
            logs["blend" if name == "output" else f"{name}_blend"] = float(weight)
        if (epoch + 1) % self._epochs:
            return
        rows = self._history[-self._epochs :]
        histories = {}
        for name in names:
            # The fused output's losses may go by their plain names.
            prefix = "" if name == "output" and "output_loss" not in logs else f"{name}_"
            histories[name] = {
                key: [row[f"{side}{prefix}loss"] for row in rows if f"{side}{prefix}loss" in row]
                for key, side in (("loss", ""), ("val_loss", "val_"))
            }
        variable.assign(list(blending_weights(histories).values()))
