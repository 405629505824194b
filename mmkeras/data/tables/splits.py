"""Splits of a table into train, validation and test rows, and folds for cross-validation.

Scikit-learn draws the rows: stratified by class for classification, at random otherwise, and by
whole groups where the schema has a group.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from mmkeras.data.tables.cells import empty_cells, label_names
from mmkeras.data.tables.errors import listed
from mmkeras.data.tables.names import canonical_names
from mmkeras.data.tables.stratify import stratified_parts
from mmkeras.schema import Schema
from mmkeras.tasks import task_class

_PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "validate": "validation",
    "test": "test",
    "testing": "test",
}
_YES, _NO = ("true", "1", "yes", "y"), ("false", "0", "no", "n")
# Folds from which a share of whole groups is put together; more folds meet the share more
# exactly and stratify each of them worse.
_GROUP_FOLDS = 10
_TOLERANCE = 0.25  # of the rows asked for; where whole groups miss them by more, others are tried
_FAR = 0.4  # of the rows asked for, from which it is said
_MANY_ROWS = 20  # in fewer, any group is a large share
_DRAWS = 300


@dataclass(frozen=True, eq=False)
class Splits:
    """The rows to train on, to choose settings by, and to report on.

    Iterating gives the three tables, `items()` their names too:
    `train, validation, test = splits`.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    def items(self) -> Iterator[tuple[str, pd.DataFrame]]:
        return iter([("train", self.train), ("validation", self.validation), ("test", self.test)])

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (frame for _, frame in self.items())

    @property
    def all_learnt(self) -> Splits:
        """The same rows, those of validation among those to train on."""
        both = pd.concat([self.train, self.validation])
        return Splits(both, self.validation[:0], self.test)


