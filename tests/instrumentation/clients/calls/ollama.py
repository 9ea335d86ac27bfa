"""Calls of Ollama's SDK."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any

import ollama

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import (
    FREE,
    Call,
    Client,
    Sdk,
    Seen,
    Standin,
    Way,
)
from tests.standins.ollama import create_app

USED = {"input_tokens": 26, "output_tokens": 18}
CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": "What does it cost?"}]}
GENERATE = {"model": "llama3.2", "prompt": "What does it cost?"}
DECIDE = {
    "model": "llama3.2",
    "state": "It costs nothing.",
    "questions": {"dear": {"type": "noul", "instructions": "Is it dear?"}},
}
BOTH = (Way.AT_ONCE, Way.STREAM)
EMBEDDER = "nomic-embed-text"


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call."""
    found = attrgetter(call.name)(client)
    return functools.partial(found, stream=True) if way is Way.STREAM else found


METERED = [
    Call("chat", CHAT, [Seen("chat", "llama3.2", USED)], BOTH),
    Call("generate", GENERATE, [Seen("text_completion", "llama3.2", USED)], BOTH),
    Call(
        "embed",
        {"model": EMBEDDER, "input": ["one", "two"]},
        [Seen("embeddings", EMBEDDER, {"input_tokens": 8})],
    ),
    Call("embeddings", {"model": EMBEDDER, "prompt": "one"}, [Seen("embeddings", EMBEDDER, {})]),
    Call("systemone", DECIDE, [Seen("chat", "llama3.2", {"input_tokens": 40, "output_tokens": 2})]),
]
UNMETERED = {
    FREE: [Call("list"), Call("show", {"model": "llama3.2"}), Call("ps")],
    "**Not metered**, and not tried here: part of a subscription to `ollama.com`, which they ask": [
        Call("web_search", ways=()),
        Call("web_fetch", ways=()),
    ],
}


def serving_ollama() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


@contextmanager
def opened(url: str) -> Iterator[ollama.Client]:
    """Open a client."""
    client = ollama.Client(url, timeout=5)
    yield client
    client.close()


def opened_async(url: str) -> ollama.AsyncClient:
    """Open a client for asyncio."""
    return ollama.AsyncClient(url, timeout=5)


SDK = Sdk(
    "ollama",
    ("ollama",),
    [
        Client(
            "`Client`, `AsyncClient`", "ollama", serving_ollama,
            opened, opened_async, METERED, UNMETERED, method, told=False,
        )
    ],
)  # fmt: skip
