"""litellm over OpenAI's SDK, or beside it: a call is one event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litellm
import openai
import pytest

import costmeter
from tests.instrumentation.clients.conftest import Recorded
from tests.litellm.conftest import Provider
from tests.litellm.test_litellm import ASKED, Named

USAGE = '{"prompt_tokens": 1200, "completion_tokens": 50, "total_tokens": 1250}'
USED = {"input_tokens": 1200, "output_tokens": 50}
SAID: Any = {"messages": ASKED, "extra_headers": {"x-standin-usage": USAGE}}


@pytest.fixture
def metered(standin: str, recorded: Recorded) -> Iterator[Any]:
    """Both are metered; what litellm needs to reach the stand-in by OpenAI's SDK."""
    costmeter.instrument(providers={standin: "openai"})
    yield {"api_base": standin, "api_key": "k"}
    costmeter.uninstrument()


def test_a_chat_over_openais_sdk_is_one_event(metered: Any, recorded: Recorded) -> None:
    litellm.completion(model="openai/gpt-4o-mini", **SAID, **metered)
    [event] = recorded()
    assert (event.provider, event.model) == ("openai", "gpt-4o-mini-2024-07-18")
    assert event.usage == USED


async def test_a_chat_by_asyncio_over_openais_sdk_is_one_event(
    metered: Any, recorded: Recorded
) -> None:
    await litellm.acompletion(model="openai/gpt-4o-mini", **SAID, **metered)
    assert [event.usage for event in recorded()] == [USED]


async def test_a_stream_over_openais_sdk_is_one_event(metered: Any, recorded: Recorded) -> None:
    asked: Any = {"model": "openai/gpt-4o-mini", "stream": True}
    assert list(litellm.completion(**asked, **SAID, **metered))
    assert [part async for part in await litellm.acompletion(**asked, **SAID, **metered)]
    assert [event.usage for event in recorded()] == [USED, USED]


def test_embeddings_over_openais_sdk_are_one_event(metered: Any, recorded: Recorded) -> None:
    litellm.embedding(model="openai/text-embedding-3-small", input=["word"], **metered)
    [event] = recorded()
    assert event.operation == "embeddings"


def test_openais_sdk_beside_litellm_is_an_event_of_its_own(
    standin: str, metered: Any, recorded: Recorded
) -> None:
    with openai.OpenAI(api_key="k", base_url=standin) as client:
        client.chat.completions.create(model="gpt-4o-mini", **SAID)
    assert [event.usage for event in recorded()] == [USED]


def test_a_model_that_litellm_cannot_be_metered_for_is_told_of(
    provider: Named, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    at: Provider = provider("")
    at.server.answer(b'[{"generated_text": "It costs."}]')
    with pytest.raises(Exception, match=r"\w"):
        litellm.completion(model="cohere_chat/command-r", messages=ASKED, **at.sent())
    assert recorded() == []
    assert "are not metered" in caplog.text
