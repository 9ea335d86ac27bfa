"""Calls of Mistral's SDK."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any

from mistralai.azure.client import MistralAzure
from mistralai.client import Mistral
from mistralai.gcp.client import MistralGCP
from pydantic import BaseModel

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
from tests.standins.mistral import create_app
from tests.standins.mistral_sockets import REALTIME, SPEECH, serving_sockets

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
ANSWERED = [
    Seen("chat", "mistral-small-2603", USED | {"reasoning_tokens": 20}),
]
CONVERSED = [
    Seen("chat", "mistral-medium-2604", {"input_tokens": 7300, "output_tokens": 55}),
    Seen("chat", "web_search", {"web_searches": 1}, calls=0),
]
HEARD = [Seen("transcription", "voxtral-mini-2602", {"input_audio_seconds": 203})]
SAID = [Seen("speech", "voxtral-mini-tts-2603", {"input_characters": 12})]
MODERATED = [Seen("moderation", "mistral-moderation-2603", {})]
CLASSIFIED = [Seen("classification", "ft:classifier:ministral-3b-latest:1:2:3", {})]


def paged(**pages: int) -> list[Seen]:
    """Return the event of pages."""
    return [Seen("ocr", "mistral-ocr-4-1", pages)]


BATCH = [
    *CHATTED,
    *EMBEDDED,
    *paged(input_pages=2),
    *paged(annotated_pages=1),
    *paged(annotated_pages=1),
    *HEARD,
    *CONVERSED,
    *MODERATED,
    *CLASSIFIED,
]
STREAM = (Way.STREAM,)


class Anything(BaseModel):
    """What an answer is to be parsed into."""


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call: one for asyncio has a name of its own, some streams have none."""
    found = attrgetter(call.name + "_async" * asynchronous)(client)
    if call.name == "files.download":
        return read_async(found) if asynchronous else read(found)
    named = "stream" in call.name or way is not Way.STREAM
    return found if named else functools.partial(found, stream=True)


def read(download: Callable[..., Any]) -> Callable[..., Any]:
    """Return what downloads a file and reads it."""
    return lambda **asked: download(**asked).read()


