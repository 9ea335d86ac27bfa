"""A stand-in for Groq's API.

It answers with a file of ``tests/responses/groq``: the one that the header ``x-standin-body`` names,
or else a chat completion or a stream of one. ``x-standin-fault`` asks for an error: an HTTP status,
``hang``, or, after three events of a stream, ``stall``, ``truncate``, ``drop`` or ``error``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

BODIES = Path(__file__).parents[1] / "responses/groq"
_EVENTS_BEFORE_FAULT = 3
_FOREVER_SECONDS = 3600


async def chat_completions(request: Request) -> Response:
    """Answer ``POST /openai/v1/chat/completions``."""
    asked = await request.json()
    fault = request.headers.get("x-standin-fault", "")
    if fault.isdigit():
        error = {"message": "Something went wrong", "type": "invalid_request_error"}
        return JSONResponse({"error": error}, int(fault))
    if fault == "hang":
        await asyncio.sleep(_FOREVER_SECONDS)
    if not asked.get("stream"):
        name = request.headers.get("x-standin-body", "chat_completion.json")
        return Response((BODIES / name).read_bytes(), media_type="application/json")
    name = request.headers.get("x-standin-body", "chat_stream.sse")
    events = (BODIES / name).read_bytes().removesuffix(b"\n\n").split(b"\n\n")
    return StreamingResponse(_broken(events, fault), media_type="text/event-stream")


async def embeddings(request: Request) -> Response:
    """Answer ``POST /openai/v1/embeddings``."""
    await request.json()
    return Response((BODIES / "embeddings.json").read_bytes(), media_type="application/json")


async def models(request: Request) -> Response:
    """Answer ``GET /openai/v1/models``."""
    return JSONResponse({"object": "list", "data": []})


async def _broken(events: Iterable[bytes], fault: str) -> AsyncIterator[bytes]:
    for sent, event in enumerate(events):
        if fault and sent == _EVENTS_BEFORE_FAULT:
            if fault == "drop":
                raise ConnectionResetError("asked to break the connection")
            if fault == "stall":
                await asyncio.sleep(_FOREVER_SECONDS)
            if fault == "error":
                yield b'data: {"error":{"message":"No","type":"internal_server_error"}}\n\n'
            return
        yield event + b"\n\n"


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    return Starlette(
        routes=[
            Route("/openai/v1/chat/completions", chat_completions, methods=["POST"]),
            Route("/openai/v1/embeddings", embeddings, methods=["POST"]),
            Route("/openai/v1/models", models),
        ]
    )
