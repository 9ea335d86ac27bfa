"""Live sessions over a real WebSocket: each turn of the model is a call."""

from __future__ import annotations

from typing import Any

import pytest

import costmeter
from tests.instrumentation.clients.conftest import Recorded

SPOKEN = {
    "input_tokens": 143,
    "input_audio_tokens": 90,
    "input_image_tokens": 13,  # film
    "output_tokens": 202,
    "output_audio_tokens": 180,
    "reasoning_tokens": 12,
    "web_searches": 1,  # told twice
}
LIVE = "gemini-3.1-flash-live-preview"


async def turn(session: Any) -> list[Any]:
    """Say something, and return what is answered."""
    await session.send_client_content(turns={"parts": [{"text": "What does it cost?"}]})
    return [message async for message in session.receive()]


async def test_each_turn_of_a_live_session_is_a_call_for_who_opened_it(
    talker: Any, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="voice"):
        connection = talker.live.connect(model=LIVE)
        session = await connection.__aenter__()
    assert recorded() == []
    assert len(await turn(session)) == 4
    await turn(session)
    await connection.__aexit__(None, None, None)
    events = recorded()
    assert [(event.operation, event.model, event.usage) for event in events] == [
        ("generate_content", LIVE, SPOKEN)
    ] * 2
    assert {event.attributes["feature"] for event in events} == {"voice"}
    assert {event.provider for event in events} == {"gcp.gemini"}
    assert {(event.identity, event.duration_ns, event.calls) for event in events} == {("", 0, 1)}


async def test_a_live_session_that_says_nothing_costs_nothing(
    talker: Any, recorded: Recorded
) -> None:
    async with talker.live.connect(model=LIVE) as session:
        assert session.session_id == "s-1"
    assert recorded() == []


async def test_a_live_session_that_cannot_be_opened_is_a_call_that_failed(
    talker: Any, recorded: Recorded
) -> None:
    talker._api_client._websocket_base_url = lambda _: "ws://127.0.0.1:1"
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        async with talker.live.connect(model=LIVE):
            pass
    assert [(event.status, event.model) for event in recorded()] == [("connection_error", LIVE)]


async def test_a_callers_own_error_in_a_live_session_is_not_ours(
    talker: Any, recorded: Recorded
) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with talker.live.connect(model=LIVE):
            raise ValueError("mine")
    assert recorded() == []


async def test_a_live_session_goes_on_unmetered_once_metering_stops(
    talker: Any, recorded: Recorded
) -> None:
    async with talker.live.connect(model=LIVE) as session:
        costmeter.uninstrument()
        assert len(await turn(session)) == 4
    assert recorded() == []
