"""A stand-in for what OpenAI begins with one request and tells by another: responses, films, jobs.

The answers are files of ``tests/responses/openai_begun``; ``x-standin-body`` names another than the usual
one, ``x-standin-fault`` what shall go wrong, see :mod:`tests.standins.answering`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.standins.answering import Answering

Answer = Callable[[Request], Awaitable[Response]]
_STREAMS = "text/event-stream"


def create_app(at_once: Answer | None = None) -> Starlette:
    """Return the stand-in as an ASGI application.

    Args:
        at_once: answers requests for responses that are not to be made in the background.
    """
    answers = Answering("openai_begun")

    def document(name: str) -> Answer:
        async def answer(request: Request) -> Response:
            return await answers.document(request, name)

        return answer

    async def begin(request: Request) -> Response:
        asked = await request.json()
        if at_once and not asked.get("background"):
            return await at_once(request)
        if asked.get("stream"):
            return await stream(request)
        return await answers.document(request, "response_queued.json")

    async def fetch(request: Request) -> Response:
        if request.query_params.get("stream") == "true":
            return await stream(request)
        return await answers.document(request, "response.json")

    async def stream(request: Request) -> Response:
        return await answers.stream(request, "response_stream.sse", _STREAMS, r"\n\n")

    return Starlette(
        routes=[
            Route("/v1/responses", begin, methods=["POST"]),
            Route("/v1/responses/{id}", fetch),
            Route("/v1/responses/{id}/cancel", document("response_cancelled.json"),
                  methods=["POST"]),
        ]
    )  # fmt: skip
