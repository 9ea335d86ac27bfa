"""Calls of Groq's SDK."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import groq

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import FREE, Call, Client, Sdk, Seen, Standin
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
HEAR = {"model": "whisper-large-v3", "file": SOUND, "response_format": "verbose_json"}
SAY = {"model": "canopylabs/orpheus-v1-english", "input": "Für 5 € mehr", "voice": "tara"}
SAID = [Seen("speech", "canopylabs/orpheus-v1-english", {"input_characters": 12})]


def heard(seconds: int, model: str = "whisper-large-v3") -> list[Seen]:
    """Return the event of a transcription or a translation."""
    return [Seen("transcription", model, {"input_audio_seconds": seconds})]


BATCH = [
    *CHATTED,
    Seen("chat", "openai/gpt-oss-120b", {"input_tokens": 3000, "output_tokens": 400}),
    Seen(
        "chat",
        "meta-llama/llama-4-scout-17b-16e-instruct",
        {"input_tokens": 150, "output_tokens": 20},
        calls=0,
    ),
    *heard(204, ""),
    Seen("chat", "", {}, "rate_limited"),
]
UNMETERED = {
    FREE: [
        Call("models.list"),
        Call("files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"}),
        Call("batches.retrieve", {"batch_id": "batch_1"}),
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
                Call("audio.transcriptions.create", HEAR, heard(204), WHOLE),
                Call("audio.translations.create", HEAR, heard(61), WHOLE),
                Call("audio.speech.create", SAY, SAID, WHOLE),
                Call("files.content", {"file_id": "batch_output"}, BATCH, WHOLE),
            ],
            UNMETERED, method,
        )
    ],
)  # fmt: skip
