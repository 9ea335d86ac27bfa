"""The SDKs that are metered, each in front of a provider inside the process that answers at once.

Answers are those of ``tests/responses``. An SDK is imported when its calls are asked for.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

CHUNKS: Final = 100
"""Pieces of text in a stream."""
RESPONSES: Final = Path(__file__).parents[1] / "tests" / "responses"
ASKED: Final[list[Any]] = [{"role": "user", "content": "What does it cost?"}]

Calls = dict[str, Callable[[], object]]
"""Complete calls of one SDK, answers read to their end, by what they are."""


class Sdk(NamedTuple):
    """One SDK.

    Attributes:
        package: the distribution that has it.
        name: what :func:`costmeter.instrument` calls it.
        calls: makes its clients and returns calls of them.
    """

    package: str
    name: str
    calls: Callable[[], Calls]

    @property
    def version(self) -> str:
        return version(self.package)


def openai() -> Calls:
    import openai as sdk

    http = Http("openai", "openai/chat_completion_cached.json", openai_events())
    client = sdk.OpenAI(api_key="k", http_client=http.client)
    async_client = sdk.AsyncOpenAI(api_key="k", http_client=http.async_client)
    asked = {"model": "gpt-4o", "messages": ASKED}
    streamed = {**asked, "stream": True, "stream_options": {"include_usage": True}}
    chats, async_chats = client.chat.completions, async_client.chat.completions
    return {
        "chat": lambda: chats.create(**asked),
        "chat, asyncio": finished(lambda: async_chats.create(**asked)),
        "chat, raw response": lambda: chats.with_raw_response.create(**asked),
        f"stream of {CHUNKS}": lambda: list(chats.create(**streamed)),
        f"stream of {CHUNKS}, asyncio": drained(lambda: async_chats.create(**streamed)),
    }


def anthropic() -> Calls:
    import anthropic as sdk

    http = Http("anthropic", "anthropic/message_cached.json", anthropic_events())
    client = sdk.Anthropic(api_key="k", http_client=http.client)
    async_client = sdk.AsyncAnthropic(api_key="k", http_client=http.async_client)
    asked = {"model": "claude-haiku-4-5", "messages": ASKED, "max_tokens": 500}
    streamed = {**asked, "stream": True}
    messages, async_messages = client.messages, async_client.messages
    return {
        "message": lambda: messages.create(**asked),
        "message, asyncio": finished(lambda: async_messages.create(**asked)),
        f"stream of {CHUNKS}": lambda: list(messages.create(**streamed)),
        f"stream of {CHUNKS}, asyncio": drained(lambda: async_messages.create(**streamed)),
    }


def groq() -> Calls:
    import groq as sdk

    http = Http("groq", "groq/chat_completion.json")
    client = sdk.Groq(api_key="k", http_client=http.client)
    async_client = sdk.AsyncGroq(api_key="k", http_client=http.async_client)
    asked = {"model": "openai/gpt-oss-20b", "messages": ASKED}
    return {
        "chat": lambda: client.chat.completions.create(**asked),
        "chat, asyncio": finished(lambda: async_client.chat.completions.create(**asked)),
    }


def google_genai() -> Calls:
    from google import genai as sdk

    http = Http("google_genai", "google_genai/generate_content.json")
    options = sdk.types.HttpOptions(httpx_client=http.client, httpx_async_client=http.async_client)
    client = sdk.Client(api_key="k", http_options=options)
    asked = {"model": "gemini-2.5-flash", "contents": "What does it cost?"}
    return {
        "content": lambda: client.models.generate_content(**asked),
        "content, asyncio": finished(lambda: client.aio.models.generate_content(**asked)),
    }


def mistralai() -> Calls:
    from mistralai import client as sdk

    http = Http("mistralai", "mistral/chat_completion.json")
    client = sdk.Mistral(api_key="k", client=http.client, async_client=http.async_client)
    asked = {"model": "mistral-small-latest", "messages": ASKED}
    return {
        "chat": lambda: client.chat.complete(**asked),
        "chat, asyncio": finished(lambda: client.chat.complete_async(**asked)),
    }


def cohere() -> Calls:
    import cohere as sdk

    http = Http("cohere", "cohere/v2_chat.json")
    client = sdk.ClientV2("k", httpx_client=http.client)
    async_client = sdk.AsyncClientV2("k", httpx_client=http.async_client)
    asked = {"model": "command-a-03-2025", "messages": ASKED}
    return {
        "chat": lambda: client.chat(**asked),
        "chat, asyncio": finished(lambda: async_client.chat(**asked)),
    }


def ollama() -> Calls:
    import ollama as sdk

    http = Http("ollama", "ollama/chat.json")
    client = sdk.Client(transport=http.transport)
    async_client = sdk.AsyncClient(transport=http.async_transport)
    asked = {"model": "llama3.2", "messages": ASKED}
    return {
        "chat": lambda: client.chat(**asked),
        "chat, asyncio": finished(lambda: async_client.chat(**asked)),
    }


def bedrock() -> Calls:
    import boto3
    from botocore.awsrequest import AWSResponse

    body = (RESPONSES / "bedrock/converse.json").read_bytes()
    raw = SimpleNamespace(stream=lambda: iter([body]))
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        aws_access_key_id="k",
        aws_secret_access_key="k",
    )
    client.meta.events.register(
        "before-send.bedrock-runtime",
        lambda request, **_: AWSResponse(
            request.url, 200, {"content-type": "application/json"}, raw
        ),
    )
    asked = {
        "modelId": "eu.amazon.nova-lite-v1:0",
        "messages": [{"role": "user", "content": [{"text": "What does it cost?"}]}],
    }
    return {"converse": lambda: client.converse(**asked)}


SDKS: Final = (
    Sdk("openai", "openai", openai),
    Sdk("anthropic", "anthropic", anthropic),
    Sdk("groq", "groq", groq),
    Sdk("google-genai", "google.genai", google_genai),
    Sdk("mistralai", "mistralai", mistralai),
    Sdk("cohere", "cohere", cohere),
    Sdk("ollama", "ollama", ollama),
    Sdk("boto3", "botocore", bedrock),
)


class Http:
    """The HTTP client below an SDK, sync and async, whose transport answers by itself."""

    _HOMES: Final = {
        "openai": "openai._base_client",
        "anthropic": "anthropic._base_client",
        "groq": "groq._base_client",
        "google_genai": "google.genai._api_client",
        "mistralai": "mistralai.client.httpclient",
        "cohere": "cohere.core.http_client",
        "ollama": "ollama._client",
    }
    """Where an SDK imports httpx, or its successor."""

    def __init__(self, sdk: str, body: str, events: list[bytes] | None = None) -> None:
        home = vars(importlib.import_module(self._HOMES[sdk]))
        httpx = home.get("httpx2") or home["httpx"]
        content = (RESPONSES / body).read_bytes()
        pieces = events or []
        as_json = {"content-type": "application/json"}
        as_events = {"content-type": "text/event-stream"}

        def answer(request: Any) -> Any:
            if pieces and b'"stream":true' in request.content:
                return httpx.Response(200, headers=as_events, content=iter(pieces))
            return httpx.Response(200, headers=as_json, content=content)

        async def async_answer(request: Any) -> Any:
            if pieces and b'"stream":true' in request.content:
                return httpx.Response(200, headers=as_events, content=asynchronous(pieces))
            return httpx.Response(200, headers=as_json, content=content)

        self.transport = httpx.MockTransport(answer)
        self.async_transport = httpx.MockTransport(async_answer)
        self.client = httpx.Client(transport=self.transport)
        self.async_client = httpx.AsyncClient(transport=self.async_transport)


_LOOP: Final = asyncio.new_event_loop()


def finished(call: Callable[[], Coroutine[Any, Any, object]]) -> Callable[[], object]:
    """Return a call that waits for a coroutine."""
    return lambda: _LOOP.run_until_complete(call())


def drained(call: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], object]:
    """Return a call that waits for a stream and reads it to its end."""

    async def drain() -> list[object]:
        return [part async for part in await call()]

    return finished(drain)


async def asynchronous(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def openai_events() -> list[bytes]:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
    }
    choice = {"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}
    usage = json.loads((RESPONSES / "openai/chat_completion_cached.json").read_bytes())["usage"]
    chunk = {**head, "choices": [choice], "usage": None}
    last = {**head, "choices": [], "usage": usage}
    return [b"data: %s\n\n" % data for data in (*encoded([chunk] * CHUNKS + [last]), b"[DONE]")]


def anthropic_events() -> list[bytes]:
    message = json.loads((RESPONSES / "anthropic/message_cached.json").read_bytes())
    text = {"type": "text_delta", "text": "word "}
    told = [
        {"type": "message_start", "message": {**message, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[{"type": "content_block_delta", "index": 0, "delta": text}] * CHUNKS,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 503},
        },
        {"type": "message_stop"},
    ]
    return [
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), data)
        for event, data in zip(told, encoded(told), strict=True)
    ]


def encoded(documents: list[dict[str, Any]]) -> Iterator[bytes]:
    """Return documents as JSON as compact as providers send it."""
    return (json.dumps(document, separators=(",", ":")).encode() for document in documents)
