"""Spans of litellm's own OpenTelemetry callback: those of metered calls are no calls once more."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
import pytest
from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import costmeter
from costmeter.sidecar.otlp.decode import from_protobuf
from costmeter.sidecar.otlp.names import wanted
from costmeter.sidecar.otlp.usage import meter
from tests.instrumentation.clients.conftest import Recorded
from tests.litellm.conftest import Provider
from tests.litellm.test_litellm import ASKED, Named
from tests.waiting import until

NOW = 1_795_350_000_000_000_000
CALLS = [
    # asked of litellm, what answers, and a stream of it: over OpenAI's SDK, and by litellm itself
    ("openai/gpt-4o-mini", "openai/chat_completion.json", "openai/chat_stream.sse"),
    ("anthropic/claude-haiku-4-5", "anthropic/message.json", "anthropic/message_stream.sse"),
    ("gemini/gemini-2.5-flash", "google_genai/generate_content.json", ""),
]


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(scope="module")
def callback(exporter: InMemorySpanExporter) -> OpenTelemetry:
    """litellm's callback, whose first tracer is the tracer of the whole process."""
    return OpenTelemetry(config=OpenTelemetryConfig(exporter=exporter))


@pytest.fixture
def exported(
    exporter: InMemorySpanExporter, callback: OpenTelemetry, monkeypatch: pytest.MonkeyPatch
) -> InMemorySpanExporter:
    """What litellm's callback exports."""
    exporter.clear()
    for kind in ("input", "success", "failure"):
        for name in (f"{kind}_callback", f"_async_{kind}_callback"):
            monkeypatch.setattr(litellm, name, [])
    monkeypatch.setattr(litellm, "callbacks", [callback])
    return exporter


def calls_told(exporter: InMemorySpanExporter) -> list[str]:
    """Return the status of each call that the sidecar would count, once the spans are there."""
    until(lambda: any(span.name == "litellm_request" for span in exporter.get_finished_spans()), 10)
    spans = exporter.get_finished_spans()
    exporter.clear()
    metered = meter(from_protobuf(encode_spans(spans).SerializeToString(), wanted), NOW)
    assert metered.problems == []
    return [each.event.status for each in metered.events if each.event is not None]


@pytest.mark.parametrize(("model", "body", "stream"), CALLS)
async def test_a_metered_call_is_told_of_once(
    model: str,
    body: str,
    stream: str,
    provider: Named,
    recorded: Recorded,
    exported: InMemorySpanExporter,
) -> None:
    at = provider("")
    asked: Any = {"model": model, "messages": ASKED, **at.sent()}
    at.answers(body)
    litellm.completion(**asked)
    assert calls_told(exported) == []
    await litellm.acompletion(**asked)
    await written(exported)
    assert calls_told(exported) == []
    assert len(recorded()) == 2
    if stream:
        at.server.answers.clear()
        at.answers(stream)
        assert [part async for part in await litellm.acompletion(**asked, stream=True)]
        await written(exported)
        assert calls_told(exported) == []
        assert len(recorded()) == 1


async def written(exporter: InMemorySpanExporter) -> None:
    """Wait while litellm's callback is at work in the event loop."""
    while not exporter.get_finished_spans():
        await asyncio.sleep(0.01)


def test_so_is_one_that_failed(
    provider: Named, recorded: Recorded, exported: InMemorySpanExporter
) -> None:
    at = provider("")
    at.server.answer(b"{}", status=429)
    with pytest.raises(litellm.RateLimitError):
        litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    assert calls_told(exported) == []
    assert [event.status for event in recorded()] == ["rate_limited"]


def test_a_call_that_is_not_metered_here_is_told_of_by_its_span(
    provider: Named, recorded: Recorded, exported: InMemorySpanExporter
) -> None:
    at: Provider = provider("")
    at.answers("anthropic/message.json")
    costmeter.uninstrument("litellm")
    litellm.completion(model="anthropic/claude-haiku-4-5", messages=ASKED, **at.sent())
    assert calls_told(exported) == ["ok"]
    assert recorded() == []


def test_what_a_cache_answers_is_no_call(
    provider: Named, exported: InMemorySpanExporter, callback: OpenTelemetry
) -> None:
    provider("")
    span = callback.tracer.start_span("litellm_request")
    callback.set_attributes(span, {"cache_hit": True, "litellm_params": {}}, {})
    span.end()
    (told,) = exported.get_finished_spans()
    assert told.attributes is not None
    assert told.attributes["costmeter.metered"] is True
