"""The HTTP application: rows in, answers out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import keras

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.serving.server.answering import Answerer
from mmkeras.serving.server.batching import Batcher, Busy
from mmkeras.serving.server.bodies import BadRequest, rows_of_form, rows_of_json, whole_body
from mmkeras.serving.server.cells import CellReader, Row
from mmkeras.serving.server.collecting import without_long_collections
from mmkeras.serving.server.description import request_description
from mmkeras.serving.server.limits import Limits

try:
    from fastapi import FastAPI, Request, Response
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser
except ImportError as error:
    raise ImportError('The server needs the extra "serve": pip install "mmkeras[serve]"') from error

_JSON, _FORM = "application/json", "multipart/form-data"


def make_app(
    model: keras.Model,
    preprocessing: Preprocessing,
    name: str = "model",
    limits: Limits | None = None,
) -> FastAPI:
    """An application that answers rows with a trained model.

    `POST /predict` takes JSON, `{"rows": [{COLUMN: VALUE, ...}, ...]}` with images and sounds as
    base64, or a form with a field or file for each column. It gives `{"model": ..., "answers":
    [...]}`, an answer for each row: what a run's predictions have, and `notes` where nothing in
    the training rows prepared the model for a cell; or `{"error": ...}` where the row cannot be
    read. `GET /health` says that it works; `GET /docs` is a page to try it on, with the model's
    own columns.

    Requests hold contents only: what looks like a path or an address in one is never opened.

    Args:
        model: Of a run.
        preprocessing: Of the same run.
        name: What the model is called.
        limits: How much it takes; see `Limits`.

    Raises:
        ImportError: The extra `serve` is not installed.
    """
    limits = limits or Limits()
    reader = CellReader(preprocessing.schema, limits.pixels)
    answerer = Answerer(model, preprocessing)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.batcher = Batcher(answerer, limits)
        with without_long_collections():
            app.state.batcher.start()
            yield
            await app.state.batcher.stop()

    app = FastAPI(title=name, lifespan=lifespan)

    @app.post(
        "/predict",
        summary="Answer rows",
        response_class=Response,
        openapi_extra=request_description(preprocessing.schema, reader.kinds, limits),
    )
    async def predict(request: Request) -> Response:
        batcher: Batcher = request.app.state.batcher
        try:
            rows = await _rows_of(request, reader, limits)
            read = [_row(reader, row) for row in rows]
            there = [row for row in read if not isinstance(row, str)]
            found = iter(await batcher.answers(there) if there else [])
        except BadRequest as error:
            return _response({"detail": error.reason}, error.status)
        except Busy:
            reason = "Too many rows are waiting. Come again."
            return _response({"detail": reason}, 503, {"Retry-After": "1"})
        answers = [{"error": row} if isinstance(row, str) else next(found) for row in read]
        return _response({"model": name, "answers": answers})

    @app.get("/health", summary="Whether it works", response_class=Response)
    async def health(request: Request) -> Response:
        batcher: Batcher = request.app.state.batcher
        state = {"answered": batcher.answered, "waiting": batcher.waiting}
        return _response({"status": "ok", "model": name, **state})

    return app


def _row(reader: CellReader, value: Any) -> Row | str:
    """The cells of a row, or why it cannot be read."""
    try:
        return reader.row(value)
    except ValueError as error:
        return str(error)[:400]


async def _rows_of(request: Request, reader: CellReader, limits: Limits) -> list[Any]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limits.body_bytes:
        raise BadRequest(413, f"The body is larger than {limits.body_bytes:,} bytes.")
    content_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if content_type not in (_JSON, _FORM):
        raise BadRequest(415, f"The body is {_JSON} or {_FORM}. Received: {content_type[:60]!r}.")
    body = await whole_body(request.stream(), limits)
    if content_type == _FORM:
        return rows_of_form(await _fields_of(request, body, limits), reader.kinds, limits.rows)
    return rows_of_json(body, limits.rows)


async def _fields_of(
    request: Request, body: bytes, limits: Limits
) -> list[tuple[str, str | bytes]]:
    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers,
        once(),
        max_files=limits.rows * 16,
        max_fields=limits.rows * 64,
        max_part_size=limits.body_bytes,
    )
    try:
        form = await parser.parse()
        fields: list[tuple[str, str | bytes]] = []
        for name, value in form.multi_items():
            fields.append((name, await value.read() if isinstance(value, UploadFile) else value))
        return fields
    except MultiPartException as error:
        raise BadRequest(400, f"The form is damaged: {error.message[:200]}") from None
    except (ValueError, LookupError) as error:
        raise BadRequest(400, f"The form is damaged: {str(error)[:200]}") from None
    finally:
        # The parser itself leaves those open whose form ends before its last boundary.
        for file in getattr(parser, "_files_to_close_on_error", ()):
            file.close()


def _response(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    # With escapes: half a character of a request may stand in an error, and UTF-8 has none.
    text = json.dumps(_finite(content), ensure_ascii=True, allow_nan=False, default=str)
    return Response(text, status, headers, media_type=_JSON)


def _finite(value: Any) -> Any:
    """Numbers that JSON lacks as null."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
