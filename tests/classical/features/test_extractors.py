"""Each kind's features against a case worked by hand, or another library."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from mmkeras.classical.features import (
    FEATURES,
    AudioFeatures,
    ImageFeatures,
    SequenceFeatures,
    TextFeatures,
)
from mmkeras.classical.features.image import colour_histograms, hog
from mmkeras.data.kinds import KINDS, AudioSettings, TextSettings
from mmkeras.data.kinds.audio import AudioPreprocessor
from mmkeras.data.kinds.sequence import SequencePreprocessor, SequenceSettings
from mmkeras.data.kinds.text import TextPreprocessor
from mmkeras.data.media.sounds.spectrogram import sound_features
from mmkeras.schema import MODALITIES


@pytest.mark.parametrize(("axis", "bins"), [(1, {0, 8}), (0, {4})])
def test_an_edge_counts_in_the_bin_of_its_gradient(axis, bins):
    # Bins are centred at 10, 30, ..., 170 degrees: 0 degrees is halfway between the last and first.
    image = np.zeros((32, 32, 1), np.uint8)
    image[16:] = 255
    image = image if axis == 0 else image.transpose(1, 0, 2)
    found = hog(np.stack([image, 0 * image]))
    assert found.shape == (2, 3 * 3 * 4 * 9)
    by_bin = found[0].reshape(-1, 9).sum(axis=0)
    assert set(np.flatnonzero(by_bin > 0.01)) == bins
    assert not found[1].any()
    # Each block has length 1, or no edge at all.
    lengths = np.linalg.norm(found[0].reshape(9, -1), axis=1)
    assert np.all(np.isclose(lengths, 1, atol=0.01) | (lengths == 0))


def test_colours_are_counted_in_each_part():
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[:, :, :4] = (255, 0, 0)
    image[:, :2, 4:] = (0, 0, 255)
    found = np.square(colour_histograms(image, grid=2, bins=2)).reshape(4, 8)
    red, blue, black = 4, 1, 0
    expected = np.zeros((4, 8))
    expected[0, red] = expected[2, red] = expected[3, black] = 1
    expected[1, [blue, black]] = 0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_shapes_and_colours_vary_as_much(small_table):
    images = np.stack(list(small_table[0]["picture"])).repeat(2, axis=1).repeat(2, axis=2)[:, :24]
    features = ImageFeatures(size=24).fit(images)
    found = features.transform(images)
    shapes = np.array([name.startswith("hog") for name in features.names_])
    for block in (found[:, shapes], found[:, ~shapes]):
        assert block.var(axis=0).sum() == pytest.approx(1, rel=1e-3)
    grey = ImageFeatures(size=24).fit(images[..., :1])
    assert all(name.startswith("hog") for name in grey.names_)
    with pytest.raises(ValueError, match="multiple of `cell`"):
        ImageFeatures(size=20).fit(images)


def test_several_images_of_a_row_count_as_their_mean():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    features = ImageFeatures(size=16).fit(images)
    together = features.transform([images[:2], images[2:]])
    alone = features.transform(images)
    np.testing.assert_allclose(together[0], alone[:2].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(together[1], alone[2:].mean(axis=0), rtol=1e-5)


def test_texts_are_scikit_learns_tfidf(small_table):
    column = small_table[0]["note"]
    features = TextFeatures()
    settings = features.settings(TextSettings(ngrams=2, representation="counts"))
    frame = column.to_frame()
    fitted = TextPreprocessor.fit(frame, small_table[1]["note"], settings)
    found = features.fit(list(column), fitted).transform(["noon over the hill hill", "unknown"])
    theirs = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"\w+")
    theirs.fit(column)
    expected = theirs.transform(["noon over the hill hill"]).toarray()[0]
    own = dict(zip(features.names_, found[0].toarray()[0], strict=True))
    np.testing.assert_allclose([own[n] for n in theirs.get_feature_names_out()], expected)
    assert sparse.issparse(found)
    assert found[1].nnz == 0


def test_latent_semantics_bring_texts_of_shared_words_together(small_table):
    notes = small_table[0]["note"]
    fitted = TextPreprocessor.fit(notes.to_frame(), small_table[1]["note"], TextSettings())
    features = TextFeatures(components=2).fit(list(notes), fitted)
    # These share no word, but words that stand together elsewhere.
    sun, noon, moon = features.transform(["sun", "noon", "moon"])
    assert sun @ noon > sun @ moon
    assert features.names_ == ["topic_0", "topic_1"]


def test_sounds_are_statistics_of_the_cepstrum():
    features = AudioFeatures(coefficients=5, parts=2)
    settings = features.settings(AudioSettings(rate=4000, seconds=0.5, features="waveform"))
    sounds = np.random.default_rng(0).integers(-9000, 9000, (3, 2000)).astype(np.int16)
    features.fit(sounds, AudioPreprocessor(settings))
    steps = sound_features(sounds / np.float32(32768), settings).numpy()
    found = dict(zip(features.names_, features.transform(sounds).T, strict=True))
    np.testing.assert_allclose(found["mean_mfcc3"], steps[:, :, 3].mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["std_delta1"], steps[:, :, 6].std(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["part1_mfcc0"], steps[:, 25:, 0].mean(axis=1), rtol=1e-4)


def test_a_straight_line_has_its_slope_and_parts():
    steps = [np.linspace(0, 1, length)[:, None] for length in (1, 2, 9)]
    unscaled = SequencePreprocessor(SequenceSettings(scaling="none"), features=1)
    features = SequenceFeatures(parts=2).fit(steps, unscaled)
    found = dict(zip(features.names_, features.transform(steps).T, strict=True))
    np.testing.assert_allclose(found["slope_0"], [0, 1, 1])
    np.testing.assert_allclose(found["part0_0"], [0, 0, 0.25])
    np.testing.assert_allclose(found["part1_0"], [0, 1, 0.75])


def test_a_sequence_of_one_step_is_a_vector():
    steps = [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]
    unscaled = SequencePreprocessor(SequenceSettings(scaling="none"), features=2)
    features = SequenceFeatures().fit(steps, unscaled)
    np.testing.assert_array_equal(features.transform(steps), [[1, 2], [3, 4]])


def test_the_table_names_kinds_that_exist():
    assert set(FEATURES) <= set(MODALITIES) == set(KINDS)
