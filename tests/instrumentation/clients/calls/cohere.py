"""Calls of Cohere's SDK."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any

import cohere

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import (
    BILLED,
    FREE,
    Call,
    Client,
    Sdk,
    Seen,
    Standin,
    Way,
)
from tests.standins.cohere import create_app

MODEL = "command-a-03-2025"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What does it cost?"}]}
CHAT_V1 = {"model": MODEL, "message": "What does it cost?"}
EMBED = {"model": "embed-v4.0", "texts": ["one", "two"], "input_type": "search_document"}
EMBED_V2 = EMBED | {"embedding_types": ["float"]}
RERANK = {"model": "rerank-v3.5", "query": "price", "documents": ["one", "two"]}
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}
CHATTED = [Seen("chat", MODEL, USED)]
CHATTED_V1 = [Seen("chat", MODEL, {"input_tokens": 5, "output_tokens": 418})]
RERANKED = [Seen("rerank", "rerank-v3.5", {"search_units": 1})]
WHOLE = (Way.AT_ONCE, Way.RAW)


def embedded(tokens: int) -> list[Seen]:
    """Return the event of embeddings."""
    return [Seen("embeddings", "embed-v4.0", {"input_tokens": tokens})]


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call."""
    return attrgetter(f"with_raw_response.{call.name}" if way is Way.RAW else call.name)(client)


UNMETERED = {
    FREE: [
        Call("tokenize", {"text": "one", "model": MODEL, "offline": False}),
        Call("models.list"),
    ],
    BILLED: [
        Call("classify", {"inputs": ["one"], "model": "embed-v4.0"}),
        Call("generate", {"prompt": "one"}),
        Call("summarize", {"text": "one"}),
        Call("audio.transcriptions.create", {"model": "a", "language": "en", "file": b"ID3"}),
        Call(
            "embed_jobs.create",
            {"model": "embed-v4.0", "dataset_id": "a", "input_type": "search_document"},
        ),
    ],
}


def serving_cohere() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


def opening(kind: Any) -> Callable[[str], Any]:
    """Return what opens a client."""
    return lambda url: kind(base_url=url, api_key="key", timeout=5, max_retries=0)


SDK = Sdk(
    "cohere",
    ("cohere",),
    [
        Client(
            "`ClientV2`, `AsyncClientV2`", "cohere", serving_cohere,
            opening(cohere.ClientV2), opening(cohere.AsyncClientV2),
            [
                Call("chat", CHAT, CHATTED, WHOLE),
                Call("chat_stream", CHAT, CHATTED, (Way.STREAM,)),
                Call("embed", EMBED_V2, embedded(12), WHOLE),
                Call("rerank", RERANK, RERANKED, WHOLE),
            ],
            UNMETERED, method,
        ),
        Client(
            "`Client`, `AsyncClient`", "cohere", serving_cohere,
            opening(cohere.Client), opening(cohere.AsyncClient),
            [
                Call("chat", CHAT_V1, CHATTED_V1, WHOLE),
                Call("chat_stream", CHAT_V1, CHATTED_V1, (Way.STREAM,)),
                Call("embed", EMBED, embedded(2), WHOLE),
                Call("rerank", RERANK, RERANKED, WHOLE),
            ],
            method=method,
        ),
    ],
)  # fmt: skip
