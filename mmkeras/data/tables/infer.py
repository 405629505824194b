"""Infer a schema from the values of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.data.kinds.image import SEVERAL
from mmkeras.data.tables.files import load_file
from mmkeras.data.tables.guess.columns import Guess, guess_column
from mmkeras.data.tables.guess.names import names_target
from mmkeras.data.tables.guess.target import check_there, find_target, other_labels
from mmkeras.data.tables.inferred import ColumnChoice, InferredSchema
from mmkeras.schema import MODALITIES, Image, Modality, Schema, Tabular, Target, is_taken

# What makes the modality of one column, by its use.
_MAKERS: dict[str, Callable[[str, str], Modality]] = {
    **MODALITIES,
    SEVERAL: partial(Image, several=True),
}
_OTHER_LABEL = "a label like the target: the model would be given the answer"


def infer_schema(
    table: pd.DataFrame | str | Path,
    target: str | Sequence[str] | Target | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    base_dir: str | Path | None = None,
    need_target: bool = True,
) -> InferredSchema:
    """Guesses a schema from the values of a table, and says why.

    The result is to be read, not trusted: `print` it, correct its `schema`, save that. The rules,
    for each column, the first that holds:

    1. Constant or empty columns are left out.
    2. Images, sounds, videos and feature sequences: most cells are texts that end as such files do
       (.png, .wav, .mp4, .npy, ...), bytes that start like them, Hugging Face's
       `{"bytes", "path"}`, PIL images, or arrays: of rank 2 or 3 for images, of rank 4 for videos,
       of rank 1 for sounds (int16) and sequences (floats); arrays that are no images for their
       range, and lists of numbers (`"[0.1, 0.2]"`, too), are sequences. Lists of images, and texts
       that join their paths (`a.png;b.png`), are several images of one modality; of other media,
       one a cell is read. Names of other files are left out. A video's sound track is a second
       modality that is to be added by hand.
    3. Columns that say which rows are for training (`split`, `fold`, or the words train and test),
       and columns without a name, are left out.
    4. Id: all values differ and the name ends in "id" (`user_id`, `Clothing ID`, `userId`) or is
       the `__key__` of tar files, or they are the integers 0 to n-1 or 1 to n. The first of them
       becomes the schema's id (a named one before a numbered one), the others are left out, and so
       is a column called an id with many values.
    5. Numbers, also as texts (see `tables.written.numbers`: `1,234`, `$3.50`, `12%`) and with a few
       words among them, but not such as "007": categorical when they are booleans, two different
       integers, or integers with few values in a column called as codes are (`region`, `job_code`,
       `speaker`, `user_id`); numeric otherwise. Few means: at most 20, each in two rows or more on
       average.
    6. Dates: timestamps, or texts that all are dates.
    7. Other texts: categorical when there are few; text when more than half of them differ, or when
       they have several words (four, where each text is in five rows or more on average);
       categorical otherwise. Texts that differ by their numbers alone (`3 days`, `03:15`, `10-20`)
       are warned of.
    8. Anything else is left out.

    Numbers, categories and dates together form one modality, `Tabular("table", ...)`.

    Args:
        table: A DataFrame, or a file as `read_table` reads it.
        target: The column to predict, or a target such as `Labels("tags")`. Defaults to the column
            called label, target, class, category or y, in any case, or to all called label_a,
            label_b, ... Of a column, lists are taken for `Labels`; texts, booleans and few whole
            numbers for a `Label`; other numbers for a `Number`. Of several columns (a list, or
            `"a,b"`), those that say 0 or 1 are `Labels`, others a `Number`.
        id: The column that names the rows.
        group: The column whose equal values belong together.
        base_dir: The folder that paths are relative to; that of a file by default. When known,
            files are looked at, so that media are recognised by their content where their names
            have no extension.
        need_target: Where no target is given and no column is called so: whether that is an error,
            or the schema has no target, as for clustering.

    Returns:
        An `InferredSchema`: the `schema`, and what was chosen of each column and why.

    Raises:
        ValueError: No column, or more than one, can be the target; a named column is not there;
            no column can be an input; a column of image files that cannot be decoded.

    Example:

    >>> frame = pd.DataFrame({"my photo": ["a.png", "b.png"], "label": ["cat", "dog"]})
    >>> infer_schema(frame).schema.modalities
    (Image(name='my_photo', column='my photo', several=False),)
    """
    if not isinstance(table, pd.DataFrame):
        table = Path(table).expanduser()
        base_dir = table.parent if base_dir is None else base_dir
        table = load_file(table, None)
    columns = list(table.columns)
    _check_names(columns)
    for argument, column in (("id", id), ("group", group)):
        check_there(columns, () if column is None else (column,), argument)
    said: dict[str, ColumnChoice] = {}
    family: Sequence[str] = ()
    beside: Sequence[str] = ()
    if need_target or target is not None or names_target(columns):
        target, why, warning = find_target(table, target)
        said |= {column: ColumnChoice(column, "target", why, warning) for column in target.columns}
        family, beside = other_labels(table, target)
    for use, column in (("group", group), ("id", id)):
        if column is not None and column not in said:
            said[column] = ColumnChoice(column, use, "as you said")
    guesses = {}
    for column in columns:
        if column in family and column not in said:
            said[column] = ColumnChoice(column, "left out", _OTHER_LABEL)
        elif column not in said:
            guesses[column] = guess_column(table[column], base_dir)
    if id is None:
        id = next(iter(_guessed(guesses, "id") + _guessed(guesses, "row number")), None)
    modalities = _modalities(guesses)
    if not modalities:
        looks = {column: guess.why for column, guess in guesses.items()}
        own = () if target is None else target.columns
        raise ValueError(
            f"No column of the table can be an input of a model. Target: {own}; the "
            f"others, and what they look like: {looks}. Write the schema by hand."
        )
    choices = [
        said.get(column) or _choice(column, guesses[column], id, beside) for column in columns
    ]
    return InferredSchema(
        Schema(tuple(modalities), target, id=id, group=group),
        tuple(_with_one_order(choices, guesses)),
    )


def _check_names(columns: list[Any]) -> None:
    """Column names are strings that differ."""
    if not all(isinstance(column, str) for column in columns):
        raise ValueError(f"Column names must be strings. Received: {columns}. Rename the columns.")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise ValueError(f"Column names must differ. These occur twice: {repeated}.")


def _guessed(guesses: Mapping[str, Guess], use: str) -> list[str]:
    return [column for column, guess in guesses.items() if guess.use == use]


def _choice(column: str, guess: Guess, id: str | None, beside: Sequence[str]) -> ColumnChoice:
    if guess.use in ("id", "row number"):
        use = "id" if column == id else "left out"
        return ColumnChoice(column, use, guess.why, guess.warning)
    warning = guess.warning
    if column in beside:
        warning = "says 0 or 1 as the target does; if it is a label, too, name both as the target"
    return ColumnChoice(column, guess.use, guess.why, warning)


def _day_first(guesses: Mapping[str, Guess]) -> bool | None:
    orders = [guess.day_first for guess in guesses.values() if guess.day_first is not None]
    return orders[0] if orders else None


def _is_other_order(guess: Guess, day_first: bool | None) -> bool:
    return guess.use == "date" and guess.day_first not in (None, day_first)


def _with_one_order(
    choices: list[ColumnChoice], guesses: Mapping[str, Guess]
) -> list[ColumnChoice]:
    """Leaves out dates that are written in another order than the first such column's."""
    day_first = _day_first(guesses)
    why = "dates with day and month in another order than in an earlier column"
    return [
        ColumnChoice(choice.column, "left out", why, why)
        if choice.column in guesses and _is_other_order(guesses[choice.column], day_first)
        else choice
        for choice in choices
    ]


def _modalities(guesses: Mapping[str, Guess]) -> list[Modality]:
    """A modality for each column that looks like one, and one for numbers, categories, dates."""
    names: set[str] = set()
    modalities: list[Modality] = []
    for column, guess in guesses.items():
        if guess.use in _MAKERS:
            name = _modality_name(column, guess.use, names)
            modalities.append(_MAKERS[guess.use](name, column))
    day_first = _day_first(guesses)
    numeric, categorical = _guessed(guesses, "number"), _guessed(guesses, "category")
    dates = [c for c in _guessed(guesses, "date") if not _is_other_order(guesses[c], day_first)]
    if numeric or categorical or dates:
        name = _modality_name("table", "table", names)
        modalities.append(Tabular(name, numeric, categorical, dates, day_first))
    return modalities


def _modality_name(column: str, fallback: str, taken: set[str]) -> str:
    base = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("_.-") or fallback
    name, number = base, 2
    while name in taken or is_taken(name, [*taken, name]):
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return name
