"""LangChain over metered SDKs: whatever it does on its way, one call is one event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

import costmeter
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.anthropic import create_app

STREAMED = {
    "input_tokens": 2381,
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,
    "cache_write_1h_tokens": 100,
    "output_tokens": 15,
}
QUESTION = "What does it cost?"


@pytest.fixture
async def chat_anthropic(recorded: Recorded) -> AsyncIterator[ChatAnthropic]:
    """LangChain's model over Anthropic's metered SDK."""
    with serving(create_app()) as url:  # one for each test: LangChain keeps connections by address
        costmeter.instrument("anthropic", "openai", providers={url: "anthropic"})
        model = ChatAnthropic(model="claude-haiku-4-5", api_key="key", base_url=url, max_retries=0)
        yield model
        model._client.close()
        await model._async_client.close()
    costmeter.uninstrument()


@pytest.fixture
async def chat_openai(standin: str, metered: None) -> AsyncIterator[ChatOpenAI]:
    """LangChain's model over OpenAI's metered SDK."""
    model = ChatOpenAI(model="gpt-4o-mini", api_key="key", base_url=standin, max_retries=0)
    yield model
    model.root_client.close()
    await model.root_async_client.close()


async def test_chat_anthropic_is_one_event_a_call(
    chat_anthropic: ChatAnthropic, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="chain"):
        answer = chat_anthropic.invoke(QUESTION)
        await chat_anthropic.ainvoke(QUESTION)
    assert answer.usage_metadata["input_tokens"] == 2095
    events = recorded()
    assert [event.usage for event in events] == [{"input_tokens": 2095, "output_tokens": 503}] * 2
    assert [event.attributes for event in events] == [{"feature": "chain"}] * 2


async def test_a_stream_of_chat_anthropic_is_one_event(
    chat_anthropic: ChatAnthropic, recorded: Recorded
) -> None:
    assert "".join(chunk.text for chunk in chat_anthropic.stream(QUESTION)).startswith("What is")
    async for _ in chat_anthropic.astream(QUESTION):
        pass
    assert [(event.usage, event.status) for event in recorded()] == [(STREAMED, "ok")] * 2


async def test_a_batch_of_chat_anthropic_is_one_event_an_input(
    chat_anthropic: ChatAnthropic, recorded: Recorded
) -> None:
    with costmeter.attribute(tenant="acme"):
        chat_anthropic.batch([QUESTION] * 3)
        await chat_anthropic.abatch([QUESTION] * 2)
    assert [event.attributes for event in recorded()] == [{"tenant": "acme"}] * 5


async def test_chat_openai_is_one_event_a_call(chat_openai: ChatOpenAI, recorded: Recorded) -> None:
    chat_openai.invoke(QUESTION)
    await chat_openai.ainvoke(QUESTION)
    list(chat_openai.stream(QUESTION))
    async for _ in chat_openai.astream(QUESTION):
        pass
    events = recorded()
    assert [(event.operation, event.status) for event in events] == [("chat", "ok")] * 4
    assert all(event.usage["input_tokens"] and event.usage["output_tokens"] for event in events)
