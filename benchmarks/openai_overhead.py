"""What metering adds to a call of OpenAI's SDK, whose provider answers at once.

Times are CPU time of the calling thread. Bare and metered calls take turns, so that a slow moment
of the machine meets both alike, and the lower quartile of each counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from statistics import quantiles
from typing import Final

import httpx2
import openai

import costmeter
from benchmarks.table import Row, show
from costmeter.journal import process

ROUNDS: Final = 10
WARM_UP_CALLS: Final = 20
CALLS: Final = 50
CHUNKS: Final = 100
TARGET_SHARE: Final = 0.1
"""Of what the SDK itself takes; a provider takes a thousand times as long to answer."""

HEAD: Final = {"id": "chatcmpl-1", "created": 1741569952, "model": "gpt-4o-mini-2024-07-18"}
USAGE: Final = {
    "prompt_tokens": 1200,
    "completion_tokens": 50,
    "total_tokens": 1250,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
}


def body() -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi"},
        "finish_reason": "stop",
    }
    return json.dumps(
        {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    ).encode()


def events() -> list[bytes]:
    choice = {"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}
    head = {**HEAD, "object": "chat.completion.chunk"}
    chunk = {**head, "choices": [choice], "usage": None}
    last = {**head, "choices": [], "usage": USAGE}
    return [
        *[f"data: {json.dumps(event)}\n\n".encode() for event in [chunk] * CHUNKS + [last]],
        b"data: [DONE]\n\n",
    ]


class Pieces(httpx2.SyncByteStream):
    """A body that comes in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self):
        yield from self._pieces


def answer(request: httpx2.Request) -> httpx2.Response:
    if b'"stream":true' in request.content:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=Pieces(EVENTS))
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=BODY)


BODY: Final = body()
EVENTS: Final = events()


def measures() -> dict[str, Callable[[], object]]:
    ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    transport = httpx2.MockTransport(answer)
    client = openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))
    async_client = openai.AsyncOpenAI(
        api_key="k", http_client=httpx2.AsyncClient(transport=transport)
    )
    loop = asyncio.new_event_loop()
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    create = client.chat.completions.create
    return {
        "chat": lambda: create(**ask),
        "chat, asyncio": lambda: loop.run_until_complete(
            async_client.chat.completions.create(**ask)
        ),
        "chat, raw": lambda: client.chat.completions.with_raw_response.create(**ask),
        f"stream of {CHUNKS} chunks": lambda: list(create(**ask, **usage)),
    }


def microseconds(call: Callable[[], object]) -> list[float]:
    """Return the times of calls, once the caches are warm that patching a class has emptied."""
    for _ in range(WARM_UP_CALLS):
        call()
    times = []
    for _ in range(CALLS):
        began = time.thread_time_ns()
        call()
        times.append((time.thread_time_ns() - began) / 1e3)
    return times


def measure() -> dict[str, tuple[float, float]]:
    """Return what a call takes bare and metered, in microseconds."""
    taken = {}
    for name, call in measures().items():
        bare: list[float] = []
        metered: list[float] = []
        for _ in range(ROUNDS):
            bare += microseconds(call)
            costmeter.instrument()
            metered += microseconds(call)
            costmeter.uninstrument()
        taken[name] = quantiles(bare)[0], quantiles(metered)[0]
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as journal:
        os.environ["COSTMETER_JOURNAL"] = journal
        process.reset()
        taken = measure()
        process.reset()
    lines = []
    for name, (bare, metered) in taken.items():
        share = metered / bare - 1
        lines += [
            Row(f"{name}, bare", f"{bare:,.0f} µs", "1.00"),
            Row(
                f"{name}, metered",
                f"{metered:,.0f} µs",
                f"{metered / bare:.2f}",
                f"≤ {1 + TARGET_SHARE:.2f}",
                share <= TARGET_SHARE,
            ),
        ]
    show("A call of the OpenAI SDK on a mock transport, in CPU time", lines)


if __name__ == "__main__":
    main()
