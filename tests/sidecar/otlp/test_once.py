"""An OpenTelemetry instrumentation beside ours: a call that both see counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import costmeter
from costmeter.journal import process
from costmeter.ledger import query
from examples.standin.app import Standin, create_app
from tests.examples import serving
from tests.instrumentation.clients.asking import CHAT, headers
from tests.sidecar.otlp.test_receiver import Stack
from tests.sidecar.server import serving as serving_sidecar

GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 50,
}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A sidecar that reads what this process records, and takes its spans."""
    (tmp_path / "journal").mkdir()
    monkeypatch.setenv("COSTMETER_JOURNAL", str(tmp_path / "journal"))
    process.reset()
    stack = Stack(tmp_path)
    yield stack
    stack.pipeline.stop()
    process.reset()


@pytest.fixture
def standin() -> Iterator[str]:
    with serving.serving(create_app(Standin())) as url:
        costmeter.instrument("openai", providers={f"{url}/v1": "openai"})
        yield f"{url}/v1"
        costmeter.uninstrument()


async def told(stack: Stack, work: Any) -> list[Any]:
    """Do work with a tracer whose spans reach the sidecar one by one; return what was spent."""

    def traced(address: str) -> None:
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        exporter = OTLPSpanExporter(endpoint=f"http://{address}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        work(provider.get_tracer("other"))
        provider.shutdown()

    async with serving_sidecar(stack.app) as address:
        await asyncio.to_thread(traced, address)
    stack.pipeline.stop()
    rows = query.spend(stack.path, by=("model",), start=None, end=None, timezone="UTC", where={})
    return [(row.key, row.calls) for row in rows]


async def test_a_span_around_a_metered_call_does_not_count_nor_the_one_above_it(
    stack: Stack, standin: str
) -> None:
    def work(tracer: Any) -> None:
        with (
            openai.OpenAI(api_key="k", base_url=standin) as client,
            tracer.start_as_current_span("a framework's", attributes=GENAI),
            tracer.start_as_current_span("the SDK's", attributes=GENAI),
        ):
            client.chat.completions.create(**CHAT, **headers())

    assert await told(stack, work) == [(("gpt-4o-mini-2024-07-18",), 1)]


async def test_a_span_around_a_call_that_is_not_metered_counts(stack: Stack, standin: str) -> None:
    def work(tracer: Any) -> None:
        with openai.OpenAI(api_key="k", base_url=standin) as client:
            client.chat.completions.create(**CHAT, **headers())  # outside of any span
            with tracer.start_as_current_span("of another SDK", attributes=GENAI):
                client.models.list()  # no call of a model

    assert await told(stack, work) == [(("gpt-4o-mini",), 1), (("gpt-4o-mini-2024-07-18",), 1)]


async def test_a_span_of_the_application_itself_only_carries_the_mark(
    stack: Stack, standin: str
) -> None:
    def work(tracer: Any) -> None:
        with (
            openai.OpenAI(api_key="k", base_url=standin) as client,
            tracer.start_as_current_span("GET /ask") as span,
        ):
            client.chat.completions.create(**CHAT, **headers())
            assert span.attributes == {"costmeter.metered": True}

    assert await told(stack, work) == [(("gpt-4o-mini-2024-07-18",), 1)]
