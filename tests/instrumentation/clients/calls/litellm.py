"""Calls of litellm, which is imported only where they are made: in an environment of its own."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import Call, Client, Sdk, Seen, Standin, Way
from tests.standins.answering import RESPONSES
from tests.standins.bedrock import EVENT_STREAM, converse_frames

CHAT = {"messages": [{"role": "user", "content": "What does it cost?"}]}
BOTH = (Way.AT_ONCE, Way.STREAM)
CLAUDE = "claude-haiku-4-5-20251001"
GEMINI = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
STREAMED_CLAUDE = {
    "input_tokens": 2381,
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,
    "cache_write_1h_tokens": 100,
    "output_tokens": 15,
}
GPT_5 = {
    "input_tokens": 5320,
    "cache_read_tokens": 4096,
    "cache_write_tokens": 1024,
    "output_tokens": 2048,
    "reasoning_tokens": 1856,
}
BODIES = {
    "/v1/messages": ("anthropic/message.json", "anthropic/message_stream.sse"),
    ":generateContent": ("google_genai/generate_content.json", ""),
    ":streamGenerateContent": ("", "google_genai/generate_content_stream.sse"),
    "/converse": ("bedrock/converse.json", ""),
    "/chat/completions": ("openai/chat_completion.json", "openai/chat_stream.sse"),
    "/completions": ("openai/text_completion.json", ""),
    "/images/generations": ("openai_media/images.json", ""),
    "/audio/transcriptions": ("openai_media/transcription_by_time.json", ""),
    "/audio/speech": ("openai_media/transcription.txt", ""),
    "/v1/embeddings": ("mistral/embeddings.json", ""),
    "/embeddings": ("openai/embeddings.json", ""),
    ":batchEmbedContents": ("google_genai/embeddings.json", ""),
    "/invoke": ("bedrock/titan_embed.json", ""),
    "/responses": ("openai/response_cached_reasoning.json", ""),
    "/rerank": ("cohere/rerank.json", ""),
    "/api/chat": ("ollama/chat.json", "ollama/chat_stream.ndjson"),
}
"""What answers, at once and as a stream, by the ending of a path."""


class Bound:
    """The functions of litellm, bound to an address."""

    def __init__(self, url: str) -> None:
        self._sent = {"api_base": url, "api_key": "key", "num_retries": 0}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(getattr(import_module("litellm"), name), **self._sent)


@contextmanager
def opened(url: str) -> Iterator[Bound]:
    """Return what is to be called."""
    yield Bound(url)


@asynccontextmanager
async def opened_async(url: str) -> AsyncIterator[Bound]:
    """Return the same for asyncio."""
    yield Bound(url)


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the function of a call: one for asyncio has a name of its own."""
    found = getattr(client, "a" * asynchronous + call.name)
    return functools.partial(found, stream=True) if way is Way.STREAM else found


async def answer(request: Request) -> Response:
    """Answer with what is kept."""
    path = request.url.path
    if path.endswith("/converse-stream"):
        lines = (RESPONSES / "bedrock/converse_stream.jsonl").read_bytes()
        return Response(b"".join(converse_frames(lines)), media_type=EVENT_STREAM)
    whole, stream = next(kept for ending, kept in BODIES.items() if path.endswith(ending))
    streams = b'"stream":true' in (await request.body()).replace(b" ", b"")
    name = stream if streams or not whole else whole
    kind = "application/json" if name == whole else "text/event-stream"
    return Response((RESPONSES / name).read_bytes(), media_type=kind)


def serving_all() -> AbstractContextManager[Standin]:
    """Serve the answers of all providers."""
    return standing_in(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])]))


def of(prefix: str, provider: str, *calls: Call, how: str = "") -> Client:
    """Return litellm as the client of one provider."""
    return Client(
        f"`litellm` and its functions that begin with `a`, models `{prefix}…`{how}", provider,
        serving_all, opened, opened_async, calls, method=method,
    )  # fmt: skip


def embedding(model: str, answering: str, tokens: int) -> Call:
    """Return a call for vectors."""
    seen = Seen("embeddings", answering, {"input_tokens": tokens})
    return Call("embedding", {"model": model, "input": ["one"]}, [seen])


def responses(model: str, seen: Seen) -> Call:
    """Return a chat as OpenAI's newer API asks for it, of a provider that has another."""
    return Call("responses", {"model": model, "input": "What does it cost?"}, [seen])


def completion(model: str, whole: Seen, streamed: Seen | None = None) -> Call:
    """Return a chat, with its event at once and as a stream."""
    return Call("completion", CHAT | {"model": model}, [whole], BOTH, [streamed or whole])


