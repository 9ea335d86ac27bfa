"""Attempts of one call: the real SDKs try again by themselves, and each attempt is counted once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest

import costmeter
from costmeter.usage import UsageEvent
from tests.instrumentation.clients.asking import CHAT_USAGE
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.answering import RESPONSES

ASKED: dict[str, Any] = {
    "model": "asked",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
CHAT_USED = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
CHAT = json.dumps({"model": "answered", "choices": [], "usage": CHAT_USAGE}).encode()
MESSAGE_USED = {"input_tokens": 2095, "output_tokens": 503}
MESSAGE = (RESPONSES / "anthropic/message.json").read_bytes()


class Failing:
    """A transport whose first answers are failures: HTTP status codes, or exceptions."""

    def __init__(self, http: Any, failures: list[Any], body: bytes) -> None:
        self._http = http
        self._failures = failures
        self._body = body
        self.attempts = 0

    def __call__(self, request: Any) -> Any:
        self.attempts += 1
        if not self._failures:
            kind = {"content-type": "application/json"}
            return self._http.Response(200, content=self._body, headers=kind)
        failure = self._failures.pop(0)
        if isinstance(failure, int):
            return self._http.Response(failure, json={})
        raise failure("as asked", request=request)


Attempt = tuple[str, int, int, dict[str, int]]
CallsOf = Callable[[Any], Any]


def told(events: list[UsageEvent]) -> list[Attempt]:
    """Return status, calls, retries and usage of each event."""
    return [(event.status, event.calls, event.retries, event.usage) for event in events]


def retry(status: str) -> Attempt:
    """Return what is told of an attempt that was made again."""
    return (status, 0, 1, {})


def of_openai(failing: Any) -> Any:
    transport = httpx2.Client(transport=httpx2.MockTransport(failing))
    return openai.OpenAI(api_key="key", http_client=transport).chat.completions


def of_groq(failing: Any) -> Any:
    transport = httpx.Client(transport=httpx.MockTransport(failing))
    return groq.Groq(api_key="key", http_client=transport).chat.completions


def of_anthropic(failing: Any) -> Any:
    transport = httpx2.Client(transport=httpx2.MockTransport(failing))
    return anthropic.Anthropic(api_key="key", http_client=transport).messages


def of_async_openai(failing: Any) -> Any:
    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(failing))
    return openai.AsyncOpenAI(api_key="key", http_client=transport).chat.completions


def of_async_groq(failing: Any) -> Any:
    transport = httpx.AsyncClient(transport=httpx.MockTransport(failing))
    return groq.AsyncGroq(api_key="key", http_client=transport).chat.completions


def of_async_anthropic(failing: Any) -> Any:
    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(failing))
    return anthropic.AsyncAnthropic(api_key="key", http_client=transport).messages


SDKS = [
    pytest.param(of_openai, httpx2, CHAT, CHAT_USED, id="openai"),
    pytest.param(of_groq, httpx, CHAT, CHAT_USED, id="groq"),
    pytest.param(of_anthropic, httpx2, MESSAGE, MESSAGE_USED, id="anthropic"),
]
ASYNC_SDKS = [
    pytest.param(of_async_openai, httpx2, CHAT, CHAT_USED, id="openai"),
    pytest.param(of_async_groq, httpx, CHAT, CHAT_USED, id="groq"),
    pytest.param(of_async_anthropic, httpx2, MESSAGE, MESSAGE_USED, id="anthropic"),
]


@pytest.fixture(autouse=True)
def metered(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The SDKs are metered, and try again at once."""
    for sdk in (openai, groq, anthropic):
        base = sdk._base_client.BaseClient
        monkeypatch.setattr(base, "_calculate_retry_timeout", lambda *_: 0)
    costmeter.instrument("openai", "groq", "anthropic")
    yield
    costmeter.uninstrument()


@pytest.mark.parametrize(("calls_of", "http", "body", "used"), SDKS)
def test_attempts_that_failed_are_counted_by_kind_and_are_no_calls(
    recorded: Recorded, calls_of: CallsOf, http: Any, body: bytes, used: dict[str, int]
) -> None:
    failing = Failing(http, [429, 503], body)
    calls_of(failing).create(**ASKED)
    assert failing.attempts == 3
    assert told(recorded()) == [
        retry("rate_limited"),
        retry("server_error"),
        ("ok", 1, 0, used),
    ]


