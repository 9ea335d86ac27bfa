"""A stand-in for OpenAI's images, audio and moderations: answers of ``tests/responses/openai_media``.

``x-standin-body`` names the file to answer with, ``x-standin-fault`` what shall go wrong, see
:mod:`tests.standins.answering`. A form tells that it asks for a stream by its field ``stream``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.standins.answering import RESPONSES, Answering

SOUND = b"ID3\x04" + bytes(range(256)) * 8
_SSE = "text/event-stream"


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answers = Answering("openai_media")

    def answering(document: str, stream: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if await _asks_for_stream(request):
                return await answers.stream(request, stream, _SSE, r"\n\n")
            name = request.headers.get("x-standin-body", "")
            if name.endswith(".txt"):
                text = (RESPONSES / "openai_media" / name).read_text()
                return Response(text, media_type="text/plain")
            return await answers.document(request, document)

        return answer

    async def speech(request: Request) -> Response:
        if (await request.json()).get("stream_format") == "sse":
            return await answers.stream(request, "speech.sse", _SSE, r"\n\n")
        failure = await answers.document(request, "moderation.json")
        return failure if failure.status_code >= 300 else Response(SOUND, media_type="audio/mpeg")

    routes = {
        "/v1/images/generations": answering("images.json", "image_stream.sse"),
        "/v1/images/edits": answering("images.json", "image_edit_stream.sse"),
        "/v1/images/variations": answering("images_by_the_piece.json", ""),
        "/v1/audio/transcriptions": answering("transcription.json", "transcription_stream.sse"),
        "/v1/audio/translations": answering("translation_verbose.json", ""),
        "/v1/audio/speech": speech,
        "/v1/moderations": answering("moderation.json", ""),
    }
    return Starlette(routes=[Route(path, to, methods=["POST"]) for path, to in routes.items()])


async def _asks_for_stream(request: Request) -> bool:
    body = await request.body()
    return b'name="stream"\r\n\r\ntrue' in body or b'"stream":true' in body
