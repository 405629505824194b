import numpy as np
import pandas as pd

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Image, Schema


def test_standardized_images_have_mean_zero_and_deviation_one(small_table):
    frame, schema = small_table
    schema = schema.select(["picture"])
    fitted = fit_preprocessing(
        frame, schema, {"picture": ImageSettings(size=(12, 12), scaling="standardize")}
    )
    inputs, _ = next(iter(Pipeline(frame, fitted, batch_size=60).evaluate()))
    images = inputs["picture"].numpy()
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), 1, atol=1e-3)


def test_image_specs_follow_the_settings():
    frame = pd.DataFrame({"i": [np.zeros((4, 4), np.uint8)] * 2, "label": ["a", "b"]})
    fitted = fit_preprocessing(
        frame, Schema([Image("i")], "label"), {"i": ImageSettings(size=(6, 5), channels=1)}
    )
    assert fitted.inputs["i"].shape == (6, 5, 1)
