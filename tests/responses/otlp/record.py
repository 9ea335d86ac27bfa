"""Records ``python.bin``: what the OpenTelemetry SDK for Python and its OTLP/HTTP exporter send.

Run it as ``python tests/responses/otlp/record.py``; identities and times are fixed, so that the
file only changes where the exporter does.
"""

from __future__ import annotations

import gzip
import itertools
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

BEGAN = 1_795_339_800_000_000_000  # 2026-11-22T09:30:00Z
SECOND = 10**9


class Counting(IdGenerator):
    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def generate_span_id(self) -> int:
        return 0x00F0_67AA_0BA9_02B0 + next(self._numbers)

    def generate_trace_id(self) -> int:
        return 0x4BF9_2F35_77B3_4DA6_A3CE_929D_0E0E_4736


def chat(**attributes: object) -> dict[str, object]:
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"content": "secret"}]}]',
    }
    return told | {f"gen_ai.{name}": value for name, value in attributes.items()}


def work(provider: TracerProvider) -> None:
    """A request of an agent: a chat within a framework's chat, a tool, a chat that failed."""
    tracer = provider.get_tracer("shop")

    def span(name: str, parent: object, start: float, **options: object) -> object:
        context = set_span_in_context(parent) if parent else None
        began = BEGAN + int(start * SECOND)
        return tracer.start_span(name, context, start_time=began, **options)

    def end(span: object, at: float) -> None:
        span.end(BEGAN + int(at * SECOND))

    request = span("POST /ask", None, 0, kind=SpanKind.SERVER)
    request.set_attribute("http.route", "/ask")
    agent = span("invoke_agent shop", request, 0.1)
    agent.set_attributes(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1200}
    )
    wrapper = span("chat gpt-4o-mini", agent, 0.2)
    wrapper.set_attributes(chat() | {"gen_ai.usage.input_tokens": 1200})
    call = span("chat gpt-4o-mini", wrapper, 0.25, kind=SpanKind.CLIENT)
    call.set_attributes(chat(**{"response.id": "chatcmpl-1"}))
    call.set_attributes(
        {
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.reasoning.output_tokens": 20,
            "gen_ai.response.finish_reasons": ["stop"],
            "costmeter.feature": "summarise",
            "http.route": "/ask",
        }
    )
    end(call, 1.05)
    end(wrapper, 1.1)
    tool = span("execute_tool price", agent, 1.1)
    tool.set_attribute("gen_ai.operation.name", "execute_tool")
    end(tool, 1.2)
    failed = span("chat gpt-4o-mini", agent, 1.2, kind=SpanKind.CLIENT)
    failed.set_attributes(chat() | {"error.type": "openai.RateLimitError"})
    failed.set_status(Status(StatusCode.ERROR))
    end(failed, 1.5)
    end(agent, 1.6)
    end(request, 1.7)


def main() -> None:
    bodies = []

    class Capture(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Capture)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    exporter = OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces", compression=Compression.Gzip
    )
    resource = Resource({"service.name": "shop", "costmeter.team": "search"})
    provider = TracerProvider(resource=resource, id_generator=Counting())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    work(provider)
    provider.shutdown()
    server.shutdown()
    server.server_close()
    [body] = bodies
    Path(__file__).with_name("python.bin").write_bytes(gzip.decompress(body))


if __name__ == "__main__":
    main()
