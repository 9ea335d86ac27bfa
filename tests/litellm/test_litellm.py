"""What litellm calls by itself is metered at its HTTP handlers, from the provider's own answer."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

import litellm
import pytest
from litellm.litellm_core_utils import exception_mapping_utils
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler

import costmeter
from costmeter.instrumentation.clients.litellm.client import LiteLLM
from tests.instrumentation.clients.conftest import Recorded
from tests.litellm.conftest import RESPONSES, Provider
from tests.standins.bedrock import chunk_frames, converse_frames

Named = Callable[[str], Provider]
ASKED: Any = [{"role": "user", "content": "What does it cost?"}]
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
GEMINI = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
CHATS: list[Any] = [
    # asked of litellm, provider, what answers, model, service tier, usage
    (
        "anthropic/claude-haiku-4-5",
        "anthropic",
        "anthropic/message_cached.json",
        "claude-haiku-4-5-20251001",
        "priority",
        {
            "input_tokens": 2406,
            "cache_read_tokens": 1800,
            "cache_write_tokens": 556,
            "cache_write_1h_tokens": 100,
            "output_tokens": 503,
        },
    ),
    (
        "gemini/gemini-2.5-flash",
        "gcp.gemini",
        "google_genai/generate_content.json",
        "gemini-2.5-flash",
        "",
        GEMINI,
    ),
    (
        f"bedrock/converse/{CLAUDE}",
        "aws.bedrock",
        "bedrock/converse.json",
        CLAUDE,
        "flex",
        {
            "input_tokens": 7520,
            "cache_write_tokens": 7502,
            "cache_write_1h_tokens": 7000,
            "output_tokens": 386,
        },
    ),
    (
        f"bedrock/invoke/{CLAUDE}",
        "aws.bedrock",
        "bedrock/claude.json",
        CLAUDE,
        "",
        {
            "input_tokens": 2510,
            "cache_read_tokens": 2000,
            "cache_write_tokens": 500,
            "cache_write_1h_tokens": 400,
            "output_tokens": 25,
        },
    ),
    (
        "mistral/mistral-large-latest",
        "mistral_ai",
        "mistral/chat_completion_priority.json",
        "mistral-large-2512",
        "priority",
        {"input_tokens": 7, "output_tokens": 3},
    ),
    (
        "deepseek/deepseek-chat",
        "deepseek",
        "deepseek/chat_completion.json",
        "deepseek-chat",
        "",
        {"input_tokens": 1040, "cache_read_tokens": 1024, "output_tokens": 10},
    ),
    (
        "ollama_chat/llama3.2",
        "",
        "ollama/chat.json",
        "llama3.2",
        "",
        {"input_tokens": 26, "output_tokens": 18},
    ),
]
STREAMS: list[Any] = [
    (
        "anthropic/claude-haiku-4-5",
        "anthropic",
        "anthropic/message_stream.sse",
        {
            "input_tokens": 2381,
            "cache_read_tokens": 1800,
            "cache_write_tokens": 556,
            "cache_write_1h_tokens": 100,
            "output_tokens": 15,
        },
    ),
    (
        "gemini/gemini-2.5-flash",
        "gcp.gemini",
        "google_genai/generate_content_stream.sse",
        GEMINI,
    ),
    (
        "deepseek/deepseek-chat",
        "deepseek",
        "openai/chat_stream.sse",
        {"input_tokens": 1117, "cache_read_tokens": 1024, "output_tokens": 46},
    ),
    (
        "groq/llama-3.3-70b-versatile",
        "groq",
        "groq/chat_stream.sse",
        {
            "input_tokens": 4641,
            "cache_read_tokens": 4608,
            "output_tokens": 556,
            "reasoning_tokens": 200,
        },
    ),
    (
        "ollama_chat/llama3.2",
        "ollama",
        "ollama/chat_stream.ndjson",
        {"input_tokens": 26, "output_tokens": 18},
    ),
]


@pytest.mark.parametrize(("model", "name", "body", "answering", "tier", "usage"), CHATS)
def test_a_chat_is_one_event_with_the_usage_that_the_provider_told(
    model: str, name: str, body: str, answering: str, tier: str, usage: Any,
    provider: Named, recorded: Recorded,
) -> None:  # fmt: skip
    at = provider(name)
    at.answers(body)
    answer = litellm.completion(model=model, messages=ASKED, **at.sent())
    assert answer.choices[0].message.content
    [event] = recorded()
    assert (event.provider, event.model) == (name or "ollama", answering)
    assert (event.status, event.service_tier, event.calls) == ("ok", tier, 1)
    assert event.operation == ("generate_content" if "gemini" in model else "chat")
    assert event.usage == usage
    assert event.duration_ns > 0


@pytest.mark.parametrize(("model", "name", "body", "answering", "tier", "usage"), CHATS)
async def test_a_chat_by_asyncio_is_one_event(
    model: str, name: str, body: str, answering: str, tier: str, usage: Any,
    provider: Named, recorded: Recorded,
) -> None:  # fmt: skip
    at = provider(name)
    at.answers(body)
    await litellm.acompletion(model=model, messages=ASKED, **at.sent())
    [event] = recorded()
    assert (event.model, event.service_tier, event.usage) == (answering, tier, usage)
    assert event.first_chunk_ns == 0  # it did not stream


@pytest.mark.parametrize(("model", "name", "body", "usage"), STREAMS)
def test_a_stream_is_one_event_once_it_was_read(
    model: str, name: str, body: str, usage: Any, provider: Named, recorded: Recorded
) -> None:
    at = provider(name)
    at.answers(body)
    stream = litellm.completion(model=model, messages=ASKED, stream=True, **at.sent())
    assert recorded() == []
    assert "".join(part.choices[0].delta.content or "" for part in stream)
    [event] = recorded()
    assert (event.provider, event.status, event.usage) == (name, "ok", usage)
    assert 0 < event.first_chunk_ns <= event.duration_ns


@pytest.mark.parametrize(("model", "name", "body", "usage"), STREAMS)
async def test_a_stream_by_asyncio_is_one_event_once_it_was_read(
    model: str, name: str, body: str, usage: Any, provider: Named, recorded: Recorded
) -> None:
    at = provider(name)
    at.answers(body)
    stream = await litellm.acompletion(model=model, messages=ASKED, stream=True, **at.sent())
    assert [part async for part in stream]
    [event] = recorded()
    assert (event.provider, event.status, event.usage) == (name, "ok", usage)
    assert 0 < event.first_chunk_ns <= event.duration_ns


@pytest.mark.parametrize("route", ["converse", "invoke"])
def test_a_stream_of_bedrock_is_one_event(route: str, provider: Named, recorded: Recorded) -> None:
    at = provider("aws.bedrock")
    if route == "converse":
        at.server.answer(
            frames=converse_frames((RESPONSES / "bedrock/converse_stream.jsonl").read_bytes())
        )
        usage = {"input_tokens": 7520, "cache_read_tokens": 7502, "output_tokens": 503}
    else:
        at.server.answer(
            frames=chunk_frames((RESPONSES / "bedrock/claude_stream.jsonl").read_bytes())
        )
        usage = {
            "input_tokens": 2510,
            "cache_read_tokens": 2000,
            "cache_write_tokens": 500,
            "cache_write_1h_tokens": 400,
            "output_tokens": 25,
        }
    model = f"bedrock/{route}/{CLAUDE}"
    stream = litellm.completion(model=model, messages=ASKED, stream=True, **at.sent())
    assert list(stream)
    [event] = recorded()
    assert (event.provider, event.model, event.status) == ("aws.bedrock", CLAUDE, "ok")
    assert event.usage == usage
    assert 0 < event.first_chunk_ns <= event.duration_ns


def test_a_stream_is_asked_for_its_usage_and_the_answer_is_kept_from_litellm(
    provider: Named, recorded: Recorded
) -> None:
    at = provider("deepseek")
    at.answers("openai/chat_stream.sse")
    stream = litellm.completion(
        model="deepseek/deepseek-chat", messages=ASKED, stream=True, **at.sent()
    )
    told = [part.usage for part in stream if getattr(part, "usage", None)]
    assert json.loads(at.server.bodies[0])["stream_options"] == {"include_usage": True}
    assert told == []
    assert recorded()[0].usage["input_tokens"] == 1117


def test_a_caller_who_asks_for_usage_sees_it(provider: Named, recorded: Recorded) -> None:
    at = provider("deepseek")
    at.answers("openai/chat_stream.sse")
    stream = litellm.completion(
        model="deepseek/deepseek-chat",
        messages=ASKED,
        stream=True,
        stream_options={"include_usage": True},
        **at.sent(),
    )
    told = [part.usage.prompt_tokens for part in stream if getattr(part, "usage", None)]
    assert told == [1117]
    assert len(recorded()) == 1


def test_a_server_that_refuses_the_question_for_usage_is_asked_again_without_it(
    provider: Named, recorded: Recorded
) -> None:
    at = provider("deepseek")
    at.server.answer(b'{"error": {"message": "stream_options is not permitted"}}', status=400)
    at.answers("openai/chat_stream.sse")
    for _ in range(2):
        stream = litellm.completion(
            model="deepseek/deepseek-chat", messages=ASKED, stream=True, **at.sent()
        )
        assert list(stream)
    asked = ["stream_options" in json.loads(body) for body in at.server.bodies]
    assert asked == [True, False, False]
    assert [event.status for event in recorded()] == ["ok", "ok"]


def test_a_stream_that_is_dropped_unread_is_cancelled(provider: Named, recorded: Recorded) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message_stream.sse")
    stream = litellm.completion(
        model="anthropic/claude-haiku-4-5", messages=ASKED, stream=True, **at.sent()
    )
    del stream
    [event] = recorded()
    assert (event.status, event.usage) == ("cancelled", {})


def test_a_stream_that_breaks_off_keeps_what_it_told(provider: Named, recorded: Recorded) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message_stream.sse", breaks=True)
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        list(
            litellm.completion(
                model="anthropic/claude-haiku-4-5", messages=ASKED, stream=True, **at.sent()
            )
        )
    [event] = recorded()
    assert event.status == "incomplete"
    assert event.usage["input_tokens"] == 2381


@pytest.mark.parametrize(
    ("code", "status"), [(401, "authentication"), (429, "rate_limited"), (500, "server_error")]
)
def test_a_call_that_fails_tells_how(
    code: int, status: str, provider: Named, recorded: Recorded
) -> None:
    at = provider("anthropic")
    at.server.answer(b'{"error": {"type": "no", "message": "No."}}', status=code)
    with pytest.raises(Exception, match="No"):
        litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    assert {event.status for event in recorded()} == {status}


async def test_a_timeout_tells_that_it_was_one(provider: Named, recorded: Recorded) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message.json", hangs=True)
    with pytest.raises(litellm.Timeout):
        await litellm.acompletion(
            model="anthropic/claude-haiku-4-5", messages=ASKED, timeout=0.2, **at.sent()
        )
    assert [event.status for event in recorded()] == ["timeout"]


async def test_a_task_that_is_cancelled_tells_so(provider: Named, recorded: Recorded) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message.json", hangs=True)
    task = asyncio.create_task(
        litellm.acompletion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    )
    while not at.server.paths:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [event.status for event in recorded()] == ["cancelled"]


@pytest.mark.parametrize(
    ("model", "name", "body", "usage"),
    [
        ("voyage/voyage-3-large", "voyageai", "voyage/embeddings.json", {"input_tokens": 10}),
        (
            "bedrock/amazon.titan-embed-text-v2:0",
            "aws.bedrock",
            "bedrock/titan_embed.json",
            {"input_tokens": 7},
        ),
    ],
)
def test_embeddings_are_metered(
    model: str, name: str, body: str, usage: Any, provider: Named, recorded: Recorded
) -> None:
    at = provider(name)
    at.answers(body)
    litellm.embedding(model=model, input=["What does it cost?"], **at.sent())
    [event] = recorded()
    assert (event.operation, event.model) == ("embeddings", model.partition("/")[2])
    assert (event.provider, event.usage) == (name, usage)


async def test_responses_are_metered(provider: Named, recorded: Recorded) -> None:
    at = provider("openai")
    at.answers("openai/response_cached_reasoning.json")
    litellm.responses(model="openai/gpt-5", input="What does it cost?", **at.sent())
    await litellm.aresponses(model="openai/gpt-5", input="What does it cost?", **at.sent())
    for event in recorded():
        assert (event.model, event.service_tier) == ("gpt-5-2025-08-07", "priority")
        assert event.usage == {
            "input_tokens": 5320,
            "cache_read_tokens": 4096,
            "cache_write_tokens": 1024,
            "output_tokens": 2048,
            "reasoning_tokens": 1856,
        }


async def test_a_router_and_its_retries_are_an_event_for_each_request(
    provider: Named, recorded: Recorded
) -> None:
    at = provider("anthropic")
    at.server.answer(b'{"error": {"type": "overloaded_error", "message": "No."}}', status=529)
    at.answers("anthropic/message.json")
    sent = {"model": "anthropic/claude-haiku-4-5", "api_base": at.server.url, "api_key": "k"}
    router = litellm.Router([{"model_name": "fast", "litellm_params": sent}], num_retries=1)
    await router.acompletion("fast", ASKED)
    failed, answered = recorded()
    assert (failed.status, failed.usage) == ("server_error", {})
    assert (answered.status, answered.usage["output_tokens"]) == ("ok", 503)


def test_calls_count_for_whom_they_are_made(provider: Named, recorded: Recorded) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message.json")
    with costmeter.attribute(feature="summarise"):
        litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    assert recorded()[0].attributes == {"feature": "summarise"}


def test_what_is_no_call_of_a_model_is_not_metered(provider: Named, recorded: Recorded) -> None:
    at = provider("")
    at.server.answer(b"{}")
    handler = HTTPHandler()
    for path in ("/v1/messages/count_tokens", "/oauth/token", "/models/count-tokens:rawPredict"):
        handler.post(f"{at.server.url}{path}", data="{}")
    handler.close()
    assert recorded() == []


def test_uninstrument_gives_the_methods_back(recorded: Recorded) -> None:
    original, async_original = vars(HTTPHandler)["post"], vars(AsyncHTTPHandler)["post"]
    costmeter.instrument("litellm")
    assert vars(HTTPHandler)["post"] is not original
    assert inspect.signature(HTTPHandler.post) == inspect.signature(original)
    costmeter.uninstrument("litellm")
    assert vars(HTTPHandler)["post"] is original
    assert vars(AsyncHTTPHandler)["post"] is async_original


def test_a_litellm_that_raises_errors_in_another_way_is_metered_all_the_same(
    provider: Named, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = vars(HTTPHandler)["post"]
    monkeypatch.delattr(exception_mapping_utils, "exception_type")
    at = provider("anthropic")
    at.answers("anthropic/message.json")
    litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    costmeter.uninstrument("litellm")
    assert len(recorded()) == 1
    assert vars(HTTPHandler)["post"] is original


def test_an_error_of_ours_does_not_reach_the_application(
    provider: Named, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = provider("anthropic")
    at.answers("anthropic/message.json")
    monkeypatch.setattr(LiteLLM, "_recognised", lambda *_: 1 / 0)
    litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    assert recorded() == []
