"""The real SDK against the stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

import costmeter
from costmeter.instrumentation.clients import call
from tests.instrumentation.clients.asking import (
    ANSWERING,
    CHAT,
    RESPONSE,
    RESPONSE_USAGE,
    USED,
    headers,
)
from tests.instrumentation.clients.conftest import Recorded


class Answer(BaseModel):
    """What an answer is to be parsed into, and never can."""

    number: int


def test_a_chat_completion_is_recorded_with_usage_model_tier_and_duration(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    completion = client.chat.completions.create(**CHAT, **headers(tier="flex"))
    (event,) = recorded()
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 1200
    assert (event.operation, event.provider, event.model) == ("chat", "openai", ANSWERING)
    assert (event.usage, event.status, event.service_tier) == (USED, "ok", "flex")
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 1, None)
    assert 0 < event.duration_ns < 60 * 10**9


async def test_an_async_chat_completion_is_recorded_the_same(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    await async_client.chat.completions.create(**CHAT, **headers())
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == (ANSWERING, USED, "ok")


def test_a_response_is_recorded(client: openai.OpenAI, recorded: Recorded) -> None:
    client.responses.create(**RESPONSE, **headers(RESPONSE_USAGE))
    (event,) = recorded()
    assert (event.operation, event.model) == ("chat", "o4-mini-2025-04-16")
    assert (event.usage, event.status) == (USED, "ok")


def test_embeddings_are_recorded(client: openai.OpenAI, recorded: Recorded) -> None:
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    answer = client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"], **headers(usage)
    )
    (event,) = recorded()
    assert len(answer.data) == 2
    assert isinstance(answer.data[0].embedding[0], float)
    assert (event.operation, event.model) == ("embeddings", "text-embedding-3-small")
    assert event.usage == {"input_tokens": 8}


def test_other_calls_are_not_recorded(client: openai.OpenAI, recorded: Recorded) -> None:
    assert client.models.list().data
    assert recorded() == []


def test_usage_is_attributed_to_the_block_that_makes_the_call(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="search", team="finders", tenant="acme"):
        client.chat.completions.create(**CHAT, **headers())
    client.chat.completions.create(**CHAT, **headers())
    inside, outside = recorded()
    assert inside.attributes == {"feature": "search", "team": "finders", "tenant": "acme"}
    assert outside.attributes == {}


async def test_concurrent_calls_are_attributed_each_to_its_own(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    @costmeter.track(feature="chat")
    async def ask(tenant: str) -> None:
        with costmeter.attribute(tenant=tenant):
            await async_client.chat.completions.create(**CHAT, **headers())

    await asyncio.gather(*(ask(f"tenant-{number}") for number in range(10)))
    assert sorted(event.attributes["tenant"] for event in recorded()) == [
        f"tenant-{number}" for number in range(10)
    ]


async def test_a_call_whose_task_is_cancelled_is_cancelled(
    metered: None, recorded: Recorded
) -> None:
    arrived = asyncio.Event()

    async def never_answer(request: httpx2.Request) -> httpx2.Response:
        arrived.set()
        return await asyncio.Event().wait() and httpx2.Response(200)

    transport = httpx2.MockTransport(never_answer)
    async with openai.AsyncOpenAI(
        api_key="key", http_client=httpx2.AsyncClient(transport=transport)
    ) as client:
        call = asyncio.create_task(client.chat.completions.create(**CHAT))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (event,) = recorded()
    assert (event.status, event.provider, event.model) == ("cancelled", "openai", "gpt-4o-mini")


def test_the_sdks_own_retries_are_one_call(client: openai.OpenAI, recorded: Recorded) -> None:
    patient = client.with_options(max_retries=2)
    patient.chat.completions.create(**CHAT, **headers(fail="2"))
    *before, event = recorded()
    assert [(attempt.calls, attempt.retries) for attempt in before] == [(0, 1), (0, 1)]
    assert (event.status, event.usage) == ("ok", USED)
    assert event.duration_ns > 10**8  # the pauses between attempts are the caller's wait


def test_a_raw_response_is_recorded_without_being_parsed(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    raw = client.chat.completions.with_raw_response.create(**CHAT, **headers())
    assert [event.usage for event in recorded()] == [USED]
    assert raw.parse().choices
    assert recorded() == []


async def test_an_async_raw_response_is_recorded(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    raw = await async_client.chat.completions.with_raw_response.create(**CHAT, **headers())
    assert raw.headers["content-type"] == "application/json"
    assert [event.usage for event in recorded()] == [USED]


def test_a_response_read_piece_by_piece_is_recorded_at_its_end(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT, **headers()) as response:
        assert recorded() == []
        assert json.loads(b"".join(response.iter_bytes(7)))["choices"]
    assert [(event.usage, event.first_chunk_ns) for event in recorded()] == [(USED, 0)]


def test_a_response_that_was_not_read_is_counted(client: openai.OpenAI, recorded: Recorded) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT, **headers()):
        pass
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == ("cancelled", {}, "gpt-4o-mini")


def test_what_the_sdk_then_fails_to_parse_is_paid_for_all_the_same(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with pytest.raises(ValueError, match="Answer"):
        client.chat.completions.parse(**CHAT, response_format=Answer, **headers())
    with pytest.raises(ValueError, match="Answer"):
        client.responses.parse(**RESPONSE, text_format=Answer, **headers(RESPONSE_USAGE))
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok"), (USED, "ok")]


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        (None, {}),
        ("many", {}),
        (7, {}),
        ([], {}),
        ({}, {}),
        ({"prompt_tokens": -5, "completion_tokens": 3}, {"output_tokens": 3}),
        ({"prompt_tokens": "5", "completion_tokens": 3}, {"output_tokens": 3}),
        ({"prompt_tokens": {"a": 1}, "completion_tokens": 3}, {"output_tokens": 3}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_of_unexpected_shape_reaches_the_caller_and_is_counted(
    client: openai.OpenAI,
    recorded: Recorded,
    usage: object,
    known: dict[str, int],
    stream: bool,
) -> None:
    answer: Any = client.chat.completions.create(**CHAT, stream=stream, **headers(usage))
    chunks = list(answer) if stream else [answer]
    assert chunks[0].choices
    (event,) = recorded()
    assert (event.usage, event.status, event.model) == (known, "ok", ANSWERING)


def test_a_body_that_is_no_json_reaches_the_caller_as_without_us(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    answer: Any = client.chat.completions.create(**CHAT, **headers(fault="text"))
    assert answer == "upstream connect error or disconnect"
    assert [(event.usage, event.model) for event in recorded()] == [({}, "gpt-4o-mini")]


def test_azure_is_a_provider_of_its_own(standin: str, metered: None, recorded: Recorded) -> None:
    endpoint = standin.removesuffix("/v1").replace("127.0.0.1", "localhost")
    with openai.AzureOpenAI(
        api_key="key", azure_endpoint=endpoint, api_version="2024-10-21", max_retries=0
    ) as client:
        client.chat.completions.create(**CHAT, **headers())
    (event,) = recorded()
    assert (event.provider, event.model, event.usage) == ("azure.ai.openai", ANSWERING, USED)


def test_a_model_in_the_extra_body_is_the_one_asked_for(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with pytest.raises(openai.APIError):
        client.chat.completions.create(
            **CHAT, extra_body={"model": "house-model"}, **headers(fault="500")
        )
    assert [event.model for event in recorded()] == ["house-model"]


def test_a_client_of_ones_own_making_is_metered(
    standin: str, metered: None, recorded: Recorded
) -> None:
    class Mine(openai.OpenAI):
        pass

    with Mine(api_key="key", base_url=standin, http_client=httpx2.Client()) as client:
        client.chat.completions.create(**CHAT, **headers())
        client.post(
            "/chat/completions",
            cast_to=object,
            body=CHAT,
            options={"headers": headers()["extra_headers"]},
        )
    assert [event.usage for event in recorded()] == [USED, USED]


def test_a_request_that_cannot_be_sent_to_another_model_is_sent_as_it_is(
    client: openai.OpenAI, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cheaper:
        def admit(self, asked: call.Call, *_: object, **__: object) -> None:
            asked.instead = asked.model = "gpt-5-nano"

    monkeypatch.setattr(call, "gate", Cheaper())
    client.post(
        "/chat/completions",
        cast_to=object,
        content=json.dumps(CHAT).encode(),
        options={"headers": headers()["extra_headers"]},
    )
    assert [(event.model, event.usage) for event in recorded()] == [(ANSWERING, USED)]
