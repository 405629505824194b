"""Models of layers from elsewhere, and models that know their parts."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.fusion import ConcatFusion, Fusion, MergeFusion
from mmkeras.models import attention_model, build_model
from mmkeras.models.parts import (
    encoder_layers,
    fusion_inputs,
    fusion_layer,
    head_layers,
    output_layer,
    token_mask,
)
from mmkeras.schema import InputSpec, Schema, Sequence, StepLabels, Tabular, Text
from tests.layer_checks import to_numpy

RANDOM = np.random.default_rng(0)
SCHEMA = Schema([Text("words"), Tabular("facts", ["a"])], target="label")
SPECS = {"words": InputSpec((None,), "int32", vocabulary_size=20), "facts": InputSpec((4,))}
INPUTS = {
    "words": np.array([[3, 4, 5, 0, 0, 0], [1, 2, 3, 4, 5, 6], [0, 7, 0, 8, 0, 0]], "int32"),
    "facts": RANDOM.random((3, 4), "float32"),
}
PRESENT = np.array([[1, 1], [0, 1], [1, 0]], bool)
OPTIONS = {"facts": {"units": (5,)}}


def masked_lstm():
    return keras.Sequential(
        [layers.Embedding(20, 4, mask_zero=True), layers.LSTM(5, return_sequences=True)]
    )


def make(encoder=None, **options):
    """A small model whose text is read by Keras' own layers."""
    return build_model(
        SCHEMA, SPECS, num_outputs=3, encoders={"words": encoder or masked_lstm()},
        encoder_options=OPTIONS, hidden=(6,), **options,
    )  # fmt: skip


def predict(model, inputs):
    return to_numpy(model({k: keras.ops.convert_to_tensor(x) for k, x in inputs.items()}))


def saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)


def functional_lstm():
    inputs = keras.Input((None,), dtype="int32")
    return keras.Model(inputs, masked_lstm()(inputs))


@pytest.mark.parametrize(
    "encoder", [masked_lstm, functional_lstm, lambda: layers.Embedding(20, 4, mask_zero=True)]
)
def test_the_keras_mask_of_a_layer_from_elsewhere_counts(encoder, tmp_path):
    model = make(encoder())
    expected = predict(model, INPUTS)
    loaded = saved(model, tmp_path)
    np.testing.assert_array_equal(predict(loaded, INPUTS), expected)
    longer = {**INPUTS, "words": np.pad(INPUTS["words"], ((0, 0), (0, 5)))}
    for m in (model, loaded):
        np.testing.assert_allclose(predict(m, longer), expected, atol=1e-6)
        alone = {"words": INPUTS["words"][:1, :3], "facts": INPUTS["facts"][:1]}
        np.testing.assert_allclose(predict(m, alone)[0], expected[0], atol=1e-6)
    np.testing.assert_array_equal(token_mask(loaded, "words", INPUTS["words"]), INPUTS["words"] > 0)


def test_the_keras_mask_counts_in_a_graph_too():
    model = make()
    longer = {**INPUTS, "words": np.pad(INPUTS["words"], ((0, 0), (0, 5)))}
    expected = predict(model, INPUTS)
    np.testing.assert_allclose(model.predict(longer, verbose=0), expected, atol=1e-6)


def test_a_layer_from_elsewhere_without_a_mask_gets_none():
    model = make(layers.Embedding(20, 4))
    assert "masks" not in fusion_inputs(model)[1]
    assert token_mask(model, "words", INPUTS["words"]) is None


@pytest.mark.parametrize("merge", [layers.Add, layers.Maximum, layers.Concatenate])
def test_a_merging_layer_of_keras_is_a_fusion(merge, tmp_path):
    model = make(fusion=merge(), presence=True)
    inputs = {**INPUTS, "present": PRESENT}
    expected = predict(model, inputs)
    spoilt = {name: x.copy() for name, x in inputs.items()}
    spoilt["words"][1] = 9
    spoilt["facts"][2] = np.nan
    loaded = saved(model, tmp_path)
    np.testing.assert_array_equal(predict(loaded, spoilt), expected)
    np.testing.assert_allclose(
        predict(model, {k: x[:1] for k, x in inputs.items()})[0], expected[0], atol=1e-6
    )
    assert isinstance(fusion_layer(loaded), MergeFusion)


