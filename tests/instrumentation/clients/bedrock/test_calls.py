"""Calls of Bedrock that answer at once: the real botocore, read back from the journal."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import botocore.client
import botocore.exceptions
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

import costmeter
from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    CONVERSED,
    FROM_HEADERS,
    HEADERS,
    INVOKED,
    MESSAGES,
    MODEL,
    body_of,
    client_of,
)
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import (
    Bedrock,
    chunk_frames,
)


def test_converse_is_recorded_with_usage_tier_model_and_duration(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"))
    with costmeter.attribute(feature="search", tenant="acme"):
        answer = runtime.converse(modelId=MODEL, messages=MESSAGES)
    (event,) = recorded()
    assert answer["usage"]["inputTokens"] == 18
    assert (event.operation, event.provider, event.model) == ("chat", "aws.bedrock", MODEL)
    assert (event.usage, event.status, event.service_tier) == (CONVERSED, "ok", "flex")
    assert event.attributes == {"feature": "search", "tenant": "acme"}
    assert 0 < event.duration_ns < 60 * 10**9


def test_an_arn_counts_as_the_model_that_it_names(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"))
    profile = f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{MODEL}"
    runtime.converse(modelId=profile, messages=MESSAGES)
    assert [event.model for event in recorded()] == [MODEL]


def test_a_prompt_router_counts_as_the_model_that_it_chose(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse_router.json"))
    router = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
    runtime.converse(modelId=router, messages=MESSAGES)
    (event,) = recorded()
    assert event.model == "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
    assert event.service_tier == "optimized"


def test_a_profile_of_ones_own_counts_as_the_model_that_answers_where_the_answer_tells_it(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    profile = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"
    bedrock.answer(body_of("converse.json"))
    bedrock.answer(body_of("claude.json"))
    bedrock.answer(frames=chunk_frames(body_of("claude_stream.jsonl")))
    bedrock.answer(body_of("claude.json"))
    bedrock.answer(body_of("converse.json"))
    runtime.converse(modelId=profile, messages=MESSAGES)
    runtime.invoke_model(modelId=profile, body=CHAT)["body"].read()
    list(runtime.invoke_model_with_response_stream(modelId=profile, body=CHAT)["body"])
    runtime.invoke_model(modelId=MODEL, body=CHAT)["body"].read()
    runtime.converse(modelId=profile, messages=MESSAGES)
    assert [event.model for event in recorded()] == [
        "application-inference-profile/a1b2c3",  # converse does not tell
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5-20250929",
        MODEL,  # which tells the region that makes the price
        "claude-sonnet-4-5-20250929",  # known by now
    ]


def test_invoke_model_is_recorded_when_its_body_was_read(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS)
    body = runtime.invoke_model(modelId=MODEL, body=CHAT)["body"]
    assert isinstance(body, StreamingBody)
    assert json.load(body)["usage"]["output_tokens"] == 25
    (event,) = recorded()
    assert (event.usage, event.status, event.service_tier) == (INVOKED, "ok", "flex")
    assert (event.operation, event.model) == ("chat", MODEL)
    assert type(body) is StreamingBody
    assert body.read() == b""
    body.close()
    assert recorded() == []


@pytest.mark.parametrize(
    "read",
    [
        lambda body: body.read(),
        b"".join,
        lambda body: b"".join(body.iter_chunks(7)),
        lambda body: b"\n".join(body.iter_lines(7)),
        lambda body: b"".join(body.readlines()),
        lambda body: b"".join(iter(lambda: body.read(amt=64), b"")),
        lambda body: io.BufferedReader(body).read(),
        lambda body: body.read(len(body_of("claude.json"))),
    ],
)
def test_a_body_may_be_read_in_any_way(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, read: Any
) -> None:
    bedrock.answer(body_of("claude.json"))
    body = runtime.invoke_model(modelId=MODEL, body=CHAT)["body"]
    assert json.loads(read(body))["type"] == "message"
    assert [(event.usage, event.status) for event in recorded()] == [(INVOKED, "ok")]


def test_a_body_read_as_urllib3_hands_it_out_is_known_by_its_headers(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS)
    with runtime.invoke_model(modelId=MODEL, body=CHAT)["body"] as raw:
        assert json.loads(raw.read())["type"] == "message"
    assert [(event.usage, event.status) for event in recorded()] == [(FROM_HEADERS, "ok")]


def test_a_body_that_nobody_reads_is_known_by_its_headers(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS)
    runtime.invoke_model(modelId=MODEL, body=CHAT)
    assert [(event.usage, event.status) for event in recorded()] == [(FROM_HEADERS, "cancelled")]


@pytest.mark.parametrize(("fault", "status"), [("breaks", "incomplete"), ("hangs", "timeout")])
def test_a_body_without_its_end_is_counted_by_what_happened(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, fault: str, status: str
) -> None:
    bedrock.answer(body_of("claude.json"), headers=HEADERS, **{fault: True})
    body = runtime.invoke_model(modelId=MODEL, body=CHAT)["body"]
    with pytest.raises(botocore.exceptions.BotoCoreError):
        body.read()
    assert [(event.usage, event.status) for event in recorded()] == [(FROM_HEADERS, status)]


@pytest.mark.parametrize(
    ("model", "name", "asked", "operation"),
    [
        ("amazon.titan-embed-text-v2:0", "titan_embed.json", {"inputText": "a"}, "embeddings"),
        ("amazon.titan-text-express-v1", "titan_text.json", {"inputText": "a"}, "text_completion"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama.json", {"prompt": "a"}, "text_completion"),
        ("openai.gpt-oss-120b-1:0", "gpt_oss.json", {"messages": []}, "chat"),
    ],
)
def test_the_operation_is_what_is_asked_for(
    runtime: Any,
    bedrock: Bedrock,
    recorded: Recorded,
    model: str,
    name: str,
    asked: dict[str, Any],
    operation: str,
) -> None:
    bedrock.answer(body_of(name))
    runtime.invoke_model(modelId=model, body=json.dumps(asked).encode())["body"].read()
    (event,) = recorded()
    assert (event.operation, event.model, event.status) == (operation, model, "ok")
    assert event.usage["input_tokens"] > 0


@pytest.mark.parametrize(
    ("code", "http", "status"),
    [
        ("ThrottlingException", 429, "rate_limited"),
        ("ServiceQuotaExceededException", 400, "rate_limited"),
        ("ValidationException", 400, "bad_request"),
        ("AccessDeniedException", 403, "permission_denied"),
        ("UnrecognizedClientException", 403, "authentication"),
        ("ExpiredTokenException", 403, "authentication"),
        ("ResourceNotFoundException", 404, "not_found"),
        ("ModelTimeoutException", 408, "timeout"),
        ("ModelNotReadyException", 429, "server_error"),
        ("ModelErrorException", 424, "server_error"),
        ("InternalServerException", 500, "server_error"),
        ("ServiceUnavailableException", 503, "server_error"),
        ("NobodyKnowsThisException", 418, "bad_request"),
        ("NobodyKnowsThisException", 429, "rate_limited"),
    ],
)
@pytest.mark.parametrize("ask", ["converse", "converse_stream"])
def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, code: str, http: int, status: str, ask: str
) -> None:
    bedrock.refuse(code, http)
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        getattr(runtime, ask)(modelId=MODEL, messages=MESSAGES)
    assert raised.value.response["Error"]["Code"] == code
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == (status, {}, MODEL)


def test_a_server_that_hangs_is_a_timeout(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"), hangs=True)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        runtime.converse(modelId=MODEL, messages=MESSAGES)
    assert [event.status for event in recorded()] == ["timeout"]


def test_a_server_that_is_not_there_is_a_connection_error(
    metered: None, recorded: Recorded
) -> None:
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client_of("http://127.0.0.1:9").converse(modelId=MODEL, messages=MESSAGES)
    assert [event.status for event in recorded()] == ["connection_error"]


def test_a_request_that_botocore_refuses_is_a_bad_request(runtime: Any, recorded: Recorded) -> None:
    with pytest.raises(botocore.exceptions.ParamValidationError):
        runtime.converse(modelId=MODEL, messages="What does it cost?")
    assert [event.status for event in recorded()] == ["bad_request"]


def test_other_operations_and_other_services_are_not_recorded(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(b'{"inputTokens": 3}')
    counted = runtime.count_tokens(modelId=MODEL, input={"converse": {"messages": MESSAGES}})
    assert counted["inputTokens"] == 3
    assert recorded() == []


def test_the_provider_of_an_address_is_what_the_application_says(
    bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"))
    costmeter.instrument("botocore", providers={bedrock.url: "mine"})
    client_of(bedrock.url).converse(modelId=MODEL, messages=MESSAGES)
    costmeter.uninstrument("botocore")
    assert [event.provider for event in recorded()] == ["mine"]


def test_threads_sharing_a_client_are_attributed_each_to_its_own(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"))

    def ask(number: int) -> None:
        with costmeter.attribute(tenant=f"tenant-{number}"):
            runtime.converse(modelId=MODEL, messages=MESSAGES)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event.attributes["tenant"] for event in recorded()) == [
        f"tenant-{number}" for number in range(5)
    ]


def test_a_stubbed_client_works_and_is_counted(runtime: Any, recorded: Recorded) -> None:
    with Stubber(runtime) as stubber:
        stubber.add_response("invoke_model", {"body": b"{}", "contentType": "application/json"})
        answer = runtime.invoke_model(modelId=MODEL, body=CHAT)
    assert answer["body"] == b"{}"
    assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]
