"""A stand-in for the Gemini API and Vertex AI, in their own wire format.

A request asks for its own answer with headers:
    x-standin-answer: a file of ``tests/responses/google_genai``.
    x-standin-tier: the service tier that served.
    x-standin-fault: an HTTP status code to be answered with; ``hang`` never answers; in a stream,
        after its first event, ``drop`` breaks the connection, ``truncate`` ends it, ``error`` tells
        of an error, ``stall`` stops.
    x-standin-fail: answers 503 to that many requests of that name, before one succeeds.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

RESPONSES = Path(__file__).parents[1] / "responses/google_genai"
ANSWERS = {
    "generateContent": "generate_content.json",
    "streamGenerateContent": "generate_content_stream.sse",
    "batchEmbedContents": "embeddings.json",
    "embedContent": "embeddings.json",
    "predict": "vertex_embeddings.json",
}


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    failed: Counter[str] = Counter()

    async def answer(request: Request) -> Response:
        path = request.path_params["path"]
        fault = request.headers.get("x-standin-fault", "")
        times, _, name = request.headers.get("x-standin-fail", "0").partition(" ")
        if failed[name] < int(times):
            failed[name] += 1
            return _error(503)
        if fault.isdigit():
            return _error(int(fault))
        if fault == "hang":
            await asyncio.sleep(3600)
        verb = path.rpartition(":")[2]
        if verb == "countTokens":
            return JSONResponse({"totalTokens": 3})
        if request.method == "GET":
            return JSONResponse({"models": [{"name": "models/gemini-2.5-flash"}]})
        name = request.headers.get("x-standin-answer") or ANSWERS[verb]
        if "/publishers/" in path and name == "generate_content.json":
            name = "vertex_generate_content.json"
        body = (RESPONSES / name).read_text()
        tier = request.headers.get("x-standin-tier")
        headers = {"x-gemini-service-tier": tier} if tier else {}
        if verb == "streamGenerateContent":
            return StreamingResponse(
                _events(body, fault), media_type="text/event-stream", headers=headers
            )
        return Response(body, media_type="application/json", headers=headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


async def _events(body: str, fault: str) -> AsyncIterator[str]:
    for event in body.split("\n\n"):
        if event.strip():
            yield f"{event}\r\n\r\n"
        if fault == "drop":
            raise ConnectionResetError("asked to break the connection")
        if fault == "stall":
            await asyncio.sleep(3600)
        if fault == "error":
            error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
            yield f"data: {json.dumps({'error': error})}\r\n\r\n"
        if fault in ("error", "truncate"):
            return


def _error(status: int) -> Response:
    error = {"code": status, "message": f"asked for {status}", "status": "FAILED"}
    return JSONResponse({"error": error}, status)
