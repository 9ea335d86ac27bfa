"""A stand-in for Ollama, in its own wire format."""

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
    answering = Answering("ollama")

    async def answer(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        if (await request.json()).get("stream"):
            name = f"{name}_stream.ndjson"
            return await answering.stream(request, name, "application/x-ndjson", "\n")
        return await answering.document(request, f"{name}.json")

    async def tags(request: Request) -> Response:
        return JSONResponse({"models": []})

    return Starlette(
        routes=[
            *(
                Route(path, answer, methods=["POST"])
                for path in (
                    "/api/chat",
                    "/api/generate",
                    "/api/embed",
                    "/api/embeddings",
                    "/v1/systemone",
                )
            ),
            Route("/api/tags", tags, methods=["GET"]),
        ]
    )
