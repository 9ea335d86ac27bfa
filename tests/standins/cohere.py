"""A stand-in for Cohere, in its own wire format, of both versions of its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.answering import Answering

if TYPE_CHECKING:
    from starlette.requests import Request


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answering = Answering("cohere")

    async def chat_v1(request: Request) -> Response:
        if (await request.json()).get("stream"):
            return await answering.stream(
                request, "v1_chat_stream.jsonl", "application/stream+json", "\n"
            )
        return await answering.document(request, "v1_chat.json")

    async def chat_v2(request: Request) -> Response:
        if (await request.json()).get("stream"):
            return await answering.stream(
                request, "v2_chat_stream.sse", "text/event-stream", "\n\n"
            )
        return await answering.document(request, "v2_chat.json")

    async def embed(request: Request) -> Response:
        return await answering.document(request, f"{request.path_params['version']}_embed.json")

    async def rerank(request: Request) -> Response:
        return await answering.document(request, "rerank.json")

    async def tokenize(request: Request) -> Response:
        return JSONResponse({"tokens": [1, 2], "token_strings": ["on", "e"]})

    return Starlette(
        routes=[
            Route("/v1/chat", chat_v1, methods=["POST"]),
            Route("/v2/chat", chat_v2, methods=["POST"]),
            Route("/{version}/embed", embed, methods=["POST"]),
            Route("/{version}/rerank", rerank, methods=["POST"]),
            Route("/v1/tokenize", tokenize, methods=["POST"]),
        ]
    )