def split_table(
    frame: pd.DataFrame,
    schema: Schema,
    *,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
) -> Splits:
    """Splits a table into train, validation and test rows.

    Every class or label keeps its share in each part as far as its rows allow; a class that ends up
    missing from a part is named in a warning. With `schema.group`, rows of one group stay in one
    part, and the shares are met as closely as whole groups allow. The test rows do not depend on
    `validation`. Rows keep their order and row labels.

    Args:
        frame: The table.
        schema: Says the task and the group column.
        validation: The share of rows (for regression and multi-label with groups: of groups) for
            validation. 0 leaves that part empty.
        test: The same for test.
        seed: The same seed gives the same rows.

    Returns:
        A `Splits`.

    Raises:
        ValueError: The shares leave nothing to train on, a class has a single row, a target or
            group cell is empty, or there are fewer rows or groups than parts.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"caption": list("abcdefghij"), "label": [0, 1] * 5})
    >>> splits = split_table(frame, Schema([Text("caption")], target="label"), test=0.2)
    >>> {name: len(part) for name, part in splits.items()}
    {'train': 6, 'validation': 2, 'test': 2}
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ValueError(
            "`validation` and `test` are shares of the rows that leave some to train on. "
            f"Received: validation={validation}, test={test}."
        )
    labels, groups = _labels(frame, schema), _groups(frame, schema)
    sets = _label_sets(frame, schema) if groups is None else None
    parts = 1 + (validation > 0) + (test > 0)
    units = len(frame) if groups is None else len(set(groups))
    if units < parts:
        what = "rows" if groups is None else f"groups in {schema.group!r}"
        raise ValueError(f"{units} {what} cannot be split into {parts} parts.")
    if labels is not None and parts > 1:
        _refuse_single_rows(labels, schema.target_columns[0])

    rest = np.arange(len(frame))
    counts = [max(round(share * len(frame)), 1) if share else 0 for share in (test, validation)]
    rest, test_rows = _hold_out(rest, labels, groups, sets, counts[0], seed)
    rest, validation_rows = _hold_out(rest, labels, groups, sets, counts[1], seed)
    chosen = {"train": rest, "validation": validation_rows, "test": test_rows}
    if validation > 0 and not len(validation_rows):
        raise ValueError(f"{len(frame)} rows are too few for these shares: one row of each class "
                         "stays for training, and none is left for validation.")  # fmt: skip
    if labels is not None:
        _warn_of_missing_classes(labels, chosen)
    return Splits(**{name: frame.iloc[rows] for name, rows in chosen.items()})


def split_by_column(frame: pd.DataFrame, column: str) -> Splits:
    """Splits a table by a column that says which rows are which.

    The column holds words (train, training, validation, valid, val, dev, test, testing), or the
    numbers 0, 1 and 2 for training, validation and test; or it is called after a part (`is_test`)
    and holds truth values, where the other rows are training rows, or, for `is_train`, test rows.
    A part that the column does not name is empty, except train, which has to be there.

    Raises:
        ValueError: There is no such column, it has other values, or it names no training row.

    Example:

    >>> frame = pd.DataFrame({"caption": ["a", "b", "c"], "is_test": [False, True, False]})
    >>> len(split_by_column(frame, "is_test").train)
    2
    """
    if column not in frame.columns:
        raise ValueError(f"No column {column!r} to split by. Columns: {list(frame.columns)}.")
    names = canonical_names(frame[column]).map(lambda name: str(name).lower())
    part = names.map(_part_words(column, set(names)))
    unknown = part.isna().to_numpy()
    if unknown.any():
        values = sorted({str(value) for value in frame[column][unknown]})
        raise ValueError(
            f"Column {column!r} must say {', '.join(_PARTS)} in every row (or 0, 1 and 2; or true "
            f"and false in a column called is_test, is_validation or is_train). Also found, in "
            f"{unknown.sum()} rows (the first is row {unknown.argmax() + 1}): {values[:10]}."
        )
    splits = Splits(*(frame[(part == name).to_numpy()] for name in ("train", "validation", "test")))
    if not len(splits.train):
        raise ValueError(f"Column {column!r} names no row for training.")
    return splits


def _part_words(column: str, found: set[str]) -> dict[str, str]:
    """What the words found in a split column mean."""
    if found == {"0", "1", "2"}:
        return {"0": "train", "1": "validation", "2": "test"}
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower())
    named = {_PARTS[word] for word in words if word in _PARTS}
    if found <= {*_YES, *_NO} and len(named) == 1:
        (yes,) = named
        no = "test" if yes == "train" else "train"
        return dict.fromkeys(_YES, yes) | dict.fromkeys(_NO, no)
    return _PARTS


def split_officially(
    frame: pd.DataFrame,
    schema: Schema,
    column: str = "split",
    *,
    validation: float = 0.15,
    seed: int = 0,
) -> Splits:
    """Splits a table by its column; validation rows that it does not name come from training.

    Args:
        frame: A table as `read_table` returns it.
        schema: Which column is what; rows of one group stay together.
        column: Says train, validation or test.
        validation: Share of the training rows, where no row is named for validation; 0 for none.
        seed: Draws them.
    """
    splits = split_by_column(frame, column)
    if not len(splits.test):
        raise ValueError(
            f"Column {column!r} names no row for testing: {len(splits.train):,} are for training "
            f"and {len(splits.validation):,} for validation. Write 'test' into the rows to test "
            "on, or split without the column, which draws test rows from all."
        )
    if len(splits.validation) or not validation:
        return splits
    inner = split_table(splits.train, schema, validation=validation, test=0.0, seed=seed)
    return Splits(inner.train, inner.validation, splits.test)


def k_folds(
    frame: pd.DataFrame, schema: Schema, *, folds: int = 5, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cross-validation folds, as positions of rows (for `frame.iloc`).

    For classification these are the folds of
    `StratifiedKFold(folds, shuffle=True, random_state=seed)` on the labels, so that results can be
    compared with others on the same folds; with `schema.group`, `StratifiedGroupKFold` draws them.
    Several labels a row are stratified, too (`stratified_parts`); regression, and several labels in
    groups, get `KFold`, over the rows or over the groups.

    Returns:
        An iterator of `folds` pairs `(train_positions, test_positions)`.

    Raises:
        ValueError: There are more folds than rows (or groups, or rows of the largest class), a
            class has a single row, or a target or group cell is empty.
    """
    labels, groups = _labels(frame, schema), _groups(frame, schema)
    limits = {"rows": len(frame)}
    if groups is not None:
        limits["groups"] = len(set(groups))
    if labels is not None:
        limits["rows of the largest class"] = max(Counter(labels).values(), default=0)
    for what, most in limits.items():
        if not 2 <= folds <= most:
            raise ValueError(f"`folds` must be 2 or more, and at most the {most} {what}. "
                             f"Received: {folds}.")  # fmt: skip
    if labels is not None:
        _refuse_single_rows(labels, schema.target_columns[0])
    if labels is not None and groups is not None:
        return _stratified_group_folds(labels, groups, folds, seed)
    if labels is not None:
        return StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    sets = _label_sets(frame, schema) if groups is None else None
    if sets is not None:
        parts = stratified_parts(sets, [1 / folds] * folds, seed)
        held = [parts == fold for fold in range(folds)]
        return ((np.flatnonzero(~test), np.flatnonzero(test)) for test in held)
    splitter = KFold(folds, shuffle=True, random_state=seed)
    if groups is None:
        return splitter.split(frame)
    names = np.unique(groups)
    held = (np.isin(groups, names[test]) for _, test in splitter.split(names))
    return ((np.flatnonzero(~test), np.flatnonzero(test)) for test in held)


