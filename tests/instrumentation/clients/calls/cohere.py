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
    owner, _, name = call.name.rpartition(".")
    raw = ".".join(filter(None, (owner, "with_raw_response", name)))
    return attrgetter(raw if way is Way.RAW else call.name)(client)


SOUND = ("talk.mp3", b"ID3", "audio/mpeg")
HEAR = {"model": "cohere-transcribe-03-2026", "language": "en", "file": SOUND}
HEARD = [Seen("transcription", "cohere-transcribe-03-2026", {})]
GENERATE = {"model": MODEL, "prompt": "What does it cost?"}
GENERATED = [Seen("text_completion", MODEL, {"input_tokens": 5, "output_tokens": 4})]
UNTOLD = [Seen("text_completion", MODEL, {})]
SUMMARIZE = {"model": MODEL, "text": "one"}
SUMMARIZED = [Seen("text_completion", MODEL, {"input_tokens": 321, "output_tokens": 12})]
CLASSIFY = {"inputs": ["one", "two"], "model": "embed-english-v3.0"}
CLASSIFIED = [Seen("classification", "embed-english-v3.0", {"classifications": 2})]
PARSE = {
    "model": "parse-v5.0",
    "document": {"type": "image_url", "image_url": "https://example.com/prices.png"},
}
PARSED = [Seen("ocr", "parse-v5.0", {"input_pages": 1})]
EMBED_JOB = {"model": "embed-v4.0", "dataset_id": "prices-1", "input_type": "search_document"}
BATCH = {"request": cohere.batches.Batch(name="a", model=MODEL, input_dataset_id="prices-1")}
BATCHED = [Seen("chat", MODEL, {"input_tokens": 1200, "output_tokens": 50})]
JOBS = [
    Call("embed_jobs.get", {"id": "complete"}, embedded(4096), WHOLE),
    Call("batches.retrieve", {"id": "completed"}, BATCHED, WHOLE),
]
HEARING = Call("audio.transcriptions.create", HEAR, HEARD, WHOLE)
UNMETERED = {
    FREE: [
        Call("tokenize", {"text": "one", "model": MODEL, "offline": False}),
        Call("models.list"),
        Call("datasets.list"),
    ],
    "These cost nothing by themselves, but begin what is metered once it is over": [
        Call("embed_jobs.create", EMBED_JOB),
        Call("batches.create", BATCH),
    ],
    BILLED: [
        Call(
            "finetuning.create_finetuned_model",
            {
                "request": {
                    "name": "a",
                    "settings": {"base_model": {"base_type": "BASE_TYPE_CHAT"}, "dataset_id": "a"},
                }
            },
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
                Call("parse", PARSE, PARSED, WHOLE),
                HEARING,
                *JOBS,
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
                Call("generate", GENERATE, GENERATED, WHOLE),
                Call("generate_stream", GENERATE, UNTOLD, (Way.STREAM,)),
                Call("summarize", SUMMARIZE, SUMMARIZED, WHOLE),
                Call("classify", CLASSIFY, CLASSIFIED, WHOLE),
                HEARING,
                *JOBS,
            ],
            method=method,
        ),
    ],
)  # fmt: skip
