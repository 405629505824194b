"""Several images of one cell, read by one encoder."""

import keras
import numpy as np
import pytest

from mmkeras.encoders import ENCODERS, EachImage, get_encoder
from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.models.build import build_model
from mmkeras.schema import Image, InputSpec, Schema
from tests.encoders.standard import SMALL
from tests.encoders.tiny_networks import sources
from tests.layer_checks import call, check_layer, some_always, to_numpy

SPEC = InputSpec((3, 32, 32, 3), several=True)
IMAGES = np.random.default_rng(0).random((4, *SPEC.shape), "float32")
IMAGES[1, 1:] = IMAGES[2, 2:] = IMAGES[3] = 0  # 3, 1, 2 and no images


def options_of(name):
    if name == "pretrained":
        return {"source": sources()["image"]}
    known = constructor_arguments(ENCODERS["image"][name])
    return {option: value for option, value in SMALL.items() if option in known}


@pytest.mark.parametrize("name", some_always(ENCODERS["image"], ["cnn"]))
def test_every_image_encoder_reads_several_images_as_it_reads_one(name, tmp_path):
    def make():
        return get_encoder("image", name, SPEC, **options_of(name))

    several, tokens = check_layer(make, {"inputs": IMAGES}, None, tmp_path)
    mask = to_numpy(several.token_mask(keras.ops.convert_to_tensor(IMAGES)))
    assert mask.shape == tokens.shape[:2]
    there = mask.reshape(4, 3, -1)
    np.testing.assert_array_equal(there.sum(axis=(1, 2)), there.shape[2] * np.array([3, 1, 2, 0]))
    alone = call(several.encoder, {"inputs": IMAGES[:, 0]})
    first = tokens.reshape(4, 3, -1, tokens.shape[-1])[:, 0]
    np.testing.assert_allclose(first[:3], alone[:3], atol=1e-5)
    assert not tokens[~mask].any()
    assert several.token_grid(SPEC.shape)[0] == 3
    assert np.prod(several.token_grid(SPEC.shape)) == mask.shape[1]


def padded_to(most, images):
    """A model of up to so many images a row, and rows of these; the weights are always the same."""
    keras.utils.set_random_seed(1)
    spec = InputSpec((most, *SPEC.shape[1:]), several=True)
    options = {"views": {"filters": (4,), "batch_norm": True}}
    schema = Schema([Image("views", several=True)], "label")
    model = build_model(schema, {"views": spec}, num_outputs=2, encoder_options=options)
    rows = np.zeros((len(images), *spec.shape), "float32")
    rows[:, : images.shape[1]] = images
    return model, {"views": rows}


def test_padding_changes_neither_outputs_nor_batch_statistics():
    images = np.random.default_rng(1).random((4, 2, *SPEC.shape[1:]), "float32")
    (short, few), (long, many) = padded_to(2, images), padded_to(5, images)
    np.testing.assert_allclose(to_numpy(short(few)), to_numpy(long(many)), atol=1e-6)
    (short, few), (long, many) = padded_to(1, images[:, :1]), padded_to(5, images[:, :1])
    for model, inputs in ((short, few), (long, many)):
        model(inputs, training=True)
    pairs = zip(short.non_trainable_variables, long.non_trainable_variables, strict=True)
    for one, other in pairs:  # the moving means and variances
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


def test_encoders_of_one_image_are_as_they_were():
    spec = InputSpec(SPEC.shape[1:])
    assert not isinstance(get_encoder("image", "cnn", spec), EachImage)
    assert not hasattr(EachImage(keras.layers.Dense(2)), "token_grid")
    with pytest.raises(ValueError, match=r"of one number and size.*\(None, 32, 32, 3\)"):
        get_encoder("image", "cnn", SPEC)(keras.Input(spec.shape))
