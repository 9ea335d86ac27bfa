"""Calls of LangChain's models: one event each, from the SDK below."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

from tests.instrumentation.clients.asking import ANSWERING, CHAT_USAGE, USED, headers
from tests.instrumentation.clients.calls import anthropic, openai
from tests.instrumentation.clients.calls.sdk import Call, Client, Sdk, Seen, Way

QUESTION = {"input": "What does it cost?"}
HEADERS = headers(CHAT_USAGE)["extra_headers"]
WHOLE, STREAMED = anthropic.WHOLE, [Seen("chat", anthropic.HAIKU, anthropic.STREAMED)]
CHATTED = [Seen("chat", ANSWERING, USED)]
TIMEOUTS = itertools.count(5)
"""One for each model: LangChain keeps connections by address and timeout, closed or not."""


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call: one for asyncio has a name of its own."""
    return getattr(client, "a" * asynchronous + call.name)


def calls(whole: list[Seen], streamed: list[Seen]) -> list[Call]:
    """Return the calls of a model."""
    return [
        Call("invoke", QUESTION, whole),
        Call("batch", {"inputs": ["What does it cost?"] * 2}, whole * 2),
        Call("stream", QUESTION, streamed, (Way.STREAM,)),
    ]


@contextmanager
def chat_openai(url: str) -> Iterator[ChatOpenAI]:
    """Open LangChain's model over OpenAI's SDK."""
    model = ChatOpenAI(
        model="gpt-4o-mini",
        api_key="key",
        base_url=f"{url}/v1",
        default_headers=HEADERS,
        timeout=next(TIMEOUTS),
    )
    yield model
    model.root_client.close()


@asynccontextmanager
async def chat_openai_async(url: str) -> AsyncIterator[ChatOpenAI]:
    """Do the same for asyncio."""
    with chat_openai(url) as model:
        yield model
        await model.root_async_client.close()


@contextmanager
def chat_anthropic(url: str) -> Iterator[ChatAnthropic]:
    """Open LangChain's model over Anthropic's SDK."""
    model = ChatAnthropic(
        model="claude-haiku-4-5", api_key="key", base_url=url, timeout=next(TIMEOUTS)
    )
    yield model
    model._client.close()


@asynccontextmanager
async def chat_anthropic_async(url: str) -> AsyncIterator[ChatAnthropic]:
    """Do the same for asyncio."""
    with chat_anthropic(url) as model:
        yield model
        await model._async_client.close()


OPENAI = Sdk(
    "langchain-openai",
    ("openai",),
    [
        Client(
            "`ChatOpenAI`, its methods and those that begin with `a`", "openai",
            openai.serving_openai, chat_openai, chat_openai_async,
            calls(CHATTED, CHATTED), method=method,
        )
    ],
)  # fmt: skip
ANTHROPIC = Sdk(
    "langchain-anthropic",
    ("anthropic",),
    [
        Client(
            "`ChatAnthropic`, its methods and those that begin with `a`", "anthropic",
            anthropic.serving_claude, chat_anthropic, chat_anthropic_async,
            calls(WHOLE, STREAMED), method=method,
        )
    ],
)  # fmt: skip
