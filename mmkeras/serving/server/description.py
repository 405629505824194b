"""What OpenAPI says of a request, with the columns of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmkeras.schema import Schema
from mmkeras.serving.server.limits import Limits

_FILE = {"type": "string", "format": "byte", "nullable": True}
_CELLS: dict[str, dict[str, Any]] = {
    "image": {**_FILE, "description": "An image file (PNG, JPEG, ...), as base64."},
    "audio": {**_FILE, "description": "A sound file (WAV, FLAC, MP3, ...), as base64."},
    "video": {**_FILE, "description": "A video file, as base64."},
    "text": {"type": "string", "nullable": True},
    "sequence": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "number"}},
        "description": "Steps, each a list of features.",
        "nullable": True,
    },
    "number": {"type": "number", "nullable": True},
    "label": {
        "description": "A category: a text, a number or a truth value.",
        "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
        "nullable": True,
    },
}
_DATE = {"type": "string", "description": "A date: 2020-12-31.", "nullable": True}


def request_description(schema: Schema, kinds: Mapping[str, str], limits: Limits) -> dict[str, Any]:
    """The body of `/predict`, for its entry in OpenAPI.

    Args:
        schema: Of the run.
        kinds: By column, what its cells are.
        limits: How much a request may have.
    """
    cells = {column: dict(_CELLS.get(kind, _DATE)) for column, kind in kinds.items()}
    form = {
        column: {"type": "string", "format": "binary"} if cell.get("format") == "byte" else cell
        for column, cell in cells.items()
    }
    for modality in schema.modalities:
        if getattr(modality, "several", False):
            one = cells[modality.columns[0]]
            cells[modality.columns[0]] = {"type": "array", "items": one, "nullable": True}
    row = {"type": "object", "properties": cells, "additionalProperties": False}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": limits.rows}
    json_body = {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": json_body},
                "multipart/form-data": {"schema": {"type": "object", "properties": form}},
            },
        }
    }
