"""Grad-CAM, against the paper's equations in NumPy and on a model made by hand."""

import keras
import numpy as np
import pytest

from mmkeras.encoders import PatchEncoder
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.models.build import build_model
from mmkeras.schema import Audio, Image, InputSpec, Schema, Text

RANDOM = np.random.default_rng(0)
NOTES = RANDOM.random((3, 6)).astype("float32")


@pytest.fixture(autouse=True)
def _same_weights():
    keras.utils.set_random_seed(0)


def photo_and_note(size=(12, 8), **options):
    schema = Schema([Image("photo"), Text("note")], "label")
    specs = {"photo": InputSpec((*size, 1)), "note": InputSpec((6,))}
    return build_model(schema, specs, num_outputs=3, **options)


def test_the_map_is_that_of_the_papers_equations():
    options = {"photo": {"filters": (4,), "convs_per_block": 1}, "note": {"units": (5,)}}
    model = photo_and_note(
        encoder_options=options, hidden=(7,), fusion_options={"pooling": "flatten"}
    )
    inputs = {"photo": RANDOM.random((3, 12, 8, 1)).astype("float32"), "note": NOTES}
    maps = grad_cam(model, inputs, "photo", [0, 2, 1])

    tokens = np.asarray(model.get_layer("photo_encoder")(inputs["photo"]))
    note = np.asarray(model.get_layer("note_encoder")(NOTES))[:, 0]
    kernel, bias = model.get_layer("head_dense_0").get_weights()
    last, _ = model.get_layer("output").get_weights()
    active = np.concatenate([tokens.reshape(3, -1), note], axis=1) @ kernel + bias > 0
    for row, output in enumerate([0, 2, 1]):
        of_tokens = (kernel @ (last[:, output] * active[row]))[: 24 * 4].reshape(24, 4)
        alpha = of_tokens.mean(axis=0)
        expected = np.maximum(tokens[row] @ alpha, 0).reshape(6, 4)
        np.testing.assert_allclose(maps[row], expected, atol=1e-6)
    assert maps.max() > 0


def test_the_map_is_high_at_the_only_patch_that_speaks_for_the_class():
    """Channel 0 of a patch is its brightness; class 1 is for it, class 0 against it."""
    encoder = PatchEncoder(patch_size=4, dim=4, num_layers=0)
    model = photo_and_note(encoders={"photo": encoder}, hidden=())
    encoder.positions.assign(np.zeros((6, 4)))
    brightness = np.zeros((16, 4))
    brightness[:, 0] = 1 / 16
    encoder.project.set_weights([brightness, np.zeros(4)])
    kernel = np.zeros(model.get_layer("output").kernel.shape)
    kernel[0] = [-6, 6, 0]
    model.get_layer("output").set_weights([kernel, np.zeros(3)])
    photos = np.zeros((3, 12, 8, 1), "float32")
    photos[:, 4:8, 4:] = 1
    maps = grad_cam(model, {"photo": photos, "note": NOTES}, "photo", [1, 0, 2])
    # The logit is 6 times the mean of 6 patches' brightness.
    expected = np.zeros((3, 3, 2))
    expected[0, 1, 1] = 1
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_an_absent_image_has_a_map_of_zeros():
    options = {"photo": {"filters": (4,)}}
    model = photo_and_note(presence=True, encoder_options=options, hidden=())
    kernel, bias = model.get_layer("output").get_weights()
    kernel[:, 1] = -kernel[:, 0]  # What speaks against the one speaks for the other.
    model.get_layer("output").set_weights([kernel, bias])
    present = np.array([[True, True], [False, True], [True, True]])
    photos = RANDOM.random((3, 12, 8, 1)).astype("float32")
    inputs = {"photo": photos, "note": NOTES, "present": present}
    maps = [grad_cam(model, inputs, "photo", [output] * 3) for output in range(2)]
    assert (np.max(maps, axis=(0, 2, 3)) > 0).tolist() == [True, False, True]


def test_a_spectrogram_has_a_map_of_times_and_frequencies():
    schema = Schema([Audio("sound")], "label")
    model = build_model(schema, {"sound": InputSpec((40, 16))}, num_outputs=2)
    sounds = RANDOM.standard_normal((2, 40, 16)).astype("float32")
    grid = model.get_layer("sound_encoder").token_grid((40, 16))
    assert grad_cam(model, {"sound": sounds}, "sound", [0, 1]).shape == (2, *grid)


@pytest.mark.parametrize("modality", ["note", "sound"])
def test_modalities_without_a_map_are_refused(modality):
    inputs = {"photo": np.zeros((3, 12, 8, 1), "float32"), "note": NOTES}
    with pytest.raises(ValueError, match=r"such encoders for: \['photo'\]"):
        grad_cam(photo_and_note(), inputs, modality, [0, 0, 0])
