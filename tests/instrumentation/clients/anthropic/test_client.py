"""The real SDK against a stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import anthropic
import pytest

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.anthropic.client import meter
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.anthropic import create_app

ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
ANSWERING = "claude-haiku-4-5-20251001"
USED = {"input_tokens": 2095, "output_tokens": 503}
STREAMED = {
    "input_tokens": 2381,  # 25 as they come, 1800 read from the cache, 556 written to it
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,
    "cache_write_1h_tokens": 100,
    "output_tokens": 15,
}
STARTED = {key: amount for key, amount in STREAMED.items() if key != "output_tokens"}
"""What is known of a stream that broke off."""
AWS: dict[str, Any] = {
    "aws_access_key": "key",
    "aws_secret_key": "secret",
    "aws_region": "eu-central-1",
    "max_retries": 0,
}
VERTEX: dict[str, Any] = {
    "access_token": "token",
    "project_id": "project",
    "region": "europe-west1",
    "max_retries": 0,
}
ARN = "arn:aws:bedrock:eu-central-1:123456789012"
PROFILE = "global.anthropic.claude-haiku-4-5-20251001-v1:0"


def headers(body: str = "", fault: str = "") -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a body and a fault."""
    asked = {"x-standin-fault": fault} | ({"x-standin-body": body} if body else {})
    return {"extra_headers": asked}


