"""One request to the stand-in: what it is answered, how long that takes, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from examples.standin import bodies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.datastructures import Headers

FAULTS: Final = {
    "hang": "never answers",
    "stall": "a stream stops after three events, and stays open",
    "truncate": "a stream ends after three events",
    "drop": "the connection breaks after three events of a stream",
    "error": "a stream tells of an error after three events",
    "unasked": "the server does not know stream_options, and answers 422",
    "text": "answers with text that is no JSON",
}
"""What a request can ask to go wrong, beside an HTTP status code to be answered with."""

_STREAM_FAULTS: Final = frozenset({"stall", "truncate", "drop", "error"})
_EVENTS_BEFORE_FAULT: Final = 3
_FOREVER_SECONDS: Final = 3600
_CHARACTERS_PER_TOKEN: Final = 4
_CACHE_FROM_TOKENS: Final = 1024
_CACHE_STEP_TOKENS: Final = 128
_TOKENS_PER_SECOND: Final = 80
_WORDS: Final = (
    "the ", "answer ", "is ", "a ", "matter ", "of ", "what ", "one ", "counts, ", "and ",
    "every ", "cent ", "has ", "its ", "way ", "from ", "call ", "to ", "bill. ",
)  # fmt: skip


class Turn:
    """What happens with one request; the same seed and number make the same happen."""

    def __init__(
        self, number: int, asked: dict[str, Any], headers: Headers, *, seed: int, latency: float
    ) -> None:
        """Take the request's number, body and headers, the seed and a factor on latency."""
        self.number = number
        self.model = str(asked.get("model"))
        self._asked = asked
        self._headers = headers
        self._latency = latency
        self._random = random.Random(f"{seed}:{number}")

    async def failure(self, share: float) -> Response | None:
        """Return the error that was asked for, or that hits this share of requests."""
        fault = self._headers.get("x-standin-fault", "")
        if int(self._headers.get("x-stainless-retry-count", 0)) < int(
            self._headers.get("x-standin-fail", 0)
        ):
            return self._error(500)
        if fault.isdigit():
            return self._error(int(fault))
        if fault == "hang":
            await asyncio.sleep(_FOREVER_SECONDS)
        if fault == "text":
            return PlainTextResponse("upstream connect error or disconnect")
        if fault == "unasked" and "stream_options" in self._asked:
            detail = {"type": "extra_forbidden", "loc": ["body", "stream_options"]}
            return JSONResponse({"detail": [detail]}, 422)
        if not fault and self._random.random() < share:
            return self._error(self._random.choice((429, 429, 500)))
        return None

    def usage(self, make: Callable[..., bodies.Body], prompt: object) -> Any:
        """Return the usage to report for a prompt: what the request asks for, or a likely one."""
        if (wanted := self._headers.get("x-standin-usage")) is not None:
            return json.loads(wanted)
        tokens = count_tokens(prompt)
        cached = 0
        if tokens >= _CACHE_FROM_TOKENS and self._random.random() < 0.6:
            cached = tokens * 3 // 4 // _CACHE_STEP_TOKENS * _CACHE_STEP_TOKENS
        limit = self._asked.get("max_completion_tokens") or self._asked.get("max_output_tokens")
        output = min(int(self._random.lognormvariate(4.6, 0.6)) + 1, limit or 4096)
        reasoning = 0
        if self.model.startswith("o"):
            reasoning = int(self._random.lognormvariate(5.5, 0.5)) // 64 * 64
        return make(tokens, output + reasoning, cached=cached, reasoning=reasoning)

    def answer(self, usage: Any, created: int) -> bodies.Answer:
        """Return the answer that goes with a usage: about as many words as output tokens."""
        words = tuple(self._random.choices(_WORDS, k=self._random.randint(20, 60)))
        tier = self._headers.get("x-standin-tier") or self._asked.get("service_tier")
        return bodies.Answer(
            number=self.number,
            created=created,
            model=bodies.SNAPSHOTS.get(self.model, self.model),
            words=words,
            usage=usage,
            service_tier="default" if tier in (None, "auto") else tier,
        )

    def vector(self, dimensions: int) -> list[float]:
        """Return an embedding."""
        return [self._random.uniform(-1, 1) for _ in range(dimensions)]

    async def think(self, words: int) -> None:
        """Take as long as a model takes for this many words."""
        first = self._random.lognormvariate(-1.2, 0.5)
        await asyncio.sleep(self._latency * (first + words / _TOKENS_PER_SECOND))

    def stream(self, events: Iterable[str]) -> Response:
        """Return events one by one, as fast as a model writes, and with what shall go wrong."""
        return StreamingResponse(self._paced(events), media_type="text/event-stream")

    async def _paced(self, events: Iterable[str]) -> AsyncIterator[str]:
        fault = self._headers.get("x-standin-fault", "")
        await self.think(0)
        for sent, event in enumerate(events):
            if sent == _EVENTS_BEFORE_FAULT and fault in _STREAM_FAULTS:
                if fault == "drop":
                    raise ConnectionResetError("asked to break the connection")
                if fault == "stall":
                    await asyncio.sleep(_FOREVER_SECONDS)
                if fault == "error":
                    yield f"data: {json.dumps(bodies.error(500, self.model))}\n\n"
                return
            yield event
            await asyncio.sleep(self._latency / _TOKENS_PER_SECOND)

    def _error(self, status: int) -> Response:
        headers = {"retry-after-ms": "200", "retry-after": "1"} if status == 429 else {}
        return JSONResponse(bodies.error(status, self.model), status, headers=headers)


def count_tokens(prompt: object) -> int:
    """Return about how many tokens a prompt has: a quarter of its characters as JSON."""
    return len(json.dumps(prompt)) // _CHARACTERS_PER_TOKEN + 1
