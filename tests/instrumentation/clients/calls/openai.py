"""Calls of OpenAI's SDK."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any

import openai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.standin import app as standin
from tests.instrumentation.clients.asking import (
    ANSWERING,
    CHAT,
    RESPONSE,
    RESPONSE_USAGE,
    USED,
    headers,
)
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
from tests.instrumentation.clients.calls.stainless import ALL, WHOLE, method
from tests.standins import batches, openai_begun, openai_media
from tests.standins.answering import Answering
from tests.standins.openai_sockets import serving_sockets

KEPT = Answering("openai")
DOCUMENTS = {
    "responses/compact": "response_compaction.json",
    "decisions": "decision.json",
}
CLIENT: dict[str, Any] = {"api_key": "key", "max_retries": 0, "timeout": 5}

SOUND = ("talk.mp3", openai_media.SOUND, "audio/mpeg")
PICTURE = ("coin.png", b"\x89PNG", "image/png")
EMBED = {"model": "text-embedding-3-small", "input": "one"}
EMBED_USAGE = {"prompt_tokens": 8, "total_tokens": 8}
COMPLETE = {"model": "gpt-3.5-turbo-instruct", "prompt": "What does it cost?"}
DECIDE = {
    "model": "gpt-6-luna",
    "input": "It costs nothing.",
    "questions": [{"type": "predicate", "name": "dear", "instructions": "Is it dear?"}],
}
DRAW = {"model": "gpt-image-1.5", "prompt": "A coin"}
HEAR = {"model": "gpt-4o-transcribe", "file": SOUND}
TRANSLATE = {"model": "whisper-1", "file": SOUND, "response_format": "verbose_json"}
SAY = {"model": "tts-1", "voice": "alloy", "input": "Für 5 € mehr"}
EVAL = {"eval_id": "eval_1"}
THREAD = {"thread_id": "thread_1"}
TRAIN = {"model": "gpt-4.1-mini", "training_file": "file_1"}
BATCHED = {
    "completion_window": "24h",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file_1",
}

CHATTED = [Seen("chat", ANSWERING, USED)]
RESPONDED = [Seen("chat", "o4-mini-2025-04-16", USED)]
CANCELLED = [Seen("chat", "o4-mini-2025-04-16", {}, "cancelled")]
STARTED = [Seen("execute_tool", "container", {"container_sessions": 1})]
TRAINED = [Seen("fine_tuning", "gpt-4.1-mini-2025-04-14-training", {"training_tokens": 1_250_000})]
FILMED = [Seen("video_generation", "sora-2-pro", {"output_video_seconds": 8})]
RAN = [Seen("chat", "gpt-4o-2024-08-06", {"input_tokens": 123, "output_tokens": 456})]
EVALUATED = [
    Seen(
        "evaluation",
        "gpt-4.1-mini-2025-04-14",
        {"input_tokens": 3000, "cache_read_tokens": 1024, "output_tokens": 400},
    ),
    Seen(
        "evaluation",
        "o4-mini-2025-04-16",
        {"input_tokens": 5000, "output_tokens": 900},
        calls=0,
    ),
]
COMPACTED = [
    Seen("chat", "o4-mini", {"input_tokens": 139, "output_tokens": 438, "reasoning_tokens": 64})
]
COMPLETED = [
    Seen("text_completion", "gpt-3.5-turbo-instruct", {"input_tokens": 5, "output_tokens": 7})
]
DECIDED = [
    Seen(
        "decision",
        "gpt-6-luna",
        {"input_tokens": 40, "cache_read_tokens": 16, "output_tokens": 2},
    )
]
EMBEDDED = [Seen("embeddings", "text-embedding-3-small", {"input_tokens": 8})]


def drawn(output: int, images: int, **input_tokens: int) -> list[Seen]:
    """Return the event of pictures: tokens written, and those of them that are pictures."""
    usage = {**input_tokens, "output_tokens": output, "output_image_tokens": images}
    return [Seen("image_generation", "gpt-image-1.5", usage)]


DRAWN = drawn(2256, 2112, input_tokens=373, input_image_tokens=323)
DRAWN_IN_STREAM = drawn(1056, 1056, input_tokens=50)
EDITED_IN_STREAM = drawn(1056, 1056, input_tokens=373, input_image_tokens=323)
VARIED = [Seen("image_generation", "dall-e-2", {"images": 2})]


def heard(text: int, audio: int, output: int) -> list[Seen]:
    """Return the event of a transcription of a prompt and audio, in tokens."""
    usage = {"input_tokens": text + audio, "input_audio_tokens": audio, "output_tokens": output}
    return [Seen("transcription", "gpt-4o-transcribe", usage)]


HEARD = heard(20, 14, 45)
HEARD_IN_STREAM = heard(0, 14, 31)
TRANSLATED = [Seen("transcription", "whisper-1", {"input_audio_seconds": 62})]
SAID = [Seen("speech", "tts-1", {"input_characters": 12})]
MODERATED = [Seen("moderation", "omni-moderation-latest", {})]
BATCH = [
    *CHATTED,
    Seen(
        "chat",
        "o4-mini-2025-04-16",
        {"input_tokens": 36, "output_tokens": 87, "reasoning_tokens": 64},
    ),
    *EMBEDDED,
    Seen(
        "image_generation",
        "",
        {"input_tokens": 50, "output_tokens": 1056, "output_image_tokens": 1056},
    ),
    *MODERATED,
]
CHATS = [
    Call("chat.completions.create", CHAT | headers(), CHATTED, ALL),
    Call("chat.completions.parse", CHAT | headers(), CHATTED, (Way.AT_ONCE, Way.RAW)),
    Call("chat.completions.stream", CHAT | headers(), CHATTED, (Way.STREAM,)),
    Call("responses.create", RESPONSE | headers(RESPONSE_USAGE), RESPONDED, ALL),
    Call("responses.parse", RESPONSE | headers(RESPONSE_USAGE), RESPONDED, (Way.AT_ONCE, Way.RAW)),
    Call("responses.stream", RESPONSE | headers(RESPONSE_USAGE), RESPONDED, (Way.STREAM,)),
    Call("embeddings.create", EMBED | headers(EMBED_USAGE), EMBEDDED, WHOLE),
    Call("images.generate", DRAW, DRAWN, ALL, DRAWN_IN_STREAM),
    Call("images.edit", DRAW | {"image": PICTURE}, DRAWN, ALL, EDITED_IN_STREAM),
    Call("audio.transcriptions.create", HEAR, HEARD, ALL, HEARD_IN_STREAM),
    Call("audio.speech.create", SAY, SAID, WHOLE),
    Call("responses.retrieve", {"response_id": "resp_1"}, RESPONDED, ALL),
    Call("responses.cancel", {"response_id": "resp_1"}, CANCELLED, WHOLE),
]
OTHERS = [
    Call("responses.compact", RESPONSE, COMPACTED, WHOLE),
    Call("beta.responses.create", RESPONSE | headers(RESPONSE_USAGE), RESPONDED, ALL),
    Call("beta.responses.compact", RESPONSE, COMPACTED, WHOLE),
    Call("completions.create", COMPLETE, COMPLETED, ALL),
    Call("decisions.create", DECIDE, DECIDED, WHOLE),
    Call("images.create_variation", {"image": PICTURE, "model": "dall-e-2"}, VARIED, WHOLE),
    Call("audio.translations.create", TRANSLATE, TRANSLATED, WHOLE),
    Call("moderations.create", {"input": "one"}, MODERATED, WHOLE),
    Call("files.content", {"file_id": "output"}, BATCH, WHOLE),
    Call("beta.responses.retrieve", {"response_id": "resp_1"}, RESPONDED, ALL),
    Call("beta.responses.cancel", {"response_id": "resp_1"}, CANCELLED, WHOLE),
    Call("containers.create", {"name": "python"}, STARTED, WHOLE),
    Call("fine_tuning.jobs.retrieve", {"fine_tuning_job_id": "ftjob_1"}, TRAINED, WHOLE),
    Call("evals.runs.retrieve", {"run_id": "evalrun_1"} | EVAL, EVALUATED, WHOLE),
    Call("videos.retrieve", {"video_id": "video_1"}, FILMED, WHOLE),
    Call("videos.poll", {"video_id": "video_1"}, FILMED),
    Call("beta.threads.runs.retrieve", {"run_id": "run_1"} | THREAD, RAN, WHOLE),
    Call("beta.threads.runs.poll", {"run_id": "run_1"} | THREAD, RAN),
]
BEGUN = "These begin what is metered once it is over, by the calls above that ask for it"
UNMETERED = {
    FREE: [
        Call("models.list"),
        Call("files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"}),
        Call("batches.create", BATCHED),
        Call("batches.retrieve", {"batch_id": "batch_1"}),
        Call("conversations.create"),
        Call("responses.input_tokens.count", RESPONSE),
        Call("realtime.client_secrets.create"),
    ],
    BILLED: [
        Call(
            "beta.agents.sessions.create", {"agent_id": "agent_1", "environment": {"type": "none"}}
        ),
        Call("vector_stores.create"),
        Call("vector_stores.search", {"vector_store_id": "vs_1", "query": "coin"}),
    ],
    BEGUN: [
        Call(
            "responses.create(background=True)",
            RESPONSE | {"background": True},
            find=attrgetter("responses.create"),
        ),
        Call("fine_tuning.jobs.create", TRAIN),
        Call("evals.runs.create", EVAL | {"data_source": {}}),
        Call("videos.create", {"prompt": "A coin"}),
        Call("videos.remix", {"prompt": "Another", "video_id": "video_1"}),
        Call("beta.threads.runs.create", THREAD | {"assistant_id": "asst_1"}),
    ],
    "**Not metered**, and not tried here, since nothing tells what they use": [
        Call("realtime.translations.connect", ways=()),
        Call("live.create", ways=()),
        Call("realtime.calls.create", ways=()),
    ],
}


NEXT = {"type": "response.create"}


def speaking(name: str, turns: int = 1) -> Callable[[Any], Callable[..., Any]]:
    """Return what finds the events of a session, after messages of the client."""

    def find(client: Any) -> Callable[..., Any]:
        connect = attrgetter(name)(client)

        def events(**asked: Any) -> Iterator[Any]:
            with connect(**asked) as connection:
                for _ in range(turns):
                    connection.send(NEXT)
                yield from connection

        async def events_async(**asked: Any) -> AsyncIterator[Any]:
            async with connect(**asked) as connection:
                for _ in range(turns):
                    await connection.send(NEXT)
                async for event in connection:
                    yield event

        return events_async if isinstance(client, openai.AsyncOpenAI) else events

    return find


def spoken(name: str, asked: Mapping[str, Any], seen: Sequence[Seen], turns: int = 1) -> Call:
    """Return the call that opens a session."""
    return Call(name, asked, seen, (Way.STREAM,), find=speaking(name, turns))


SESSION = {"session_id": "live_sess_1"}
TALKED = [
    Seen(
        "transcription",
        "gpt-4o-mini-transcribe",
        {"input_tokens": 17, "input_audio_tokens": 17, "output_tokens": 9},
    ),
    Seen(
        "chat",
        "gpt-realtime-2025-08-28",
        {
            "input_tokens": 1300,
            "cache_read_tokens": 640,
            "input_audio_tokens": 800,
            "cache_audio_read_tokens": 256,
            "output_tokens": 450,
            "output_audio_tokens": 360,
        },
    ),
    Seen(
        "chat",
        "gpt-realtime-2025-08-28",
        {
            "input_tokens": 1400,
            "input_audio_tokens": 800,
            "output_tokens": 20,
            "output_audio_tokens": 16,
        },
        "cancelled",
    ),
    Seen("chat", "gpt-realtime-2025-08-28", {}, "rate_limited"),
]
LIVED = [*RESPONDED, Seen("chat", "gpt-live-1", {"input_audio_seconds": 90})]
SOCKETS = [
    spoken("realtime.connect", {"model": "gpt-realtime"}, TALKED, turns=2),
    spoken("responses.connect", {}, RESPONDED),
    spoken("beta.responses.connect", {}, RESPONDED),
    spoken("live.connect", {}, LIVED),
    spoken("live.sideband.connect", SESSION, LIVED),
    spoken("live.forks.connect", SESSION, LIVED),
]


@contextmanager
def serving_openai_sockets() -> Iterator[Standin]:
    """Serve what stands in for OpenAI's WebSockets."""
    asked: list[str] = []
    with serving_sockets(asked) as url:
        yield Standin(url, asked)


