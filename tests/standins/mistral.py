"""A stand-in for Mistral, in its own wire format.

The id of a file, or of a batch, is its name in ``tests/responses/mistral`` without its ending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.answering import RESPONSES, Answering

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

CHAT = ("chat_completion.json", "chat_stream.sse")
CONVERSATION = ("conversation.json", "conversation_stream.sse")
_ANSWERS = {
    "/v1/chat/completions": CHAT,
    "/v1/agents/completions": CHAT,
    "/v1/fim/completions": ("fim_completion.json", "chat_stream.sse"),
    "/v1/embeddings": ("embeddings.json", ""),
    "/v1/responses": ("response.json", "response_stream.sse"),
    "/v1/conversations": CONVERSATION,
    "/v1/conversations/{conversation}": CONVERSATION,
    "/v1/conversations/{conversation}/restart": CONVERSATION,
    "/v1/ocr": ("ocr.json", ""),
    "/v1/audio/transcriptions": ("transcription.json", "transcription_stream.sse"),
    "/v1/audio/speech": ("speech.json", "speech_stream.sse"),
    "/v1/moderations": ("moderation.json", ""),
    "/v1/chat/moderations": ("moderation.json", ""),
    "/v1/classifications": ("classification.json", ""),
    "/v1/chat/classifications": ("classification.json", ""),
}
"""The documents and the streams that requests are answered with, by their paths."""


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answers = Answering("mistral")

    def answering(document: str, stream: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            body = await request.body()
            if b'"stream":true' in body or b'name="stream"\r\n\r\ntrue' in body:
                return await answers.stream(request, stream, "text/event-stream", "\n\n")
            return await answers.document(request, document)

        return answer

    async def job(request: Request) -> Response:
        return await answers.document(request, f"{request.path_params['job']}.json")

    async def content(request: Request) -> Response:
        body = (RESPONSES / "mistral" / f"{request.path_params['file']}.jsonl").read_bytes()
        return Response(body, media_type="application/octet-stream")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    return Starlette(
        routes=[
            *(Route(path, answering(*names), methods=["POST"]) for path, names in _ANSWERS.items()),
            Route("/v1/batch/jobs/{job}", job),
            Route("/v1/files/{file}/content", content),
            Route("/v1/models", models),
        ]
    )
