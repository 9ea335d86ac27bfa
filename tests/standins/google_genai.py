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
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

RESPONSES = Path(__file__).parents[1] / "responses/google_genai"
ANSWERS = {
    "generateContent": "generate_content.json",
    "streamGenerateContent": "generate_content_stream.sse",
    "batchEmbedContents": "embeddings.json",
    "embedContent": "embeddings.json",
    "predict": "images.json",
    "predictLongRunning": "film_begun.json",
    "fetchPredictOperation": "vertex_film.json",
    "batchGenerateContent": "batch.json",
}
"""Files by the verb of a path."""
RESOURCES = [
    (r"post .*/interactions", "interaction.json"),
    (r"(get|post) .*/interactions/[^/]+(/cancel)?", "interaction.json"),
    (r"post .*/decisions", "decision.json"),
    (r"post .*/voices", "voice.json"),
    (r"get .*/models/[^/]+/operations/[^/]+", "film.json"),
    (r"get .*/batches/embeddings", "batch_embeddings.json"),
    (r"get .*/batches/[^/]+", "batch.json"),
    (r"get .*/files/[^/]+:download", "batch_results.jsonl"),
    (r"post .*/projects/.*/cachedContents", "vertex_cache.json"),
    (r"post .*/cachedContents", "cache.json"),
    (r"patch .*/cachedContents/[^/]+", "cache_longer.json"),
    (r"post .*/tuningJobs", "job_begun.json"),
    (r"get .*/tuningJobs/[^/]+", "job.json"),
]
"""Files by the method and the path of a request; the first that fits."""
AT_VERTEX = {
    "generate_content.json": "vertex_generate_content.json",
    "film_begun.json": "vertex_film_begun.json",
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
        if path.endswith(":countTokens"):
            return JSONResponse({"totalTokens": 3})
        if not (file := await _file_of(request, path)):
            return JSONResponse({"models": [{"name": "models/gemini-2.5-flash"}]})
        body = (RESPONSES / file).read_text()
        tier = request.headers.get("x-standin-tier")
        headers = {"x-gemini-service-tier": tier} if tier else {}
        if file.endswith(".sse"):
            return StreamingResponse(
                _events(body, fault), media_type="text/event-stream", headers=headers
            )
        return Response(body, media_type="application/json", headers=headers)

    routes = [
        WebSocketRoute("/ws/{path:path}", live),
        Route("/{path:path}", answer, methods=["GET", "POST", "PATCH", "DELETE"]),
    ]
    return Starlette(routes=routes)


async def live(socket: WebSocket) -> None:
    """Answer the setup, and each turn of the caller, as a live session does."""
    await socket.accept()
    told = (RESPONSES / "live.jsonl").read_bytes()
    if "aiplatform" in socket.url.path:  # Vertex AI has other names for the same
        told = told.replace(b"responseToken", b"candidatesToken")
    setup, *turn = told.splitlines()
    await socket.receive()
    await socket.send_bytes(setup)
    while (await socket.receive())["type"] == "websocket.receive":
        for message in turn:
            await socket.send_bytes(message)


async def _file_of(request: Request, path: str) -> str:
    """Return the file that answers a request, or nothing where it asks for models."""
    asked = f"{request.method.lower()} /{path}"
    found = (file for pattern, file in RESOURCES if re.fullmatch(pattern, asked))
    verb = path.rpartition(":")[2]
    file = request.headers.get("x-standin-answer") or next(found, ANSWERS.get(verb, ""))
    if verb == "predict" and b'"content"' in await request.body():
        file = "vertex_embeddings.json"
    if "/projects/" in f"/{path}":
        file = AT_VERTEX.get(file, file)
    if file == "interaction.json" and await _streams(request):
        file = "interaction.sse"
    return file


async def _streams(request: Request) -> bool:
    """Return whether an interaction is asked for as a stream."""
    body = await request.body()
    return request.query_params.get("stream") == "true" or b'"stream":true' in body.replace(
        b" ", b""
    )


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
