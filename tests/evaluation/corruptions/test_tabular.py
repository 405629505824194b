from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import TabularSettings
from mmkeras.data.kinds.tabular import TabularPreprocessor
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.read import read_table
from mmkeras.evaluation.corruptions import CORRUPTIONS
from mmkeras.schema import Schema, Tabular

ROWS = 3000
FACTS = Tabular("facts", ("age", "height"), ("place", "kind"))
SCHEMA = Schema([FACTS], "label")


def make_table():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 10, ROWS),
            "height": random.normal(1.7, 0.1, ROWS),
            "place": random.choice(["north", "south", "sea"], ROWS),
            "kind": random.integers(0, 2, ROWS),
            "label": random.choice(["a", "b"], ROWS),
        },
        index=np.arange(ROWS) + 7,
    )
    return read_table(frame, SCHEMA)


TABLE = make_table()
FITTED = TabularPreprocessor.fit(TABLE, FACTS, TabularSettings())


def corrupted(name, strength, table=TABLE, fitted=FITTED):
    return CORRUPTIONS["tabular"][name](table, strength, fitted=fitted, seed=5)


def test_noise_of_numbers_is_in_units_of_the_training_deviation_and_of_one_shape():
    changes = {}
    for strength, amount in enumerate((0.1, 0.2, 0.3, 0.4, 0.5), start=1):
        noisy = corrupted("noise", strength)
        for column in FACTS.numeric:
            change = (noisy[column] - TABLE[column]) / FITTED.deviation[column]
            assert change.std() == pytest.approx(amount, rel=0.05)
            changes[strength, column] = change
    np.testing.assert_allclose(changes[5, "age"], 5 * changes[1, "age"])
    assert abs(np.corrcoef(changes[5, "age"], changes[5, "height"])[0, 1]) < 0.06


def test_that_share_of_the_categories_becomes_another_one_seen_in_training():
    replaced = []
    for strength, probability in enumerate((0.1, 0.2, 0.3, 0.4, 0.5), start=1):
        noisy = corrupted("noise", strength)
        change = noisy[["place", "kind"]] != TABLE[["place", "kind"]]
        np.testing.assert_allclose(change.mean(), probability, atol=0.03)
        assert set(noisy["place"]) == {"north", "south", "sea"} and set(noisy["kind"]) == {"0", "1"}
        replaced.append((change.to_numpy(), noisy))
    for (less, before), (more, after) in pairwise(replaced):
        assert (more | ~less).all()
        place = less[:, 0]
        assert (before["place"][place] == after["place"][place]).all()
    north = (TABLE["place"] == "north") & (after["place"] != "north")
    assert (after["place"][north] == "sea").mean() == pytest.approx(0.5, abs=0.08)


def test_a_category_without_another_stays():
    table = TABLE.assign(kind="0")
    fitted = TabularPreprocessor.fit(table, FACTS, TabularSettings())
    assert set(corrupted("noise", 5, table, fitted)["kind"]) == {"0"}


def test_that_share_of_the_cells_is_emptied_and_nothing_else_changes():
    emptied = []
    for strength, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=1):
        changed = corrupted("missing_values", strength)
        gone = changed[list(FACTS.columns)].isna().to_numpy()
        # A row's last cell stays in share ** 4 of the rows.
        np.testing.assert_allclose(gone.mean(), share - share**4 / 4, atol=0.01)
        pd.testing.assert_frame_equal(changed.where(changed.notna(), TABLE), TABLE)
        cells = [value for value in changed["place"] if not isinstance(value, str)]
        assert cells and all(value is None for value in cells)
        assert changed["age"].dtype == np.float64
        emptied.append(gone)
    for less, more in pairwise(emptied):
        assert (more | ~less).all()


def test_no_row_loses_the_modality_and_a_row_without_it_gets_none():
    table = TABLE.copy()
    table.iloc[:1000, 0] = np.nan
    table.iloc[500:1000, 1] = np.nan
    table.loc[table.index[800:1000], ["place", "kind"]] = None
    before = missing_cells(table, SCHEMA)
    assert before["facts"].sum() == 200
    for strength in range(1, 6):
        changed = corrupted("missing_values", strength, table)
        pd.testing.assert_frame_equal(missing_cells(changed, SCHEMA), before)
        noisy = corrupted("noise", strength, table)
        np.testing.assert_array_equal(noisy.isna().to_numpy(), table.isna().to_numpy())


@pytest.mark.parametrize("name", CORRUPTIONS["tabular"])
def test_what_comes_out_can_be_encoded_and_other_columns_stay(name):
    changed = corrupted(name, 5)
    assert FITTED.vectors(changed).shape == FITTED.vectors(TABLE).shape
    assert not np.array_equal(FITTED.vectors(changed), FITTED.vectors(TABLE))
    pd.testing.assert_series_equal(changed["label"], TABLE["label"])
    assert changed.index.equals(TABLE.index) and list(changed) == list(TABLE)
