import os

import numpy as np
import pytest

from mmkeras.data.datasets import load_dataset, mnist, mnist_labels
from mmkeras.data.leakage import check_leakage
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Image, Label, Tabular

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")


@pytest.fixture
def images(monkeypatch):
    """100 images, 10 of a digit, in random grey values."""
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28)).astype(np.uint8)
    labels = np.arange(100, dtype=np.uint8) % 10
    monkeypatch.setattr(mnist, "load_images", lambda part: (images, labels))
    return images


def test_rows_are_images_with_their_digit_twice(images):
    table, schema = load_dataset("mnist_labels")
    assert (table["label"] == table["digit"]).all()
    assert (table["image_index"] % 10 == table["digit"].astype(int)).all()
    for image, place in zip(table["image"], table["image_index"], strict=True):
        np.testing.assert_array_equal(image, images[place])
    assert table["split"].value_counts().to_dict() == {"train": 70, "test": 20, "validation": 10}
    assert table["image_index"].is_unique
    assert schema.modalities == (Image("image"), Tabular("label", categorical=["label"]))
    assert schema.target == Label("digit")


def test_the_label_is_a_one_hot_input_and_the_leakage_check_names_it(images):
    table, schema = load_dataset("mnist_labels")
    findings = check_leakage(table, schema)
    assert [(f.severity, f.check, f.column) for f in findings] == [
        ("error", "predicts the target alone", "label")
    ]
    preprocessing = fit_preprocessing(table[table["split"] == "train"], schema)
    # The first place is for labels that training rows do not have.
    assert preprocessing.inputs["label"].groups == (11,)
    inputs = next(iter(Pipeline(table, preprocessing, batch_size=100).evaluate()))[0]
    digits = table["digit"].astype(int).to_numpy()
    np.testing.assert_array_equal(inputs["label"], np.eye(11)[1 + digits])


def test_one_seed_one_content(images):
    first = mnist_labels.content_hash(load_dataset("mnist_labels")[0])
    assert first == mnist_labels.content_hash(load_dataset("mnist_labels")[0])
    assert first != mnist_labels.content_hash(load_dataset("mnist_labels", seed=1)[0])


@real
def test_the_real_rows_are_the_pinned_ones():
    table, _ = load_dataset("mnist_labels")
    assert len(table) == 10_000
    assert mnist_labels.content_hash(table) == mnist_labels.CONTENT_SHA256
