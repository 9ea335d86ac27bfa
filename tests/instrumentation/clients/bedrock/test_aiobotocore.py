"""Bedrock by the real aiobotocore, where it is installed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import costmeter
from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    CONVERSED,
    FROM_HEADERS,
    HEADERS,
    INVOKED,
    MESSAGES,
    MODEL,
    STREAMED,
    body_of,
    conversing,
)
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import Bedrock

aiobotocore = pytest.importorskip(
    "aiobotocore", reason="it pins an older botocore than boto3 has: tried where it is installed"
)


@pytest.fixture
async def runtime(bedrock: Bedrock, recorded: Recorded) -> AsyncIterator[Any]:
    """A metered client of ``bedrock-runtime``."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    costmeter.instrument("aiobotocore")
    async with get_session().create_client(
        "bedrock-runtime",
        endpoint_url=bedrock.url,
        region_name="eu-central-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
        config=AioConfig(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1}),
    ) as client:
        yield client
    costmeter.uninstrument()


async def test_an_answer_at_once_is_recorded(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"))
    with costmeter.attribute(feature="search"):
        answer = await runtime.converse(modelId=MODEL, messages=MESSAGES)
    (event,) = recorded()
    assert answer["usage"]["inputTokens"] == 18
    assert (event.operation, event.provider, event.model) == ("chat", "aws.bedrock", MODEL)
    assert (event.usage, event.service_tier) == (CONVERSED, "flex")
    assert event.attributes == {"feature": "search"}


async def test_a_stream_is_recorded_at_its_end(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = (await runtime.converse_stream(modelId=MODEL, messages=MESSAGES))["stream"]
    assert recorded() == []
    events = [event async for event in stream]
    assert "metadata" in events[-1]
    (event,) = recorded()
    assert (event.usage, event.status) == (STREAMED, "ok")
    assert 0 < event.first_chunk_ns <= event.duration_ns


async def test_a_stream_that_the_caller_closes_is_cancelled(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = (await runtime.converse_stream(modelId=MODEL, messages=MESSAGES))["stream"]
    async for _ in stream:
        break
    stream.close()
    assert [(event.status, event.usage) for event in recorded()] == [("cancelled", {})]


@pytest.mark.parametrize("piecewise", [False, True])
async def test_a_body_is_recorded_when_it_was_read(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, piecewise: bool
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS)
    body = (await runtime.invoke_model(modelId=MODEL, body=CHAT))["body"]
    if piecewise:
        text = b"".join([chunk async for chunk in body.iter_chunks(7)])
    else:
        async with body as opened:
            text = await opened.read()
    assert json.loads(text)["type"] == "message"
    assert [(event.usage, event.status) for event in recorded()] == [(INVOKED, "ok")]


async def test_a_body_that_is_closed_unread_is_known_by_its_headers(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS)
    body = (await runtime.invoke_model(modelId=MODEL, body=CHAT))["body"]
    await body.aclose()
    assert [(event.usage, event.status) for event in recorded()] == [(FROM_HEADERS, "cancelled")]


async def test_an_error_is_counted_by_its_kind(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.refuse("ThrottlingException", 429)
    with pytest.raises(Exception, match="ThrottlingException"):
        await runtime.converse(modelId=MODEL, messages=MESSAGES)
    assert [event.status for event in recorded()] == ["rate_limited"]


async def test_after_it_the_very_method_is_back(runtime: Any) -> None:
    from aiobotocore.client import AioBaseClient

    assert "costmeter" in AioBaseClient._make_api_call.__code__.co_filename
    costmeter.uninstrument()
    assert "costmeter" not in AioBaseClient._make_api_call.__code__.co_filename
