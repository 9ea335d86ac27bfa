"""Makes calls of real SDKs, reads their answers to the end, and checks what was recorded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from inspect import isawaitable
from typing import Any

import costmeter
from tests.examples.serving import serving
from tests.instrumentation.clients.calls.sdk import Case, Seen, Standin, Way
from tests.instrumentation.clients.conftest import Recorded


@contextmanager
def standing_in(app: Any) -> Iterator[Standin]:
    """Serve a stand-in, and take note of what it is asked for."""
    asked: list[str] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await app(scope, receive, send)

    with serving(noting) as url:
        yield Standin(url, asked)


@contextmanager
def metering(case: Case, standin: Standin) -> Iterator[None]:
    """Meter an SDK whose provider stands at an address."""
    told = {standin.url: case.client.provider} if case.client.told else {}
    costmeter.instrument(*case.sdk.instrumented, providers=told)
    standin.asked.clear()
    try:
        yield
    finally:
        costmeter.uninstrument()


def make(case: Case, standin: Standin, recorded: Recorded) -> None:
    """Make a call in each of its ways, and check what it was recorded as."""
    with case.client.opened(standin.url) as client:
        for way in case.call.ways:
            with _heeding(case):
                _read(way, case.made(client, way))
            _check(case, way, standin, recorded)


async def make_async(case: Case, standin: Standin, recorded: Recorded) -> None:
    """Do the same by asyncio."""
    async with case.client.opened_async(standin.url) as client:
        for way in case.call.ways:
            with _heeding(case):
                await _read_async(way, case.made(client, way))
            _check(case, way, standin, recorded)


def _check(case: Case, way: Way, standin: Standin, recorded: Recorded) -> None:
    assert standin.asked, f"{case} {way} asked for nothing"
    standin.asked.clear()
    events = recorded()
    told = [
        Seen(event.operation, event.model, event.usage, event.status, event.calls)
        for event in events
    ]
    assert told == case.seen(way), f"{case} {way}"
    assert {event.provider for event in events} <= {case.client.provider}
    assert all(event.requests == event.calls and not event.estimated for event in events)


@contextmanager
def _heeding(case: Case) -> Iterator[None]:
    """Heed errors only where the stand-in knows the answer; an SDK may call its call deprecated."""
    with warnings.catch_warnings(), nullcontext() if case.call.seen else suppress(Exception):
        warnings.simplefilter("ignore")
        yield


def _read(way: Way, answer: Any) -> None:
    with answer if hasattr(answer, "__enter__") else nullcontext(answer) as opened:
        if way is Way.STREAM:
            for _ in opened:
                pass
        elif way is Way.RAW and hasattr(opened, "parse"):
            opened.parse()
        elif way is Way.READ:
            opened.read()


async def _read_async(way: Way, answer: Any) -> None:
    answer = await answer if isawaitable(answer) else answer
    async with answer if hasattr(answer, "__aenter__") else nullcontext(answer) as opened:
        if way is Way.STREAM:
            async for _ in opened:
                pass
        elif way is Way.RAW and hasattr(opened, "parse"):
            parsed = opened.parse()
            if isawaitable(parsed):
                await parsed
        elif way is Way.READ:
            await opened.read()