def read_async(download: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same for asyncio."""

    async def read(**asked: Any) -> Any:
        return await (await download(**asked)).aread()

    return read


PARSED = {
    "response_format": Anything,
    "http_headers": {"x-standin-body": "chat_completion_parsed.json"},
}
CONVERSE = {"inputs": "What does it cost?"}
GO_ON = CONVERSE | {"conversation_id": "conv_1"}
RESPOND = {"model": "mistral-small-latest", "input": "What does it cost?"}
DOCUMENT = {"type": "document_url", "document_url": "https://example.com/prices.pdf"}
READ = {"model": "mistral-ocr-latest", "document": DOCUMENT}
HEAR = {
    "model": "voxtral-mini-latest",
    "file": {"file_name": "talk.mp3", "content": b"ID3"},
}
SAY = {"model": "voxtral-mini-tts-2603", "input": "Für 5 € mehr", "voice_id": "voice_592"}
MODERATE = {"model": "mistral-moderation-latest"}
CLASSIFY = {"model": "ft:classifier:ministral-3b-latest:1:2:3"}
BOTH = (Way.AT_ONCE, Way.STREAM)


METERED = [
    Call("chat.complete", CHAT, CHATTED),
    Call("chat.stream", CHAT, CHATTED, STREAM),
    Call("chat.parse", CHAT | PARSED, CHATTED),
    Call("chat.parse_stream", CHAT | {"response_format": Anything}, CHATTED, STREAM),
    Call("agents.complete", AGENT, CHATTED),
    Call("agents.stream", AGENT, CHATTED, STREAM),
    Call("beta.conversations.start", CONVERSE | {"model": "mistral-medium-latest"}, CONVERSED),
    Call("beta.conversations.start_stream", CONVERSE | {"agent_id": "ag_1"}, CONVERSED, STREAM),
    Call("beta.conversations.append", GO_ON, CONVERSED),
    Call("beta.conversations.append_stream", GO_ON, CONVERSED, STREAM),
    Call("beta.conversations.restart", GO_ON | {"from_entry_id": "msg_1"}, CONVERSED),
    Call(
        "beta.conversations.restart_stream", GO_ON | {"from_entry_id": "msg_1"}, CONVERSED, STREAM
    ),
    Call("responses.create", RESPOND, ANSWERED, BOTH),
    Call("fim.complete", FILL_IN, FILLED_IN),
    Call("fim.stream", FILL_IN, FILLED_IN_STREAM, STREAM),
    Call("embeddings.create", EMBED, EMBEDDED),
    Call("ocr.process", READ, paged(input_pages=2)),
    Call("audio.transcriptions.complete", HEAR, HEARD),
    Call("audio.transcriptions.stream", HEAR, HEARD, STREAM),
    Call("audio.speech.complete", SAY, SAID, BOTH),
    Call("classifiers.moderate", MODERATE | {"inputs": ["one"]}, MODERATED),
    Call("classifiers.moderate_chat", MODERATE | {"inputs": [MESSAGES]}, MODERATED),
    Call("classifiers.classify", CLASSIFY | {"inputs": ["one"]}, CLASSIFIED),
    Call("classifiers.classify_chat", CLASSIFY | {"input": [{"messages": MESSAGES}]}, CLASSIFIED),
    Call("files.download", {"file_id": "batch_output"}, BATCH),
    Call("batch.jobs.get", {"job_id": "batch_job_inline", "inline": True}, [*CHATTED, *EMBEDDED]),
]
UNMETERED = {
    FREE: [
        Call("models.list"),
        Call("files.list"),
        Call("batch.jobs.create", {"endpoint": "/v1/chat/completions", "requests": []}),
        Call("responses.count_input_tokens", RESPOND),
        Call("beta.conversations.get_history", {"conversation_id": "conv_1"}),
    ],
}
SOCKETS = [
    Call(
        "audio.realtime.connect",
        {"model": REALTIME},
        [Seen("transcription", REALTIME, {"input_audio_seconds": 203})],
        STREAM,
    ),
    Call(
        "audio.realtime_speech.connect",
        {"model": SPEECH},
        [Seen("speech", SPEECH, {"input_characters": 12})],
        STREAM,
    ),
]


def connected(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return what opens a connection, and has something said where that is to be spoken."""

    async def connect(**asked: Any) -> Any:
        connection = await attrgetter(call.name)(client)(**asked)
        if hasattr(connection, "send_text"):
            await connection.send_text("Für 5 € mehr")
        return connection

    return connect


def serving_mistral() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


@contextmanager
def serving_mistral_sockets() -> Iterator[Standin]:
    """Serve what stands in for Mistral's WebSockets."""
    asked: list[str] = []
    with serving_sockets(asked) as url:
        yield Standin(url, asked)


def opened(url: str) -> Any:
    """Open a client, which is both sync and async."""
    return Mistral(api_key="key", server_url=url, timeout_ms=5000)


def opened_azure(url: str) -> Any:
    """Open a client for Azure."""
    return MistralAzure(api_key="key", server_url=url, timeout_ms=5000)


def opened_gcp(url: str) -> Any:
    """Open a client for Google Cloud."""
    return MistralGCP(project_id="project", access_token="key", server_url=url, timeout_ms=5000)


CHATS = [Call("chat.complete", CHAT, CHATTED), Call("chat.stream", CHAT, CHATTED, STREAM)]
SDK = Sdk(
    "mistralai",
    ("mistralai", "mistralai.azure.client", "mistralai.gcp.client"),
    [
        Client(
            "`Mistral`, its methods and those that end in `_async`", "mistral_ai", serving_mistral,
            opened, opened, METERED, UNMETERED, method,
        ),
        Client(
            "`Mistral` over WebSockets", "mistral_ai", serving_mistral_sockets,
            None, opened, SOCKETS, {}, connected,
        ),
        Client(
            "`MistralAzure`", "azure.ai.inference", serving_mistral, opened_azure, opened_azure,
            [*CHATS, Call("ocr.process", READ, paged(input_pages=2))],
            method=method, told=False,
        ),
        Client(
            "`MistralGCP`", "gcp.vertex_ai", serving_mistral, opened_gcp, opened_gcp,
            [
                *CHATS,
                Call("fim.complete", FILL_IN, FILLED_IN_STREAM),
                Call("fim.stream", FILL_IN, FILLED_IN_STREAM, STREAM),
            ],
            method=method, told=False,
        ),
    ],
)  # fmt: skip