async def whatever(request: Request) -> Response:
    """Answer what is kept, or nothing."""
    path = request.url.path.removeprefix("/v1/")
    if path == "completions":
        name = "text_completion.json"
        if (await request.json()).get("stream"):
            name = "text_completion_stream.sse"
            return await KEPT.stream(request, name, "text/event-stream", r"\n\n")
        return await KEPT.document(request, name)
    if path in DOCUMENTS:
        return await KEPT.document(request, DOCUMENTS[path])
    return JSONResponse({})


def serving_openai() -> AbstractContextManager[Standin]:
    """Serve all that stands in for OpenAI at one address, and at Azure's paths."""
    provider = standin.Standin()
    parts = (
        openai_begun.create_app(provider.responses),
        standin.create_app(provider),
        openai_media.create_app(),
        batches.create_app(),
    )
    routes = [route for part in parts for route in part.routes]
    app = Starlette(
        routes=[*routes, Route("/{path:path}", whatever, methods=["GET", "POST", "DELETE"])]
    )

    async def at_azure(scope: Any, receive: Any, send: Any) -> None:
        path = re.sub(r"^/openai(/v1|/deployments/[^/]+)?/", "/v1/", scope["path"])
        await app({**scope, "path": path}, receive, send)

    return standing_in(at_azure)


def client(kind: Any) -> Callable[[str], Any]:
    """Return what opens a client of OpenAI."""
    return lambda url: kind(base_url=f"{url}/v1", **CLIENT)


def azure(kind: Any) -> Callable[[str], Any]:
    """Return what opens a client of Azure."""
    return lambda url: kind(azure_endpoint=url, api_version="2024-10-21", **CLIENT)


SDK = Sdk(
    "openai",
    ("openai",),
    [
        Client(
            "`OpenAI`, `AsyncOpenAI`", "openai", serving_openai,
            client(openai.OpenAI), client(openai.AsyncOpenAI),
            [*CHATS, *OTHERS], UNMETERED, method,
        ),
        Client(
            "`OpenAI`, `AsyncOpenAI` over WebSockets", "openai", serving_openai_sockets,
            client(openai.OpenAI), client(openai.AsyncOpenAI), SOCKETS, {}, method,
        ),
        Client(
            "`AzureOpenAI`, `AsyncAzureOpenAI`", "azure.ai.openai", serving_openai,
            azure(openai.AzureOpenAI), azure(openai.AsyncAzureOpenAI),
            CHATS, {FREE: [Call("models.list")]}, method, told=False,
        ),
    ],
)  # fmt: skip
