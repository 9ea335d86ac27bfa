"""Mistral's WebSockets by the real SDK, against a stand-in over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.extra.exceptions import RealtimeSpeechException, RealtimeTranscriptionException
from websockets.asyncio.server import ServerConnection, serve

import costmeter
from costmeter import BudgetExceededError
from costmeter.instrumentation.clients import call
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.mistral_sockets import REALTIME, SPEECH, created, spoken, transcribed


class Standin:
    """A server that speaks as it is asked to, and then closes the connection unless it is to wait."""

    def __init__(self) -> None:
        self.says: list[dict[str, Any]] = []
        self.waits = False
        self.url = ""

    async def __call__(self, connection: ServerConnection) -> None:
        model = connection.request.path.rpartition("model=")[2] if connection.request else ""
        await connection.send(json.dumps(created(model)))
        for message in self.says:
            await connection.send(json.dumps(message))
        if self.waits:
            await connection.wait_closed()


@pytest.fixture
async def standin(recorded: Recorded) -> AsyncIterator[Standin]:
    standin = Standin()
    async with serve(standin, "127.0.0.1", 0) as server:
        standin.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        costmeter.instrument("mistralai", providers={standin.url: "mistral_ai"})
        yield standin
        costmeter.uninstrument()


@pytest.fixture
async def client(standin: Standin) -> AsyncIterator[Mistral]:
    async with Mistral(api_key="key", server_url=standin.url, timeout_ms=5000) as client:
        yield client


async def test_a_transcription_tells_its_seconds_at_its_end(
    client: Mistral, standin: Standin, recorded: Recorded
) -> None:
    standin.says = transcribed()
    with costmeter.attribute(feature="dictation"):
        connection = await client.audio.realtime.connect(model=REALTIME)
    async with connection:
        events = [event async for event in connection]
    assert len(events) == 3
    (event,) = recorded()
    assert (event.operation, event.provider, event.model) == (
        "transcription",
        "mistral_ai",
        REALTIME,
    )
    assert (event.usage, event.status) == ({"input_audio_seconds": 203}, "ok")
    assert event.attributes == {"feature": "dictation"}
    assert 0 < event.first_chunk_ns <= event.duration_ns


async def test_a_stream_of_sound_is_one_connection(
    client: Mistral, standin: Standin, recorded: Recorded
) -> None:
    standin.says = transcribed()

    async def sound() -> AsyncIterator[bytes]:
        yield b"\0\0"

    async for _ in client.audio.realtime.transcribe_stream(sound(), REALTIME):
        pass
    assert [event.usage for event in recorded()] == [{"input_audio_seconds": 203}]


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ([], "incomplete"),
        ([{"type": "error", "error": {"message": "No", "code": 500}}], "server_error"),
    ],
)
async def test_one_that_ends_before_all_was_said_is_no_success(
    client: Mistral, standin: Standin, recorded: Recorded, says: list[Any], status: str
) -> None:
    standin.says = says
    async for _ in await client.audio.realtime.connect(REALTIME):
        pass
    assert [(event.status, event.usage) for event in recorded()] == [(status, {})]


async def test_one_that_the_caller_leaves_is_cancelled(
    client: Mistral, standin: Standin, recorded: Recorded
) -> None:
    standin.says, standin.waits = transcribed()[:1], True
    closed = await client.audio.realtime.connect(REALTIME)
    await closed.close()
    assert [event.status for event in recorded()] == ["cancelled"]
    left = await client.audio.realtime.connect(REALTIME)
    events = left.events()
    await anext(events)
    await anext(events)  # from here on, the SDK closes the connection with its events
    await events.aclose()  # type: ignore[attr-defined]
    assert left.is_closed  # at once, as it is without metering
    assert [event.status for event in recorded()] == ["cancelled"]


async def test_speech_counts_the_characters_that_were_sent_however_much_is_heard(
    client: Mistral, standin: Standin, recorded: Recorded
) -> None:
    standin.says = spoken()
    standin.waits = True
    for text in ("Für 5 € mehr", ""):
        async with await client.audio.realtime_speech.connect(SPEECH) as connection:
            if text:
                await connection.send_text(text[:4])
                await connection.flush(text[4:])
            await connection.flush()
            async for event in connection:
                if event.type == "speech.audio.done":
                    break
    said, silent = recorded()
    assert (said.operation, said.model, said.status) == ("speech", SPEECH, "ok")
    assert (said.usage, silent.usage) == ({"input_characters": 12}, {})


async def test_a_server_that_refuses_or_is_not_there_is_counted_by_its_kind(
    standin: Standin, recorded: Recorded
) -> None:
    async def refuse(connection: ServerConnection, request: object) -> Any:
        return connection.respond(429, "Too many\n")

    async with serve(standin, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Mistral(api_key="key", server_url=f"http://127.0.0.1:{port}") as client:
            with pytest.raises(RealtimeTranscriptionException):
                await client.audio.realtime.connect(REALTIME)
            with pytest.raises(RealtimeSpeechException):
                await client.audio.realtime_speech.connect(SPEECH, server_url="http://127.0.0.1:9")
    assert [(event.status, event.model) for event in recorded()] == [
        ("rate_limited", REALTIME),
        ("connection_error", SPEECH),
    ]


async def test_the_gate_is_asked_before_a_connection_is_opened(
    client: Mistral, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def admit(self, *_: object, **__: object) -> None:
            raise BudgetExceededError("spent")

    monkeypatch.setattr(call, "gate", Closed())
    with pytest.raises(BudgetExceededError):
        await client.audio.realtime.connect(REALTIME)
    assert recorded() == []


async def test_once_metering_stops_connections_are_opened_unmetered(
    client: Mistral, standin: Standin, recorded: Recorded
) -> None:
    costmeter.uninstrument()
    async with await client.audio.realtime.connect(REALTIME) as connection:
        async for _ in connection:
            pass
    await asyncio.sleep(0)
    assert recorded() == []
