"""Sessions of the real SDK over WebSockets, with a server that speaks them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import costmeter
from costmeter.instrumentation.clients import call
from costmeter.instrumentation.clients.openai.session import Session, read_answer
from costmeter.instrumentation.clients.openai.sockets import MODULES
from tests.instrumentation.clients.asking import USED
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.openai_sockets import serving_sockets

# The SDK opens connections in a way that the newest websockets calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")

REALTIME = "gpt-realtime-2025-08-28"
HEARD = ("transcription", "gpt-4o-mini-transcribe",
         {"input_tokens": 17, "input_audio_tokens": 17, "output_tokens": 9}, "ok")  # fmt: skip
SPOKEN = (
    "chat",
    REALTIME,
    {
        "input_tokens": 1300,
        "cache_read_tokens": 640,
        "input_audio_tokens": 800,
        "cache_audio_read_tokens": 256,
        "output_tokens": 450,
        "output_audio_tokens": 360,
    },
    "ok",
)
INTERRUPTED = (
    "chat",
    REALTIME,
    {
        "input_tokens": 1400,
        "input_audio_tokens": 800,
        "output_tokens": 20,
        "output_audio_tokens": 16,
    },
    "cancelled",
)
FAILED = ("chat", REALTIME, {}, "rate_limited")
ANSWERED = ("chat", "o4-mini-2025-04-16", USED, "ok")
LASTED = ("chat", "gpt-live-1", {"input_audio_seconds": 90}, "ok")
NEXT: Any = {"type": "response.create"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving_sockets() as url:
        yield f"{url}/v1"


@pytest.fixture(autouse=True)
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("openai", providers={server: "openai"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="key", base_url=server) as client:
        yield client


@pytest.fixture
async def async_client(server: str) -> Any:
    async with openai.AsyncOpenAI(api_key="key", base_url=server) as client:
        yield client


def asking(body: str = "", fault: str = "") -> dict[str, str]:
    return {"x-standin-body": body} if body else {"x-standin-fault": fault}


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    events = recorded()
    assert {(event.provider, event.calls, event.requests) for event in events} <= {("openai", 1, 1)}
    return [(event.operation, event.model, event.usage, event.status) for event in events]


def until(connection: Any, *types: str) -> None:
    """Receive until an event of each type has come, in that order."""
    for wanted in types:
        while connection.recv().type != wanted:
            pass


async def until_async(connection: Any, *types: str) -> None:
    """Do the same by asyncio."""
    for wanted in types:
        while (await connection.recv()).type != wanted:
            pass


def test_each_answer_of_a_realtime_session_is_a_call(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        until(connection, "session.created")
        connection.send(NEXT)
        until(connection, "response.done")
        events = recorded()
        connection.send(NEXT)
        until(connection, "response.done", "response.done")
    assert [(each.operation, each.model, each.usage, each.status) for each in events] == [
        HEARD,
        SPOKEN,
    ]
    assert 0 < events[1].first_chunk_ns <= events[1].duration_ns
    assert told(recorded) == [INTERRUPTED, FAILED]


async def test_by_asyncio_too(async_client: openai.AsyncOpenAI, recorded: Recorded) -> None:
    async with async_client.realtime.connect(model="gpt-realtime") as connection:
        await until_async(connection, "session.created")
        await connection.send(NEXT)
        await until_async(connection, "response.done")
        assert told(recorded) == [HEARD, SPOKEN]
    opened = await async_client.responses.connect().enter()
    await opened.response.create(model="o4-mini", input="What does it cost?")
    await until_async(opened, "response.completed")
    await opened.close()
    assert told(recorded) == [ANSWERED]


def test_an_answer_costs_what_its_tokens_cost_by_kind(
    client: openai.OpenAI, recorded: Recorded, tmp_path: Path
) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.send(NEXT)
        until(connection, "response.done")
    # gpt-realtime: 116 text at 4,000 nano-dollars, 544 audio at 32,000, 384 text and 256 audio from
    # the cache at 400, 90 text at 16,000, 360 audio at 64,000; gpt-4o-mini-transcribe: 17 audio at
    # 3,000, 9 text at 5,000.
    spoken = 464_000 + 17_408_000 + 153_600 + 102_400 + 1_440_000 + 23_040_000
    assert spent(tmp_path / "ledger.db", recorded()) == spoken + 51_000 + 45_000


def test_a_session_that_only_transcribes_counts_the_time_of_its_audio(
    client: openai.OpenAI, recorded: Recorded, tmp_path: Path
) -> None:
    headers = asking("realtime_transcription.jsonl")
    with client.realtime.connect(
        extra_query={"intent": "transcription"}, extra_headers=headers
    ) as connection:
        connection.send(NEXT)
        for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                break
    events = recorded()
    assert [(each.operation, each.model, each.usage) for each in events] == [
        ("transcription", "gpt-live-transcribe", {"input_audio_seconds": 4})
    ]
    # $1.02 an hour, which is 1,020,000,000 nano-dollars in 3,600 seconds.
    assert spent(tmp_path / "ledger.db", events) == 1_133_333


@pytest.mark.parametrize("beta", [False, True])
def test_each_answer_over_a_socket_of_responses_is_a_call(
    client: openai.OpenAI, recorded: Recorded, beta: bool
) -> None:
    responses = client.beta.responses if beta else client.responses
    with costmeter.attribute(feature="answers"), responses.connect() as connection:
        connection.send({"type": "response.create", "model": "o4-mini", "input": "What?"})
        until(connection, "response.completed")
    (event,) = recorded()
    assert (event.operation, event.model, event.usage, event.status) == ANSWERED
    assert event.attributes == {"feature": "answers"}
    assert event.first_chunk_ns > 0


def test_events_that_are_received_as_bytes_or_by_handlers_count_too(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.responses.connect() as connection:
        connection.send(NEXT)
        while b"response.completed" not in connection.recv_bytes():
            pass
    assert told(recorded) == [ANSWERED]
    connection = client.responses.connect().on("response.completed", lambda _: connection.close())
    connection = connection.enter()
    connection.send(NEXT)
    with suppress(ConnectionClosed):
        connection.dispatch_events()
    assert told(recorded) == [ANSWERED]


def test_a_live_session_counts_its_length_once_and_what_it_delegated(
    client: openai.OpenAI, recorded: Recorded, tmp_path: Path
) -> None:
    with client.live.connect() as connection:
        connection.send({"type": "session.close"})
        until(connection, "session.closed")
    events = recorded()
    with client.live.sideband.connect(session_id="live_sess_1") as connection:
        connection.send({"type": "session.close"})
        until(connection, "session.closed")
    again = recorded()
    for each in (events, again):
        assert [(event.operation, event.model, event.usage, event.status) for event in each] == [
            ANSWERED,
            LASTED,
        ]
    assert events[1].identity == again[1].identity == "openai/live_sess_1"
    # o4-mini as in the background; 90 seconds at $0.05 a minute.
    answered = 193_600 + 281_600 + 220_000
    assert spent(tmp_path / "ledger.db", [*events, *again]) == answered + 75_000_000


def test_a_live_session_that_is_cut_counts_as_far_as_it_was_told(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.live.connect() as connection:
        connection.send({"type": "session.update"})
        until(connection, "response.event", "session.usage.updated")
    assert told(recorded) == [ANSWERED, ("chat", "gpt-live-1", {"input_audio_seconds": 62}, "ok")]
    with client.live.sideband.connect(session_id="live_sess_1") as connection:
        connection.send({"type": "session.update"})
        until(connection, "response.event", "session.usage.updated")
    assert told(recorded) == [ANSWERED]  # the session goes on without the one who looked on


def test_an_answer_under_way_as_the_connection_ends_is_a_call_of_which_nobody_tells(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.send(NEXT)
        until(connection, "response.created")
    assert told(recorded) == [("chat", REALTIME, {}, "cancelled")]
    lost = [
        {"type": "response.created", "response": {"id": "resp_9"}},
        {"type": "response.created", "response": {"id": "resp_10"}},
    ]
    session = Session(call.Call("chat", "openai", REALTIME), shared=False)
    for message in lost:
        session.take(json.dumps(message).encode())
    session.failed(TimeoutError())
    assert told(recorded) == []
    session.failed(ConnectionClosed(None, None))
    assert told(recorded) == [("chat", REALTIME, {}, "incomplete")] * 2


def test_what_is_under_way_is_cancelled_by_who_closes_also_where_another_thread_receives(
    client: openai.OpenAI, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        kind: Any = type(connection)
    close = kind.close

    def lost(**_: Any) -> bytes:
        raise ConnectionClosed(None, None)

    def closed_while_receiving(connection: Any) -> None:
        close(connection)
        monkeypatch.setattr(connection._connection, "recv", lost)
        with pytest.raises(ConnectionClosed):
            connection.recv()

    monkeypatch.setattr(kind, "close", closed_while_receiving)
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.send(NEXT)
        until(connection, "response.created")
    assert told(recorded) == [("chat", REALTIME, {}, "cancelled")]


def test_a_server_that_hangs_up_costs_what_had_come_by_then(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.send(NEXT)
        until(connection, "response.done")
        connection.send({"type": "drop"})
        with pytest.raises(ConnectionClosed):
            connection.recv()
    assert told(recorded) == [HEARD, SPOKEN]


def test_a_connection_that_is_refused_is_a_call_that_failed(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with pytest.raises(InvalidStatus):
        client.realtime.connect(model="gpt-realtime", extra_headers=asking(fault="429")).enter()
    assert told(recorded) == [("chat", "gpt-realtime", {}, "rate_limited")]


def test_the_gate_is_asked_before_a_connection_is_opened(
    client: openai.OpenAI, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reserving:
        def admit(self, call: call.Call, *_: object, **__: object) -> None:
            call.reservation = "set-aside"

    class Closed:
        def admit(self, *_: object, **__: object) -> None:
            raise PermissionError("no more today")

    monkeypatch.setattr(call, "gate", Reserving())
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.send(NEXT)
        until(connection, "response.done")
    assert [event.reservation for event in recorded()] == ["", "set-aside"]
    monkeypatch.setattr(call, "gate", Closed())
    with pytest.raises(PermissionError), client.realtime.connect(model="gpt-realtime"):
        pass
    assert recorded() == []


def test_the_classes_are_theirs_again_without_metering(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    manager = type(client.realtime.connect(model="gpt-realtime"))
    metered = manager.__enter__
    with client.realtime.connect(model="gpt-realtime") as connection:
        costmeter.uninstrument()
        assert manager.__enter__ is not metered
        connection.send(NEXT)
        until(connection, "response.done")
    assert recorded() == []


def test_nothing_is_imported_for_the_sake_of_sockets() -> None:
    program = f"""
import sys, openai, costmeter
before = set(sys.modules)
costmeter.instrument("openai")
assert not any("websockets" in name for name in sys.modules)
assert not {set(MODULES)!r} & (set(sys.modules) - before)
client = openai.OpenAI(api_key="key")
assert type(client.realtime.connect(model="m")).enter.__module__ == "openai.resources.realtime.realtime"
assert hasattr(type(client.realtime.connect(model="m")).enter, "__wrapped__")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "response",
    [{}, {"usage": 3}, {"usage": {"input_token_details": []}}, {"status": "failed"}],
)
def test_an_answer_that_tells_nothing_is_read_all_the_same(response: dict[str, Any]) -> None:
    assert read_answer(response).usage in (None, {})
