"""Responses that litellm has made in the background count when it is told that they are over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litellm
import pytest

import costmeter
from costmeter.instrumentation.clients import begun
from tests.examples.serving import serving
from tests.instrumentation.clients.asking import USED
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.openai_begun import create_app

MODEL = "o4-mini-2025-04-16"
IDENTITY = "openai/resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b"
ASKED: dict[str, Any] = {"model": "openai/o4-mini", "input": "?", "background": True}
QUEUED: Any = {"extra_headers": {"x-standin-body": "response_queued.json"}}


@pytest.fixture
def at(recorded: Recorded) -> Iterator[dict[str, Any]]:
    """What litellm needs to reach the stand-in, while it is metered."""
    with serving(create_app()) as url:
        costmeter.instrument("litellm", providers={url: "openai"})
        yield {"api_base": f"{url}/v1", "api_key": "k"}
    costmeter.uninstrument()
    begun.forget()


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    return [
        (event.model, event.usage, event.status, event.identity, event.attributes)
        for event in recorded()
    ]


async def test_it_counts_once_for_who_began_it(at: dict[str, Any], recorded: Recorded) -> None:
    with costmeter.attribute(feature="reports"):
        response: Any = litellm.responses(**ASKED, **at)
    litellm.get_responses(response.id, **QUEUED, **at)
    assert recorded() == []
    done = (MODEL, USED, "ok", IDENTITY, {"feature": "reports"})
    litellm.get_responses(response.id, **at)
    assert told(recorded) == [done]
    await litellm.aget_responses(response.id, **at)
    assert told(recorded) == [done]  # which the ledger knows by its identity


async def test_it_may_be_cancelled(at: dict[str, Any], recorded: Recorded) -> None:
    response: Any = await litellm.aresponses(**ASKED, **at)
    assert recorded() == []
    litellm.cancel_responses(response.id, **at)
    assert told(recorded) == [(MODEL, {}, "cancelled", IDENTITY, {})]


def test_a_stream_that_began_it_counts_at_its_end(at: dict[str, Any], recorded: Recorded) -> None:
    assert list(litellm.responses(**ASKED, stream=True, **at))
    assert told(recorded) == [(MODEL, USED, "ok", IDENTITY, {})]
