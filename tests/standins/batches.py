"""A stand-in for the results of batches: of OpenAI's files and of Anthropic's message batches.

The id of a file is its name in ``tests/responses/openai_batch`` without its ending. The header
``x-standin-fault`` of ``drop`` breaks the connection after two lines of results.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.standins.answering import RESPONSES

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
_LINES_BEFORE_FAULT = 2


async def content(request: Request) -> Response:
    """Answer ``GET /v1/files/{file}/content``."""
    if (file := request.path_params["file"]) == "picture":
        return Response(PICTURE, media_type="application/octet-stream")
    path = RESPONSES / "openai_batch" / f"{file}.jsonl"
    if not path.exists():
        return Response(b'{"error": {"message": "No such File object"}}', 404)
    return Response(path.read_bytes(), media_type="application/octet-stream")


async def batch(request: Request) -> Response:
    """Answer ``GET /v1/messages/batches/{batch}``."""
    text = (RESPONSES / "anthropic_batch/batch.json").read_text()
    return Response(
        text.replace("RESULTS_URL", f"{request.url.replace(query='')}/results"),
        media_type="application/json",
    )


async def results(request: Request) -> Response:
    """Answer ``GET /v1/messages/batches/{batch}/results``."""
    lines = (RESPONSES / "anthropic_batch/results.jsonl").read_bytes().splitlines(keepends=True)

    async def sent() -> AsyncIterator[bytes]:
        for number, line in enumerate(lines):
            if number == _LINES_BEFORE_FAULT and "x-standin-fault" in request.headers:
                raise ConnectionResetError("asked to break the connection")
            yield line
            await asyncio.sleep(0)

    return StreamingResponse(sent(), media_type="application/x-jsonl")


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    return Starlette(
        routes=[
            Route("/v1/files/{file}/content", content),
            Route("/v1/messages/batches/{batch}", batch),
            Route("/v1/messages/batches/{batch}/results", results),
        ]
    )
