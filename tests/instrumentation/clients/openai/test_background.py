"""Responses of the real SDK that are made in the background, however they are asked for later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import costmeter
from costmeter.instrumentation.clients import begun, call
from costmeter.instrumentation.clients.openai.background import BackgroundReader, asks
from tests.examples.serving import serving
from tests.instrumentation.clients.asking import RESPONSE, USED
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.openai_begun import create_app

ID = "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b"
MODEL = "o4-mini-2025-04-16"
ASKED: dict[str, Any] = {**RESPONSE, "background": True}
DONE = ("chat", MODEL, USED, "ok", f"openai/{ID}")
CANCELLED = ("chat", MODEL, {}, "cancelled", f"openai/{ID}")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield f"{url}/v1"


@pytest.fixture(autouse=True)
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("openai", providers={server: "openai"})
    yield
    costmeter.uninstrument()
    begun.forget()


@pytest.fixture
def responses(server: str) -> Iterator[openai.resources.responses.Responses]:
    with openai.OpenAI(api_key="key", base_url=server, max_retries=0, timeout=5) as client:
        yield client.responses


def answered(body: str, fault: str = "") -> dict[str, Any]:
    return {"extra_headers": {"x-standin-body": body, "x-standin-fault": fault}}


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    events = recorded()
    assert {(event.calls, event.requests) for event in events} <= {(1, 1)}
    return [
        (event.operation, event.model, event.usage, event.status, event.identity)
        for event in events
    ]


def test_a_response_in_the_background_counts_when_it_is_over(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    response = responses.create(**ASKED)
    assert response.status == "queued"
    responses.retrieve(response.id, **answered("response_queued.json"))
    assert recorded() == []
    assert responses.retrieve(response.id).status == "completed"
    assert told(recorded) == [DONE]


def test_it_counts_for_whom_it_was_asked_for(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="research"):
        responses.create(**ASKED)
    with costmeter.attribute(feature="polling"):
        responses.retrieve(ID)
    assert [event.attributes for event in recorded()] == [{"feature": "research"}]


def test_or_where_another_process_asked_for_whom_it_is_fetched(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="polling"):
        responses.retrieve(ID)
    assert [event.attributes for event in recorded()] == [{"feature": "polling"}]


def test_it_costs_once_however_often_it_is_fetched(
    responses: openai.resources.responses.Responses, recorded: Recorded, tmp_path: Path
) -> None:
    responses.create(**ASKED)
    responses.retrieve(ID)
    responses.cancel(ID, **answered("response.json"))
    here = recorded()
    begun.forget()
    list(responses.retrieve(ID, stream=True))
    there = recorded()
    assert (len(here), len(there)) == (2, 1)
    # o4-mini: 176 at 1,100 nano-dollars, 1,024 from the cache at 275, 50 at 4,400.
    assert spent(tmp_path / "ledger.db", here, there) == 193_600 + 281_600 + 220_000


@pytest.mark.parametrize("way", ["with_raw_response", "with_streaming_response"])
def test_however_its_answer_is_read(
    responses: openai.resources.responses.Responses, recorded: Recorded, way: str
) -> None:
    through = getattr(responses, way)
    for method, arguments, expected in [
        (through.create, ASKED, []),
        (through.retrieve, {"response_id": ID}, [DONE]),
        (through.cancel, {"response_id": ID}, [CANCELLED]),
    ]:
        answer = method(**arguments)
        if way == "with_streaming_response":
            with answer as response:
                response.read()
        else:
            answer.parse()
        assert told(recorded) == expected


async def test_by_asyncio_too(server: str, recorded: Recorded) -> None:
    async with openai.AsyncOpenAI(api_key="key", base_url=server) as client:
        response = await client.responses.create(**ASKED)
        await client.responses.retrieve(response.id, **answered("response_queued.json"))
        assert recorded() == []
        await client.responses.retrieve(response.id)
        assert told(recorded) == [DONE]
        stream = await client.responses.retrieve(response.id, stream=True, starting_after=2)
        assert [event.type async for event in stream][-1] == "response.completed"
        assert told(recorded) == [DONE]
        await client.beta.responses.retrieve(response.id)
        assert told(recorded) == [DONE]
        await client.responses.cancel(response.id)
        assert told(recorded) == [CANCELLED]


def test_a_stream_of_it_counts_at_its_end(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    stream = responses.create(**ASKED, stream=True)
    assert next(iter(stream)).type == "response.created"
    assert recorded() == []
    list(stream)
    (event,) = recorded()
    assert (event.usage, event.identity) == (USED, f"openai/{ID}")
    assert 0 < event.first_chunk_ns <= event.duration_ns


@pytest.mark.parametrize("fault", ["truncate", "drop"])
def test_a_stream_that_breaks_off_counts_where_it_is_taken_up_again(
    responses: openai.resources.responses.Responses, recorded: Recorded, fault: str
) -> None:
    with costmeter.attribute(feature="research"):
        stream = responses.create(**ASKED, stream=True, **answered("response_stream.sse", fault))
        if fault == "drop":
            with pytest.raises(Exception, match=r"(?i)peer|connection|incomplete"):
                list(stream)
        else:
            assert len(list(stream)) == 2
    assert recorded() == []
    list(responses.retrieve(ID, stream=True, starting_after=1))
    (event,) = recorded()
    assert (event.usage, event.identity) == (USED, f"openai/{ID}")
    assert event.attributes == {"feature": "research"}


def test_a_stream_that_the_caller_leaves_is_still_under_way(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    with responses.create(**ASKED, stream=True) as stream:
        next(iter(stream))
    with responses.retrieve(ID, stream=True) as stream:
        next(iter(stream))
    assert recorded() == []


def test_one_that_could_not_be_begun_is_a_call_that_failed(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    with pytest.raises(openai.RateLimitError):
        responses.create(**ASKED, **answered("", "429"))
    assert told(recorded) == [("chat", "o4-mini", {}, "rate_limited", "")]


def test_one_that_failed_later_is_one_too(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    failed = {"id": ID, "background": True, "status": "failed", "model": MODEL}
    reading = BackgroundReader(begins=False).read({**failed, "error": {"code": "server_error"}})
    assert (reading.status, reading.usage, reading.model) == ("server_error", None, MODEL)
    assert reading.over


def test_one_that_is_fetched_long_after_its_end_does_not_count_anew() -> None:
    ended = int(time.time()) - 31 * 86_400
    done = {"id": ID, "background": True, "status": "completed", "completed_at": ended}
    assert not BackgroundReader(begins=False).read(done).over
    assert BackgroundReader(begins=False).read(done | {"completed_at": ended + 2 * 86_400}).over


def test_fetching_what_cannot_be_had_is_no_call(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(ID, **answered("", "404"))
    with pytest.raises(openai.InternalServerError):
        responses.cancel(ID, **answered("", "500"))
    assert recorded() == []


def test_a_response_that_was_told_at_once_does_not_count_again_where_it_is_fetched(
    responses: openai.resources.responses.Responses, recorded: Recorded
) -> None:
    responses.create(**RESPONSE, **answered("../openai/response.json"))
    assert [event.identity for event in recorded()] == [""]
    responses.retrieve(ID, **answered("../openai/response.json"))
    list(responses.retrieve(ID, stream=True, **answered("../openai/response_stream.sse")))
    assert recorded() == []


def test_the_gate_is_asked_before_it_begins_and_not_where_it_is_fetched(
    responses: openai.resources.responses.Responses, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Noting:
        def admit(self, call: call.Call, *_: object, **__: object) -> None:
            asked.append(call.model)

    monkeypatch.setattr(call, "gate", Noting())
    responses.create(**ASKED)
    responses.retrieve(ID)
    responses.cancel(ID)
    assert asked == ["o4-mini"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/responses/resp_1", True),
        ("post", "/responses/resp_1/cancel", True),
        ("delete", "/responses/resp_1", False),
        ("get", "/responses/resp_1/input_items", False),
        ("get", "/responses/resp_1/cancel", False),
        ("post", "/responses/input_tokens", False),
    ],
)
def test_what_asks_for_a_response(method: str, path: str, expected: bool) -> None:
    assert asks(method, path) is expected
