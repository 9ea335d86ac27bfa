"""A stand-in for Mistral, in its own wire format.

The id of a file, or of a batch, is its name in ``tests/responses/mistral`` without its ending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.answering import Answering

if TYPE_CHECKING:
    from starlette.requests import Request

_CHAT = ("chat_completion.json", "chat_stream.sse")
_CONVERSATION = ("conversation.json", "conversation_stream.sse")
_ANSWERS = {
    "/v1/chat/completions": _CHAT,
    "/v1/agents/completions": _CHAT,
    "/v1/fim/completions": ("fim_completion.json", "chat_stream.sse"),
    "/v1/embeddings": ("embeddings.json",),
    "/v1/responses": ("response.json", "response_stream.sse"),
    "/v1/conversations": _CONVERSATION,
    "/v1/conversations/{conversation}": _CONVERSATION,
    "/v1/conversations/{conversation}/restart": _CONVERSATION,
    "/v1/ocr": ("ocr.json",),
    "/v1/audio/transcriptions": ("transcription.json", "transcription_stream.sse"),
    "/v1/audio/speech": ("speech.json", "speech_stream.sse"),
    "/v1/moderations": ("moderation.json",),
    "/v1/chat/moderations": ("moderation.json",),
    "/v1/classifications": ("classification.json",),
    "/v1/chat/classifications": ("classification.json",),
    "/models/chat/completions": _CHAT,
    "/providers/mistral/azure/ocr": ("ocr.json",),
    "/v1/projects/{project}/locations/{region}/publishers/mistralai/models/{model}": _CHAT,
}
"""The documents and the streams that requests are answered with, by their paths."""


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answers = Answering("mistral")

    async def job(request: Request) -> Response:
        return await answers.document(request, f"{request.path_params['job']}.json")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    return Starlette(
        routes=[
            *(answers.route(path, *names) for path, names in _ANSWERS.items()),
            answers.files("/v1/files/{file}/content"),
            Route("/v1/batch/jobs/{job}", job),
            Route("/v1/models", models),
        ]
    )
