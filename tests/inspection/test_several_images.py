"""What explains an answer, where a cell holds several images."""

import keras
import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.inspection.attention import image_attention, inputs_of_rows
from mmkeras.inspection.examples import example_pictures
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.inspection.integrated_gradients import integrated_gradients
from mmkeras.models.build import build_model
from mmkeras.models.parts import token_mask
from mmkeras.reports.heat_maps import heat_maps
from mmkeras.schema import Image, Schema, Text

pytestmark = pytest.mark.eager
COUNTS = (3, 1, 2, 0)  # pictures of each row


@pytest.fixture(scope="module")
def views():
    """A model of several images and a text, its pipeline, and the inputs of its rows."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    cells = [list(rng.integers(1, 256, (count, 16, 16, 3), np.uint8)) for count in COUNTS]
    frame = pd.DataFrame(
        {
            "views": pd.Series(cells, dtype=object),
            "note": ["a b", "b c", "a c", "b b"],
            "label": ["u", "v", "u", "v"],
        }
    )
    schema = Schema([Image("views", several=True), Text("note")], "label")
    frame = read_table(frame, schema)
    fitted = fit_preprocessing(frame, schema, {"views": ImageSettings(size=(16, 16))})
    model = build_model(
        schema,
        fitted.inputs,
        num_outputs=2,
        fusion="attention",
        encoder_options={"views": {"filters": (4, 4), "convs_per_block": 1}},
        hidden=(),
        presence=True,
    )
    pipeline = Pipeline(frame, fitted)
    return model, pipeline, inputs_of_rows(pipeline, range(4))


def test_every_picture_has_a_map_and_padding_none(views):
    model, _, inputs = views
    maps = grad_cam(model, inputs, "views", [0, 1, 0, 1])
    assert maps.shape == (4, 3, 4, 4)
    mask = token_mask(model, "views", inputs["views"]).reshape(maps.shape)
    assert mask.any(axis=(2, 3)).sum(axis=1).tolist() == list(COUNTS)
    assert maps[mask].any() and not maps[~mask].any()


def test_attributions_add_up_and_padding_has_none(views):
    model, _, inputs = views
    outputs = np.array([0, 1, 0, 1])
    ways = {"views": np.float32(0.5)}  # with another baseline than zeros padding would move
    found = integrated_gradients(model, inputs, outputs, baselines=ways, steps=64)
    there = (inputs["views"] != 0).any(axis=(2, 3, 4))
    assert found["views"][there].any() and not found["views"][~there].any()
    start = {
        **inputs,
        "views": np.full_like(inputs["views"], 0.5) * there[..., None, None, None],
        "note": np.zeros_like(inputs["note"]),
    }
    rows = np.arange(4)
    difference = model.predict(inputs, verbose=0) - model.predict(start, verbose=0)
    total = found["views"].sum(axis=(1, 2, 3, 4)) + found["note"].sum(axis=1)
    np.testing.assert_allclose(total, difference[rows, outputs], atol=2e-3)


def test_maps_lie_over_the_pictures_as_people_see_them(views):
    model, pipeline, inputs = views
    rows = [0, 1, 2]
    pictures = example_pictures(pipeline, rows)
    assert pictures["views"].shape == (3, 96, 96, 3)
    attended = image_attention(model, pipeline, rows)["views"]
    assert attended.shape == (3, 8, 8)  # four places for three pictures of 4×4 tokens
    assert not attended[:, 4:, 4:].any() and attended[0, :, :4].all()
    part = {name: values[rows] for name, values in inputs.items()}
    attributions = integrated_gradients(model, part, np.zeros(3, int), steps=2)
    missing = {name: np.array([False, False, True]) for name in ("views", "note")}
    schema = pipeline.preprocessing.schema
    for under in (pictures, {}):  # the pictures, or what the model reads
        shown = heat_maps(model, schema, part, [0, 0, 0], attributions, under, missing)
        assert [label for label, _ in shown[0]] == [
            "Grad-CAM (views)",
            "integrated gradients (views)",
            "attention (views)",
        ]
        assert all(pixels.shape == (192, 192, 3) for _, pixels in shown[0])
        assert shown[2] == []
