"""Random changes to feature sequences: what they change, by which seed, and what they leave."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.kinds import SequenceSettings
from mmkeras.data.kinds.sequence import SequencePreprocessor
from mmkeras.data.media.augment_sequence import mask_sequences, stretch_sequences
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.sources import NOT_PADDING
from mmkeras.schema import Label, Schema, Sequence, StepLabels

pytestmark = pytest.mark.eager

LENGTHS = [40, 1, 0, 17, 2] * 60
# A feature that counts the steps, one that falls, and one that stays.
RAMPS = [np.stack([np.arange(n), -2.0 * np.arange(n), np.full(n, 5.0)], 1) for n in LENGTHS]
STEPS = tf.RaggedTensor.from_row_lengths(np.concatenate(RAMPS).astype(np.float32), LENGTHS)


def maker(**settings):
    return SequencePreprocessor(SequenceSettings(max_length=45, **settings), 3).input_maker()


def test_stretching_keeps_ends_and_draws_a_line_between_steps():
    stretched = stretch_sequences(STEPS, (1, 2), speed=0.25, max_length=45)
    lengths = stretched.row_lengths().numpy()
    for before, row in zip(LENGTHS, stretched, strict=True):
        row = row.numpy()
        assert min(before, 1) <= len(row) <= 45
        assert abs(len(row) - before) <= 0.25 * before + 0.5
        if len(row):
            whole = np.linspace(0, before - 1 if len(row) > 1 else 0, len(row))
            expected = np.stack([whole, -2 * whole, np.full(len(row), 5.0)], 1)
            np.testing.assert_allclose(row, expected, atol=1e-4)
    of_forty = lengths[np.array(LENGTHS) == 40]
    # All lengths occur, the longest once for each that was limited.
    assert set(of_forty) >= {31, 38, 40, 45}
    assert lengths[np.array(LENGTHS) == 1].tolist() == [1] * 60


def test_masks_hide_runs_of_own_steps_and_of_features():
    lengths = np.array([20, 10, 0] * 100)
    ones = np.ones((300, 20, 10), np.float32) * (np.arange(20) < lengths[:, None])[..., None]
    options = {"time_mask": 0.5, "feature_mask": 0.3}
    masked = mask_sequences(ones, lengths, (3, 4), time_masks=1, feature_masks=1, **options)
    hidden = (masked.numpy() == 0) & (ones == 1)
    for length, longest in ((20, 10), (10, 5)):
        own = hidden[lengths == length][:, :length]
        steps, features = own.all(axis=2), own.all(axis=1)
        np.testing.assert_array_equal(own, steps[:, :, None] | features[:, None])
        assert set(steps.sum(axis=1)) == set(range(longest + 1))
        assert set(features.sum(axis=1)) == set(range(3 + 1))
        assert steps[:, 0].any()
        assert steps[:, -1].any()
        for runs in (steps, features):
            assert (np.diff(runs.astype(int), prepend=0, axis=1) == 1).sum(axis=1).max() == 1
    np.testing.assert_array_equal(mask_sequences(ones, lengths, (3, 4)), ones)


@pytest.mark.parametrize(
    "settings",
    [
        {"speed": 0.2},
        {"time_masks": 2, "time_mask": 0.3},
        {"feature_masks": 1, "feature_mask": 0.9},
        {"noise": 0.1, "speed": 0.2, "time_masks": 2, "feature_masks": 2},
    ],
)
def test_inputs_follow_from_the_seed_and_no_step_becomes_padding(settings):
    make_inputs = maker(**settings)
    plain = maker()(STEPS, None).numpy()
    np.testing.assert_array_equal(make_inputs(STEPS, None), plain)
    changed = make_inputs(STEPS, (5, 6)).numpy()
    np.testing.assert_array_equal(changed, make_inputs(STEPS, (5, 6)))
    other = make_inputs(STEPS, (5, 7)).numpy()
    assert other.shape != changed.shape or (other != changed).any()
    steps = changed.any(axis=2)
    lengths = steps.sum(axis=1)
    # Padding comes after the last step only, and hidden steps are next to zero.
    np.testing.assert_array_equal(steps, np.arange(steps.shape[1]) < lengths[:, None])
    if not settings.get("speed"):
        np.testing.assert_array_equal(lengths, LENGTHS)
    if "time_masks" in settings:
        assert (changed[steps] == np.float32([NOT_PADDING, 0, 0])).all(axis=1).any()


@pytest.mark.parametrize("name", ["speed", "time_mask", "feature_mask"])
def test_shares_are_shares(name):
    with pytest.raises(ValueError, match=f"`{name}` is a share in .0, 1.. Received: 1.0"):
        SequenceSettings(**{name: 1.0})


def test_labels_per_step_refuse_stretched_steps():
    frame = pd.DataFrame(
        {"motion": [np.ones((3, 2)), np.eye(2)], "moves": [["a", "b", "a"], ["b", "a"]]}
    )
    schema = Schema([Sequence("motion")], StepLabels("moves"))
    fitted = fit_preprocessing(frame, schema, {"motion": SequenceSettings(speed=0.1)})
    with pytest.raises(ValueError, match="set `speed` of 'motion' to 0"):
        Pipeline(frame, fitted).evaluate()
    frame["moves"] = ["a", "b"]
    schema = Schema([Sequence("motion")], Label("moves"))
    fitted = fit_preprocessing(frame, schema, {"motion": SequenceSettings(speed=0.1)})
    assert len(list(Pipeline(frame, fitted).evaluate())) == 1