def test_what_is_merged_are_the_pooled_tokens():
    tokens = [RANDOM.random((2, n, 3), "float32") for n in (4, 1)]
    means = [x.mean(axis=1) for x in tokens]
    for merge, expected in [
        (layers.Add(), means[0] + means[1]),
        (layers.Concatenate(), np.concatenate(means, axis=1)),
        (layers.Dot(axes=1), (means[0] * means[1]).sum(axis=1, keepdims=True)),
    ]:
        fused = to_numpy(MergeFusion(merge)(tokens))
        np.testing.assert_allclose(fused, expected, atol=1e-6)
    most = to_numpy(MergeFusion(layers.Add(), pooling="max")(tokens))
    np.testing.assert_allclose(most, tokens[0].max(axis=1) + means[1], atol=1e-6)


class TokensOnly(layers.Layer):
    def call(self, tokens):
        return keras.ops.concatenate([keras.ops.mean(x, axis=1) for x in tokens], axis=-1)


class Ending(layers.Layer):
    def call(self, tokens, masks=None, present=None):
        return tokens[0]


def test_a_fusion_that_takes_tokens_only_serves_where_there_is_nothing_else():
    schema = Schema([Tabular("a", ["x"]), Tabular("b", ["y"])], target="label")
    specs = {"a": InputSpec((2,)), "b": InputSpec((3,))}
    model = build_model(schema, specs, num_outputs=2, fusion=TokensOnly())
    assert model.output_shape == (None, 2)
    with pytest.raises(ValueError, match=r"called with a list of tokens.*\['tokens'\].*present"):
        build_model(schema, specs, num_outputs=2, fusion=TokensOnly(), presence=True)
    with pytest.raises(ValueError, match=r"TokensOnly.*masks"):
        make(fusion=TokensOnly())


def test_a_fusion_must_give_one_vector_for_each_row():
    with pytest.raises(ValueError, match=r"\(batch, dim\).*\(None, None, 5\) from Ending"):
        make(fusion=Ending())


def test_merged_steps():
    schema = Schema([Sequence("face"), Sequence("voice")], StepLabels("mood"))
    specs = {name: InputSpec((None, 4)) for name in schema.names}
    encoders = dict.fromkeys(schema.names, "mlp")
    model = build_model(schema, specs, num_outputs=3, encoders=encoders, fusion=layers.Add())
    assert model.output_shape == (None, None, 3)


def test_a_loaded_model_knows_its_parts(tmp_path):
    model = saved(make(fusion="weighted_sum", presence=True, modality_dropout=0.2), tmp_path)
    assert list(encoder_layers(model)) == ["words", "facts"]
    assert type(encoder_layers(model)["facts"]).__name__ == "MLPEncoder"
    assert type(fusion_layer(model)).__name__ == "WeightedSumFusion"
    assert [type(layer).__name__ for layer in head_layers(model)] == ["Dropout", "Dense", "Dropout"]
    assert output_layer(model).units == 3
    tokens, arguments = fusion_inputs(model)
    assert [x.shape[2] for x in tokens.values()] == [5, 5] and list(tokens) == ["words", "facts"]
    assert arguments["masks"][0].dtype == "bool" and arguments["masks"][1] is None
    assert arguments["present"].shape == (None, 2)


def test_a_models_parts_do_not_depend_on_the_names_of_its_layers():
    # Names that look like those of other parts, and an order that is not the alphabet's.
    schema = Schema([Tabular("head_mri", ["x"]), Tabular("fusion_b", ["y"])], target="label")
    specs = {"head_mri": InputSpec((2,)), "fusion_b": InputSpec((3,))}
    model = build_model(schema, specs, num_outputs=2, hidden=())
    assert list(fusion_inputs(model)[0]) == ["head_mri", "fusion_b"]
    assert [layer.name for layer in head_layers(model)] == ["fusion_dropout"]


def test_a_model_saved_before_models_knew_their_parts_is_taken_apart_by_names(tmp_path):
    model = make(fusion="weighted_sum", presence=True)
    plain = saved(keras.Model(model.input, model.output), tmp_path)
    assert b"MultimodalModel" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    inputs = {**INPUTS, "present": PRESENT}
    assert list(fusion_inputs(plain)[0]) == ["words", "facts"]
    for find in (head_layers, lambda m: [*encoder_layers(m).values(), fusion_layer(m)]):
        assert [x.name for x in find(plain)] == [x.name for x in find(model)]
    np.testing.assert_array_equal(
        predict(attention_model(plain), inputs)["weights"],
        predict(attention_model(model), inputs)["weights"],
    )


def test_a_subclass_of_a_fusion_keeps_the_arguments_that_it_hands_on():
    class Scaled(ConcatFusion):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

    config = Scaled(2.0, pooling="max").get_config()
    assert (config["factor"], config["pooling"]) == (2.0, "max")
    assert Scaled.from_config(config).get_config() == config
    assert not Fusion.has_weights and Scaled.pooling == "mean"
