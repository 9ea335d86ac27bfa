"""Every call that docs/sdks.md lists, made by the real SDK, and read back from the journal."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from operator import attrgetter
from typing import Any

import pytest

from costmeter.usage import UsageEvent
from tests.instrumentation.clients.calls.making import make, make_async, metering
from tests.instrumentation.clients.calls.page import (
    BESIDE,
    HERE,
    PAGE,
    constraints,
    page,
    section,
)
from tests.instrumentation.clients.calls.sdk import Case, Standin, cases, sdk_of
from tests.instrumentation.clients.conftest import Recorded

Serve = Callable[[Case], Standin]
CASES = [case for name in HERE for case in cases(sdk_of(name))]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Returns the stand-in for a call, served once for all calls that need it."""
    standing: dict[Any, Standin] = {}
    with ExitStack() as stack:

        def served(case: Case) -> Standin:
            start = case.client.serve
            if start not in standing:
                standing[start] = stack.enter_context(start())
            return standing[start]

        yield served
        gc.unfreeze()


@pytest.fixture
def looked(recorded: Recorded) -> Recorded:
    """Returns what was recorded; each look collects garbage, but not all the SDKs every time."""

    def read() -> list[UsageEvent]:
        events = recorded()
        gc.freeze()
        return events

    return read


@pytest.mark.parametrize("case", [case for case in CASES if not case.asynchronous], ids=str)
def test_a_call_is_recorded_as_the_page_says(case: Case, serve: Serve, looked: Recorded) -> None:
    standin = serve(case)
    with metering(case, standin):
        make(case, standin, looked)


@pytest.mark.parametrize("case", [case for case in CASES if case.asynchronous], ids=str)
async def test_a_call_by_asyncio_is_recorded_as_the_page_says(
    case: Case, serve: Serve, looked: Recorded
) -> None:
    standin = serve(case)
    with metering(case, standin):
        await make_async(case, standin, looked)


@pytest.mark.parametrize("name", HERE)
async def test_calls_that_are_named_but_not_tried_are_there(name: str) -> None:
    for client in sdk_of(name).clients:
        untried = [call for calls in client.unmetered.values() for call in calls if not call.ways]
        async with AsyncExitStack() as stack:
            if client.opened:
                opened = stack.enter_context(client.opened("http://127.0.0.1:9"))
            else:
                opened = await stack.enter_async_context(client.opened_async("http://127.0.0.1:9"))
            assert all(attrgetter(call.name)(opened) for call in untried)


def test_the_page_is_made_of_the_calls_and_of_the_versions_that_are_pinned() -> None:
    here, beside = constraints("constraints.txt"), constraints("constraints-litellm.txt")
    made = [section(sdk_of(name), here.__getitem__) for name in HERE]
    made += [section(sdk_of(name), beside.__getitem__) for name in BESIDE]
    assert PAGE.read_text("utf-8") == page(made), "make docs"
