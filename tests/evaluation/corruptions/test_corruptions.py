import copy
from difflib import SequenceMatcher

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import SequenceSettings, TabularSettings
from mmkeras.data.kinds.sequence import SequencePreprocessor
from mmkeras.data.kinds.tabular import TabularPreprocessor
from mmkeras.evaluation.corruptions import CORRUPTIONS
from mmkeras.evaluation.corruptions.corruption import round_randomly
from mmkeras.schema import MODALITIES, Tabular

RANDOM = np.random.default_rng(0)
ROWS = 40
WORDS = ["horse", "table", "yellow", "window", "garden", "is", "not", "marble", "silver", "cloud"]


def make_table():
    frame = pd.DataFrame(
        {
            "age": RANDOM.normal(40, 10, ROWS),
            "height": RANDOM.normal(170, 8, ROWS),
            "place": pd.Series(RANDOM.choice(["a", "b", "c"], ROWS), dtype=object),
        }
    )
    frame.loc[3, "age"] = np.nan
    frame.loc[4, "place"] = None
    return frame


TABLE = make_table()
# Pictures with large shapes: what blur and JPEG do to white noise says little.
SMOOTH = np.kron(RANDOM.integers(0, 200, (ROWS, 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
VALUES = {
    "image": SMOOTH,
    "video": np.stack([SMOOTH[:8], SMOOTH[8:16]], axis=1),
    "text": [" ".join(RANDOM.permutation(WORDS)) for _ in range(ROWS)] + [None, "", "word"],
    "audio": np.rint(RANDOM.normal(0, 2000, (ROWS, 800))).astype(np.int16),
    "sequence": [
        *(RANDOM.normal(0, 1, (4 + row % 7, 10)).astype(np.float32) for row in range(ROWS)),
        None,
        np.zeros((0, 10), np.float32),
    ],
    "tabular": TABLE,
}
FITTED = {
    "sequence": SequencePreprocessor(SequenceSettings(), 10, (5.0,) * 10, (2.0,) * 10),
    "tabular": TabularPreprocessor.fit(
        TABLE, Tabular("facts", ("age", "height"), ("place",)), TabularSettings()
    ),
}
WITHOUT_DRAWS = ("blur", "brightness", "jpeg")
CASES = [(kind, name) for kind, named in CORRUPTIONS.items() for name in named]
every_corruption = pytest.mark.parametrize(("kind", "name"), CASES)


def corrupted(kind, name, strength, seed=0, values=None):
    values = VALUES[kind] if values is None else values
    return CORRUPTIONS[kind][name](values, strength, fitted=FITTED.get(kind), seed=seed)


def assert_same(first, second):
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second)
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    else:
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            if isinstance(one, np.ndarray):
                assert_same(one, other)
            else:
                assert one == other


def distance(kind, changed):
    """How far a corruption has moved the values, by a measure of the kind's own."""
    values = VALUES[kind]
    if kind == "text":
        return sum(
            1 - SequenceMatcher(None, before, after, autojunk=False).ratio()
            for before, after in zip(values, changed, strict=True)
            if before
        )
    if kind == "sequence":
        return sum(
            np.abs(after - before).sum()
            for before, after in zip(values, changed, strict=True)
            if before is not None
        )
    if kind == "tabular":
        numbers = (changed.iloc[:, :2] - values.iloc[:, :2]).abs().fillna(30).to_numpy()
        return numbers.sum() + 30 * (changed["place"] != values["place"]).sum()
    return np.abs(changed.astype(float) - values).mean()


def test_every_kind_of_modality_has_corruptions_of_five_strengths():
    assert set(CORRUPTIONS) == set(MODALITIES)
    for named in CORRUPTIONS.values():
        for name, corruption in named.items():
            assert corruption.name == name and corruption.unit
            steps = np.diff(corruption.amounts)
            assert len(corruption.amounts) == 5 and ((steps > 0).all() or (steps < 0).all())


@every_corruption
def test_form_and_type_stay_and_holes_too(kind, name):
    changed = corrupted(kind, name, 5)
    values = VALUES[kind]
    if kind == "tabular":
        assert list(changed.dtypes) == list(values.dtypes)
        assert changed.index.equals(values.index) and list(changed) == list(values)
        assert np.isnan(changed.loc[3, "age"]) and changed.loc[4, "place"] is None
    elif isinstance(values, np.ndarray):
        assert (changed.dtype, changed.shape) == (values.dtype, values.shape)
    else:
        assert len(changed) == len(values)
        for before, after in zip(values, changed, strict=True):
            assert (after is None) == (before is None)
            if isinstance(before, np.ndarray):
                assert (after.dtype, after.shape) == (before.dtype, before.shape)


@every_corruption
def test_what_goes_in_is_left_as_it_was(kind, name):
    values = copy.deepcopy(VALUES[kind])
    corrupted(kind, name, 5, values=values)
    assert_same(values, VALUES[kind])


@every_corruption
def test_a_greater_strength_changes_more(kind, name):
    distances = [distance(kind, corrupted(kind, name, strength)) for strength in range(1, 6)]
    assert distances[4] > 1.3 * distances[0]
    assert (np.diff(distances) >= 0).all()
    assert distances[1] > 0


@every_corruption
def test_one_seed_gives_one_corruption(kind, name):
    assert_same(corrupted(kind, name, 5, seed=3), corrupted(kind, name, 5, seed=3))
    if name not in WITHOUT_DRAWS:
        with pytest.raises(AssertionError):
            assert_same(corrupted(kind, name, 5, seed=3), corrupted(kind, name, 5, seed=4))


@every_corruption
def test_equal_rows_get_draws_of_their_own(kind, name):
    values = VALUES[kind]
    if kind == "tabular":
        equal = values.iloc[[0] * 8].reset_index(drop=True)
        rows = {
            tuple(row) for row in corrupted(kind, name, 5, values=equal).itertuples(index=False)
        }
    elif isinstance(values, np.ndarray):
        changed = corrupted(kind, name, 5, values=np.repeat(values[:1], 8, axis=0))
        rows = {row.tobytes() for row in changed}
    else:
        changed = corrupted(kind, name, 5, values=[values[0]] * 8)
        rows = {row if isinstance(row, str) else row.tobytes() for row in changed}
    assert (len(rows) > 1) == (name not in WITHOUT_DRAWS)


def test_other_strengths_are_refused():
    for strength in (0, 6):
        with pytest.raises(ValueError, match=f"'jpeg' are 1 to 5.*Received: {strength}"):
            corrupted("image", "jpeg", strength)


def test_shares_are_rounded_at_random_and_right_on_average():
    draws = np.random.default_rng(1).random(20_000)
    counts = [round_randomly(0.3, 5, draw) for draw in draws]
    assert set(counts) == {1, 2}
    assert np.mean(counts) == pytest.approx(1.5, abs=0.02)
    assert {round_randomly(0.5, 4, draw) for draw in draws} == {2}
