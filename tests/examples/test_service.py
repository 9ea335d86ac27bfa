"""The example service, whole: its usage is read back from the journal."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import costmeter
from costmeter.journal import process
from costmeter.journal.reader import JournalReader
from costmeter.usage import UsageEvent
from examples.standin.app import Standin, create_app
from tests.examples.serving import serving
from tests.recorded import usage_in


@pytest.fixture
def service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[TestClient]:
    """The service and a stand-in behind it; its parameter is the share of errors."""
    monkeypatch.setenv("COSTMETER_JOURNAL", str(tmp_path))
    monkeypatch.delenv("EXAMPLE_UNPRICED_MODEL", raising=False)
    process.reset()
    with serving(create_app(Standin(errors=getattr(request, "param", 0.0)))) as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{standin}/v1")
        module = importlib.reload(importlib.import_module("examples.service.app"))
        with TestClient(module.app) as client:
            yield client
            assert client.portal is not None
            client.portal.call(module.client.close)
    costmeter.uninstrument()
    process.reset()


def events(directory: Path) -> list[UsageEvent]:
    return usage_in(JournalReader(directory, {}).read(100).payloads)


@pytest.mark.parametrize(
    ("path", "body", "spent"),
    [
        (
            "/summarise",
            {"text": "Long."},
            [("gpt-4o-mini-2024-07-18", "summarise", "content")],
        ),
        ("/chat", {"text": "Hello?"}, [("gpt-4o-2024-08-06", "chat", "support")]),
        (
            "/search",
            {"text": "What?"},
            [
                ("text-embedding-3-small", "search", "search"),
                ("o4-mini-2025-04-16", "search-answer", "search"),
            ],
        ),
        ("/index", ["One.", "Two."], [("text-embedding-3-small", "index", "search")]),
    ],
)
def test_a_request_spends_for_its_endpoint_feature_team_and_tenant(
    service: TestClient, tmp_path: Path, path: str, body: Any, spent: list[tuple[str, str, str]]
) -> None:
    answer = service.post(path, json=body, headers={"x-tenant": "acme"})
    assert answer.status_code == 200
    assert answer.text
    assert [
        (event.model, event.attributes["feature"], event.attributes["team"])
        for event in events(tmp_path)
    ] == spent
    for event in events(tmp_path):
        assert event.provider == "openai"
        assert event.attributes["endpoint"] == path
        assert event.attributes["tenant"] == "acme"
        assert (event.status, event.usage["input_tokens"] > 0) == ("ok", True)


@pytest.mark.parametrize("service", [1.0], indirect=True)
def test_a_provider_that_fails_is_a_bad_gateway_and_is_counted(
    service: TestClient, tmp_path: Path
) -> None:
    answer = service.post("/summarise", json={"text": "Long."})
    assert answer.status_code == 502
    assert answer.json()["detail"].startswith("the provider failed: ")
    recorded = events(tmp_path)
    assert [(event.calls, event.retries) for event in recorded] == [(0, 1), (1, 0)]
    for event in recorded:
        assert event.status in {"rate_limited", "server_error"}
        assert (event.usage, event.attributes["feature"]) == ({}, "summarise")


def test_now_and_then_a_model_without_a_price_is_asked(
    service: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_UNPRICED_MODEL", "mystery-1")
    monkeypatch.setattr("random.random", lambda: 0.01)
    service.post("/summarise", json={"text": "Long."})
    assert [event.model for event in events(tmp_path)] == ["mystery-1"]
