import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from mmkeras.data.tables.splits import (
    Splits,
    folds_by_column,
    k_folds,
    split_by_column,
    split_officially,
    split_table,
)
from mmkeras.schema import TARGETS, Number, Schema, Text

SCHEMA = Schema([Text("caption")], target="label")
GROUPED = Schema([Text("caption")], target="label", group="who")


def table(labels, groups=None):
    frame = pd.DataFrame({"caption": [f"text {i}" for i in range(len(labels))], "label": labels})
    return frame if groups is None else frame.assign(who=groups)


def grouped_table(seed=0, groups=60):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(groups), rng.integers(2, 12, groups))
    class_of_group = rng.choice(["a", "b", "c"], groups, p=[0.5, 0.3, 0.2])
    return table(class_of_group[who], who)


def shares(frame):
    return frame["label"].value_counts(normalize=True).sort_index().to_numpy()


def assert_parts_of(splits, frame):
    positions = [index for part in splits for index in part.index]
    assert sorted(positions) == list(frame.index)
    for part in splits:
        assert list(part.index) == sorted(part.index)
        pd.testing.assert_frame_equal(part, frame.loc[part.index])


def test_classes_keep_their_share_in_every_part():
    frame = table(["a"] * 600 + ["b"] * 300 + ["c"] * 100)
    splits = split_table(frame, SCHEMA, validation=0.1, test=0.2)
    assert_parts_of(splits, frame)
    assert [len(part) for part in splits] == [700, 100, 200]
    for part in splits:
        np.testing.assert_allclose(shares(part), [0.6, 0.3, 0.1], atol=0.005)


def test_the_seed_decides_and_validation_does_not_move_the_test_rows():
    frame = table([0, 1] * 50)
    first, again = split_table(frame, SCHEMA, seed=3), split_table(frame, SCHEMA, seed=3)
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert not split_table(frame, SCHEMA, seed=4).test.equals(first.test)
    pd.testing.assert_frame_equal(
        split_table(frame, SCHEMA, seed=3, validation=0.4).test, first.test
    )


def test_splits_unpack_and_have_names():
    splits = split_table(table([0, 1] * 20), SCHEMA)
    train, validation, test = splits
    assert [name for name, _ in splits.items()] == ["train", "validation", "test"]
    assert train is splits.train and validation is splits.validation and test is splits.test


@pytest.mark.parametrize("empty", ["validation", "test"])
def test_a_part_may_be_left_out(empty):
    splits = split_table(table([0, 1] * 20), SCHEMA, **{empty: 0})
    assert {name for name, part in splits.items() if not len(part)} == {empty}
    assert list(getattr(splits, empty).columns) == ["caption", "label"]


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_a_group_never_straddle_and_classes_keep_their_share(seed):
    frame = grouped_table(seed)
    splits = split_table(frame, GROUPED, seed=seed)
    assert_parts_of(splits, frame)
    parts = [set(part["who"]) for part in splits]
    assert sum(map(len, parts)) == frame["who"].nunique()
    for part, share in zip(splits, (0.7, 0.15, 0.15), strict=True):
        assert abs(len(part) / len(frame) - share) < 0.05
        np.testing.assert_allclose(shares(part), shares(frame), atol=0.08)


def test_the_seed_decides_which_groups_are_tested():
    frame = grouped_table()
    tested = {frozenset(split_table(frame, GROUPED, seed=seed).test["who"]) for seed in range(5)}
    assert len(tested) == 5
    again = split_table(frame, GROUPED, seed=4).test["who"]
    assert frozenset(again) in tested


@pytest.mark.parametrize("task", ["number", "labels", "label"])
def test_groups_stay_whole_for_every_task(task):
    frame = grouped_table()
    frame["label"] = {"number": 0.5, "labels": "a|b", "label": "x"}[task]
    schema = Schema([Text("caption")], target=TARGETS[task]("label"), group="who")
    for seed in range(3):
        parts = [set(part["who"]) for part in split_table(frame, schema, seed=seed)]
        assert all(parts)
        assert sum(map(len, parts)) == frame["who"].nunique()


def test_few_groups_are_enough_when_there_is_one_for_each_part():
    frame = table(list("ababab"), [0, 0, 1, 1, 2, 2])
    splits = split_table(frame, GROUPED)
    assert [len(part) for part in splits] == [2, 2, 2]
    with pytest.raises(ValueError, match="2 groups in 'who' cannot be split into 3 parts"):
        split_table(frame.iloc[:4], GROUPED)
    with pytest.raises(ValueError, match="test takes all but one"):
        for seed in range(20):
            split_table(frame, GROUPED, validation=0.2, test=0.6, seed=seed)


