"""A stand-in for Mistral, in its own wire format."""

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
    answering = Answering("mistral")

    async def complete(request: Request) -> Response:
        if (await request.json()).get("stream"):
            return await answering.stream(request, "chat_stream.sse", "text/event-stream", "\n\n")
        return await answering.document(request, "chat_completion.json")

    async def fill_in(request: Request) -> Response:
        if (await request.json()).get("stream"):
            return await answering.stream(request, "chat_stream.sse", "text/event-stream", "\n\n")
        return await answering.document(request, "fim_completion.json")

    async def embed(request: Request) -> Response:
        return await answering.document(request, "embeddings.json")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/agents/completions", complete, methods=["POST"]),
            Route("/v1/fim/completions", fill_in, methods=["POST"]),
            Route("/v1/embeddings", embed, methods=["POST"]),
            Route("/v1/models", models),
        ]
    )
