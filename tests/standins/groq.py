"""A stand-in for Groq, which answers with the files of ``tests/responses/groq``.

The id of a file is its name there without its ending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.answering import Answering

if TYPE_CHECKING:
    from starlette.requests import Request

_ANSWERS = {
    "/openai/v1/chat/completions": ("chat_completion.json", "chat_stream.sse"),
    "/openai/v1/embeddings": ("embeddings.json",),
    "/openai/v1/audio/transcriptions": ("transcription_verbose.json",),
    "/openai/v1/audio/translations": ("translation_verbose.json",),
    "/openai/v1/audio/speech": ("speech.mp3",),
}
"""The documents and the streams that requests are answered with, by their paths."""


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answers = Answering("groq")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    return Starlette(
        routes=[
            *(answers.route(path, *names) for path, names in _ANSWERS.items()),
            answers.files("/openai/v1/files/{file}/content"),
            Route("/openai/v1/models", models),
        ]
    )
