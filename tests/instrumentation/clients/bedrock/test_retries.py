"""Attempts that botocore makes again: each is counted by how it failed, and is no call."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from botocore.client import ClientError
from botocore.endpoint import Endpoint

import costmeter
from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    CONVERSED,
    MESSAGES,
    MODEL,
    SESSION,
    body_of,
    client_of,
)
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import Bedrock

THROTTLED = ("ThrottlingException", 429)
OVERLOADED = ("ServiceUnavailableException", 503)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore does not wait between attempts."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def told(recorded: Recorded) -> list[tuple[str, int, int]]:
    """Return status, calls and retries of each event."""
    return [(event.status, event.calls, event.retries) for event in recorded()]


def test_refused_attempts_are_counted_by_kind_for_the_model_and_whom_the_call_is_for(
    bedrock: Bedrock, metered: None, recorded: Recorded
) -> None:
    bedrock.refuse(*THROTTLED)
    bedrock.refuse(*OVERLOADED)
    bedrock.answer(body_of("converse.json"))
    with costmeter.attribute(team="search"):
        client_of(bedrock.url, attempts=3).converse(modelId=MODEL, messages=MESSAGES)
    *attempts, call = recorded()
    assert [(event.status, event.calls, event.retries) for event in attempts] == [
        ("rate_limited", 0, 1),
        ("server_error", 0, 1),
    ]
    assert (call.status, call.calls, call.retries, call.usage) == ("ok", 1, 0, CONVERSED)
    for event in attempts:
        assert (event.operation, event.provider, event.model) == ("chat", call.provider, MODEL)
        assert event.attributes == {"team": "search"}


def test_lost_answers_are_timeouts_and_a_call_that_gives_up_has_the_status_of_the_last(
    bedrock: Bedrock, metered: None, recorded: Recorded
) -> None:
    bedrock.answer(body_of("converse.json"), hangs=True)
    bedrock.refuse(*THROTTLED)
    with pytest.raises(ClientError, match="Throttling"):
        client_of(bedrock.url, attempts=2).converse(modelId=MODEL, messages=MESSAGES)
    assert told(recorded) == [("timeout", 0, 1), ("rate_limited", 1, 0)]


@pytest.mark.parametrize("operation", ["invoke_model", "invoke_model_with_response_stream"])
def test_a_profile_is_told_by_its_name_however_it_is_asked(
    bedrock: Bedrock, metered: None, recorded: Recorded, operation: str
) -> None:
    profile = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
    bedrock.refuse(*THROTTLED)
    client = client_of(bedrock.url, attempts=2)
    with pytest.raises(ClientError, match="Throttling"):
        getattr(client, operation)(modelId=profile, body=CHAT)
    assert [(event.model, event.operation, event.retries) for event in recorded()] == [
        ("eu.amazon.nova-lite-v1:0", "chat", 1),
        ("eu.amazon.nova-lite-v1:0", "chat", 0),
    ]


def test_attempts_of_other_services_are_none(
    bedrock: Bedrock, metered: None, recorded: Recorded
) -> None:
    bedrock.refuse(*THROTTLED)
    keys: dict[str, Any] = {"aws_access_key_id": "dummy", "aws_secret_access_key": "dummy"}
    client = SESSION.client("ssm", endpoint_url=bedrock.url, region_name="eu-central-1", **keys)
    with pytest.raises(ClientError):
        client.describe_parameters()
    assert len(bedrock.paths) > 1
    assert recorded() == []


def test_a_botocore_made_otherwise_is_metered_without_its_retries(
    bedrock: Bedrock,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Endpoint, "_wants_retry", Endpoint._needs_retry, raising=False)
    monkeypatch.delattr(Endpoint, "_needs_retry")
    with caplog.at_level(logging.WARNING, "costmeter"):
        costmeter.instrument("botocore")
    costmeter.uninstrument("botocore")
    assert caplog.messages == [
        "costmeter does not count retries of botocore: Endpoint._needs_retry is no method"
    ]
