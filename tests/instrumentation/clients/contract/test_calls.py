"""What is promised of calls by any SDK, whole and streamed, sync and async, and however they end."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

import costmeter
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.contract.conftest import Asking
from tests.instrumentation.clients.contract.subjects import Subject

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAM
async def test_a_call_is_recorded_with_usage_model_and_duration(
    subject: Subject, asking: Asking, recorded: Recorded, stream: bool
) -> None:
    with costmeter.attribute(feature="search", tenant="acme"):
        await asking.ask(stream=stream)
    (event,) = recorded()
    assert (event.operation, event.provider) == ("chat", subject.provider)
    assert (event.model, event.status) == (subject.answering, "ok")
    assert event.usage == (subject.streamed if stream else subject.used)
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 1, None)
    assert (event.service_tier, event.estimated) == ("", False)
    assert event.attributes == {"feature": "search", "tenant": "acme"}
    assert 0 < event.duration_ns < 60 * 10**9
    assert (0 < event.first_chunk_ns <= event.duration_ns) == stream


async def test_a_stream_is_recorded_at_its_end_for_whom_it_was_opened(
    subject: Subject, asking: Asking, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="asking"):
        stream = await asking.begin()
    assert recorded() == []
    with costmeter.attribute(feature="reading"):
        while await asking.read(stream):
            pass
    (event,) = recorded()
    assert (event.usage, event.status) == (subject.streamed, "ok")
    assert event.attributes == {"feature": "asking"}


async def test_a_stream_that_the_caller_leaves_is_cancelled(
    subject: Subject, asking: Asking, recorded: Recorded
) -> None:
    stream = await asking.begin("stall")
    await asking.leave(stream)
    (event,) = recorded()
    assert (event.status, event.usage) == ("cancelled", subject.started)
    assert event.model == subject.started_model


async def test_a_stream_that_the_caller_forgets_is_cancelled(
    subject: Subject, asking: Asking, recorded: Recorded
) -> None:
    stream = await asking.begin("stall")
    del stream
    while not (events := recorded()):
        await asyncio.sleep(0)  # what asyncio closes, it closes by and by
    assert [(event.status, event.usage) for event in events] == [("cancelled", subject.started)]


@pytest.mark.parametrize("asynchronous", [True], indirect=True)
async def test_a_stream_whose_task_is_cancelled_is_cancelled(
    subject: Subject, asking: Asking, recorded: Recorded
) -> None:
    started = asyncio.Event()

    async def read() -> None:
        stream = await asking.begin("stall")
        while await asking.read(stream):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while not (events := recorded()):
        await asyncio.sleep(0)
    assert [(event.status, event.usage) for event in events] == [("cancelled", subject.started)]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")],
)
async def test_a_stream_that_breaks_off_is_counted_with_what_is_known(
    subject: Subject, asking: Asking, recorded: Recorded, fault: str, status: str
) -> None:
    broken = False
    try:
        await asking.ask(fault, stream=True)
    except Exception:  # noqa: BLE001 - whatever the SDK makes of it
        broken = True
    assert broken == (fault != "truncate")
    (event,) = recorded()
    assert (event.status, event.usage) == (status, subject.started)
    assert event.model == subject.started_model


@STREAM
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("400", "bad_request"),
        ("401", "authentication"),
        ("404", "not_found"),
        ("429", "rate_limited"),
        ("500", "server_error"),
    ],
)
async def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    subject: Subject, asking: Asking, recorded: Recorded, code: str, status: str, stream: bool
) -> None:
    with pytest.raises(subject.refused):
        await asking.ask(code, stream=stream)
    (event,) = recorded()
    assert (event.status, event.usage) == (status, {})
    assert event.model == subject.asked


@STREAM
async def test_a_server_that_does_not_answer_is_a_timeout(
    subject: Subject, asking: Asking, recorded: Recorded, stream: bool
) -> None:
    with pytest.raises(subject.timed_out):
        await asking.ask("hang", stream=stream)
    assert [(event.status, event.model) for event in recorded()] == [("timeout", subject.asked)]


@STREAM
async def test_a_server_that_is_not_there_is_a_connection_error(
    subject: Subject, metered: None, asynchronous: bool, recorded: Recorded, stream: bool
) -> None:
    async with Asking(subject, "http://127.0.0.1:9", asynchronous=asynchronous) as asking:
        with pytest.raises(subject.unreachable):
            await asking.ask(stream=stream)
    assert [event.status for event in recorded()] == ["connection_error"]


async def test_an_answer_that_is_no_json_is_counted_without_usage(
    subject: Subject, asking: Asking, recorded: Recorded
) -> None:
    answer: Any = None
    try:
        answer = await asking.ask("text")
    except Exception:  # noqa: BLE001 - whatever the SDK makes of it
        assert answer is None
    gc.collect()
    assert [(event.status, event.usage) for event in recorded()] == [(subject.garbled, {})]
