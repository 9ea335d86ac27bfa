"""Sessions of Anthropic's managed agents, and dreams, by the real SDK against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import anthropic
import pytest

import costmeter
from costmeter.instrumentation.clients import begun, call
from costmeter.instrumentation.clients.anthropic import sessions as anthropic_sessions
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.anthropic import create_app

SESSION = "sesn_011CZkZAtmR3yMPDzynEDxu7"
THREAD = "sthr_011CZkZVWa6oIjw0rgXZpnBt"
USED = [
    {
        "input_tokens": 2381,  # 25 as they come, 1800 read from the cache, 556 written to it
        "cache_read_tokens": 1800,
        "cache_write_tokens": 556,
        "output_tokens": 15,
    },
    {},
    {"input_tokens": 300, "output_tokens": 20},
]
BEGIN: dict[str, Any] = {"agent": "agent_1", "environment_id": "env_1"}
SENT: list[Any] = [{"type": "user.message", "content": [{"type": "text", "text": "one"}]}]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def client(server: str, recorded: Recorded) -> Iterator[anthropic.Anthropic]:
    anthropic_sessions.forget()
    begun.forget()
    costmeter.instrument("anthropic", providers={server: "anthropic"})
    with anthropic.Anthropic(api_key="key", base_url=server, max_retries=0) as client:
        yield client
    costmeter.uninstrument()


def test_each_request_to_a_model_counts_for_whom_something_was_sent(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    client.beta.sessions.create(**BEGIN)
    with costmeter.attribute(feature="analysis"):
        client.beta.sessions.events.send(SESSION, events=SENT)
    assert recorded() == []
    with client.beta.sessions.events.stream(SESSION) as stream:
        assert len(list(stream)) == 6
    events = recorded()
    assert [event.usage for event in events] == USED
    assert [event.status for event in events] == ["ok", "server_error", "ok"]
    assert {event.model for event in events} == {"claude-opus-4-6"}
    assert {event.attributes["feature"] for event in events} == {"analysis"}
    assert [event.identity for event in events] == [
        "anthropic/sevt_01end",
        "anthropic/sevt_02end",
        "anthropic/sevt_03end",
    ]


async def test_a_session_that_was_begun_elsewhere_names_its_model_when_it_is_asked_for(
    server: str, client: anthropic.Anthropic, recorded: Recorded
) -> None:
    async with anthropic.AsyncAnthropic(api_key="key", base_url=server) as asynchronous:
        await asynchronous.beta.sessions.with_raw_response.retrieve(SESSION)
        with costmeter.attribute(feature="reading"):
            page = await asynchronous.beta.sessions.events.list(SESSION)
    assert len(page.data) == 6
    events = recorded()
    assert [event.usage for event in events] == USED
    assert {event.model for event in events} == {"claude-opus-4-6"}
    assert {event.attributes["feature"] for event in events} == {"reading"}


def test_an_event_that_cannot_be_read_costs_none_beside_it(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    reader = anthropic_sessions.call_of("anthropic", "get", f"/v1/sessions/{SESSION}/events/stream")
    assert reader is not None
    assert reader.reader is not None
    watcher = reader.reader.watcher("text/event-stream", hiding=False)
    told = (
        b'data: {"id":"sevt_1","type":"span.model_request_end","model_usage":{"output_tokens":2}}'
    )
    watcher.feed(b'data: {"type":"span.model_request_end" "id"}\n\n' + told + b"\n\n")
    assert [event.usage for event in recorded()] == [{"output_tokens": 2}]


@pytest.mark.parametrize("at", ["2025-01-01T00:00:00.5Z", datetime(2025, 1, 1, tzinfo=UTC)])
def test_what_ended_long_ago_is_not_counted_now(recorded: Recorded, at: object) -> None:
    events = anthropic_sessions.call_of("anthropic", "get", f"/v1/sessions/{SESSION}/events")
    assert events is not None
    assert events.reader is not None
    told = {"type": "span.model_request_end", "model_usage": {"output_tokens": 2}}
    page = [{**told, "id": "sevt_1", "processed_at": at}, {**told, "id": "sevt_2"}]
    events.reader.read({"data": page})
    dream = anthropic_sessions.call_of("anthropic", "get", "/v1/dreams/drm_1")
    assert dream is not None
    assert dream.reader is not None
    over = {"id": "drm_1", "status": "completed", "ended_at": at, "usage": {"output_tokens": 2}}
    dream.end("ok", dream.reader.read, over)
    # the ledger may have forgotten that the others were counted
    assert [event.identity for event in recorded()] == ["anthropic/sevt_2"]


def test_a_thread_has_a_model_of_its_own_where_it_tells_one(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    client.beta.sessions.retrieve(SESSION)
    threads = client.beta.sessions.threads
    list(threads.events.stream(THREAD, session_id=SESSION))
    assert {event.model for event in recorded()} == {"claude-opus-4-6"}
    threads.retrieve(THREAD, session_id=SESSION)
    with threads.events.with_streaming_response.list(THREAD, session_id=SESSION,
        extra_headers={"x-standin-body": "session_events.json"}) as page:  # fmt: skip
        page.read()
    assert {event.model for event in recorded()} == {"claude-haiku-4-5-20251001"}


def test_what_cannot_be_sent_is_a_call_that_failed(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    client.beta.sessions.retrieve(SESSION)
    with pytest.raises(anthropic.APIConnectionError):
        client.with_options(base_url="http://127.0.0.1:9").beta.sessions.events.send(
            SESSION, events=SENT
        )
    (event,) = recorded()
    assert (event.operation, event.status) == ("invoke_agent", "connection_error")
    assert event.usage == {}


def test_the_gate_is_asked_for_what_is_sent_and_ends_with_the_first_request(
    client: anthropic.Anthropic, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[call.Call] = []

    class Gate:
        def admit(self, begun: call.Call, *_: object, **__: object) -> None:
            asked.append(begun)
            begun.reservation = "reserved"

    monkeypatch.setattr(call, "gate", Gate())
    client.beta.sessions.create(**BEGIN)
    client.beta.sessions.events.send(SESSION, events=SENT)
    list(client.beta.sessions.events.stream(SESSION))
    assert [(begun.operation, begun.model) for begun in asked] == [
        ("invoke_agent", "claude-opus-4-6")  # which the gate never sends to another model
    ]
    assert [event.reservation for event in recorded()] == ["reserved", "", ""]


class TestDreams:
    def test_one_counts_once_it_is_over_for_whom_it_was_begun(
        self, client: anthropic.Anthropic, recorded: Recorded
    ) -> None:
        with costmeter.attribute(feature="memory"):
            client.beta.dreams.create(inputs=[], model="claude-opus-4-6")
        client.beta.dreams.retrieve("running")
        assert recorded() == []
        client.beta.dreams.retrieve("completed")
        (event,) = recorded()
        assert (event.model, event.identity) == ("claude-opus-4-6", "anthropic/drm_01")
        assert event.attributes == {"feature": "memory"}
        assert event.usage == {
            "input_tokens": 1500,
            "cache_read_tokens": 500,
            "output_tokens": 70,
        }

    def test_the_events_of_its_session_are_not_counted_once_more(
        self, client: anthropic.Anthropic, recorded: Recorded
    ) -> None:
        client.beta.dreams.retrieve("running")
        list(client.beta.sessions.events.stream("sesn_of_a_dream"))
        assert recorded() == []


def test_only_so_many_sessions_are_remembered(
    client: anthropic.Anthropic, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anthropic_sessions, "MOST", 1)
    client.beta.sessions.retrieve(SESSION)
    client.beta.sessions.events.send("sesn_2", events=SENT)
    list(client.beta.sessions.events.stream(SESSION))
    assert {event.model for event in recorded()} == {""}
