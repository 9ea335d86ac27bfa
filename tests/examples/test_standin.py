"""The stand-in keeps to the wire format: the real SDK takes its answers with strict validation."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from examples.standin.app import Standin, create_app

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
LONG: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi " * 4000}]}
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def client(*, strict: bool = True, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k",
        base_url="http://standin/v1",
        http_client=TestClient(create_app(Standin(**settings)), base_url="http://standin"),
        max_retries=0,
        _strict_response_validation=strict,
    )


def test_a_chat_completion_is_answered_by_the_dated_model() -> None:
    completion = client().chat.completions.create(**CHAT)
    assert completion.model == "gpt-4o-mini-2024-07-18"
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.total_tokens == (
        completion.usage.prompt_tokens + completion.usage.completion_tokens
    )


def test_a_stream_ends_with_usage_where_it_was_asked_for() -> None:
    chunks = list(client().chat.completions.create(**CHAT, **STREAM))
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    without = list(client().chat.completions.create(**CHAT, stream=True))
    assert len(without) == len(chunks) - 1


def test_a_response_is_the_same_at_once_and_as_a_stream() -> None:
    response = client().responses.create(model="gpt-4o", input="Hi")
    with client().responses.stream(model="gpt-4o", input="Hi") as stream:
        text = "".join(
            event.delta for event in stream if event.type == "response.output_text.delta"
        )
        streamed = stream.get_final_response()
    assert text == response.output_text == streamed.output_text
    assert response.usage == streamed.usage


def test_embeddings_and_models_are_answered() -> None:
    answer = client(strict=False).embeddings.create(
        model="text-embedding-3-small", input=["one", "two"], dimensions=3
    )
    assert [len(item.embedding) for item in answer.data] == [3, 3]
    assert "gpt-4o-mini" in {model.id for model in client().models.list()}


def test_the_same_seed_gives_the_same_answers() -> None:
    def usages(seed: int) -> list[Any]:
        provider = client(seed=seed)
        return [provider.chat.completions.create(**LONG).usage for _ in range(5)]

    assert usages(1) == usages(1)
    assert usages(1) != usages(2)


def test_long_prompts_are_cached_now_and_then_and_reasoning_models_reason() -> None:
    provider = client()
    cached = [
        provider.chat.completions.create(**LONG).usage.prompt_tokens_details.cached_tokens  # type: ignore[union-attr]
        for _ in range(20)
    ]
    assert 0 in cached
    assert all(count % 128 == 0 for count in cached)
    assert max(cached) > 0
    reasoned = provider.chat.completions.create(**{**CHAT, "model": "o4-mini"}).usage
    assert reasoned is not None
    assert reasoned.completion_tokens_details is not None
    assert 0 < reasoned.completion_tokens_details.reasoning_tokens < reasoned.completion_tokens  # type: ignore[operator]


def test_a_share_of_requests_fails_as_with_a_provider() -> None:
    provider = TestClient(create_app(Standin(errors=0.5)))
    answers = [provider.post("/v1/chat/completions", json=CHAT) for _ in range(40)]
    failed = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in failed} == {429, 500}
    assert 10 <= len(failed) <= 30
    limited = next(answer for answer in failed if answer.status_code == 429)
    assert limited.headers["retry-after"] == "1"
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_request_can_ask_for_an_error(status: int) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client().chat.completions.create(**CHAT, extra_headers={"x-standin-fault": str(status)})
    assert raised.value.status_code == status
