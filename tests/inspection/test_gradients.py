"""Gradients at a model's inputs and inner layers, against gradients worked out by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.inspection.gradients import check_outputs, gradient_function
from mmkeras.models.build import build_model
from mmkeras.schema import InputSpec, Schema, Sequence, StepLabels, Tabular, Text

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((4, 3)).astype("float32")
OUTPUTS = [0, 1, 2, 1]


@pytest.fixture(autouse=True)
def _same_weights():
    keras.utils.set_random_seed(0)


def linear_model(**options):
    """Softmax of `x W + b`."""
    schema = Schema([Tabular("facts", ("a", "b", "c"))], "label")
    specs = {"facts": InputSpec((3,))}
    encoders = {"facts": layers.Reshape((1, 3))}
    return build_model(schema, specs, num_outputs=3, encoders=encoders, hidden=(), **options)


def text_model(**options):
    schema = Schema([Text("note"), Tabular("facts", ("a", "b", "c"))], "label")
    specs = {"note": InputSpec((None,), "int32", vocabulary_size=9), "facts": InputSpec((3,))}
    encoders = {"note": "self_attention"}
    return build_model(schema, specs, num_outputs=3, encoders=encoders, **options)


def test_the_gradient_of_a_probability_is_that_of_a_softmax():
    model = linear_model()
    kernel, _ = model.get_layer("output").get_weights()
    scores, (gradient,) = gradient_function(model, ["facts"])({"facts": X}, OUTPUTS, [X])
    p = model.predict({"facts": X}, verbose=0)
    own = p[np.arange(4), OUTPUTS]
    np.testing.assert_allclose(scores, own, rtol=1e-5)
    expected = own[:, None] * (kernel[:, OUTPUTS].T - p @ kernel.T)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_the_gradient_of_a_logit_knows_nothing_of_the_other_classes(fusion):
    model = linear_model(fusion=fusion)
    last = model.get_layer("output") if fusion == "concat" else model.get_layer("fusion").experts[0]
    kernel, bias = last.get_weights()
    function = gradient_function(model, ["facts"], logits=True)
    scores, (gradient,) = function({"facts": X}, OUTPUTS, [X])
    np.testing.assert_allclose(scores, (X @ kernel + bias)[np.arange(4), OUTPUTS], rtol=1e-5)
    np.testing.assert_allclose(gradient, kernel[:, OUTPUTS].T, rtol=1e-5)


def test_values_stand_in_for_what_an_inner_layer_gives_and_only_while_they_do():
    model = text_model(fusion="cross_attention")
    inputs = {"note": np.array([[3, 4, 0], [5, 0, 0]], "int32"), "facts": X[:2]}
    other = {**inputs, "note": np.array([[7, 2, 0], [8, 0, 0]], "int32")}
    before = model.predict(inputs, verbose=0)
    embedding = model.get_layer("note_encoder").embedding
    function = gradient_function(model, [embedding, "facts"])
    own, (of_words, of_facts) = function(
        other, [0, 0], [keras.ops.convert_to_numpy(embedding(inputs["note"])), X[:2]]
    )
    np.testing.assert_allclose(own, before[:, 0], rtol=1e-5)
    assert of_words.shape == (2, 3, 64) and of_facts.shape == (2, 3)
    assert np.abs(of_words[0, :2]).max() > 0 and np.abs(of_words[0, 2]).max() == 0
    np.testing.assert_allclose(model.predict(inputs, verbose=0), before, rtol=1e-6)


def test_a_layer_computes_again_after_values_that_do_not_fit():
    model = text_model()
    inputs = {"note": np.array([[3, 4, 0]], "int32"), "facts": X[:1]}
    before = np.asarray(model(inputs))
    encoder = model.get_layer("facts_encoder")
    with pytest.raises(Exception, match=r".+"):
        gradient_function(model, [encoder])(inputs, [0], [np.ones((1, 1, 5), "float32")])
    np.testing.assert_allclose(np.asarray(model(inputs)), before, rtol=1e-6)


@pytest.mark.parametrize("outputs", [[0, 1, 3, 0], [0, -1, 0, 0], [0, 1], [0.0, 1.0, 0.0, 0.0], 1])
def test_outputs_that_the_model_does_not_have_are_refused(outputs):
    with pytest.raises(ValueError, match="from 0 to 2"):
        check_outputs(linear_model(), outputs, 4)


def test_models_with_an_output_at_each_step_are_refused():
    schema = Schema([Sequence("a"), Sequence("b")], StepLabels("label"))
    specs = {"a": InputSpec((None, 2)), "b": InputSpec((None, 2))}
    with pytest.raises(ValueError, match="one prediction per row"):
        check_outputs(build_model(schema, specs, num_outputs=3), [0], 1)