def test_one_giant_group_leaves_no_part_empty():
    frame = table(["a", "b"] * 50, [0] * 90 + [1] * 5 + [2] * 3 + [3] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(5):
            assert all(len(part) for part in split_table(frame, GROUPED, seed=seed))


@pytest.mark.parametrize("task", ["number", "labels"])
def test_other_tasks_are_split_at_random(task):
    schema = Schema([Text("caption")], target=TARGETS[task]("label"))
    frame = table([str(i) for i in range(100)])
    splits = split_table(frame, schema)
    assert_parts_of(splits, frame)
    assert [len(part) for part in splits] == [70, 15, 15]


def test_a_rare_class_is_trained_on_and_named_in_a_warning():
    frame = table(["a"] * 50 + ["b"] * 50 + ["rare"] * 2)
    for seed in range(10):
        with pytest.warns(UserWarning, match=r"too few rows.*no row of 'rare' \(2 rows\)"):
            splits = split_table(frame, SCHEMA, seed=seed)
        assert_parts_of(splits, frame)
        assert "rare" in set(splits.train["label"])
        assert Counter(splits.test["label"])["a"] in (7, 8)


def test_a_class_that_test_leaves_with_one_row_keeps_it_for_training():
    frame = table(["a"] * 50 + ["b"] * 50 + ["rare"] * 2)
    with pytest.warns(UserWarning, match=r"validation has no row of 'rare' \(2 rows\)\."):
        splits = split_table(frame, SCHEMA, validation=0.3, test=0.4)
    assert [Counter(part["label"])["rare"] for part in splits] == [1, 0, 1]


def test_more_classes_than_test_rows_keeps_every_class_in_training():
    frame = table([f"class {i // 3}" for i in range(30)])
    tested = set()
    for seed in range(10):
        with pytest.warns(UserWarning, match="test has no row of"):
            splits = split_table(frame, SCHEMA, seed=seed)
        assert splits.train["label"].nunique() == 10
        assert [len(part) for part in splits] == [22, 4, 4]
        tested.add(tuple(splits.test.index))
    assert len(tested) > 5


def test_enough_rows_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_table(table(list("abc") * 20), SCHEMA)
        split_table(grouped_table(), GROUPED)


def test_what_cannot_be_split_is_refused():
    frame = table(["a"] * 10 + ["b"])
    with pytest.raises(ValueError, match=r"1 classes have a single row.*\['b'\].*groupby"):
        split_table(frame, SCHEMA)
    with pytest.raises(ValueError, match="leave some to train on"):
        split_table(frame, SCHEMA, validation=0.5, test=0.5)
    with pytest.raises(ValueError, match="2 rows cannot be split into 3 parts"):
        split_table(table(["a", "a"]), SCHEMA)
    with pytest.raises(ValueError, match="none is left for validation"):
        split_table(table(list("aabbcc")), SCHEMA, test=0.5, validation=0.2)
    with pytest.raises(ValueError, match=r"target column 'label' is empty in 1 rows.*row 2\)"):
        split_table(table(["a", None, "a"]), SCHEMA)
    with pytest.raises(ValueError, match="group column 'who' is empty"):
        split_table(table(["a"] * 3, [1, 2, None]), GROUPED)


def test_an_official_split_column_is_honoured():
    frame = table(range(7)).assign(part=["train", "Val", "valid", "dev ", "test", "train", "TEST"])
    splits = split_by_column(frame, "part")
    assert [part.index.tolist() for part in splits] == [[0, 5], [1, 2, 3], [4, 6]]
    assert isinstance(splits, Splits)
    assert len(split_by_column(frame[frame["part"] == "train"], "part").test) == 0


def test_an_odd_split_column_is_refused():
    frame = table(range(3)).assign(part=["train", "holdout", None])
    with pytest.raises(ValueError, match=r"2 rows \(the first is row 2\).*holdout"):
        split_by_column(frame, "part")
    with pytest.raises(ValueError, match="No column 'fold'"):
        split_by_column(frame, "fold")
    with pytest.raises(ValueError, match="no row for training"):
        split_by_column(frame.assign(part="test"), "part")
    with pytest.raises(ValueError, match=r"no row for testing: 2 .* 1 for .*Write 'test'"):
        split_officially(frame.assign(part=["train", "train", "val"]), SCHEMA, "part")


@pytest.mark.parametrize(
    "labels", [["b", "a", "c", "a"] * 10, [3, 1, 10, 2] * 10, [True, False] * 20]
)
def test_folds_are_scikit_learns(labels):
    expected = StratifiedKFold(4, shuffle=True, random_state=7).split(labels, labels)
    found = list(k_folds(table(labels), SCHEMA, folds=4, seed=7))
    assert len(found) == 4
    for (train, test), (expected_train, expected_test) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)


@pytest.mark.parametrize("task", ["label", "number", "labels"])
def test_folds_keep_groups_whole_and_test_every_row_once(task):
    frame = grouped_table()
    if task == "number":
        frame["label"] = np.arange(len(frame)) / 7
    schema = Schema([Text("caption")], target=TARGETS[task]("label"), group="who")
    tested = []
    for train, test in k_folds(frame, schema):
        assert not set(frame["who"].iloc[train]) & set(frame["who"].iloc[test])
        if task == "label":
            np.testing.assert_allclose(shares(frame.iloc[test]), shares(frame), atol=0.08)
        assert sorted([*train, *test]) == list(range(len(frame)))
        tested += list(test)
    assert sorted(tested) == list(range(len(frame)))


