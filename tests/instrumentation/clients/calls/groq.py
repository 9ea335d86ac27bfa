"""Calls of Groq's SDK."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import groq

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import BILLED, FREE, Call, Client, Sdk, Seen, Standin
from tests.instrumentation.clients.calls.stainless import ALL, WHOLE, method
from tests.standins.groq import create_app

MODEL = "openai/gpt-oss-20b"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What does it cost?"}]}
CHATTED = [
    Seen(
        "chat",
        MODEL,
        {
            "input_tokens": 4641,
            "cache_read_tokens": 4608,
            "output_tokens": 556,
            "reasoning_tokens": 200,
        },
    )
]
EMBED = {"model": "nomic-embed-text-v1_5", "input": "one"}
EMBEDDED = [Seen("embeddings", "nomic-embed-text-v1_5", {"input_tokens": 12})]
SOUND = ("talk.mp3", b"ID3", "audio/mpeg")
UNMETERED = {
    FREE: [
        Call("models.list"),
        Call("files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"}),
    ],
    BILLED: [
        Call("audio.transcriptions.create", {"model": "whisper-large-v3", "file": SOUND}),
        Call("audio.translations.create", {"model": "whisper-large-v3", "file": SOUND}),
        Call("audio.speech.create", {"model": "orpheus", "input": "one", "voice": "tara"}),
        Call("files.content", {"file_id": "output"}),
    ],
}


def serving_groq() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


def opening(kind: Any) -> Callable[[str], Any]:
    """Return what opens a client."""
    return lambda url: kind(api_key="key", base_url=url, max_retries=0, timeout=5)


SDK = Sdk(
    "groq",
    ("groq",),
    [
        Client(
            "`Groq`, `AsyncGroq`", "groq", serving_groq,
            opening(groq.Groq), opening(groq.AsyncGroq),
            [
                Call("chat.completions.create", CHAT, CHATTED, ALL),
                Call("embeddings.create", EMBED, EMBEDDED, WHOLE),
            ],
            UNMETERED, method,
        )
    ],
)  # fmt: skip