@pytest.mark.parametrize(("calls_of", "http", "body", "used"), ASYNC_SDKS)
async def test_so_are_those_of_async_clients(
    recorded: Recorded, calls_of: CallsOf, http: Any, body: bytes, used: dict[str, int]
) -> None:
    await calls_of(Failing(http, [429, http.ReadTimeout], body)).create(**ASKED)
    assert told(recorded()) == [retry("rate_limited"), retry("timeout"), ("ok", 1, 0, used)]


@pytest.mark.parametrize(("calls_of", "http", "body", "used"), SDKS)
@pytest.mark.parametrize(("last", "status"), [(500, "server_error"), (429, "rate_limited")])
def test_a_call_whose_attempts_all_failed_has_the_status_of_the_last(
    recorded: Recorded,
    calls_of: CallsOf,
    http: Any,
    body: bytes,
    used: dict[str, int],
    last: int,
    status: str,
) -> None:
    failing = Failing(http, [408, 409, last], body)
    with pytest.raises(Exception, match="Error code"):
        calls_of(failing).create(**ASKED)
    assert failing.attempts == 3
    assert told(recorded()) == [retry("timeout"), retry("conflict"), (status, 1, 0, {})]


@pytest.mark.parametrize(("calls_of", "http", "body", "used"), SDKS)
def test_an_answer_that_comes_after_a_lost_one_is_what_counts(
    recorded: Recorded, calls_of: CallsOf, http: Any, body: bytes, used: dict[str, int]
) -> None:
    failing = Failing(http, [http.ReadTimeout, http.ConnectError], body)
    calls_of(failing).create(**ASKED)
    assert failing.attempts == 3
    assert told(recorded()) == [
        retry("timeout"),
        retry("connection_error"),
        ("ok", 1, 0, used),
    ]


@pytest.mark.parametrize(("calls_of", "http", "body", "used"), SDKS)
def test_streams_are_opened_again_too(
    recorded: Recorded, calls_of: CallsOf, http: Any, body: bytes, used: dict[str, int]
) -> None:
    stream = calls_of(Failing(http, [429], body)).create(**ASKED, stream=True)
    stream.close()
    assert [(event.status, event.calls) for event in recorded()] == [
        ("rate_limited", 0),
        ("cancelled", 1),
    ]


def test_an_attempt_counts_for_whom_the_call_does_and_for_the_model_that_answers(
    recorded: Recorded,
) -> None:
    chats = of_openai(Failing(httpx2, [], CHAT))
    chats.create(**ASKED)
    recorded()
    with costmeter.attribute(feature="search"):
        of_openai(Failing(httpx2, [429], CHAT)).create(**ASKED)
    assert [
        (event.operation, event.provider, event.model, event.attributes) for event in recorded()
    ] == [("chat", "openai", "answered", {"feature": "search"})] * 2


def test_what_is_no_call_is_none_however_often_it_is_tried(recorded: Recorded) -> None:
    client = of_openai(Failing(httpx2, [429, 429], b'{"data": []}'))._client
    client.models.list()
    assert recorded() == []


def test_an_sdk_made_otherwise_is_metered_without_its_retries(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    costmeter.uninstrument()
    base = groq._base_client.SyncAPIClient
    monkeypatch.setattr(base, "_wait", base._sleep_for_retry, raising=False)
    monkeypatch.delattr(base, "_sleep_for_retry")
    with caplog.at_level(logging.WARNING, "costmeter"):
        costmeter.instrument("groq")
    assert caplog.messages == [
        "costmeter does not count retries of Groq: Groq._sleep_for_retry is no method"
    ]
    of_groq(Failing(httpx, [], CHAT)).create(**ASKED)
    assert told(recorded()) == [("ok", 1, 0, CHAT_USED)]


@pytest.mark.parametrize("kind", ["SyncAPIClient", "AsyncAPIClient"])
@pytest.mark.parametrize("sdk", [openai, groq, anthropic])
def test_the_sdk_gets_its_method_back(sdk: Any, kind: str) -> None:
    owner = getattr(sdk._base_client, kind)
    wrapped = owner._sleep_for_retry
    costmeter.uninstrument()
    assert owner._sleep_for_retry is wrapped.__wrapped__
