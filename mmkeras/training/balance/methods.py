"""Balanced multimodal training by name: what each way needs, and the model it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import keras

from mmkeras.fusion import traits
from mmkeras.models.parts import auxiliary_model, fusion_inputs, fusion_layer, output_layer
from mmkeras.training.balance.adaptive_modulation import adaptive_modulation
from mmkeras.training.balance.distillation import distillation_model
from mmkeras.training.balance.gradient_blending import blended_model
from mmkeras.training.balance.gradient_modulation import GradientModulation

Balance = Literal["none", "ogm", "ogm_ge", "agm", "gradient_blending", "distillation"]
BALANCES = get_args(Balance)


def balanced_model(
    model: keras.Model,
    num_outputs: int,
    balance: str,
    *,
    strength: float = 0.5,
    auxiliary: float = 0.0,
    teachers: Mapping[str, keras.Model] | None = None,
) -> keras.Model:
    """A model to train instead of `model`, so that no modality is left behind.

    The layers are shared: training it trains `model`, which is what to save.

    Args:
        model: A model of `build_model` with two or more modalities.
        num_outputs: As for `build_model`.
        balance: `"ogm"` or `"ogm_ge"` (`GradientModulation`, without or with noise), `"agm"`
            (`AdaptiveModulation`), `"gradient_blending"` (`blended_model`; give `fit` the callback
            `GradientBlending` too), or `"distillation"` (`distillation_model`).
        strength: alpha of the modulations, lambda of the distillation; above 0.
        auxiliary: The weight that the auxiliary losses will have. Only its being above 0 matters.
        teachers: Trained models of `teacher_model` by modality, for `"distillation"`.

    Returns:
        An uncompiled model for `compile_model`.

    Raises:
        ValueError: The model has what the way of balancing cannot do with, or lacks what it needs.
    """
    if balance not in BALANCES or balance == "none":
        raise ValueError(f"`balance` must be one of {BALANCES[1:]}. Received: {balance!r}.")
    names = list(fusion_inputs(model)[0])
    if len(names) < 2:
        raise ValueError(
            f"balance={balance!r} balances two or more modalities. Received: a model of {names}. "
            "Use balance='none'."
        )
    activation = output_layer(model).activation
    if balance in ("ogm", "ogm_ge", "agm") and activation is not keras.activations.softmax:
        raise ValueError(
            f"balance={balance!r} compares probabilities of the true class, in classification. "
            f"Received: a model whose output is {activation.__name__}. Use 'gradient_blending' or "
            "'distillation'."
        )
    if balance in ("ogm", "ogm_ge"):
        if not auxiliary and not traits(fusion_layer(model)).gives_logits:
            raise ValueError(
                f"balance={balance!r} compares what each modality predicts alone. This fusion has "
                "no such predictions, and auxiliary=0 trains none. Set auxiliary above 0, or use "
                "late fusion."
            )
        outer = auxiliary_model(model, num_outputs)
        return GradientModulation(
            outer.input, outer.output, strength, noise=balance == "ogm_ge", name="modulation"
        )
    if balance == "agm":
        return adaptive_modulation(model, strength)
    if balance == "gradient_blending":
        return blended_model(model, num_outputs)
    if teachers is None:
        raise ValueError(
            "balance='distillation' needs `teachers`: a model for each modality, trained alone "
            "(`teacher_model`). `fit` trains them itself."
        )
    return distillation_model(model, teachers, num_outputs, strength, auxiliary > 0)
