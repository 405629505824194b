"""Bodies of requests: JSON, or the fields and files of a form. Nothing in them is trusted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from mmkeras.serving.server.limits import Limits

_DEEPEST = 32


class BadRequest(Exception):
    """A request that is not answered.

    Args:
        status: The HTTP status.
        reason: Why, in words.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


async def whole_body(stream: AsyncIterator[bytes], limits: Limits) -> bytes:
    """A body of at most so many bytes that arrives within so many seconds.

    Raises:
        BadRequest: It is larger, or takes longer.
    """
    try:
        return await asyncio.wait_for(_joined(stream, limits.body_bytes), limits.body_seconds)
    except asyncio.TimeoutError:
        raise BadRequest(408, "The body took too long to arrive.") from None


async def _joined(stream: AsyncIterator[bytes], most: int) -> bytes:
    parts, size = [], 0
    async for part in stream:
        size += len(part)
        if size > most:
            raise BadRequest(413, f"The body is larger than {most:,} bytes.")
        parts.append(part)
    return b"".join(parts)


def rows_of_json(body: bytes, most: int) -> list[Any]:
    """The rows of a body `{"rows": [...]}`, of a list of rows, or of one row.

    Raises:
        BadRequest: It is something else.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
        deep = _is_deep(value)
    except (ValueError, RecursionError) as error:
        reason = "it is too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise BadRequest(400, f"The body is not JSON in UTF-8: {reason}") from None
    if deep:
        raise BadRequest(400, "The body is not rows: it is too deep.")
    if isinstance(value, Mapping) and set(value) == {"rows"}:
        value = value["rows"]
    elif isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        raise BadRequest(422, 'The body holds rows: {"rows": [{"COLUMN": VALUE, ...}, ...]}.')
    return checked_rows(value, most)


def checked_rows(rows: list[Any], most: int) -> list[Any]:
    """The rows, if there are some, and not too many."""
    if not rows:
        raise BadRequest(422, "There are no rows.")
    if len(rows) > most:
        raise BadRequest(413, f"There are {len(rows):,} rows; a request has at most {most:,}.")
    return rows


def rows_of_form(
    fields: list[tuple[str, str | bytes]], kinds: Mapping[str, str], most: int
) -> list[Any]:
    """The rows of a form: the first field of each column is of the first row, and so on.

    Args:
        fields: Names and contents: bytes of a file, else a text.
        kinds: By column, what its cells are.
        most: How many rows there may be.

    Raises:
        BadRequest: Columns come differently often.
    """
    columns: dict[str, list[Any]] = {}
    for name, contents in fields:
        columns.setdefault(name, []).append(_of_field(contents, kinds.get(name)))
    counts = {name: len(cells) for name, cells in columns.items()}
    if len(set(counts.values())) > 1:
        raise BadRequest(
            422, f"Each column comes once for each row. Received: {str(counts)[:200]}."
        )
    rows = max(counts.values(), default=0)
    return checked_rows([{n: cells[r] for n, cells in columns.items()} for r in range(rows)], most)


def _of_field(contents: str | bytes, kind: str | None) -> Any:
    """What JSON would have had for a field; a number or list that is none stays a text."""
    if not isinstance(contents, str) or kind not in ("number", "sequence"):
        return contents
    if not contents.strip():
        return None
    try:
        return json.loads(contents, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return contents


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON; write null")


def _is_deep(value: Any) -> bool:
    """Whether lists and objects hold each other many times."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            each
            for outer in level
            if isinstance(outer, list | Mapping)
            for each in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(each, list | Mapping)
        ]
        if not level:
            return False
    return True
