import numpy as np
import pytest

from mmkeras.encoders import OrientedGradientsEncoder
from tests.layer_checks import call


def tokens(images, **options):
    encoder = OrientedGradientsEncoder(grid=2, orientations=4, shades=2, dim=0, **options)
    return call(encoder, {"inputs": np.asarray(images, "float32")})


def edge(across=True, rising=True):
    """16 × 16 pixels, dark on one side and bright on the other."""
    ramp = np.where(np.arange(16) >= 8, 0.9, 0.1)
    ramp = ramp if rising else ramp[::-1]
    image = np.tile(ramp, (16, 1)) if across else np.tile(ramp[:, None], (1, 16))
    return np.repeat(image[None, :, :, None], 3, axis=3)


# A token has four quarters of 4 directions (0, 90, 180 and 270 degrees) and their 2 sums.
def directions(image):
    found = tokens(image)[0, :, :24].reshape(4, 4, 6)
    return found.sum(axis=(0, 1))


def test_edges_count_by_their_direction():
    for across, rising, place in ((1, 1, 0), (0, 1, 1), (1, 0, 2), (0, 0, 3)):
        found = directions(edge(across, rising))
        assert found[:4].argmax() == place
        assert found[4:].argmax() == place % 2
        np.testing.assert_allclose(np.delete(found[:4], place), 0, atol=1e-3)


def test_contrast_does_not_count_and_a_plain_image_has_no_edges():
    strong, weak = directions(edge()), directions(0.5 + (edge() - 0.5) / 2)
    np.testing.assert_allclose(strong, weak, rtol=0.05)
    np.testing.assert_allclose(directions(np.full((1, 16, 16, 3), 0.3)), 0, atol=1e-3)


def test_colours_are_counted_in_their_cell():
    image = np.zeros((1, 16, 16, 3))
    image[:, :8, :8, 0] = 1  # red in the first cell, black elsewhere
    shares = (tokens(image)[0, :, 24:] / np.sqrt(8)) ** 2
    assert shares.argmax(axis=1).tolist() == [4, 0, 0, 0]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=0.01)


def test_sides_that_the_grid_does_not_divide():
    encoder = OrientedGradientsEncoder(grid=4, dim=5)
    assert call(encoder, {"inputs": np.ones((2, 19, 10, 1), "float32")}).shape == (2, 16, 5)
    assert encoder.token_grid((19, 10, 1)) == (4, 4)
    with pytest.raises(ValueError, match="all but batch known"):
        OrientedGradientsEncoder().build((None, None, None, 3))
