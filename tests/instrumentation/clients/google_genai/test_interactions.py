"""Interactions: at once, as a stream, in the background."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import httpx2
import pytest
from google import genai

import costmeter
from costmeter.instrumentation.clients import Settings, call
from costmeter.instrumentation.clients.google_genai.interactions import Interactions
from costmeter.instrumentation.clients.reading import NO_JSON
from tests.instrumentation.clients.conftest import Recorded

ASKED: dict[str, Any] = {"model": "gemini-2.5-flash", "input": "What does it cost?"}
ID = "v1_ChdPU0F4YWFtNkFwS2kxZThQZ05lbXdROBIX"
USED = {
    "input_tokens": 1215,
    "cache_read_tokens": 1024,
    "input_image_tokens": 300,
    "output_tokens": 50,
    "reasoning_tokens": 20,
    "web_searches": 1,  # two searches for one prompt, which is billed once
}
BEGUN = {"x-standin-answer": "interaction_begun.json"}


def cut(**headers: str) -> dict[str, Any]:
    """Return a request for a stream with a fault."""
    return {**ASKED, "stream": True, "extra_headers": headers}


async def test_an_interaction_is_recorded_with_an_identity(
    client: genai.Client, recorded: Recorded
) -> None:
    answer = client.interactions.create(**ASKED)
    await client.aio.interactions.create(**ASKED)
    first, second = recorded()
    assert answer.id == ID
    assert (first.operation, first.provider) == ("generate_content", "gcp.gemini")
    assert (first.model, first.usage, first.status) == ("gemini-2.5-flash", USED, "ok")
    assert (first.service_tier, first.identity) == ("priority", f"gcp.gemini/{ID}")
    assert (second.usage, second.identity) == (first.usage, first.identity)
    await client.aio.aclose()


def test_one_that_is_fetched_again_has_the_same_identity(
    client: genai.Client, recorded: Recorded
) -> None:
    client.interactions.create(**ASKED)
    client.interactions.get(id=ID)
    first, second = recorded()
    assert first.identity == second.identity


async def test_one_in_the_background_counts_when_it_is_over_for_who_asked_for_it(
    client: genai.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="research"):
        client.interactions.create(**ASKED, background=True, extra_headers=BEGUN)
    client.interactions.get(id=ID, extra_headers=BEGUN)
    assert recorded() == []
    await client.aio.interactions.get(id=ID)
    (event,) = recorded()
    assert (event.usage, event.identity) == (USED, f"gcp.gemini/{ID}")
    assert event.attributes == {"feature": "research"}
    await client.aio.aclose()


def test_a_stream_is_recorded_at_its_end(client: genai.Client, recorded: Recorded) -> None:
    stream = client.interactions.create(**ASKED, stream=True)
    assert recorded() == []
    kinds = [event.event_type for event in stream]
    (event,) = recorded()
    assert kinds[-1] == "interaction.completed"
    assert (event.model, event.usage, event.status) == ("gemini-2.5-flash", USED, "ok")
    assert (event.service_tier, event.identity) == ("priority", f"gcp.gemini/{ID}")


async def test_an_async_stream_is_recorded_at_its_end(
    client: genai.Client, recorded: Recorded
) -> None:
    stream = await client.aio.interactions.create(**ASKED, stream=True)
    assert len([event async for event in stream]) == 5
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok")]
    await client.aio.aclose()


def test_a_stream_that_breaks_off_is_counted_with_what_it_had_told(
    client: genai.Client, recorded: Recorded
) -> None:
    stream = client.interactions.create(**cut(**{"x-standin-fault": "truncate"}))
    assert len(list(stream)) == 1
    (event,) = recorded()
    assert (event.status, event.usage, event.identity) == ("incomplete", {}, "")


def test_a_stream_of_one_in_the_background_may_break_off_and_be_fetched(
    client: genai.Client, recorded: Recorded
) -> None:
    list(client.interactions.create(**cut(**{"x-standin-fault": "truncate"}), background=True))
    assert recorded() == []
    list(client.interactions.get(id=ID, stream=True))
    assert [(event.status, event.usage) for event in recorded()] == [("ok", USED)]


def test_an_interaction_that_is_refused_is_a_call_that_failed(
    client: genai.Client, recorded: Recorded
) -> None:
    with pytest.raises(Exception, match="asked for 400"):
        client.interactions.create(**ASKED, extra_headers={"x-standin-fault": "400"})
    assert [(event.status, event.usage) for event in recorded()] == [("bad_request", {})]


def test_raw_answers_are_read_along(client: genai.Client, recorded: Recorded) -> None:
    raw = client.interactions.with_raw_response.create(**ASKED)
    assert raw.parse().id == ID
    with client.interactions.with_streaming_response.create(**ASKED) as answer:
        assert answer.parse().id == ID
    assert [event.usage for event in recorded()] == [USED, USED]


def test_vertex_ais_interactions_are_its_own(vertex: genai.Client, recorded: Recorded) -> None:
    vertex.interactions.create(**ASKED)
    assert [(event.provider, event.usage) for event in recorded()] == [("gcp.vertex_ai", USED)]


def test_an_agent_is_asked_under_its_own_name_and_never_another_model(
    client: genai.Client, recorded: Recorded
) -> None:
    with pytest.raises(Exception, match="asked for 429"):
        client.interactions.create(
            agent="deep-research-pro-preview-12-2025", input="What does it cost?",
            extra_headers={"x-standin-fault": "429"},
        )  # fmt: skip
    (event,) = recorded()
    assert (event.operation, event.model) == ("invoke_agent", "deep-research-pro-preview-12-2025")
    assert event.status == "rate_limited"


def test_the_gate_may_send_a_question_to_another_model(
    client: genai.Client, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cheaper:
        def admit(self, asked: call.Call, _: object, *, switching: bool) -> None:
            assert switching
            asked.instead = asked.model = "gemini-2.5-flash-lite"

    sent: list[bytes] = []
    client.interactions  # noqa: B018 - imports what is metered
    monkeypatch.setattr(call, "gate", Cheaper())
    send = httpx2.Client.send

    def sending(http: Any, request: Any, **named: Any) -> Any:
        sent.append(request.content)
        return send(http, request, **named)

    monkeypatch.setattr(httpx2.Client, "send", sending)
    client.interactions.create(**ASKED)
    assert json.loads(sent[0])["model"] == "gemini-2.5-flash-lite"
    assert json.loads(sent[0])["input"] == ASKED["input"]
    assert len(recorded()) == 1


def test_deleting_and_listing_costs_nothing(client: genai.Client, recorded: Recorded) -> None:
    client.interactions.delete(id=ID)
    assert recorded() == []


@pytest.mark.parametrize(
    ("state", "over", "status"),
    [
        ("in_progress", False, "ok"),
        ("queued", False, "ok"),
        ("completed", True, "ok"),
        ("requires_action", True, "ok"),
        ("incomplete", True, "ok"),
        ("failed", True, "error"),
        ("cancelled", True, "cancelled"),
    ],
)
def test_the_state_tells_how_an_interaction_ended(state: str, over: bool, status: str) -> None:
    told: Any = Interactions(Settings()).read_json(f'{{"id": "a", "status": "{state}"}}'.encode())
    assert (told.over, told.status, told.name) == (over, status, "a")


def test_what_is_no_interaction_is_said_to_be_odd() -> None:
    assert Interactions(Settings()).read_json(b"<html>") == NO_JSON


def test_the_second_client_is_metered_when_it_is_imported_and_not_imported_for_us() -> None:
    program = textwrap.dedent("""
        import sys, costmeter, google.genai
        finders = list(sys.meta_path)
        costmeter.instrument("google.genai")
        assert "google.genai._gaos.basesdk" not in sys.modules
        google.genai.Client(api_key="key").interactions
        sdk = sys.modules["google.genai._gaos.basesdk"]
        assert "costmeter" in sdk.BaseSDK.do_request.__code__.co_filename
        costmeter.uninstrument()
        assert "costmeter" not in sdk.BaseSDK.do_request.__code__.co_filename
        assert sys.meta_path == finders
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
