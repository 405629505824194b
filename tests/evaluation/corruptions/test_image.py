import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from mmkeras.evaluation.corruptions import CORRUPTIONS

RANDOM = np.random.default_rng(0)


def corrupted(name, images, strength, kind="image"):
    return CORRUPTIONS[kind][name](images, strength, fitted=None, seed=5)


@pytest.mark.parametrize(("strength", "deviation"), [(1, 0.08), (2, 0.12)])
def test_noise_has_its_standard_deviation(strength, deviation):
    # Grey is four standard deviations from black and white, so that nothing is clipped.
    grey = np.full((20, 32, 32, 3), 128, np.uint8)
    change = corrupted("gaussian_noise", grey, strength).astype(float) - 128
    assert change.std() == pytest.approx(255 * deviation, rel=0.01)
    assert change.mean() == pytest.approx(0, abs=0.3)


def test_noise_of_all_strengths_has_one_shape_and_does_not_wrap_around():
    grey = np.full((4, 16, 16, 1), 128, np.uint8)
    weak, strong = (corrupted("gaussian_noise", grey, k).astype(float) - 128 for k in (1, 5))
    expected = np.clip(weak * 0.38 / 0.08, -128, 127)
    # Rounding `weak` to whole grey values is stretched by 0.38 / 0.08.
    assert np.abs(strong - expected).max() <= 0.5 * 0.38 / 0.08 + 0.5
    white = corrupted("gaussian_noise", np.full((4, 16, 16, 1), 250, np.uint8), 1)
    assert white.min() > 120 and (white == 255).any()


def test_noise_does_not_depend_on_the_size_of_the_blocks_it_is_made_in(monkeypatch):
    images = RANDOM.integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    whole = corrupted("gaussian_noise", images, 3)
    monkeypatch.setattr("mmkeras.evaluation.corruptions.image._BLOCK", 400)
    np.testing.assert_array_equal(corrupted("gaussian_noise", images, 3), whole)


def test_blur_is_a_gaussian_as_wide_as_imagenet_c_has_it_on_224_pixels():
    # An edge at 112 of 224; on 224 pixels strength 4 has sigma 4, on 448 it has 8.
    for side, sigma in ((224, 4.0), (448, 8.0)):
        image = np.zeros((1, side, side, 1), np.uint8)
        image[:, :, side // 2 :] = 200
        blurred = corrupted("blur", image, 4)[0, :, :, 0]
        expected = np.rint(gaussian_filter1d(image[0, 0, :, 0].astype(float), sigma))
        np.testing.assert_allclose(blurred, np.tile(expected, (side, 1)), atol=1)
    wide = np.zeros((1, 224, 448, 1), np.uint8)
    wide[:, :, 224:] = 200
    expected = np.rint(gaussian_filter1d(wide[0, 0, :, 0].astype(float), 4.0))
    np.testing.assert_allclose(corrupted("blur", wide, 4)[0, 0, :, 0], expected, atol=1)


def test_blur_mixes_no_channels_rows_or_frames():
    videos = np.zeros((2, 2, 32, 32, 3), np.uint8)
    videos[0, 1, 16, 16, 2] = 255
    blurred = corrupted("blur", videos, 5, "video")
    assert (blurred[0, 1, :, :, 2] > 0).sum() > 9
    blurred[0, 1, :, :, 2] = 0
    assert not blurred.any()


def test_brightness_raises_the_value_of_hsv_by_hand():
    # Strength 2 adds 51 of 255: (100, 50, 0) has value 100 and becomes 151/100 of itself;
    # (240, 120, 60) becomes 255/240 of itself; black becomes grey.
    images = np.array([[100, 50, 0], [240, 120, 60], [0, 0, 0]], np.uint8).reshape(1, 1, 3, 3)
    brighter = corrupted("brightness", images, 2).reshape(3, 3)
    np.testing.assert_array_equal(brighter, [[151, 76, 0], [255, 128, 64], [51, 51, 51]])
    grey = np.array([0, 10, 250], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(corrupted("brightness", grey, 2).ravel(), [51, 61, 255])


@pytest.mark.parametrize("shape", [(60, 60), (16, 100)])
def test_occlusion_hides_its_area_in_one_rectangle_of_the_image_s_shape(shape):
    images = np.zeros((30, *shape, 3), np.uint8)
    for strength, area in enumerate((0.05, 0.1, 0.2, 0.3, 0.4), start=1):
        hidden = corrupted("occlusion", images, strength) == 128
        assert (hidden == hidden[..., :1]).all()
        height, width = (round(area**0.5 * side) for side in shape)
        for row in hidden[..., 0]:
            ys, xs = np.nonzero(row)
            assert len(ys) == height * width
            assert (np.ptp(ys) + 1, np.ptp(xs) + 1) == (height, width)
        assert hidden[0].mean() == pytest.approx(area, abs=0.5 / shape[0] + 0.5 / shape[1])


def test_occlusion_of_a_greater_strength_hides_what_a_lesser_hides_and_reaches_every_border():
    images = np.zeros((3000, 20, 20, 1), np.uint8)
    hidden = [corrupted("occlusion", images, strength) > 0 for strength in range(1, 6)]
    for less, more in pairwise(hidden):
        assert (more | ~less).all() and more.sum() > less.sum()
    assert hidden[0].any(axis=0).all()


def test_occlusion_hides_one_place_in_all_frames():
    hidden = corrupted("occlusion", np.zeros((5, 4, 16, 16, 3), np.uint8), 3, "video") > 0
    assert (hidden == hidden[:, :1]).all()
    assert len({clip.tobytes() for clip in hidden}) > 1


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_jpeg_is_pillow_s_of_that_quality(channels, mode):
    images = RANDOM.integers(0, 256, (3, 24, 40, channels), dtype=np.uint8)
    for strength, quality in enumerate((25, 18, 15, 10, 7), start=1):
        compressed = corrupted("jpeg", images, strength)
        for image, result in zip(images, compressed, strict=True):
            file = io.BytesIO()
            picture = Image.frombytes(mode, (40, 24), image.tobytes())
            picture.save(file, "JPEG", quality=quality)
            expected = np.asarray(Image.open(file)).reshape(24, 40, channels)
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["blur", "brightness", "jpeg"])
def test_a_video_is_corrupted_as_its_frames_are(name):
    videos = RANDOM.integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
    changed = corrupted(name, videos, 5, "video")
    frames = corrupted(name, videos.reshape(6, 16, 16, 3), 5)
    np.testing.assert_array_equal(changed, frames.reshape(videos.shape))


@pytest.mark.parametrize("name", CORRUPTIONS["image"])
def test_memory_order_does_not_matter_and_other_forms_are_refused(name):
    images = RANDOM.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    expected = corrupted(name, images, 3)
    np.testing.assert_array_equal(corrupted(name, np.asfortranarray(images), 3), expected)
    with pytest.raises(ValueError, match=r"uint8.*float32 of shape \(3, 16, 16, 3\)"):
        corrupted(name, images.astype(np.float32) / 255, 3)
    with pytest.raises(ValueError, match=r"shape \(16, 16, 3\)"):
        corrupted(name, images[0], 3)
