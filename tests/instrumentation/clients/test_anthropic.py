"""The real SDK against a stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import anthropic
import httpx2
import pytest

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.anthropic import meter
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


def test_a_message_is_recorded_with_usage_model_and_duration(
    client: anthropic.Anthropic, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="search", tenant="acme"):
        message = client.messages.create(**ASKED)
    (event,) = recorded()
    assert message.usage.input_tokens == 2095
    assert (event.operation, event.provider, event.model) == ("chat", "anthropic", ANSWERING)
    assert (event.usage, event.status, event.service_tier) == (USED, "ok", "")
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 1, None)
    assert event.attributes == {"feature": "search", "tenant": "acme"}
    assert 0 < event.duration_ns < 60 * 10**9


async def test_an_async_message_is_recorded_the_same(
    async_client: anthropic.AsyncAnthropic, recorded: Recorded
) -> None:
    await async_client.messages.create(**ASKED)
    await async_client.beta.messages.create(**ASKED, betas=["context-1m-2025-08-07"])
    assert [(event.model, event.usage) for event in recorded()] == [(ANSWERING, USED)] * 2


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


def test_counting_tokens_is_not_recorded(client: anthropic.Anthropic, recorded: Recorded) -> None:
    counted = client.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])
    client.beta.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])
    assert counted.input_tokens == 14
    assert recorded() == []


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("400", anthropic.BadRequestError, "bad_request"),
        ("401", anthropic.AuthenticationError, "authentication"),
        ("403", anthropic.PermissionDeniedError, "permission_denied"),
        ("404", anthropic.NotFoundError, "not_found"),
        ("413", anthropic.APIStatusError, "bad_request"),
        ("429", anthropic.RateLimitError, "rate_limited"),
        ("500", anthropic.InternalServerError, "server_error"),
        ("529", anthropic.InternalServerError, "server_error"),
        ("hang", anthropic.APITimeoutError, "timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    client: anthropic.Anthropic,
    recorded: Recorded,
    fault: str,
    error: type[anthropic.APIError],
    status: str,
    stream: bool,
) -> None:
    with pytest.raises(error):
        client.messages.create(**ASKED, stream=stream, **headers(fault=fault))
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == (status, {}, "claude-haiku-4-5")


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


# -- streams --------------------------------------------------------------------------------------


def test_streams_are_recorded_at_their_end(client: anthropic.Anthropic, recorded: Recorded) -> None:
    stream = client.messages.create(**ASKED, stream=True)
    assert type(stream) is anthropic.Stream
    assert recorded() == []
    assert [event.type for event in stream][-1] == "message_stop"
    with client.messages.stream(**ASKED) as helper:
        assert helper.get_final_text().startswith("What is")
    with client.beta.messages.stream(**ASKED) as beta:
        assert beta.get_final_message().usage.output_tokens == 15
    events = recorded()
    assert [(event.usage, event.status) for event in events] == [(STREAMED, "ok")] * 3
    assert {event.model for event in events} == {ANSWERING}


async def test_async_streams_are_recorded_at_their_end(
    async_client: anthropic.AsyncAnthropic, recorded: Recorded
) -> None:
    async for _ in await async_client.messages.create(**ASKED, stream=True):
        pass
    async with async_client.messages.stream(**ASKED) as helper:
        await helper.get_final_message()
    assert [(event.usage, event.status) for event in recorded()] == [(STREAMED, "ok")] * 2


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("truncate", None, "incomplete"),
        ("drop", httpx2.RemoteProtocolError, "incomplete"),
        ("stall", httpx2.ReadTimeout, "timeout"),
        ("overloaded_error", anthropic.APIStatusError, "server_error"),
        ("rate_limit_error", anthropic.APIStatusError, "rate_limited"),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_that_breaks_keeps_what_its_start_told_of_the_input(
    client: anthropic.Anthropic,
    async_client: anthropic.AsyncAnthropic,
    recorded: Recorded,
    fault: str,
    error: type[Exception] | None,
    status: str,
    asynchronous: bool,
) -> None:
    raised: type[Exception] | None = None
    try:
        if asynchronous:
            stream = await async_client.messages.create(
                **ASKED, stream=True, **headers(fault=fault)
            )
            async for _ in stream:
                pass
        else:
            list(client.messages.create(**ASKED, stream=True, **headers(fault=fault)))
    except (anthropic.APIError, httpx2.HTTPError) as caught:
        raised = type(caught)
    assert raised is error is None or issubclass(raised, error)
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == (status, STARTED, ANSWERING)


def leave(stream: Any) -> None:
    with stream:
        next(stream)


def break_off(stream: Any) -> None:
    for _ in stream:
        break


def forget(stream: Any) -> None:
    del stream


@pytest.mark.parametrize(("end", "usage"), [(leave, STARTED), (break_off, STARTED), (forget, {})])
def test_a_stream_that_the_caller_breaks_off_is_cancelled(
    client: anthropic.Anthropic,
    recorded: Recorded,
    end: Callable[[Any], None],
    usage: dict[str, int],
) -> None:
    with costmeter.attribute(feature="chat"):
        patient = client.with_options(timeout=30)
        stream = patient.messages.create(**ASKED, stream=True, **headers(fault="stall"))
    end(stream)
    del stream
    (event,) = recorded()
    assert (event.status, event.usage) == ("cancelled", usage)
    assert event.attributes == {"feature": "chat"}


async def test_a_stream_whose_task_is_cancelled_is_cancelled(
    async_client: anthropic.AsyncAnthropic, recorded: Recorded
) -> None:
    started = asyncio.Event()

    async def read() -> None:
        patient = async_client.with_options(timeout=30)
        async for _ in await patient.messages.create(
            **ASKED, stream=True, **headers(fault="stall")
        ):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(event.status, event.usage) for event in recorded()] == [("cancelled", STARTED)]


# -- other clouds ---------------------------------------------------------------------------------


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


# -- the SDK itself -------------------------------------------------------------------------------


def test_the_sdk_keeps_its_signatures_and_gets_its_methods_back(claude: str) -> None:
    owners = [anthropic.Anthropic.__mro__[1], anthropic.AsyncAnthropic.__mro__[1]]
    before = [vars(owner)["request"] for owner in owners]
    costmeter.instrument("anthropic")
    try:
        for owner, original in zip(owners, before, strict=True):
            assert vars(owner)["request"] is not original
            assert inspect.signature(owner.request) == inspect.signature(original)
    finally:
        costmeter.uninstrument()
    assert [vars(owner)["request"] for owner in owners] == before


def test_an_sdk_that_lacks_clients_for_other_clouds_is_metered_all_the_same() -> None:
    older = ModuleType("anthropic")
    older.Anthropic, older.AsyncAnthropic = anthropic.Anthropic, anthropic.AsyncAnthropic
    assert meter(older, Settings())


def test_an_sdk_that_is_made_otherwise_is_left_alone() -> None:
    newer = ModuleType("anthropic")
    newer.Anthropic = newer.AsyncAnthropic = type("Anthropic", (), {})
    with pytest.raises(LookupError, match=r"Anthropic\.request is no method"):
        meter(newer, Settings())
