"""Leakage check: one column, or one word of a text, predicts the target alone."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.data.leakage.label import split_words
from mmkeras.data.tables.cells import is_empty, label_names, read_numbers
from mmkeras.data.tables.clean import ungrouped
from mmkeras.progress import ProgressBar
from mmkeras.schema import Schema

ALMOST_PERFECT = 0.98  # accuracy, or R2, of a single column from which it is a finding
_FEWEST_ROWS = 20  # with fewer rows, a column predicts the target by luck
_MOST_ROWS = 20_000  # drawn at random for the trees and the words; enough to estimate 98 %
_BINS = 256
_WORD_TELLS_CLASS_OF = 5  # rows; smaller classes have a word of their own by luck

Prediction = tuple[np.ndarray, np.ndarray]  # the truth and what is predicted, row by row


def predicts_alone(
    frame: pd.DataFrame, target: np.ndarray, schema: Schema, name: str, seed: int
) -> list[Finding]:
    """Tries every input column, the id and the group, each alone.

    Args:
        frame: Rows whose target is known.
        target: Their targets: names, or floats.
        schema: Which column is what.
        name: The target's column.
        seed: For the folds, and for the rows drawn from a larger table.
    """
    columns = [each for each in _single_columns(schema) if each[0] in frame.columns]
    findings = []
    with ProgressBar("predicting the target from single columns", len(columns)) as progress:
        for column, role, is_input in columns:
            findings += _judge_column(frame[column], role, is_input, target, name, seed)
            progress.add()
    return findings


def _single_columns(schema: Schema) -> Iterable[tuple[str, str, bool]]:
    """Columns with their role (label, number or text) and whether they are inputs."""
    for modality in schema.modalities:
        kind = KINDS[modality.kind]
        if kind.is_table or kind.has_words:
            yield from ((*item, True) for item in kind.column_roles(modality).items())
    own = ungrouped(schema)  # equal inputs tell as much as the inputs, which are looked at
    for column in (own.id, own.group):
        if column is not None and column not in schema.columns:
            yield column, "text", False


def _judge_column(
    column: pd.Series, role: str, is_input: bool, target: np.ndarray, name: str, seed: int
) -> list[Finding]:
    regression = target.dtype == float
    texts = role == "text" and not regression
    attempts = [("by its value", len(column), _by_value(column, target, regression))]
    drawn = np.arange(len(column))
    if len(column) > _MOST_ROWS:
        drawn = np.random.default_rng(seed).choice(drawn, _MOST_ROWS, replace=False)
    column, target = column.iloc[drawn], target[drawn]
    numbers = _as_numbers(column) if role == "number" or not is_input else None
    if numbers is not None:
        attempt = _by_number(numbers, target, regression, seed)
        attempts.append(("by its number", len(drawn), attempt))
    if texts:
        attempts.append(("by a single word", len(drawn), _by_word(column, target, seed)))
    for manner, rows, (truth, predicted) in attempts:
        if len(truth) < max(_FEWEST_ROWS, rows / 2):
            continue
        score, is_clear = _score(truth, predicted, regression)
        if score >= ALMOST_PERFECT and is_clear:
            measure = f"R2 {score:.3f}" if regression else f"accuracy {100 * score:.1f} %"
            message = (
                f"Column {column.name!r} alone predicts {name!r} {manner}: "
                f"{measure} in cross-validation on {count_of(len(truth))}. "
            )
            message += (
                "A model need not look at anything else: leave it out, unless it is really known "
                "before the answer is."
                if is_input
                else "It is not an input, so this does no harm as long as it stays out of them and "
                "(a group) splits keep its rows together."
            )
            severity = "error" if is_input else "warning"
            check = "predicts the target alone"
            return [Finding(severity, check, column.name, message, len(truth))]
    return _words_that_tell_a_class(column, target) if texts and is_input else []


@dataclass(frozen=True)
class SingleColumn:
    """What one input column says of the target by itself.

    Args:
        column: Its name.
        values: How many different values it has, if they are categories; 0 for numbers.
        score: Its accuracy, or R², in cross-validation.
        constant: What the best constant answer reaches.
        regression: Whether the score is R².
    """

    column: str
    values: int
    score: float
    constant: float
    regression: bool

    def said(self, score: float) -> str:
        """A score in words."""
        return f"an R² of {score:.2f}" if self.regression else f"{100 * score:.0f} %"


def single_columns(
    frame: pd.DataFrame, target: np.ndarray, schema: Schema, seed: int = 0
) -> list[SingleColumn]:
    """What each column of the schema's tables says of the target alone.

    Args:
        frame, target, schema, seed: As for `predicts_alone`.
    """
    regression, found = target.dtype == float, []
    labelled = np.array([not is_empty(value) for value in target], dtype=bool)
    frame, target = frame[labelled], target[labelled]
    if len(frame) > _MOST_ROWS:
        drawn = np.random.default_rng(seed).choice(len(frame), _MOST_ROWS, replace=False)
        frame, target = frame.iloc[drawn], target[drawn]
    constant = 0.0 if regression else max(Counter(target).values(), default=0) / max(1, len(target))
    for modality in schema.modalities:
        kind = KINDS[modality.kind]
        for name, role in kind.column_roles(modality).items() if kind.is_table else ():
            column, values = frame[name], 0
            attempts = [_by_value(column, target, regression)]
            if role == "label":
                values = label_names(column).nunique()
            elif role == "number" and (numbers := _as_numbers(column)) is not None:
                attempts.append(_by_number(numbers, target, regression, seed, always=True))
            scores = [
                _score(truth, said, regression)[0]
                for truth, said in attempts
                if len(truth) >= max(_FEWEST_ROWS, len(frame) / 2)
            ]
            if scores:
                found.append(SingleColumn(name, values, max(scores), constant, regression))
    return found


def _score(truth: np.ndarray, predicted: np.ndarray, regression: bool) -> tuple[float, bool]:
    """Accuracy or R2, and whether it is clearly above what a constant would reach."""
    if regression:
        spread = np.sum((truth - truth.mean()) ** 2)
        return (1 - np.sum((truth - predicted) ** 2) / spread, True) if spread else (0.0, False)
    accuracy = float(np.mean(truth == predicted))
    majority = max(Counter(truth).values()) / len(truth)
    return accuracy, majority < 1 and 1 - accuracy <= (1 - majority) / 2


def _as_numbers(column: pd.Series) -> np.ndarray | None:
    read = read_numbers(column)
    return None if read.wrong else read.values


def _by_value(column: pd.Series, target: np.ndarray, regression: bool) -> Prediction:
    """What the other rows of the same value have: their majority, or mean (leave one out)."""
    numeric = pd.api.types.is_numeric_dtype(column)
    values = pd.factorize(column if numeric else label_names(column))[0]
    rows = np.bincount(values + 1)[values + 1]
    counted = (values >= 0) & (rows > 1)
    if counted.sum() < len(column) / 2:
        return target[:0], target[:0]  # too few to say anything
    values, truth, rows = values[counted], target[counted], rows[counted]
    if regression:
        return truth, (np.bincount(values, truth)[values] - truth) / (rows - 1)
    classes, names = pd.factorize(truth)
    # How often each class has each value, the most frequent first.
    pairs, counts = np.unique(values * len(names) + classes, return_counts=True)
    table = pd.DataFrame({"value": pairs // len(names), "count": counts})
    table["class"] = pairs % len(names)
    table = table.sort_values(["value", "count"], ascending=[True, False], kind="stable")
    first = table.drop_duplicates("value").set_index("value")
    second = table[table.duplicated("value")].drop_duplicates("value").set_index("value")
    top, most = first["class"].loc[values].to_numpy(), first["count"].loc[values].to_numpy()
    next_ = second["class"].reindex(values).fillna(-1).to_numpy(int)
    runner_up = second["count"].reindex(values).fillna(0).to_numpy()
    # Without a row of the top class, a tie with the second is a miss.
    guess = np.where((classes == top) & (most - 1 <= runner_up), next_, top)
    return truth, np.array([*names, None], dtype=object)[guess]


def _folds(target: np.ndarray, regression: bool, seed: int) -> KFold | StratifiedKFold | None:
    if regression:
        return KFold(5, shuffle=True, random_state=seed)
    largest = max(Counter(target).values(), default=0)
    return StratifiedKFold(5, shuffle=True, random_state=seed) if largest >= 5 else None


def _by_number(
    numbers: np.ndarray, target: np.ndarray, regression: bool, seed: int, always: bool = False
) -> Prediction:
    """What a small tree makes of the numbers; nothing where it cannot be nearly always right.

    Args:
        numbers, target, regression, seed: As for `predicts_alone`.
        always: Whether also where it cannot.
    """
    rows = np.flatnonzero(np.isfinite(numbers))
    values, truth = numbers[rows, None], target[rows]
    folds = _folds(truth, regression, seed) if len(rows) >= _FEWEST_ROWS else None
    if folds is None or not (always or _may_tell(values[:, 0], truth, regression)):
        return truth[:0], truth[:0]
    if regression:
        tree = DecisionTreeRegressor(max_leaf_nodes=64, random_state=seed)
    else:
        tree = DecisionTreeClassifier(max_leaf_nodes=max(8, 2 * len(set(truth))), random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return truth, cross_val_predict(tree, values, truth, cv=folds)


def _may_tell(values: np.ndarray, truth: np.ndarray, regression: bool) -> bool:
    """Whether the answer may follow from intervals of the values; says no to most columns at once.

    In narrow intervals of equally many rows, the most frequent class, or the mean, has to be nearly
    always right: a tree, whose intervals are wider, is right no more often.
    """
    truth = truth[np.argsort(values, kind="stable")]
    bins = np.arange(len(truth)) * _BINS // len(truth)
    if regression:
        means = np.bincount(bins, truth) / np.maximum(np.bincount(bins), 1)
        return truth.var() - np.mean((truth - means[bins]) ** 2) >= 0.9 * truth.var()
    codes, names = pd.factorize(truth)
    counts = np.bincount(bins * len(names) + codes, minlength=_BINS * len(names))
    return counts.reshape(_BINS, -1).max(axis=1).sum() >= 0.9 * len(truth)


def _rows_with_words(column: pd.Series) -> np.ndarray:
    return np.flatnonzero([isinstance(value, str) and bool(split_words(value)) for value in column])


def _by_word(column: pd.Series, target: np.ndarray, seed: int) -> Prediction:
    """Each row is given the class that its most telling word has most often elsewhere."""
    rows = _rows_with_words(column)
    truth = target[rows]
    folds = _folds(truth, False, seed) if len(rows) >= _FEWEST_ROWS else None
    if folds is None:
        return truth[:0], truth[:0]
    words = CountVectorizer(analyzer=split_words, binary=True).fit_transform(column.iloc[rows])
    classes, codes = np.unique(truth.astype(str), return_inverse=True)
    predicted = np.empty(len(rows), dtype=int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        pairs = list(folds.split(words, codes))
    for train, test in pairs:
        counts = _word_counts(words[train], codes[train], len(classes))
        most = np.asarray(counts.max(axis=1).todense()).ravel()
        seen = np.asarray(counts.sum(axis=1)).ravel()
        # A word seen once tells less than one seen ten times, though both are pure.
        telling = words[test].multiply(most / (seen + 1)).tocsr()
        best = np.asarray(telling.argmax(axis=1)).ravel()
        class_of = np.asarray(counts.argmax(axis=1)).ravel()
        unknown = np.asarray(telling.max(axis=1).todense()).ravel() == 0
        predicted[test] = np.where(unknown, np.bincount(codes[train]).argmax(), class_of[best])
    return truth.astype(str), classes[predicted]


def _word_counts(words: Any, codes: np.ndarray, classes: int) -> Any:
    """In how many rows of each class each word stands, sparse `(words, classes)`."""
    one_hot = OneHotEncoder(categories=[np.arange(classes)]).fit_transform(codes[:, None])
    return (words.T @ one_hot).tocsr()


def _words_that_tell_a_class(column: pd.Series, target: np.ndarray) -> list[Finding]:
    rows = _rows_with_words(column)
    classes, codes = np.unique(target[rows].astype(str), return_inverse=True)
    if len(rows) < _FEWEST_ROWS or len(classes) < 2:
        return []
    vectorizer = CountVectorizer(analyzer=split_words, binary=True)
    words = vectorizer.fit_transform(column.iloc[rows])
    counts = _word_counts(words, codes, len(classes)).tocoo()
    class_rows, word_rows = np.bincount(codes), np.asarray(words.sum(axis=0)).ravel()
    of_class = counts.data / class_rows[counts.col]
    of_word = counts.data / word_rows[counts.row]
    tells = np.minimum(of_class, of_word) >= ALMOST_PERFECT
    tells &= class_rows[counts.col] >= _WORD_TELLS_CLASS_OF
    if not tells.any():
        return []
    names = vectorizer.get_feature_names_out()
    told = {classes[c]: names[w] for w, c in zip(counts.row[tells], counts.col[tells], strict=True)}
    shown = ", ".join(f"{str(word)!r} for {str(name)!r}" for name, word in list(told.items())[:3])
    message = (
        f"In column {column.name!r} one word tells the class, for {len(told)} of {len(classes)} "
        f"classes: it occurs in nearly all of the class's rows and nearly nowhere else, e.g. "
        f"{shown}. Find out whether it was written by someone who knew the label."
    )
    # With all classes but one told, the last is told too.
    severity = "error" if len(told) >= len(classes) - 1 else "warning"
    count = int(np.isin(codes, np.flatnonzero(np.isin(classes, list(told)))).sum())
    return [Finding(severity, "one word tells a class", column.name, message, count)]