def test_folds_of_other_tasks_are_shuffled():
    schema = Schema([Text("caption")], target=Number("label"))
    folds = list(k_folds(table(range(20)), schema, folds=4))
    assert sorted(i for _, test in folds for i in test) == list(range(20))
    assert folds[0][1].tolist() != list(range(5))


def test_folds_need_two_rows_of_every_class():
    frame = table(["a"] * 10 + ["b"])
    with pytest.raises(ValueError, match=r"1 classes have a single row.*\['b'\]"):
        k_folds(frame, SCHEMA, folds=3)


def test_too_many_folds_are_refused_at_once():
    for schema, frame, what in (
        (SCHEMA, table(["a", "b"] * 3), "3 rows of the largest class"),
        (GROUPED, table(["a"] * 8, [0, 1] * 4), "2 groups"),
        (SCHEMA, table(["a"] * 3), "3 rows"),
    ):
        with pytest.raises(ValueError, match=what):
            k_folds(frame, schema, folds=4)
    with pytest.raises(ValueError, match="2 or more"):
        k_folds(table(["a"] * 3), SCHEMA, folds=1)


@pytest.mark.parametrize("target", ["label", Number("label")])
def test_few_groups_of_unlike_sizes_meet_the_share_as_closely_as_they_can(target):
    frame = table([0, 1] * 345, np.repeat(["a", "b", "c", "d"], [356, 280, 40, 14]))
    schema = Schema([Text("caption")], target=target, group="who")
    with pytest.warns(UserWarning, match=r"54 rows are held out where 104 were asked for"):
        splits = split_table(frame, schema, validation=0.0)
    assert set(splits.test["who"]) == {"c", "d"}


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("part", ["training", "Testing", "val"]),
        ("part", [0, 2, 1]),
        ("part", [0.0, 2.0, 1.0]),
        ("part", ["0", "2", "1"]),
    ],
)
def test_usual_names_of_parts_are_understood(column, cells):
    train, validation, test = split_by_column(table(list("xyz")).assign(part=cells), column)
    assert [part["label"].tolist() for part in (train, validation, test)] == [["x"], ["z"], ["y"]]


@pytest.mark.parametrize(
    ("column", "cells"),
    [("is_test", [False, True]), ("Test set", ["false", "TRUE"]), ("is_train", [1, 0])],
)
def test_truth_values_say_which_rows_are_for_the_part_in_the_columns_name(column, cells):
    splits = split_by_column(table(list("xy")).assign(**{column: cells}), column)
    assert [len(part) for part in splits] == [1, 0, 1]
    assert splits.test["label"].tolist() == ["y"]


def test_truth_values_without_a_name_that_says_for_what_are_refused():
    with pytest.raises(ValueError, match="true and false in a column called is_test"):
        split_by_column(table(list("xy")).assign(part=[True, False]), "part")


def test_official_folds_are_those_of_the_column():
    frame = table(list("xyxyx")).assign(fold=[10, 2, 10, 1, 2])
    folds = folds_by_column(frame, "fold")
    assert [test.tolist() for _, test in folds] == [[3], [1, 4], [0, 2]]
    assert folds[0][0].tolist() == [0, 1, 2, 4]
    with pytest.raises(ValueError, match="'fold' is empty in 1 rows"):
        folds_by_column(frame.assign(fold=["a", None, "a", "b", "b"]), "fold")
    with pytest.raises(ValueError, match="in every row; give two folds"):
        folds_by_column(frame.assign(fold=1), "fold")


def test_several_labels_keep_their_shares_in_every_part_and_fold():
    rng = np.random.default_rng(0)
    rare = np.array([0.5, 0.2, 0.05, 0.02])
    has = rng.random((400, 4)) < rare
    cells = ["|".join(np.array(list("abcd"))[row]) for row in has]
    schema = Schema([Text("caption")], target=TARGETS["labels"]("label"))
    frame = table(cells)
    splits = split_table(frame, schema, validation=0.25, test=0.25, seed=1)
    assert_parts_of(splits, frame)
    assert [len(part) for part in splits] == [200, 100, 100]
    for part, share in zip(splits, (0.5, 0.25, 0.25), strict=True):
        assert np.abs(has[part.index].sum(axis=0) - has.sum(axis=0) * share).max() <= 1
    again = split_table(frame, schema, validation=0.25, test=0.25, seed=1)
    pd.testing.assert_frame_equal(again.test, splits.test)
    folds = [test for _, test in k_folds(frame, schema, folds=4, seed=1)]
    assert sorted(np.concatenate(folds)) == list(range(400))
    for test in folds:
        assert np.abs(has[test].sum(axis=0) - has.sum(axis=0) / 4).max() <= 1
