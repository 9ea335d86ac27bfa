"""Attempts of one call: the real SDKs try again by themselves, and one event tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest

import costmeter
from tests.instrumentation.clients.asking import CHAT_USAGE
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.answering import RESPONSES

ASKED: dict[str, Any] = {
    "model": "asked",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
CHAT = json.dumps({"model": "answered", "choices": [], "usage": CHAT_USAGE}).encode()
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
            return self._http.Response(failure, json={}, headers={"retry-after-ms": "1"})
        raise failure("as asked", request=request)


def of_openai(failing: Any) -> Any:
    transport = httpx2.Client(transport=httpx2.MockTransport(failing))
    return openai.OpenAI(api_key="key", http_client=transport).chat.completions


def of_groq(failing: Any) -> Any:
    transport = httpx.Client(transport=httpx.MockTransport(failing))
    return groq.Groq(api_key="key", http_client=transport).chat.completions


def of_anthropic(failing: Any) -> Any:
    transport = httpx2.Client(transport=httpx2.MockTransport(failing))
    return anthropic.Anthropic(api_key="key", http_client=transport).messages


SDKS = [
    pytest.param(of_openai, httpx2, CHAT, 1200, id="openai"),
    pytest.param(of_groq, httpx, CHAT, 1200, id="groq"),
    pytest.param(of_anthropic, httpx2, MESSAGE, 2095, id="anthropic"),
]


@pytest.fixture(autouse=True)
def metered(recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("openai", "groq", "anthropic")
    yield
    costmeter.uninstrument()


@pytest.mark.parametrize(("calls_of", "http", "body", "tokens"), SDKS)
def test_attempts_that_failed_are_no_calls_of_their_own(
    recorded: Recorded, calls_of: Callable[[Any], Any], http: Any, body: bytes, tokens: int
) -> None:
    failing = Failing(http, [429, 503], body)
    calls_of(failing).create(**ASKED)
    (event,) = recorded()
    assert failing.attempts == 3
    assert (event.status, event.calls, event.usage["input_tokens"]) == ("ok", 1, tokens)


@pytest.mark.parametrize(("calls_of", "http", "body", "tokens"), SDKS)
@pytest.mark.parametrize(("last", "status"), [(500, "server_error"), (429, "rate_limited")])
def test_a_call_whose_attempts_all_failed_has_the_status_of_the_last(
    recorded: Recorded,
    calls_of: Callable[[Any], Any],
    http: Any,
    body: bytes,
    tokens: int,
    last: int,
    status: str,
) -> None:
    failing = Failing(http, [503, 503, last], body)
    with pytest.raises(Exception, match="Error code"):
        calls_of(failing).create(**ASKED)
    assert failing.attempts == 3
    assert [(event.status, event.calls, event.usage) for event in recorded()] == [(status, 1, {})]


@pytest.mark.parametrize(("calls_of", "http", "body", "tokens"), SDKS)
def test_an_answer_that_comes_after_a_lost_one_is_what_counts(
    recorded: Recorded, calls_of: Callable[[Any], Any], http: Any, body: bytes, tokens: int
) -> None:
    failing = Failing(http, [http.ReadTimeout], body)
    calls_of(failing).create(**ASKED)
    assert failing.attempts == 2
    assert [(event.status, event.usage["input_tokens"]) for event in recorded()] == [("ok", tokens)]
