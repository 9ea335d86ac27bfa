"""Calls of Google's Gen AI SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

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
from tests.standins.google_genai import create_app

ASKED = {"model": "gemini-flash-latest", "contents": "What does it cost?"}
USED = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
ANSWERED = [Seen("generate_content", "gemini-2.5-flash", USED)]
STREAM = (Way.STREAM,)


def chatting(name: str) -> Callable[[Any], Callable[..., Any]]:
    """Return what finds a method of a new chat."""
    return lambda client: getattr(client.chats.create(model="gemini-flash-latest"), name)


def contents(model: str, tokens: int) -> list[Call]:
    """Return the calls of both APIs, with the model and the tokens of embeddings."""
    embed = {"model": model, "contents": ["one", "two"]}
    return [
        Call("models.generate_content", ASKED, ANSWERED),
        Call("models.generate_content_stream", ASKED, ANSWERED, STREAM),
        Call(
            "chats.create(…).send_message", {"message": "one"}, ANSWERED,
            find=chatting("send_message"),
        ),
        Call(
            "chats.create(…).send_message_stream", {"message": "one"}, ANSWERED, STREAM,
            find=chatting("send_message_stream"),
        ),
        Call("models.embed_content", embed, [Seen("embeddings", model, {"input_tokens": tokens})]),
    ]  # fmt: skip


UNMETERED = {
    FREE: [
        Call("models.count_tokens", ASKED),
        Call("models.list"),
        Call("batches.create", {"model": "gemini-2.5-flash", "src": "files/requests"}),
        Call("batches.get", {"name": "batches/1"}),
    ],
    BILLED: [
        Call("caches.create", {"model": "gemini-2.5-flash"}),
        Call("interactions.create", {"model": "gemini-2.5-flash", "input": "one"}),
        Call("files.download", {"file": "files/results"}),
    ],
    UNTRIED: [Call("aio.live.connect", ways=()), Call("aio.live.music.connect", ways=())],
}
UNMETERED_AT_VERTEX = {
    BILLED: [
        Call("models.generate_images", {"model": "imagen-4.0-generate-001", "prompt": "a cent"}),
        Call("models.generate_videos", {"model": "veo-3.1-generate-001", "prompt": "a cent"}),
        Call("tunings.tune", {"base_model": "gemini-2.5-flash", "training_dataset": {}}),
    ]
}


def serving_google() -> AbstractContextManager[Standin]:
    """Serve the stand-in."""
    return standing_in(create_app())


GEMINI: dict[str, Any] = {"api_key": "key"}
VERTEX: dict[str, Any] = {
    "vertexai": True,
    "project": "acme",
    "location": "europe-west1",
    "credentials": Credentials(token="token"),  # type: ignore[no-untyped-call]
}


def opening(options: dict[str, Any]) -> Callable[[str], AbstractContextManager[genai.Client]]:
    """Return what opens a client."""

    @contextmanager
    def opened(url: str) -> Iterator[genai.Client]:
        at = types.HttpOptions(base_url=url, timeout=5000)
        with genai.Client(**options, http_options=at) as client:
            yield client

    return opened


def opening_async(options: dict[str, Any]) -> Callable[[str], Any]:
    """Return what opens the part of a client that is for asyncio."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Any]:
        at = types.HttpOptions(base_url=url, timeout=5000)
        with genai.Client(**options, http_options=at) as client:
            async with client.aio as asynchronous:
                yield asynchronous

    return opened


SDK = Sdk(
    "google-genai",
    ("google.genai",),
    [
        Client(
            "`genai.Client(api_key=…)`, `.aio`", "gcp.gemini", serving_google,
            opening(GEMINI), opening_async(GEMINI),
            contents("gemini-embedding-001", 8), UNMETERED, told=False,
        ),
        Client(
            "`genai.Client(vertexai=True, …)`, `.aio`", "gcp.vertex_ai", serving_google,
            opening(VERTEX), opening_async(VERTEX),
            contents("text-embedding-005", 15), UNMETERED_AT_VERTEX, told=False,
        ),
    ],
)  # fmt: skip