HAIKU = (
    Seen("chat", CLAUDE, {"input_tokens": 2095, "output_tokens": 503}),
    Seen("chat", CLAUDE, STREAMED_CLAUDE),
)
GPT = (
    Seen("chat", "gpt-4.1-2025-04-14", {"input_tokens": 19, "output_tokens": 10}),
    Seen(
        "chat",
        "gpt-4o-mini-2024-07-18",
        {"input_tokens": 1117, "cache_read_tokens": 1024, "output_tokens": 46},
    ),
)
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONVERSED = (
    Seen(
        "chat",
        SONNET,
        {
            "input_tokens": 7520,
            "cache_write_tokens": 7502,
            "cache_write_1h_tokens": 7000,
            "output_tokens": 386,
        },
    ),
    Seen("chat", SONNET, {"input_tokens": 7520, "cache_read_tokens": 7502, "output_tokens": 503}),
)
TITAN = "amazon.titan-embed-text-v2:0"
PICTURES = {
    "input_tokens": 373,
    "input_image_tokens": 323,
    "output_tokens": 2256,
    "output_image_tokens": 2112,
}
FLASH = Seen("generate_content", "gemini-2.5-flash", GEMINI)
LLAMA = Seen("chat", "llama3.2", {"input_tokens": 26, "output_tokens": 18})
SDK = Sdk(
    "litellm",
    ("litellm", "openai"),
    [
        of(
            "anthropic/",
            "anthropic",
            completion("anthropic/claude-haiku-4-5", *HAIKU),
            responses("anthropic/claude-haiku-4-5", HAIKU[0]),
        ),
        of(
            "gemini/",
            "gcp.gemini",
            completion("gemini/gemini-2.5-flash", FLASH),
            responses("gemini/gemini-2.5-flash", FLASH),
            embedding("gemini/gemini-embedding-001", "gemini-embedding-001", 8),
        ),
        of(
            "bedrock/amazon.titan-embed",
            "aws.bedrock",
            embedding(f"bedrock/{TITAN}", TITAN, 7),
        ),
        of("mistral/", "mistral_ai", embedding("mistral/mistral-embed", "mistral-embed", 15)),
        of(
            "bedrock/converse/", "aws.bedrock", completion(f"bedrock/converse/{SONNET}", *CONVERSED)
        ),
        of("deepseek/", "deepseek", completion("deepseek/deepseek-chat", *GPT)),
        of("ollama_chat/", "ollama", completion("ollama_chat/llama3.2", LLAMA)),
        of(
            "openai/",
            "openai",
            Call(
                "responses",
                {"model": "openai/gpt-5", "input": "What does it cost?"},
                [Seen("chat", "gpt-5-2025-08-07", GPT_5)],
            ),
            completion("openai/gpt-4o-mini", *GPT),
            Call(
                "embedding",
                {"model": "openai/text-embedding-3-small", "input": ["one"]},
                [Seen("embeddings", "text-embedding-3-small", {"input_tokens": 8})],
            ),
            Call(
                "image_generation",
                {"model": "openai/gpt-image-1", "prompt": "A price tag"},
                [Seen("image_generation", "gpt-image-1", PICTURES)],
            ),
            Call(
                "transcription",
                {"model": "openai/whisper-1", "file": ("price.wav", b"RIFF", "audio/wav")},
                [Seen("transcription", "whisper-1", {"input_audio_seconds": 9})],
            ),
            Call(
                "speech",
                {"model": "openai/tts-1", "input": "Four dollars.", "voice": "alloy"},
                [Seen("speech", "tts-1", {"input_characters": 13})],
            ),
            how=" (all but responses by OpenAI's SDK)",
        ),
        of(
            "text-completion-openai/",
            "openai",
            Call(
                "text_completion",
                {"model": "text-completion-openai/gpt-3.5-turbo-instruct", "prompt": "It costs"},
                [
                    Seen(
                        "text_completion",
                        "gpt-3.5-turbo-instruct",
                        {"input_tokens": 5, "output_tokens": 7},
                    )
                ],
            ),
            how=" (by OpenAI's SDK)",
        ),
        of(
            "cohere/",
            "cohere",
            Call(
                "rerank",
                {"model": "cohere/rerank-v3.5", "query": "price", "documents": ["one", "two"]},
                [Seen("rerank", "rerank-v3.5", {"search_units": 1})],
            ),
        ),
    ],
    beside=("openai",),
)