def folds_by_column(frame: pd.DataFrame, column: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Official folds: the rows of each of the column's values are tested once.

    Args:
        frame: The table.
        column: Names each row's fold, by any values.

    Returns:
        By fold, in order of the values, a pair `(train_positions, test_positions)`.

    Raises:
        ValueError: There is no such column, a cell is empty, or all rows are in one fold.

    Example:

    >>> frame = pd.DataFrame({"caption": ["a", "b", "c"], "fold": [1, 2, 1]})
    >>> [test.tolist() for _, test in folds_by_column(frame, "fold")]
    [[0, 2], [1]]
    """
    if column not in frame.columns:
        raise ValueError(f"No column {column!r} with folds. Columns: {list(frame.columns)}.")
    names = canonical_names(frame[column])
    if names.isna().any():
        raise ValueError(
            f"The fold column {column!r} is empty in {names.isna().sum()} rows (the first is row "
            f"{names.isna().to_numpy().argmax() + 1}). Fill these cells or drop the rows."
        )
    values = sorted(names.unique(), key=lambda name: (len(name) if name.isdigit() else 0, name))
    if len(values) < 2:
        raise ValueError(f"Column {column!r} says {values[0]!r} in every row; give two folds.")
    held = [(names == value).to_numpy() for value in values]
    return [(np.flatnonzero(~test), np.flatnonzero(test)) for test in held]


def _labels(frame: pd.DataFrame, schema: Schema) -> np.ndarray | None:
    """Class names to stratify by; None where the task has no classes."""
    if schema.target is None or not task_class(schema.target).stratified:
        return None
    (column,) = schema.target_columns
    return _complete(frame, column, "target")


def _label_sets(frame: pd.DataFrame, schema: Schema) -> list[tuple[str, ...]] | None:
    """Each row's labels, where it may have several; None for other targets."""
    if schema.target is None:
        return None
    task = task_class(schema.target)
    if not task.has_classes or task.single_label:
        return None
    return task.label_sets(frame, schema.target)


def _groups(frame: pd.DataFrame, schema: Schema) -> np.ndarray | None:
    return None if schema.group is None else _complete(frame, schema.group, "group")


def _complete(frame: pd.DataFrame, column: str, what: str) -> np.ndarray:
    empty = empty_cells(frame[column])
    if empty.any():
        raise ValueError(
            f"The {what} column {column!r} is empty in {empty.sum()} rows (the first is row "
            f"{empty.argmax() + 1}). Fill these cells or drop the rows."
        )
    return label_names(frame[column]).to_numpy()


def _refuse_single_rows(labels: np.ndarray, column: str) -> None:
    single = sorted(label for label, count in Counter(labels).items() if count == 1)
    if single:
        raise ValueError(
            f"{len(single)} classes have a single row, which cannot be both trained on and tested: "
            f"{single[:10]}. Merge such classes or drop their rows, e.g. "
            f"frame[frame.groupby({column!r})[{column!r}].transform('size') > 1]."
        )


def _hold_out(
    rows: np.ndarray,
    labels: np.ndarray | None,
    groups: np.ndarray | None,
    sets: list[tuple[str, ...]] | None,
    count: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted positions `(rest, held out)`; the latter are about `count`."""
    if count == 0:
        return rows, rows[:0]
    count = min(count, len(rows) - 1)
    strata = None if labels is None else labels[rows]
    if sets is not None:
        shares = (count / len(rows), 1 - count / len(rows))
        held = rows[stratified_parts([sets[row] for row in rows], shares, seed) == 0]
    elif groups is None:
        held = _draw_rows(rows, strata, count, seed)
    elif len(set(groups[rows])) < 2:
        raise ValueError("The groups are too few or too large for these shares: test takes all but "
                         "one, and none is left for validation.")  # fmt: skip
    else:
        held = _draw_groups(rows, strata, groups[rows], count / len(rows), seed)
        if abs(len(held) - count) > _TOLERANCE * count:
            held = rows[_nearest_groups(strata, groups[rows], count, seed)]
        if len(rows) >= _MANY_ROWS and abs(len(held) - count) > _FAR * count:
            warnings.warn(
                f"Whole groups meet the shares badly: {len(held):,} rows are held out where "
                f"{count:,} were asked for, since the largest of {len(set(groups[rows])):,} groups "
                f"has {max(Counter(groups[rows]).values()):,} of {len(rows):,} rows.",
                UserWarning,
                stacklevel=4,
            )
    return np.setdiff1d(rows, held), np.sort(held)


def _draw_rows(rows: np.ndarray, labels: np.ndarray | None, count: int, seed: int) -> np.ndarray:
    if labels is None:
        return train_test_split(rows, test_size=count, random_state=seed)[1]
    counts = Counter(labels)
    common = np.array([counts[label] > 1 for label in labels])
    candidates, strata = rows[common], labels[common]
    classes = len(set(strata))
    if classes <= count <= len(candidates) - classes:
        return train_test_split(candidates, test_size=count, stratify=strata, random_state=seed)[1]
    # Too few rows to give each class one: at random, but one row of each class stays for training.
    order = np.random.default_rng(seed).permutation(len(rows))
    _, kept = np.unique(labels[order], return_index=True)
    return rows[np.delete(order, kept)[:count]]


def _draw_groups(
    rows: np.ndarray, labels: np.ndarray | None, groups: np.ndarray, share: float, seed: int
) -> np.ndarray:
    largest = 0 if labels is None else max(Counter(labels).values())
    if largest < 2:
        splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
        return rows[next(splitter.split(rows, groups=groups))[1]]
    most = min(_GROUP_FOLDS, len(set(groups)), largest)
    fraction = Fraction(share).limit_denominator(most)
    if fraction in (0, 1):
        fraction = Fraction(1 if fraction == 0 else most - 1, most)
    folds = _stratified_group_folds(labels, groups, fraction.denominator, seed)
    return rows[np.concatenate([held for _, held in folds][: fraction.numerator])]


def _nearest_groups(
    labels: np.ndarray | None, groups: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Positions of whole groups whose rows are as near to `count` as can be found.

    Of those that are, the ones whose classes have shares most like all rows' are taken. Two groups
    at least are left, if there are three.
    """
    names, codes = np.unique(groups, return_inverse=True)
    rows = np.bincount(codes)
    classes = (
        np.zeros(len(groups), int) if labels is None else np.unique(labels, return_inverse=True)[1]
    )
    by_class = np.zeros((len(names), classes.max() + 1))
    np.add.at(by_class, (codes, classes), 1)
    shares = by_class.sum(axis=0) / len(groups)
    rng = np.random.default_rng(seed)
    best, best_score = np.array([int(rows.argmin())]), np.inf
    for _ in range(_DRAWS):
        chosen: list[int] = []
        missing = count
        for group in rng.permutation(len(names)):
            if abs(missing - rows[group]) < abs(missing) and len(chosen) < len(names) - 2:
                chosen.append(int(group))
                missing -= rows[group]
        if chosen:
            held = by_class[chosen].sum(axis=0)
            score = abs(missing) / count + np.abs(held / held.sum() - shares).sum() / 2
            if score < best_score:
                best, best_score = np.array(chosen), score
    return np.flatnonzero(np.isin(codes, best))


def _stratified_group_folds(
    labels: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # Its own shuffle undoes the stratification up to scikit-learn 1.7; the order in which it
    # meets the groups is all that the seed has to decide.
    names, codes = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    with warnings.catch_warnings():
        # It warns of classes smaller than its folds; split_table says which class a part lacks.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return iter(list(StratifiedGroupKFold(folds).split(labels, labels, order[codes])))


def _warn_of_missing_classes(labels: np.ndarray, parts: dict[str, np.ndarray]) -> None:
    counts = Counter(labels)
    lines = []
    for name, rows in parts.items():
        missing = sorted(set(counts) - set(labels[rows])) if len(rows) else []
        if missing:
            shown = listed([f"{label!r} ({counts[label]} rows)" for label in missing])
            lines.append(f"{name} has no row of {shown}")
    if lines:
        warnings.warn(
            f"Some classes have too few rows (or groups) to be in every part: {'; '.join(lines)}.",
            UserWarning,
            stacklevel=3,
        )
