"""A stand-in for Cohere, in its own wire format, of both versions of its API.

The id of a job is how it stands: ``complete`` is answered with ``embed_job_complete.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.answering import Answering

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_LINES = ("application/stream+json", "\n")
_ANSWERS = {
    "/v1/chat": ("v1_chat.json", "v1_chat_stream.jsonl", *_LINES),
    "/v2/chat": ("v2_chat.json", "v2_chat_stream.sse"),
    "/v1/embed": ("v1_embed.json",),
    "/v2/embed": ("v2_embed.json",),
    "/v1/rerank": ("rerank.json",),
    "/v2/rerank": ("rerank.json",),
    "/v1/generate": ("v1_generate.json", "v1_generate_stream.jsonl", *_LINES),
    "/v1/summarize": ("v1_summarize.json",),
    "/v1/classify": ("v1_classify.json",),
    "/v2/parse": ("v2_parse.json",),
    "/v2/audio/transcriptions": ("v2_transcription.json",),
    "/v1/embed-jobs": ("embed_job_created.json",),
    "/v2/batches": ("batch_created.json",),
}
"""The documents and the streams that requests are answered with, by their paths."""


def create_app() -> Starlette:
    """Return the stand-in as an ASGI application."""
    answers = Answering("cohere")

    def standing(kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def job(request: Request) -> Response:
            return await answers.document(request, f"{kind}_{request.path_params['job']}.json")

        return job

    async def tokenize(request: Request) -> Response:
        return JSONResponse({"tokens": [1, 2], "token_strings": ["on", "e"]})

    return Starlette(
        routes=[
            *(answers.route(path, *names) for path, names in _ANSWERS.items()),
            Route("/v1/embed-jobs/{job}", standing("embed_job")),
            Route("/v2/batches/{job}", standing("batch")),
            Route("/v1/tokenize", tokenize, methods=["POST"]),
        ]
    )
