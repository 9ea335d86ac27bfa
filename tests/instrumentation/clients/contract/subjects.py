"""The SDKs that keep the contract of ``test_calls.py`` and ``test_seams.py``, and how each is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import anthropic
import cohere
import groq
import httpx
import httpx2
import ollama
import openai
from cohere.core.api_error import ApiError
from cohere.core.http_client import AsyncHttpClient, HttpClient
from mistralai.client import Mistral, errors
from mistralai.client.basesdk import BaseSDK

from examples.standin import app as openais
from tests.instrumentation.clients.asking import ANSWERING, CHAT, CHAT_USAGE, USED
from tests.standins import anthropic as claude
from tests.standins import cohere as coherent
from tests.standins import groq as groqs
from tests.standins import mistral as mistrals
from tests.standins import ollama as llama

MESSAGES: list[Any] = [{"role": "user", "content": "What does it cost?"}]
WAIT_SECONDS = 0.25


@dataclass(frozen=True)
class Subject:
    """An SDK under test: what a chat by it is asked for, and what that is to be recorded as.

    Attributes:
        name: what ``instrument`` is told.
        provider: what its calls count for.
        app: makes the stand-in for its provider.
        opened: opens a client of an address that neither tries again nor waits for long, sync or
            async.
        ask: asks a client for a chat with some headers: at once, or for a stream.
        asked: the model asked for.
        answering: the model that answers.
        used: usage of a chat at once.
        streamed: usage of one that streams.
        started: what is known of that after its first event.
        started_model: the model that counts by then.
        refused: what is raised where the provider refuses.
        timed_out: what is raised where it does not answer in time.
        unreachable: what is raised where nobody is there.
        garbled: the status of an answer that is no JSON.
        seams: the methods that are replaced.
        late: imports the SDK's package, and tells whether it is metered.
    """

    name: str
    provider: str
    app: Callable[[], Any]
    opened: Callable[[str], Any]
    opened_async: Callable[[str], Any]
    ask: Callable[..., Any]
    asked: str
    answering: str
    used: Mapping[str, int]
    streamed: Mapping[str, int]
    refused: type[Exception]
    timed_out: type[Exception]
    unreachable: tuple[type[Exception], ...]
    seams: Sequence[tuple[type, str]]
    late: str
    started: Mapping[str, int] = field(default_factory=dict)
    started_model: str = ""
    garbled: str = "ok"

    def __str__(self) -> str:
        return self.name.partition(".")[0]


def opening(kind: Any, **options: Any) -> Callable[[str], Any]:
    """Return what opens a client that takes its address by the name that most give it."""
    return lambda url: kind(base_url=url, api_key="key", timeout=WAIT_SECONDS, **options)


def owners(module: ModuleType, *names: str) -> list[tuple[type, str]]:
    """Return the classes of a Stainless SDK that define ``request``."""
    return [(getattr(module, name).__mro__[1], "request") for name in names]


def ask_anthropic(client: Any, headers: dict[str, str], *, stream: bool, **_: bool) -> Any:
    """Ask for a message."""
    return client.messages.create(
        model="claude-haiku-4-5", max_tokens=1024, messages=MESSAGES, stream=stream,
        extra_headers=headers,
    )  # fmt: skip


STREAMED = {
    "input_tokens": 2381,  # 25 as they come, 1800 read from the cache, 556 written to it
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,
    "cache_write_1h_tokens": 100,
    "output_tokens": 15,
}
ANTHROPIC = Subject(
    name="anthropic",
    provider="anthropic",
    app=claude.create_app,
    opened=opening(anthropic.Anthropic, max_retries=0),
    opened_async=opening(anthropic.AsyncAnthropic, max_retries=0),
    ask=ask_anthropic,
    asked="claude-haiku-4-5",
    answering="claude-haiku-4-5-20251001",
    used={"input_tokens": 2095, "output_tokens": 503},
    streamed=STREAMED,
    started={key: amount for key, amount in STREAMED.items() if key != "output_tokens"},
    started_model="claude-haiku-4-5-20251001",
    refused=anthropic.APIStatusError,
    timed_out=anthropic.APITimeoutError,
    unreachable=(anthropic.APIConnectionError,),
    seams=owners(anthropic, "Anthropic", "AsyncAnthropic"),
    late="import anthropic as sdk; sdk.Anthropic.request.__wrapped__",
)


def ask_cohere(client: Any, headers: dict[str, str], *, stream: bool, **_: bool) -> Any:
    """Ask for a chat."""
    ask = client.chat_stream if stream else client.chat
    options = {"additional_headers": headers, "max_retries": 0}
    return ask(model="command-a-03-2025", messages=MESSAGES, request_options=options)


CACHED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}
COHERE = Subject(
    name="cohere.client",
    provider="cohere",
    app=coherent.create_app,
    opened=opening(cohere.ClientV2),
    opened_async=opening(cohere.AsyncClientV2),
    ask=ask_cohere,
    asked="command-a-03-2025",
    answering="command-a-03-2025",
    used=CACHED,
    streamed=CACHED,
    started_model="command-a-03-2025",
    refused=ApiError,
    timed_out=httpx.TimeoutException,
    unreachable=(httpx.ConnectError,),
    seams=[
        (kind, name) for kind in (HttpClient, AsyncHttpClient) for name in ("request", "stream")
    ],
    late="import cohere; cohere.ClientV2; from cohere.core import http_client as sdk;"
    "sdk.HttpClient.request.__wrapped__",
)


def ask_groq(client: Any, headers: dict[str, str], *, stream: bool, **_: bool) -> Any:
    """Ask for a chat."""
    return client.chat.completions.create(
        model="openai/gpt-oss-20b", messages=MESSAGES, stream=stream, extra_headers=headers
    )


REASONED = {
    "input_tokens": 4641,
    "cache_read_tokens": 4608,
    "output_tokens": 556,
    "reasoning_tokens": 200,
}
GROQ = Subject(
    name="groq",
    provider="groq",
    app=groqs.create_app,
    opened=opening(groq.Groq, max_retries=0),
    opened_async=opening(groq.AsyncGroq, max_retries=0),
    ask=ask_groq,
    asked="openai/gpt-oss-20b",
    answering="openai/gpt-oss-20b",
    used=REASONED,
    streamed=REASONED,
    started_model="openai/gpt-oss-20b",
    refused=groq.APIStatusError,
    timed_out=groq.APITimeoutError,
    unreachable=(groq.APIConnectionError,),
    seams=owners(groq, "Groq", "AsyncGroq"),
    late="import groq as sdk; sdk.Groq.request.__wrapped__",
)


def ask_mistral(client: Any, headers: dict[str, str], *, stream: bool, asynchronous: bool) -> Any:
    """Ask for a chat completion."""
    name = ("stream" if stream else "complete") + "_async" * asynchronous
    ask = getattr(client.chat, name)
    return ask(model="mistral-small-latest", messages=MESSAGES, http_headers=headers)


def open_mistral(url: str) -> Mistral:
    """Open a client, which is both sync and async."""
    return Mistral(api_key="key", server_url=url, timeout_ms=int(1000 * WAIT_SECONDS))


MISTRAL = Subject(
    name="mistralai.client",
    provider="mistral_ai",
    app=mistrals.create_app,
    opened=open_mistral,
    opened_async=open_mistral,
    ask=ask_mistral,
    asked="mistral-small-latest",
    answering="mistral-small-2603",
    used=CACHED,
    streamed=CACHED,
    started_model="mistral-small-2603",
    refused=errors.MistralError,
    timed_out=httpx2.TimeoutException,
    unreachable=(httpx2.ConnectError,),
    seams=[(BaseSDK, "do_request"), (BaseSDK, "do_request_async")],
    late="from mistralai.client import Mistral as sdk; sdk.do_request.__wrapped__",
)


def ask_ollama(client: Any, headers: dict[str, str], *, stream: bool, **_: bool) -> Any:
    """Ask for a chat; the SDK takes headers for a whole client alone."""
    client._client.headers.update(headers)
    return client.chat("llama3.2:latest", messages=MESSAGES, stream=stream)


@contextmanager
def open_ollama(url: str) -> Any:
    """Open a client."""
    client = ollama.Client(url, timeout=WAIT_SECONDS)
    yield client
    client.close()


@asynccontextmanager
async def open_ollama_async(url: str) -> Any:
    """Open a client for asyncio."""
    async with ollama.AsyncClient(url, timeout=WAIT_SECONDS) as client:
        yield client


TALKED = {"input_tokens": 26, "output_tokens": 18}
OLLAMA = Subject(
    name="ollama",
    provider="ollama",
    app=llama.create_app,
    opened=open_ollama,
    opened_async=open_ollama_async,
    ask=ask_ollama,
    asked="llama3.2:latest",
    answering="llama3.2",
    used=TALKED,
    streamed=TALKED,
    started_model="llama3.2",
    refused=ollama.ResponseError,
    timed_out=httpx.TimeoutException,
    unreachable=(ConnectionError, httpx.ConnectError),
    seams=[(ollama.Client, "_request"), (ollama.AsyncClient, "_request")],
    late="import ollama as sdk; sdk.Client._request.__wrapped__",
    garbled="error",
)


def open_openai(kind: Any) -> Callable[[str], Any]:
    """Return what opens a client, whose address has a path."""
    opened = opening(kind, max_retries=0)
    return lambda url: opened(f"{url}/v1")


def ask_openai(client: Any, headers: dict[str, str], *, stream: bool, **_: bool) -> Any:
    """Ask for a chat completion."""
    headers = {**headers, "x-standin-usage": json.dumps(CHAT_USAGE)}
    return client.chat.completions.create(**CHAT, stream=stream, extra_headers=headers)


OPENAI = Subject(
    name="openai",
    provider="openai",
    app=lambda: openais.create_app(openais.Standin()),
    opened=open_openai(openai.OpenAI),
    opened_async=open_openai(openai.AsyncOpenAI),
    ask=ask_openai,
    asked=CHAT["model"],
    answering=ANSWERING,
    used=USED,
    streamed=USED,
    started_model=ANSWERING,
    refused=openai.APIStatusError,
    timed_out=openai.APITimeoutError,
    unreachable=(openai.APIConnectionError,),
    seams=owners(openai, "OpenAI", "AsyncOpenAI"),
    late="import openai as sdk; sdk.OpenAI.request.__wrapped__",
)

SUBJECTS = (ANTHROPIC, COHERE, GROQ, MISTRAL, OLLAMA, OPENAI)
