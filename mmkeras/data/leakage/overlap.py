"""Leakage check: the same group, text, image, sound or video on both sides of a split."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.finding import Finding, count_of
from mmkeras.data.media.cells import media_of
from mmkeras.data.media.plain_file import plain_file_size, read_plain_file
from mmkeras.data.tables.cells import content_digest, label_names
from mmkeras.data.tables.fingerprint import row_codes
from mmkeras.data.tables.splits import Splits
from mmkeras.progress import ProgressBar
from mmkeras.schema import Schema

_ADVICE = {
    "group": "Split by whole groups: split_table(frame, schema) does when the schema has a group.",
    **{
        noun: f"Clean duplicates before splitting, or give the rows of one {noun} a group."
        for noun in (kind.noun for kind in KINDS.values() if kind.has_files)
    },
    "row": "With few columns of few values this has to be; if such rows are copies of one "
    "observation, keep them on one side (group_equal_rows) or drop them (drop_duplicates).",
    "text": "See whether these rows are copies of each other; if they are, give them a group.",
}


def on_both_sides(
    splits: Splits, schema: Schema, targets: dict[str, np.ndarray] | None
) -> list[Finding]:
    """Looks for groups, texts and media that are in more than one part.

    Args:
        splits: The parts.
        schema: Which column is what.
        targets: For each part, the target of each row as something to compare; `None` without.

    Raises:
        FileNotFoundError: An image file is no longer there.
    """
    findings = []
    if targets is None:
        targets = {name: np.zeros(len(part)) for name, part in splits.items()}
    if schema.group is not None:
        keys = {name: list(label_names(part[schema.group])) for name, part in splits.items()}
        findings += _shared(splits, targets, schema.group, "group", keys)
    for modality in schema.modalities:
        kind = KINDS[modality.kind]
        if kind.has_files:
            columns = {name: part[modality.column] for name, part in splits.items()}
            keys = _media_keys(columns, f"{kind.noun}s")
        elif kind.has_words:
            keys = {
                name: list(map(_same_text, part[modality.column])) for name, part in splits.items()
            }
        else:
            continue
        findings += _shared(splits, targets, modality.column, kind.noun, keys, kind.has_files)
    if len(schema.columns) > 1 or KINDS[schema.modalities[0].kind].is_table:
        findings += _equal_rows(splits, schema, targets)
    return findings


def _equal_rows(splits: Splits, schema: Schema, targets: dict[str, np.ndarray]) -> list[Finding]:
    """Rows with the same inputs, all of them, as a row of an earlier part."""
    parts = [part for part in splits if len(part)]
    codes = iter(row_codes(pd.concat(parts), schema, target=False))
    keys = {name: list(itertools.islice(codes, len(part))) for name, part in splits.items()}
    shown = ", ".join(schema.columns[:3]) + (", ..." if len(schema.columns) > 3 else "")
    return _shared(splits, targets, shown, "row", keys)


def _same_text(value: Any) -> str | None:
    """What is equal for two texts that differ in case or blanks only."""
    return " ".join(value.casefold().split()) if isinstance(value, str) else None


def _media_keys(columns: dict[str, pd.Series], plural: str) -> dict[str, list[Any]]:
    """For each cell keys of its media, equal when the content is. Reads files of equal size."""
    rows = sum(map(len, columns.values()))
    sizes = Counter()
    size_of: dict[str, int | str] = {}
    with ProgressBar(f"looking at the sizes of {plural}", rows) as progress:
        for cells in columns.values():
            for cell in cells:
                for value in media_of(cell):
                    if isinstance(value, str) and value not in size_of:
                        # A folder of frames is compared by its name.
                        is_folder = os.path.isdir(value)  # noqa: PTH112 (or a name too long)
                        size_of[value] = value if is_folder else plain_file_size(value)
                        sizes[size_of[value]] += 1
                    elif isinstance(value, bytes):
                        sizes[len(value)] += 1
                progress.add()

    digest_of: dict[str, bytes] = {}

    def key_of(value: Any) -> Any:
        if not isinstance(value, str):
            return content_digest(value)
        if sizes[size_of[value]] == 1 or size_of[value] == value:
            return value
        if value not in digest_of:
            digest_of[value] = content_digest(read_plain_file(value, sys.maxsize))
        return digest_of[value]

    keys: dict[str, list[Any]] = {name: [] for name in columns}
    with ProgressBar(f"comparing {plural}", rows) as progress:
        for name, cells in columns.items():
            for cell in cells:
                keys[name].append(tuple(map(key_of, media_of(cell))))
                progress.add()
    return keys


def _shared(
    splits: Splits,
    targets: dict[str, np.ndarray],
    column: str,
    what: str,
    keys: dict[str, list[Any]],
    by_label: bool = False,
) -> list[Finding]:
    """Rows of validation and test whose key is in an earlier part; of several keys, any of them.

    Those with another label than there are a finding of their own if `by_label` says so.
    """
    earlier: dict[Any, list[tuple[str, Any, Any]]] = defaultdict(list)
    same_label, other_label = [], []
    rows = sum(map(len, splits))
    with ProgressBar(f"looking for the same {what} in {column!r}", rows) as progress:
        for name, part in splits.items():
            of_rows = (key if isinstance(key, tuple) else (key,) for key in keys[name])
            known = [tuple(key for key in own if key not in (None, "")) for own in of_rows]
            entries = list(zip(known, part.index, targets[name], strict=True))
            for own, index, target in entries:
                places = [earlier[key] for key in own if key in earlier]
                if places:
                    every = itertools.chain.from_iterable(places)
                    twin = next((place for place in every if place[2] == target), None)
                    part_name, other, _ = twin or places[0][0]
                    pair = f"{name} index {index!r} and {part_name} index {other!r}"
                    (other_label if twin is None else same_label).append(pair)
                progress.add()
            for own, index, target in entries:
                for key in own:
                    earlier[key].append((name, index, target))

    check, findings = f"same {what} on both sides", []
    if by_label:
        groups = [("error", same_label, " with the same label"),
                  ("warning", other_label, " with another label")]  # fmt: skip
    else:
        groups = [("error" if what == "group" else "warning", same_label + other_label, "")]
    for severity, pairs, addition in groups:
        if pairs:
            message = (
                f"{count_of(len(pairs))} of validation or test with the same {what} "
                f"(column {column!r}) as a row of an earlier part{addition}, e.g. {pairs[0]}. "
                f"{_ADVICE[what]}"
            )
            findings.append(Finding(severity, check, column, message, len(pairs)))
    return findings
