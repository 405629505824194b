"""What the name of a column says: an id, a split, a row number, a label."""

from __future__ import annotations

import re

import pandas as pd

# The column of names of samples in tar files, as WebDataset calls it.
SAMPLE_KEY = "__key__"
TARGET_NAMES = ("label", "target", "class", "category", "y")

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_IDS = {"id", "ids", "uid", "uuid", "guid"}
# Names in one word: many words end in "id" ("paid", "grid") that name no rows.
_ID_WORD = re.compile(
    r"(user|item|product|movie|customer|patient|client|order|post|image|img|photo|row|sample|record|"
    r"case|subject|study|visit|session|document|doc|text|article|review|tweet|video|clip|audio|file|"
    r"person|employee|student|member|account|transaction|store|shop|listing|device|object|track)id"
)
# Whole numbers called so say which, who or where, not how much.
_KINDS = {"code", "type", "class", "category", "kind", "group", "cluster", "region", "zone"}
_KINDS |= {"status", "label", "zip", "country", "state", "city", "county", "place", "site"}
_KINDS |= {"speaker", "person", "user", "author", "subject", "brand", "shop", "store"}
_SPLITS = {"split", "splits", "fold", "folds", "kfold", "partition"}
_PARTS = {"train", "training", "trainval", "test", "testing", "val", "valid", "validation", "dev"}
_PARTS |= {"eval", "evaluation", "holdout"}
_UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?|\s*|index|level_\d+")
_LABEL_FAMILY = re.compile(rf"({'|'.join(TARGET_NAMES)})[ _.-]?(.*)", re.IGNORECASE)


def words_of(name: str) -> list[str]:
    """A name's words in lower case.

    >>> words_of("Clothing ID"), words_of("userId"), words_of("cv_fold2")
    (['clothing', 'id'], ['user', 'id'], ['cv', 'fold', '2'])
    """
    return [word.lower() for word in _WORDS.findall(name)]


def names_rows(name: str) -> bool:
    """Whether a column is called like an id."""
    words = words_of(name)
    return bool(words) and (words[-1] in _IDS or _ID_WORD.fullmatch(words[-1]) is not None)


def names_kinds(name: str) -> bool:
    """Whether a column is called as codes are, whose numbers say which and not how much.

    >>> names_kinds("region"), names_kinds("jobCode"), names_kinds("type2"), names_kinds("rooms")
    (True, True, True, False)
    """
    words = [word for word in words_of(name) if not word.isdigit()]
    return names_rows(name) or (bool(words) and words[-1] in _KINDS)


def is_unnamed(name: str) -> bool:
    """Whether a column has no name of its own, or that of an index."""
    return _UNNAMED.fullmatch(name) is not None


def splits_rows(name: str, distinct: list | None) -> bool:
    """Whether a column says which rows are for training, by its name or its few values."""
    words = words_of(name)
    if words and (words[-1] in _SPLITS or words[0] in _SPLITS):
        return distinct is not None
    values = {str(value).strip().lower() for value in distinct or ()}
    return len(values) > 1 and values <= _PARTS and any(v.startswith("train") for v in values)


def names_target(columns: list[str]) -> bool:
    """Whether a column is called as targets are, or several are.

    >>> names_target(["photo", "Label"]), names_target(["label_a", "label_b"]), names_target(["a"])
    (True, True, False)
    """
    named = any(column.strip().lower() in TARGET_NAMES for column in columns)
    return named or len(label_family(columns)) > 1


def label_family(columns: list[str]) -> list[str]:
    """Columns that are called label_a, label_b, ... as those of several labels are."""
    families: dict[str, list[str]] = {}
    for column in columns:
        match = _LABEL_FAMILY.fullmatch(column.strip())
        separated = match and (not match[2] or not column.strip()[len(match[1])].isalpha())
        if match and separated and match[2]:
            families.setdefault(match[1].lower(), []).append(column)
    return max(families.values(), key=len, default=[])


def same_family(column: str, others: list[str]) -> list[str]:
    """The others whose names begin as a column's does, up to its last separator."""
    prefix = re.match(r"(.*[ _.:-])", column)
    return [o for o in others if prefix and o.startswith(prefix[1])]


def is_flag(series: pd.Series) -> bool:
    """Whether a column says 0 or 1 (false or true) in every row that says anything."""
    series = series.dropna()
    if not len(series):
        return False
    distinct = series.unique() if series.dtype != object else {str(v) for v in series}
    names = {str(value).strip().lower() for value in distinct}
    return len(names) == 2 and names <= {"0", "1", "0.0", "1.0", "true", "false"}
