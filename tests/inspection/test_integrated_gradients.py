"""Integrated gradients: exact on linear models, complete on others, nothing for padding."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from mmkeras.inspection.gradients import gradient_function
from mmkeras.inspection.integrated_gradients import (
    integrated_gradients,
    modality_attributions,
)
from mmkeras.models.build import build_model
from mmkeras.schema import Image, InputSpec, Number, Schema, Sequence, Tabular, Text

pytestmark = pytest.mark.eager

RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.random((3, 8, 8, 1)).astype("float32")
NOTES = np.array([[3, 4, 3, 5], [6, 2, 0, 0], [7, 0, 0, 0]], "int32")


@pytest.fixture(autouse=True)
def _same_weights():
    keras.utils.set_random_seed(0)


def photo_and_note(text_encoder, **options):
    schema = Schema([Image("photo"), Text("note")], "label")
    specs = {
        "photo": InputSpec((8, 8, 1)),
        "note": InputSpec((None,), "int32", vocabulary_size=8),
    }
    return build_model(
        schema,
        specs,
        num_outputs=3,
        encoders={"note": text_encoder},
        encoder_options={"photo": {"filters": (4,), "convs_per_block": 1}},
        hidden=(8,),
        **options,
    )


def regression(modality, spec, encoder):
    schema = Schema([modality], Number("number"))
    encoders = {modality.name: encoder}
    return build_model(schema, {modality.name: spec}, num_outputs=1, encoders=encoders, hidden=())


@pytest.mark.parametrize("baseline", [None, 0.25, RANDOM.standard_normal(5)])
def test_of_a_linear_model_it_is_weight_times_way(baseline):
    facts = Tabular("facts", tuple("abcde"))
    model = regression(facts, InputSpec((5,)), layers.Reshape((1, 5)))
    x = RANDOM.standard_normal((3, 5)).astype("float32")
    baselines = None if baseline is None else {"facts": baseline}
    found = integrated_gradients(model, {"facts": x}, [0] * 3, baselines=baselines, steps=1)
    kernel = model.get_layer("output").get_weights()[0][:, 0]
    way = x - (0 if baseline is None else baseline)
    np.testing.assert_allclose(found["facts"], way * kernel, atol=1e-5)


class MeanWord(layers.Layer):
    """Its one token is the mean of the embeddings of a text's words, and of its padding."""

    def build(self, input_shape):
        self.embedding = layers.Embedding(8, 4)
        self.embedding.build(input_shape)

    def call(self, inputs):
        return ops.mean(self.embedding(inputs), axis=1, keepdims=True)


def test_of_a_mean_of_embeddings_it_is_each_words_share():
    spec = InputSpec((None,), "int32", vocabulary_size=8)
    model = regression(Text("note"), spec, MeanWord())
    found = integrated_gradients(model, {"note": NOTES}, [0] * 3, steps=2)["note"]
    kernel = model.get_layer("output").get_weights()[0][:, 0]
    worth = model.get_layer("note_encoder").embedding.get_weights()[0] @ kernel
    np.testing.assert_allclose(found, worth[NOTES] / 4, atol=1e-6)


@pytest.mark.parametrize("text_encoder", ["lstm", "self_attention"])
def test_the_attributions_add_up_to_the_difference_from_the_baseline(text_encoder):
    model = photo_and_note(text_encoder, fusion="cross_attention")
    inputs, outputs = {"photo": PHOTOS, "note": NOTES}, [0, 1, 2]
    grey = np.full((8, 8, 1), 0.5)
    found = integrated_gradients(
        model, inputs, outputs, baselines={"photo": grey}, steps=128, batch_size=128
    )
    embedding = model.get_layer("note_encoder").embedding
    ids = ops.convert_to_numpy(embedding(NOTES)) * (NOTES == 0)[..., None]
    at_baseline, _ = gradient_function(model, ["photo", embedding])(
        inputs, outputs, [np.full_like(PHOTOS, 0.5), ids]
    )
    difference = model.predict(inputs, verbose=0)[np.arange(3), outputs] - at_baseline
    sums = modality_attributions(found)
    assert list(sums) == ["photo", "note"]
    assert np.abs(difference).max() > 0.01
    np.testing.assert_allclose(
        sums["photo"] + sums["note"], difference, atol=0.01 * np.abs(difference).max()
    )
    np.testing.assert_allclose(sums["note"], found["note"].sum(axis=1))
    assert (found["note"][NOTES == 0] == 0).all() and (found["note"][NOTES > 0] != 0).all()


def test_modalities_that_do_not_move_stand_at_their_inputs():
    model = photo_and_note("lstm", fusion="tensor")
    inputs, outputs = {"photo": PHOTOS, "note": NOTES}, [0, 1, 2]
    found = integrated_gradients(model, inputs, outputs, modalities=["photo"], steps=64)
    assert list(found) == ["photo"] and found["photo"].shape == PHOTOS.shape
    black = {**inputs, "photo": np.zeros_like(PHOTOS)}
    whole, without = (model.predict(x, verbose=0)[np.arange(3), outputs] for x in (inputs, black))
    sums = modality_attributions(found)["photo"]
    np.testing.assert_allclose(sums, whole - without, atol=0.01 * np.abs(whole - without).max())


def test_an_absent_modality_has_nothing():
    model = photo_and_note("self_attention", presence=True)
    present = np.array([[True, True], [False, True], [True, False]])
    inputs = {"photo": PHOTOS, "note": NOTES, "present": present}
    found = modality_attributions(integrated_gradients(model, inputs, [0, 1, 2], steps=4))
    sums = np.stack([found["photo"], found["note"]], axis=1)
    assert ((sums != 0) == present).all()


def test_padding_of_a_sequence_stays_padding():
    schema = Schema([Sequence("walk")], "label")
    model = build_model(schema, {"walk": InputSpec((None, 2))}, num_outputs=2, hidden=())
    walks = RANDOM.standard_normal((2, 6, 2)).astype("float32")
    walks[0, 4:] = 0
    start = np.array([0.5, -0.5])
    found = integrated_gradients(model, {"walk": walks}, [0, 1], baselines={"walk": start})["walk"]
    assert (found[0, 4:] == 0).all() and (found[0, :4] != 0).all() and (found[1] != 0).all()
    moved = np.where((walks != 0).any(-1, keepdims=True), start, 0).astype("float32")
    whole, at_start = (model.predict({"walk": x}, verbose=0) for x in (walks, moved))
    difference = (whole - at_start)[[0, 1], [0, 1]]
    np.testing.assert_allclose(
        found.sum(axis=(1, 2)), difference, atol=0.02 * np.abs(difference).max()
    )


def test_batches_change_nothing():
    model = photo_and_note("self_attention")
    inputs = {"photo": PHOTOS, "note": NOTES}
    small, large = (
        integrated_gradients(model, inputs, [0, 1, 2], steps=5, batch_size=size) for size in (4, 99)
    )
    for name in inputs:
        np.testing.assert_allclose(small[name], large[name], atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": ["sound"]}, "must move"),
        ({"modalities": []}, "must move"),
        ({"baselines": {"sound": 0}}, "must move"),
        ({"steps": 0}, "must move"),
        ({"baselines": {"photo": np.zeros((9, 9, 1))}}, "must fit its inputs"),
        ({"baselines": {"note": np.zeros(4)}}, "no other baseline"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(options, message):
    inputs = {"photo": PHOTOS, "note": NOTES}
    with pytest.raises(ValueError, match=message):
        integrated_gradients(photo_and_note("lstm"), inputs, [0, 0, 0], **options)
