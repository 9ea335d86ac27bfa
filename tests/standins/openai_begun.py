"""A stand-in for what OpenAI begins with one request and tells by another: responses, films, jobs.

The answers are files of ``tests/responses/openai_begun``; ``x-standin-body`` names another than the usual
one, ``x-standin-fault`` what shall go wrong, see :mod:`tests.standins.answering`.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.standins.answering import Answering

Answer = Callable[[Request], Awaitable[Response]]
_STREAMS = "text/event-stream"


_TIME = re.compile(rb'"((?:created|started|completed|finished|cancelled|failed)_at)": ?\d+')


class _Recent(Answering):
    """Answers as if all had been a minute ago."""

    async def document(self, request: Request, name: str) -> Response:
        response = await super().document(request, name)
        if response.status_code != HTTPStatus.OK:
            return response
        return Response(_recent(bytes(response.body)), media_type=response.media_type)

    async def _events(self, events: list[str], fault: str | None) -> AsyncIterator[str]:
        recent = [_recent(event.encode()).decode() for event in events]
        async for event in super()._events(recent, fault):
            yield event


def _recent(body: bytes) -> bytes:
    return _TIME.sub(rb'"\1": %d' % (time.time() - 60), body)


_BEGINNING = (
    ("/responses/{id}/cancel", "response_cancelled.json"),
    ("/containers", "container.json"),
    ("/evals/{eval}/runs", "evaluation_queued.json"),
    ("/fine_tuning/jobs", "job_queued.json"),
    ("/fine_tuning/jobs/{id}/cancel", "job_cancelled.json"),
    ("/threads/{thread}/runs/{id}/cancel", "run_cancelled.json"),
    ("/videos", "video_queued.json"),
    ("/videos/edits", "video_queued.json"),
    ("/videos/extensions", "video_queued.json"),
    ("/videos/{id}/remix", "video_queued.json"),
)
_ASKING = (
    ("/evals/{eval}/runs/{id}", "evaluation.json"),
    ("/fine_tuning/jobs/{id}", "job.json"),
    ("/threads/{thread}/runs/{id}", "run.json"),
    ("/videos/{id}", "video.json"),
)
"""Paths of ``POST`` and of ``GET``, and what they are answered with."""


def create_app(at_once: Answer | None = None) -> Starlette:
    """Return the stand-in as an ASGI application.

    Args:
        at_once: answers requests for responses that are not to be made in the background.
    """
    answers = _Recent("openai_begun")

    def document(name: str, stream: str = "") -> Answer:
        async def answer(request: Request) -> Response:
            asked = request.query_params.get("stream") == "true"
            if stream and (asked or b'"stream":true' in await request.body()):
                return await answers.stream(request, stream, _STREAMS, r"\n\n")
            return await answers.document(request, name)

        return answer

    queued = document("response_queued.json", "response_stream.sse")
    run = document("run_queued.json", "run_stream.sse")

    async def begin(request: Request) -> Response:
        if at_once and not (await request.json()).get("background"):
            return await at_once(request)
        return await queued(request)

    return Starlette(
        routes=[
            Route("/v1/responses", begin, methods=["POST"]),
            Route("/v1/responses/{id}", document("response.json", "response_stream.sse")),
            Route("/v1/threads/runs", run, methods=["POST"]),
            Route("/v1/threads/{thread}/runs", run, methods=["POST"]),
            Route("/v1/threads/{thread}/runs/{id}/submit_tool_outputs", run, methods=["POST"]),
            *(Route(f"/v1{path}", document(name), methods=["POST"]) for path, name in _BEGINNING),
            *(Route(f"/v1{path}", document(name)) for path, name in _ASKING),
        ]
    )
