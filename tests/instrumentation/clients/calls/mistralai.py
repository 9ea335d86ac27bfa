"""Calls of Mistral's SDK."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any

from mistralai.client import Mistral
from pydantic import BaseModel

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import (
    BILLED,
    FREE,
    UNTRIED,
    Call,
    Client,
    Sdk,
    Seen,
    Standin,
    Way,
)
from tests.standins.mistral import create_app

MESSAGES = [{"role": "user", "content": "What does it cost?"}]
CHAT = {"model": "mistral-small-latest", "messages": MESSAGES}
AGENT = {"agent_id": "ag_1", "messages": MESSAGES}
FILL_IN = {"model": "codestral-latest", "prompt": "def add(a, b):"}
EMBED = {"model": "mistral-embed", "inputs": ["one", "two"]}
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}
CHATTED = [Seen("chat", "mistral-small-2603", USED)]
FILLED_IN = [Seen("text_completion", "codestral-2508", {"input_tokens": 20, "output_tokens": 8})]
FILLED_IN_STREAM = [Seen("text_completion", "mistral-small-2603", USED)]
EMBEDDED = [Seen("embeddings", "mistral-embed", {"input_tokens": 15})]
STREAM = (Way.STREAM,)


class Anything(BaseModel):
    """What an answer is to be parsed into."""


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call: one for asyncio has a name of its own."""
    return attrgetter(call.name + "_async" * asynchronous)(client)


PARSED = {
    "response_format": Anything,
    "http_headers": {"x-standin-body": "chat_completion_parsed.json"},
}
METERED = [
    Call("chat.complete", CHAT, CHATTED),
    Call("chat.stream", CHAT, CHATTED, STREAM),
    Call("chat.parse", CHAT | PARSED, CHATTED),
    Call("chat.parse_stream", CHAT | {"response_format": Anything}, CHATTED, STREAM),
    Call("agents.complete", AGENT, CHATTED),
    Call("agents.stream", AGENT, CHATTED, STREAM),
    Call("fim.complete", FILL_IN, FILLED_IN),
    Call("fim.stream", FILL_IN, FILLED_IN_STREAM, STREAM),
    Call("embeddings.create", EMBED, EMBEDDED),
]
UNMETERED = {
    FREE: [
        Call("models.list"),
        Call("files.list"),
        Call("batch.jobs.get", {"job_id": "job_1"}),
    ],
    BILLED: [
        Call("beta.conversations.start", {"inputs": "one", "model": "mistral-small-latest"}),
        Call("responses.create", {"input": "one", "model": "mistral-small-latest"}),
        Call(
            "ocr.process",
            {"model": "mistral-ocr", "document": {"type": "document_url", "document_url": "a"}},
        ),
        Call("audio.transcriptions.complete", {"model": "voxtral-mini", "file_url": "a"}),
        Call("audio.speech.complete", {"input": "one", "model": "voxtral-tts", "voice_id": "a"}),
        Call("classifiers.moderate", {"model": "mistral-moderation-latest", "inputs": ["one"]}),
        Call("classifiers.classify", {"model": "mistral-small-latest", "inputs": ["one"]}),
    ],
    UNTRIED: [Call("audio.realtime", ways=())],
}


def serving_mistral() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


def opened(url: str) -> Any:
    """Open a client, which is both sync and async."""
    return Mistral(api_key="key", server_url=url, timeout_ms=5000)


SDK = Sdk(
    "mistralai",
    ("mistralai",),
    [
        Client(
            "`Mistral`, its methods and those that end in `_async`", "mistral_ai", serving_mistral,
            opened, opened, METERED, UNMETERED, method,
        )
    ],
)  # fmt: skip
