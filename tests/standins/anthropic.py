"""A stand-in for Anthropic's API, and for Claude on Bedrock, Vertex AI and Foundry.

It answers with a file of ``tests/responses/anthropic``: the one that the header ``x-standin-body``
names, or else a message or a stream of one. ``x-standin-fault`` asks for an error: an HTTP status,
``hang``, ``text`` (no JSON), or, after three events of a stream, ``stall``, ``truncate``, ``drop`` or the type of an
error (``overloaded_error``).
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

BODIES = Path(__file__).parents[1] / "responses/anthropic"
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_AGENTS = {
    ("POST", "sessions"): "session.json",
    ("GET", "sessions"): "session.json",
    ("POST", "sessions", "events"): "session_sent.json",
    ("GET", "sessions", "events"): "session_events.json",
    ("GET", "sessions", "events", "stream"): "session_events.sse",
    ("POST", "dreams"): "dream_pending.json",
    ("GET", "dreams"): "dream_{id}.json",
}
"""The files for managed agents: by method, and path without the id, which may be in their name."""
_EVENTS_BEFORE_FAULT = 3
_FOREVER_SECONDS = 3600


async def messages(request: Request) -> Response:
    """Answer ``POST /v1/messages``, and its likes of other clouds."""
    asked = await request.json()
    fault = request.headers.get("x-standin-fault", "")
    if fault.isdigit():
        return JSONResponse(_error(ERRORS.get(int(fault), "api_error")), int(fault))
    if fault == "text":
        return PlainTextResponse("upstream connect error")
    if fault == "hang":
        await asyncio.sleep(_FOREVER_SECONDS)
    framed = "response-stream" in request.url.path
    if not (framed or asked.get("stream")):
        name = request.headers.get("x-standin-body", "message.json")
        return Response((BODIES / name).read_bytes(), media_type="application/json")
    name = request.headers.get("x-standin-body", "message_stream.sse")
    events = (BODIES / name).read_bytes().removesuffix(b"\n\n").split(b"\n\n")
    media_type = "application/vnd.amazon.eventstream" if framed else "text/event-stream"
    return StreamingResponse(_broken(events, fault, framed), media_type=media_type)


async def count_tokens(request: Request) -> Response:
    """Answer ``POST /v1/messages/count_tokens``."""
    await request.json()
    return JSONResponse({"input_tokens": 14})


async def _broken(events: Iterable[bytes], fault: str, framed: bool) -> AsyncIterator[bytes]:
    for sent, event in enumerate(events):
        if fault and sent == _EVENTS_BEFORE_FAULT:
            if fault == "drop":
                raise ConnectionResetError("asked to break the connection")
            if fault == "stall":
                await asyncio.sleep(_FOREVER_SECONDS)
            if fault != "truncate":
                yield (
                    _failure(fault)
                    if framed
                    else b"event: error\ndata: %s\n\n" % (json.dumps(_error(fault)).encode())
                )
            return
        yield frame(event.partition(b"data: ")[2]) if framed else event + b"\n\n"


def frame(event: bytes) -> bytes:
    """Return an event as Bedrock sends it."""
    payload = {"bytes": base64.b64encode(event).decode(), "p": "abcdef"}
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return _frame(headers, json.dumps(payload).encode())


def _failure(kind: str) -> bytes:
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return _frame(headers, b'{"message":"Too many tokens"}')


def _frame(texts: dict[str, str], payload: bytes) -> bytes:
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in texts.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return framed + struct.pack(">I", zlib.crc32(framed))


def _error(kind: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": kind}, "request_id": "req_011CSH"}


async def document(request: Request) -> Response:
    """Answer with the file that ``x-standin-body`` names, or the one for the path."""
    _, kind, *rest = request.url.path.strip("/").split("/")
    if rest[1:2] == ["threads"]:
        name = "session_events.sse" if rest[-1] == "stream" else "session_thread.json"
    else:
        name = _AGENTS[request.method, kind, *rest[1:]].format(id=rest[0] if rest else "")
    body = (BODIES / request.headers.get("x-standin-body", name)).read_bytes()
    stream = name.endswith(".sse")
    return Response(body, media_type="text/event-stream" if stream else "application/json")


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    vertex = "/projects/{project}/locations/{region}/publishers/anthropic/models/{model}"
    paths = ["/v1/messages", "/anthropic/v1/messages", "/model/{model:path}/invoke",
             "/model/{model:path}/invoke-with-response-stream", vertex]  # fmt: skip
    return Starlette(
        routes=[
            Route("/v1/messages/count_tokens", count_tokens, methods=["POST"]),
            *(Route(path, messages, methods=["POST"]) for path in paths),
            *(
                Route(f"/v1/{kind}{rest}", document, methods=["GET", "POST"])
                for kind in ("sessions", "dreams")
                for rest in ("", "/{path:path}")
            ),
        ]
    )
