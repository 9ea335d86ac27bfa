"""A stand-in for a provider, speaking OpenAI's wire format: for examples and tests, without a key.

Whatever it is asked, it answers with made-up words and with usage as a provider would report it:
cached tokens for long prompts, reasoning tokens for reasoning models, now and then an error. The
same seed and the same requests give the same answers.

Environment:
    STANDIN_SEED: the seed, default 1.
    STANDIN_LATENCY: factor on how long answers take, default 1; 0 answers at once.
    STANDIN_ERRORS: share of requests answered with 429 or 500, default 0.05.

A request asks for its own answer with headers (``extra_headers`` in the SDK):
    x-standin-usage: JSON to report as usage, instead of what was counted.
    x-standin-tier: the service tier to report.
    x-standin-fault: what shall go wrong, see :data:`examples.standin.turn.FAULTS`, or an HTTP
        status code to be answered with.
    x-standin-fail: answers 500 to that many attempts, before one succeeds: SDKs try again.
"""

from __future__ import annotations

import base64
import itertools
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.standin import bodies
from examples.standin.turn import Turn

if TYPE_CHECKING:
    from starlette.requests import Request


class Standin:
    """The provider's routes."""

    def __init__(self, *, seed: int = 1, latency: float = 0.0, errors: float = 0.0) -> None:
        """Take the seed, a factor on latency and the share of requests that fail."""
        self._seed = seed
        self._latency = latency
        self._errors = errors
        self._numbers = itertools.count(1)

    async def chat_completions(self, request: Request) -> Response:
        """Answer ``POST /v1/chat/completions``."""
        turn, asked = await self._turn(request)
        if failure := await turn.failure(self._errors):
            return failure
        answer = turn.answer(turn.usage(bodies.chat_usage, asked.get("messages")), _now())
        if asked.get("stream"):
            include_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
            return turn.stream(bodies.chat_events(answer, include_usage=include_usage))
        await turn.think(len(answer.words))
        return JSONResponse(bodies.chat_completion(answer))

    async def responses(self, request: Request) -> Response:
        """Answer ``POST /v1/responses``."""
        turn, asked = await self._turn(request)
        if failure := await turn.failure(self._errors):
            return failure
        answer = turn.answer(turn.usage(bodies.response_usage, asked.get("input")), _now())
        if asked.get("stream"):
            return turn.stream(bodies.response_events(answer))
        await turn.think(len(answer.words))
        return JSONResponse(bodies.response(answer))

    async def embeddings(self, request: Request) -> Response:
        """Answer ``POST /v1/embeddings``."""
        turn, asked = await self._turn(request)
        if failure := await turn.failure(self._errors):
            return failure
        given = asked.get("input")
        texts = given if isinstance(given, list) else [given]
        answer = turn.answer(turn.usage(_embedding_usage, texts), _now())
        await turn.think(0)
        vectors: list[Any] = [turn.vector(asked.get("dimensions") or 8) for _ in texts]
        if asked.get("encoding_format") == "base64":
            vectors = [_base64(vector) for vector in vectors]
        return JSONResponse(bodies.embeddings(answer, vectors))

    async def models(self, request: Request) -> Response:  # noqa: ARG002, called by Starlette
        """Answer ``GET /v1/models``."""
        return JSONResponse(bodies.models())

    async def _turn(self, request: Request) -> tuple[Turn, dict[str, Any]]:
        asked = await request.json()
        number = next(self._numbers)
        turn = Turn(number, asked, request.headers, seed=self._seed, latency=self._latency)
        return turn, asked


def create_app(standin: Standin) -> Starlette:
    """Return the stand-in as an ASGI application."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", standin.chat_completions, methods=["POST"]),
            Route("/v1/responses", standin.responses, methods=["POST"]),
            Route("/v1/embeddings", standin.embeddings, methods=["POST"]),
            Route("/v1/models", standin.models),
            Route("/openai/deployments/{deployment}/chat/completions", standin.chat_completions,
                  methods=["POST"]),
        ]
    )  # fmt: skip


def from_environment() -> Starlette:
    """Return the stand-in as the environment describes it."""
    return create_app(
        Standin(
            seed=int(os.environ.get("STANDIN_SEED", "1")),
            latency=float(os.environ.get("STANDIN_LATENCY", "1")),
            errors=float(os.environ.get("STANDIN_ERRORS", "0.05")),
        )
    )


def _embedding_usage(prompt: int, _completion: int, **_details: int) -> bodies.Body:
    return {"prompt_tokens": prompt, "total_tokens": prompt}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _now() -> int:
    return int(time.time())
