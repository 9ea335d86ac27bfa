"""The real botocore against a stand-in over real sockets; what was recorded is read back."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.response import StreamingBody
from botocore.stub import Stubber

import costmeter
from costmeter.instrumentation.clients.bedrock_usage import Tally
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import (
    Bedrock,
    chunk_frames,
    converse_frames,
    exception,
    serving_bedrock,
)

RESPONSES = Path(__file__).parents[2] / "responses" / "bedrock"
SESSION = boto3.Session()  # reads the description of the service once
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES: list[Any] = [{"role": "user", "content": [{"text": "What does it cost?"}]}]
CHAT = json.dumps({"messages": MESSAGES})
CONVERSED = {
    "input_tokens": 7520,
    "cache_write_tokens": 7502,
    "cache_write_1h_tokens": 7000,
    "output_tokens": 386,
}
STREAMED = {"input_tokens": 7520, "cache_read_tokens": 7502, "output_tokens": 503}
INVOKED = {
    "input_tokens": 2510,
    "cache_read_tokens": 2000,
    "cache_write_tokens": 500,
    "cache_write_1h_tokens": 400,
    "output_tokens": 25,
}
HEADERS = {
    "x-amzn-bedrock-input-token-count": "10",
    "x-amzn-bedrock-output-token-count": "25",
    "x-amzn-bedrock-cache-read-input-token-count": "2000",
    "x-amzn-bedrock-cache-write-input-token-count": "500",
    "x-amzn-bedrock-service-tier": "flex",
}
FROM_HEADERS = {key: count for key, count in INVOKED.items() if key != "cache_write_1h_tokens"}


def body_of(name: str) -> bytes:
    return (RESPONSES / name).read_bytes()


def client_of(url: str, attempts: int = 1) -> Any:
    return SESSION.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
        config=Config(
            connect_timeout=2, read_timeout=0.5, retries={"total_max_attempts": attempts}
        ),
    )


@pytest.fixture(scope="module")
def served() -> Iterator[Bedrock]:
    with serving_bedrock() as bedrock:
        yield bedrock


@pytest.fixture
def bedrock(served: Bedrock) -> Bedrock:
    served.answers.clear()
    served.paths.clear()
    return served


@pytest.fixture
def metered(recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("botocore")
    yield
    costmeter.uninstrument("botocore")


@pytest.fixture
def runtime(bedrock: Bedrock, metered: None) -> Any:
    """A metered client of ``bedrock-runtime``."""
    client = client_of(bedrock.url)
    yield client
    client.close()


def conversing(bedrock: Bedrock, **fault: Any) -> None:
    """Let the stand-in answer with a stream of converse; a faulty one has no end."""
    frames = converse_frames(body_of("converse_stream.jsonl"))
    bedrock.answer(frames=frames[:3] if fault else frames, **fault)


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


def test_a_stream_of_converse_is_recorded_at_its_end(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    with costmeter.attribute(feature="search"):
        answer = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)
    stream = answer["stream"]
    assert isinstance(stream, EventStream)
    assert type(stream).__name__ == "EventStream"
    assert recorded() == []
    events = list(stream)
    (event,) = recorded()
    assert [next(iter(one)) for one in events][-2:] == ["messageStop", "metadata"]
    assert (event.usage, event.status, event.service_tier) == (STREAMED, "ok", "priority")
    assert (event.operation, event.model) == ("chat", MODEL)
    assert event.attributes == {"feature": "search"}
    assert type(stream) is EventStream
    stream.close()
    del stream, answer
    assert recorded() == []


def test_a_loop_that_is_left_and_entered_again_loses_nothing(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    assert "messageStart" in next(iter(stream))
    assert recorded() == []
    assert "metadata" in list(stream)[-1]
    assert [(event.usage, event.status) for event in recorded()] == [(STREAMED, "ok")]


def test_a_stream_that_the_caller_closes_is_cancelled(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    next(iter(stream))
    stream.close()
    assert [(event.usage, event.status) for event in recorded()] == [({}, "cancelled")]


# botocore leaves the connection of a stream that was dropped to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_the_caller_drops_is_cancelled(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    runtime.converse_stream(modelId=MODEL, messages=MESSAGES)
    assert [event.status for event in recorded()] == ["cancelled"]


def test_a_stream_that_the_server_breaks_off_is_incomplete(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock, breaks=True)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    with pytest.raises(Exception, match=r"prematurely|broken|Incomplete"):
        list(stream)
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete")]


def test_a_stream_that_ends_before_its_usage_is_incomplete(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(frames=converse_frames(body_of("converse_stream.jsonl"))[:3])
    assert len(list(runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"])) == 3
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete")]


def test_a_stream_that_hangs_is_a_timeout(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock, hangs=True)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    with pytest.raises(Exception, match="timed out"):
        list(stream)
    assert [event.status for event in recorded()] == ["timeout"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("throttlingException", "rate_limited"),
        ("modelStreamErrorException", "server_error"),
        ("internalServerException", "server_error"),
        ("validationException", "bad_request"),
        ("modelTimeoutException", "timeout"),
    ],
)
def test_an_exception_inside_a_stream_is_counted_by_its_kind(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, kind: str, status: str
) -> None:
    frames = chunk_frames(body_of("claude_stream.jsonl"))[:2]
    bedrock.answer(frames=[*frames, exception(kind)])
    answer = runtime.invoke_model_with_response_stream(modelId=MODEL, body=CHAT)
    with pytest.raises(botocore.exceptions.EventStreamError):
        list(answer["body"])
    (event,) = recorded()
    assert event.status == status
    assert event.usage["input_tokens"] == 2510  # what the stream had told by then


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


@pytest.mark.parametrize("name", ["claude_stream.jsonl", "llama_stream.jsonl", "nova_stream.jsonl"])
def test_a_stream_of_invoke_model_is_recorded_at_its_end(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, name: str
) -> None:
    bedrock.answer(
        frames=chunk_frames(body_of(name)), headers={"x-amzn-bedrock-service-tier": "flex"}
    )
    answer = runtime.invoke_model_with_response_stream(modelId=MODEL, body=CHAT)
    pieces = [piece["chunk"]["bytes"] for piece in answer["body"]]
    (event,) = recorded()
    assert b"\n".join(pieces) == body_of(name).strip()
    assert (event.status, event.service_tier, event.operation) == ("ok", "flex", "chat")
    assert event.usage["output_tokens"] == {"c": 25, "l": 8, "n": 3}[name[0]]


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


def test_botocores_own_retries_are_one_call(
    bedrock: Bedrock, metered: None, recorded: Recorded
) -> None:
    bedrock.refuse("ThrottlingException", 429)
    bedrock.answer(body_of("converse.json"))
    client_of(bedrock.url, attempts=2).converse(modelId=MODEL, messages=MESSAGES)
    assert len(bedrock.paths) == 2
    assert [(event.status, event.usage) for event in recorded()] == [("ok", CONVERSED)]


def test_a_client_that_was_made_before_is_metered_and_given_back_its_method(
    bedrock: Bedrock, recorded: Recorded
) -> None:
    original = vars(botocore.client.BaseClient)["_make_api_call"]
    client = client_of(bedrock.url)
    bedrock.answer(body_of("converse.json"))
    costmeter.instrument("botocore")
    patched = vars(botocore.client.BaseClient)["_make_api_call"]
    client.converse(modelId=MODEL, messages=MESSAGES)
    costmeter.uninstrument("botocore")
    client.converse(modelId=MODEL, messages=MESSAGES)
    assert len(recorded()) == 1
    assert inspect.signature(patched) == inspect.signature(original)
    assert vars(botocore.client.BaseClient)["_make_api_call"] is original


def test_a_patch_put_around_ours_stays_and_nothing_is_metered_any_more(
    bedrock: Bedrock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = vars(botocore.client.BaseClient)["_make_api_call"]
    costmeter.instrument("botocore")
    ours = vars(botocore.client.BaseClient)["_make_api_call"]
    seen = []

    def theirs(client: Any, operation_name: str, api_params: Any) -> Any:
        seen.append(operation_name)
        return ours(client, operation_name, api_params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", original)
    botocore.client.BaseClient._make_api_call = theirs
    costmeter.uninstrument("botocore")
    bedrock.answer(body_of("converse.json"))
    client_of(bedrock.url).converse(modelId=MODEL, messages=MESSAGES)
    assert (seen, recorded()) == (["Converse"], [])


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


def test_a_botocore_made_otherwise_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    def _make_api_call(client: Any, operation: Any) -> None:
        """A method of another shape."""

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", _make_api_call)
    costmeter.instrument("botocore")
    costmeter.uninstrument("botocore")
    assert vars(botocore.client.BaseClient)["_make_api_call"] is _make_api_call
    assert "does not meter botocore" in caplog.text


def test_an_error_of_ours_keeps_nothing_from_the_caller(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(Tally, "event", fail)
    monkeypatch.setattr(Tally, "body", fail)
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    assert len(list(stream)) == 6
    bedrock.answers.clear()
    bedrock.answer(body_of("claude.json"))
    body = runtime.invoke_model(modelId=MODEL, body=CHAT)["body"]
    assert json.load(body)["type"] == "message"
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete"), ({}, "ok")]
    monkeypatch.setattr(Tally, "response", fail)
    bedrock.answers.clear()
    bedrock.answer(body_of("converse.json"))
    assert runtime.converse(modelId=MODEL, messages=MESSAGES)["stopReason"] == "end_turn"
    assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]


def test_what_is_taken_back_before_the_import_is_not_metered_after_it() -> None:
    program = """
import sys
import botocore
import costmeter
finders = list(sys.meta_path)
costmeter.instrument("botocore")
costmeter.uninstrument("botocore")
print(sys.meta_path == finders)
import botocore.client
print(botocore.client.BaseClient._make_api_call.__code__.co_filename.endswith("/context.py"))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["True", "True"], "")


@pytest.mark.parametrize("before", ["", "import botocore", "import boto3"])
def test_the_order_of_imports_does_not_matter_and_none_is_made(before: str) -> None:
    program = f"""
import sys
{before}
import costmeter
costmeter.instrument("botocore")
print("botocore.client" in sys.modules)
import botocore.exceptions
print("botocore.client" in sys.modules)
import boto3
print(hasattr(sys.modules["botocore.client"].BaseClient._make_api_call, "__wrapped__"),
      sys.modules["botocore.client"].BaseClient._make_api_call.__code__.co_filename[-11:])
costmeter.uninstrument()
print(sys.modules["botocore.client"].BaseClient._make_api_call.__code__.co_filename[-11:])
"""
    imported = str("boto3" in before)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [imported, imported, "True", "botocore.py", "/context.py"]
    assert ran.stderr == ""