@pytest.fixture(scope="module")
def claude() -> Iterator[str]:
    """The base URL of a stand-in for Anthropic."""
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def instrumented(claude: str, recorded: Recorded) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as Anthropic."""
    costmeter.instrument("anthropic", providers={claude: "anthropic"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def clouds(recorded: Recorded) -> Iterator[None]:
    """The SDK is metered, and nothing is said of the stand-in."""
    costmeter.instrument("anthropic", providers={})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(claude: str, instrumented: None) -> Iterator[anthropic.Anthropic]:
    """A metered client that neither tries again nor waits for long."""
    with anthropic.Anthropic(api_key="key", base_url=claude, max_retries=0, timeout=0.5) as client:
        yield client


@pytest.fixture
async def async_client(claude: str, instrumented: None) -> Any:
    """The same for asyncio."""
    async with anthropic.AsyncAnthropic(
        api_key="key", base_url=claude, max_retries=0, timeout=0.5
    ) as client:
        yield client


def test_cached_tokens_are_part_of_the_input(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    client.messages.create(**ASKED, **headers("message_cached.json"))
    (event,) = recorded()
    assert event.service_tier == "priority"
    assert event.usage == {
        "input_tokens": 2406,
        "cache_read_tokens": 1800,
        "cache_write_tokens": 556,
        "cache_write_1h_tokens": 100,
        "output_tokens": 503,
    }


def test_an_advisor_is_recorded_beside_the_call_as_none_of_its_own(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="code"):
        client.beta.messages.create(**ASKED, **headers("message_iterations.json"))
    call, advisor = recorded()
    assert (call.model, call.calls, call.requests) == ("claude-sonnet-4-6", 1, 1)
    assert call.usage["input_tokens"] == 203_000
    assert (advisor.model, advisor.calls, advisor.requests) == ("claude-opus-4-6", 0, 0)
    assert advisor.usage == {"input_tokens": 823, "output_tokens": 1612}
    assert advisor.attributes == call.attributes == {"feature": "code"}


def test_raw_responses_are_recorded_once(client: anthropic.Anthropic, recorded: Recorded) -> None:
    raw = client.messages.with_raw_response.create(**ASKED)
    assert [event.usage for event in recorded()] == [USED]
    assert raw.parse().content
    with client.messages.with_streaming_response.create(**ASKED) as response:
        assert recorded() == []
        assert json.loads(b"".join(response.iter_bytes(7)))["content"]
    assert [event.usage for event in recorded()] == [USED]


def test_what_the_sdk_then_fails_to_parse_is_paid_for_all_the_same(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    from pydantic import BaseModel

    class Answer(BaseModel):
        number: int

    with pytest.raises(ValueError, match="Answer"):
        client.messages.parse(**ASKED, output_format=Answer)
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok")]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("overloaded_error", "server_error"), ("rate_limit_error", "rate_limited")],
)
async def test_a_stream_that_tells_of_an_error_keeps_what_its_start_told_of_the_input(
    client: anthropic.Anthropic,
    async_client: anthropic.AsyncAnthropic,
    recorded: Recorded,
    fault: str,
    status: str,
) -> None:
    asked = ASKED | headers(fault=fault)
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(**asked, stream=True))
    with pytest.raises(anthropic.APIStatusError):
        async for _ in await async_client.messages.create(**asked, stream=True):
            pass
    assert [(event.status, event.usage, event.model) for event in recorded()] == [
        (status, STARTED, ANSWERING)
    ] * 2


def test_bedrock_counts_the_profile_asked_for_which_has_the_price(
    claude: str, clouds: None, recorded: Recorded
) -> None:
    with anthropic.AnthropicBedrock(base_url=claude, **AWS) as client:
        client.messages.create(**ASKED | {"model": PROFILE})
        client.messages.create(**ASKED | {"model": f"{ARN}:application-inference-profile/x"})
        client.messages.create(**ASKED | {"model": f"{ARN}:provisioned-model/x"})
        arn = f"{ARN}:inference-profile/{PROFILE}"
        list(client.messages.create(**ASKED | {"model": arn}, stream=True))
    whole, behind_an_arn, provisioned, streamed = recorded()
    assert (whole.provider, whole.model, whole.usage) == ("aws.bedrock", PROFILE, USED)
    assert (behind_an_arn.model, behind_an_arn.usage) == (ANSWERING, USED)
    assert provisioned.model == "provisioned-model/x"  # billed by the hour
    assert (streamed.model, streamed.usage, streamed.status) == (PROFILE, STREAMED, "ok")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("throttlingException", "rate_limited"),
        ("modelStreamErrorException", "server_error"),
        ("truncate", "incomplete"),
    ],
)
async def test_a_stream_of_bedrock_that_breaks_is_counted_by_its_kind(
    claude: str, clouds: None, recorded: Recorded, fault: str, status: str
) -> None:
    async with anthropic.AsyncAnthropicBedrock(base_url=claude, **AWS) as client:
        try:
            async for _ in await client.messages.create(
                **ASKED | {"model": PROFILE}, stream=True, **headers(fault=fault)
            ):
                pass
        except anthropic.APIStatusError:
            assert fault != "truncate"
    (event,) = recorded()
    assert (event.provider, event.status, event.usage) == ("aws.bedrock", status, STARTED)


async def test_vertex_mantle_and_foundry_are_providers_of_their_own(
    claude: str, clouds: None, recorded: Recorded
) -> None:
    with anthropic.AnthropicVertex(base_url=claude, **VERTEX) as vertex:
        vertex.messages.create(**ASKED)
        with vertex.messages.stream(**ASKED) as stream:
            stream.until_done()
    async with anthropic.AsyncAnthropicVertex(base_url=claude, **VERTEX) as async_vertex:
        await async_vertex.messages.create(**ASKED)
    with anthropic.AnthropicBedrockMantle(base_url=f"{claude}/anthropic", **AWS) as mantle:
        mantle.messages.create(**ASKED)
    with anthropic.AnthropicFoundry(
        api_key="key", base_url=f"{claude}/anthropic", max_retries=0
    ) as foundry:
        foundry.messages.create(**ASKED)
    events = recorded()
    assert [event.provider for event in events] == [
        *["gcp.vertex_ai"] * 3,
        "aws.bedrock",
        "azure.ai.inference",
    ]
    assert [event.usage for event in events] == [USED, STREAMED, USED, USED, USED]


def test_a_server_that_nothing_is_known_of_counts_under_its_host(
    claude: str, clouds: None, recorded: Recorded
) -> None:
    with anthropic.Anthropic(api_key="key", base_url=claude, max_retries=0) as client:
        client.messages.create(**ASKED)
    assert [event.provider for event in recorded()] == ["127.0.0.1"]


def test_an_sdk_that_lacks_clients_for_other_clouds_is_metered_all_the_same() -> None:
    older = ModuleType("anthropic")
    older.Anthropic, older.AsyncAnthropic = anthropic.Anthropic, anthropic.AsyncAnthropic
    assert meter(older, Settings())
