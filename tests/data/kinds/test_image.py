import multiprocessing
import warnings

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
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


def test_the_decoder_is_saved_and_another_one_is_told_once():
    frame = pd.DataFrame({"i": [np.zeros((4, 4), np.uint8)] * 2, "label": ["a", "b"]})
    saved = fit_preprocessing(frame, Schema([Image("i")], "label")).to_dict()
    decoder = saved["modalities"]["i"]["decoder"]
    assert decoder == KINDS["image"].decoder() and decoder.startswith("Pillow ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pipeline(frame, Preprocessing.from_dict(saved))
        del saved["modalities"]["i"]["decoder"]  # as saved before it was recorded
        Pipeline(frame, Preprocessing.from_dict(saved))
    saved["modalities"]["i"]["decoder"] = "Pillow 3.1.4, OpenCV 1.5.9"
    with pytest.warns(UserWarning, match=r"images decoded by Pillow 3\.1\.4, OpenCV 1\.5\.9"):
        Pipeline(frame, Preprocessing.from_dict(saved))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pipeline(frame, Preprocessing.from_dict(saved))


def test_a_forked_process_decodes_what_its_parent_did():
    column = pd.Series(list(np.random.default_rng(0).integers(0, 256, (40, 300, 300), np.uint8)))
    settings = ImageSettings(size=(200, 200))
    store = MediaStore(KINDS["image"], column, settings, None)
    expected = store.load(np.arange(40))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        job = pool.apply_async(MediaStore, (KINDS["image"], column, settings, "memory"))
        np.testing.assert_array_equal(job.get(timeout=60).values, expected)
