"""Calls of Google's Gen AI SDK."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from operator import attrgetter
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


INTERACTED = {
    "input_tokens": 1215,  # 1200 of the prompt and 15 of a tool
    "input_image_tokens": 300,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
    "web_searches": 1,
}
INTERACTION = [Seen("generate_content", "gemini-2.5-flash", INTERACTED)]
IMAGES = {"model": "imagen-4.0-generate-001", "prompt": "a cent"}
PICTURES = [Seen("image_generation", "imagen-4.0-generate-001", {"images": 2})]
PICTURE = types.Image(image_bytes=b"picture", mime_type="image/png")


def filming(model: str) -> Callable[[Any], Callable[..., Any]]:
    """Return what finds the two calls of a film: the one that begins it, and that for its end."""

    def found(client: Any) -> Callable[..., Any]:
        get, generate = client.operations.get, client.models.generate_videos
        asked = {"source": {"prompt": "a cent"}, "config": {"duration_seconds": 6}}
        if inspect.iscoroutinefunction(generate):

            async def film() -> Any:
                return await get(await generate(model=model, **asked))

            return film
        return lambda: get(generate(model=model, **asked))

    return found


def talking(client: Any) -> Callable[..., Any]:
    """Return what talks in a live session, and yields what is answered."""

    async def talk(**asked: Any) -> AsyncIterator[Any]:
        async with client.live.connect(**asked) as session:
            await session.send_client_content(turns={"parts": [{"text": "What does it cost?"}]})
            async for message in session.receive():
                yield message

    return talk


def sessions(model: str) -> list[Call]:
    """Return the call of a live session, of which each turn is an event."""
    spoken = {
        "input_tokens": 143,
        "input_audio_tokens": 90,
        "input_image_tokens": 13,
        "output_tokens": 202,  # 190 of the answer and 12 of thoughts
        "output_audio_tokens": 180,
        "reasoning_tokens": 12,
        "web_searches": 1,
    }
    live = Call(
        "live.connect", {"model": model}, [Seen("generate_content", model, spoken)], STREAM,
        find=talking,
    )  # fmt: skip
    return [live]


ASKED_TO_INTERACT = {"model": "gemini-2.5-flash", "input": "one"}
CHOICE = {"type": "choice", "instructions": "Is it dear?", "criteria": {"yes": "", "no": ""}}
INTERACTIONS = [
    Call("interactions.create", ASKED_TO_INTERACT, INTERACTION),
    Call(
        "interactions.create(stream=True)", {**ASKED_TO_INTERACT, "stream": True}, INTERACTION,
        STREAM, find=attrgetter("interactions.create"),
    ),
    Call("interactions.get", {"id": "v1_one"}, INTERACTION),
]  # fmt: skip
OF_GEMINI = [
    *INTERACTIONS,
    Call(
        "decisions.create",
        {"model": "gemini-2.5-flash", "input": "one", "questions": {"dear": CHOICE}},
        [Seen("decision", "gemini-2.5-flash", {"input_tokens": 240, "output_tokens": 3})],
    ),
    Call(
        "voices.create", {"voice": {"type": "prompted"}, "store": True},
        [Seen("voice", "gemini-3.8-flash-tts", {
            "input_tokens": 30, "output_tokens": 250, "output_audio_tokens": 250,
        })],
    ),
    Call(
        "caches.create", {"model": "gemini-2.5-flash"},
        [Seen("cache", "gemini-2.5-flash-cache-storage", {"cached_token_seconds": 43130 * 3600})],
    ),
    Call(
        "batches.get", {"name": "batches/1"},
        [
            Seen("generate_content", "gemini-2.5-flash", USED),
            Seen("generate_content", "gemini-2.5-flash", {}, "bad_request"),
        ],
    ),
    Call(
        "files.download", {"file": "files/results"},
        [
            Seen("generate_content", "gemini-2.5-flash", USED),
            Seen("generate_content", "gemini-2.5-pro", {"input_tokens": 40, "output_tokens": 2}),
            Seen("generate_content", "", {}, "rate_limited"),
        ],
    ),
]  # fmt: skip
OF_VERTEX = [
    *INTERACTIONS,
    Call("models.generate_images", IMAGES, PICTURES),
    Call(
        "models.edit_image",
        {
            "model": "imagen-3.0-capability-001",
            "prompt": "a cent",
            "reference_images": [types.RawReferenceImage(reference_id=1, reference_image=PICTURE)],
        },
        [Seen("image_generation", "imagen-3.0-capability-001", {"images": 2})],
    ),
    Call(
        "models.upscale_image",
        {"model": "imagen-4.0-upscale-preview", "image": PICTURE, "upscale_factor": "x2"},
        [Seen("image_generation", "imagen-4.0-upscale-preview", {"images": 2})],
    ),
    Call(
        "models.generate_videos", {},
        [Seen("video_generation", "veo-3.1-generate-001", {"output_video_seconds": 12})],
        find=filming("veo-3.1-generate-001"),
    ),
    Call(
        "tunings.get", {"name": "projects/acme/locations/europe-west1/tuningJobs/42"},
        [Seen("fine_tuning", "gemini-2.5-flash-training", {"training_tokens": 900_000})],
    ),
]  # fmt: skip
UNMETERED = {
    FREE: [
        Call("models.count_tokens", ASKED),
        Call("models.list"),
        Call("batches.create", {"model": "gemini-2.5-flash", "src": "files/requests"}),
    ],
    BILLED: [Call("file_search_stores.create")],
}
UNMETERED_LIVE = {UNTRIED: [Call("live.music.connect", ways=())]}
UNMETERED_AT_VERTEX = {
    FREE: [
        Call("tunings.tune", {
            "base_model": "gemini-2.5-flash", "training_dataset": {"gcs_uri": "gs://texts/train"},
        }),
    ],
    BILLED: [
        Call("batches.create", {
            "model": "gemini-2.5-flash", "src": "gs://asked.jsonl",
            "config": {"dest": "gs://answered"},
        }),
    ],
}  # fmt: skip


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
                api: Any = asynchronous._api_client
                # Live sessions are encrypted, but for this.
                api._websocket_base_url = lambda _: url.replace("http", "ws")
                api._websocket_ssl_ctx = {}
                yield asynchronous

    return opened


SDK = Sdk(
    "google-genai",
    ("google.genai",),
    [
        Client(
            "`genai.Client(api_key=…)`, `.aio`", "gcp.gemini", serving_google,
            opening(GEMINI), opening_async(GEMINI),
            [*contents("gemini-embedding-001", 8), *OF_GEMINI], UNMETERED, told=False,
        ),
        Client(
            "`genai.Client(api_key=…).aio`", "gcp.gemini", serving_google,
            None, opening_async(GEMINI), sessions("gemini-3.1-flash-live-preview"),
            UNMETERED_LIVE, told=False,
        ),
        Client(
            "`genai.Client(vertexai=True, …)`, `.aio`", "gcp.vertex_ai", serving_google,
            opening(VERTEX), opening_async(VERTEX),
            [*contents("text-embedding-005", 15), *OF_VERTEX], UNMETERED_AT_VERTEX, told=False,
        ),
        Client(
            "`genai.Client(vertexai=True, …).aio`", "gcp.vertex_ai", serving_google,
            None, opening_async(VERTEX), sessions("gemini-live-2.5-flash"), told=False,
        ),
    ],
)  # fmt: skip
