import numpy as np
import pytest

from mmkeras.encoders import MLPEncoder
from tests.layer_checks import check_layer

ROWS = np.random.default_rng(0).random((3, 5), "float32")


def test_mlp_encoder(tmp_path):
    check_layer(lambda: MLPEncoder((8, 6), dropout=0.1), {"inputs": ROWS}, (3, 1, 6), tmp_path)


def test_mlp_encoder_has_no_mask():
    assert MLPEncoder().token_mask(ROWS) is None


def test_mlp_encoder_takes_numpy_integers():
    assert MLPEncoder((np.int64(8),))(ROWS).shape == (3, 1, 8)


def test_mlp_encoder_refuses_what_is_no_vector():
    with pytest.raises(ValueError, match=r"\(batch, features\).*Received.*\(3, 5, 1\)"):
        MLPEncoder()(ROWS[..., None])


def test_mlp_encoder_refuses_integers():
    with pytest.raises(ValueError, match="one-hot"):
        MLPEncoder()(np.ones((3, 5), "int32"))


def test_mlp_encoder_needs_a_layer():
    with pytest.raises(ValueError, match="`units`"):
        MLPEncoder(units=())
