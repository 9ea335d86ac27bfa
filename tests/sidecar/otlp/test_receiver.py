from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from costmeter.errors import LedgerError
from costmeter.ledger import query
from costmeter.sidecar.app import create_app
from costmeter.sidecar.config import IntakeConfig, load
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.otlp.decode import from_json, from_protobuf
from costmeter.sidecar.otlp.names import wanted
from costmeter.sidecar.otlp.usage import meter
from costmeter.sidecar.pipeline import Pipeline
from costmeter.sidecar.web import WebConfig
from tests.sidecar.server import FakePipeline, client_of, serving

RECORDED = Path(__file__).parents[2] / "responses" / "otlp"
PYTHON = (RECORDED / "python.bin").read_bytes()
NODE = (RECORDED / "node.json").read_bytes()
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def client(pipeline: FakePipeline, **limits: Any):
    return client_of(create_app(pipeline, WebConfig(), intake=IntakeConfig(**limits)))


def with_input(tokens: object) -> bytes:
    body = json.loads(NODE)
    span = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for attribute in span["attributes"]:
        if attribute["key"] == "gen_ai.usage.input_tokens":
            attribute["value"] = {"intValue": tokens}
    return json.dumps(body).encode()


async def test_an_export_in_protobuf_is_answered_in_protobuf(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert [event.status for event in pipeline.identified] == ["ok", "rate_limited"]


async def test_an_export_in_json_is_answered_in_json(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=NODE, headers=JSON)

    assert (answer.status_code, answer.json()) == (200, {})
    assert [event.model for event in pipeline.identified] == ["gpt-4o-2024-08-06"]


async def test_a_compressed_export_is_inflated(pipeline: FakePipeline) -> None:
    headers = PROTOBUF | {"content-encoding": "gzip"}
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=gzip.compress(PYTHON), headers=headers)

    assert answer.status_code == 200
    assert len(pipeline.identified) == 2


async def test_an_export_that_is_sent_again_is_answered_and_not_added(
    pipeline: FakePipeline,
) -> None:
    async with client(pipeline) as http:
        for _ in range(2):
            answer = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)

    assert answer.status_code == 200
    assert len(pipeline.identified) == 2


async def test_no_prompt_gets_into_an_event(pipeline: FakePipeline) -> None:
    assert b"secret" in PYTHON
    assert b"secret" in NODE
    async with client(pipeline) as http:
        await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)
        await http.post("/v1/traces", content=NODE, headers=JSON)

    assert "secret" not in repr(pipeline.identified)


async def test_an_export_without_calls_is_answered_though_nothing_is_ready(
    pipeline: FakePipeline,
) -> None:
    pipeline.state = "starting"
    async with client(pipeline) as http:
        answers = [
            await http.post("/v1/traces", content=b"", headers=PROTOBUF),
            await http.post("/v1/traces", content=b"{}", headers=JSON),
        ]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_refused_spans_are_a_partial_success(pipeline: FakePipeline) -> None:
    body = with_input(-5)
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=body, headers=JSON)

    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert partial["errorMessage"] == (
        "span eee19b7ec3c1b174: gen_ai.usage.input_tokens: '-5' is not a whole number"
        " from 0 to 1000000000000"
    )
    assert pipeline.refused == [("invalid", 1)]
    assert pipeline.identified == []


async def test_refused_spans_are_a_partial_success_in_protobuf_too(pipeline: FakePipeline) -> None:
    spans = list(from_protobuf(PYTHON, wanted))
    body = PYTHON.replace(bytes.fromhex(spans[0].trace_id), bytes(16))
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=body, headers=PROTOBUF)

    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    calls = 3  # the framework's, the model's and the failed one: nesting needs an identity
    assert (answer.status_code, partial.rejected_spans) == (200, calls)
    assert "its ids are not valid" in partial.error_message
    assert pipeline.refused == [("invalid", calls)]


async def test_what_is_no_export_is_refused(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        binary = await http.post("/v1/traces", content=b"\xff", headers=PROTOBUF)
        text = await http.post("/v1/traces", content=b"[]", headers=JSON)

    assert (binary.status_code, text.status_code) == (400, 400)
    assert Status.FromString(binary.content).message == (
        "the body is no ExportTraceServiceRequest in protobuf"
    )
    assert text.json()["message"].startswith("the body is no export of traces in JSON: ")
    assert pipeline.refused == [("invalid", 1)] * 2


async def test_limits_hold_and_are_told_in_the_encoding_of_the_sender(
    pipeline: FakePipeline,
) -> None:
    async with client(pipeline, max_traces_body_bytes=1024, burst=3) as http:
        large = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)
        bomb = await http.post(
            "/v1/traces",
            content=gzip.compress(bytes(100_000)),
            headers=JSON | {"content-encoding": "gzip"},
        )
        other = await http.post("/v1/traces", content=b"", headers={"content-type": "text/plain"})
        often = await http.post("/v1/traces", content=b"", headers=PROTOBUF)

    assert [each.status_code for each in (large, bomb, other, often)] == [413, 413, 415, 429]
    assert Status.FromString(large.content).message == "the body has more than 1024 bytes"
    assert bomb.json() == {"message": "the body has more than 1024 bytes"}
    message = "content-type: must be application/x-protobuf or application/json"
    assert other.json() == {"message": message}
    assert often.headers["retry-after"] == "1"
    assert often.headers["content-type"] == "application/x-protobuf"


async def test_more_calls_than_a_batch_may_have_are_refused(pipeline: FakePipeline) -> None:
    async with client(pipeline, max_events=1) as http:
        answer = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)

    assert answer.status_code == 413
    assert Status.FromString(answer.content).message == "more than 1 calls in an export"
    assert pipeline.refused == [("too_large", 1)]


async def test_what_cannot_be_committed_is_to_be_sent_again(
    pipeline: FakePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.receipt = Future()
    pipeline.receipt.set_exception(LedgerError("/var/lib/costmeter/ledger.db: disk I/O error"))
    async with client(pipeline) as http:
        answer = await http.post("/v1/traces", content=NODE, headers=JSON)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"message": "not committed; send the same batch again"}
    assert "disk I/O error" in caplog.text


async def test_a_user_is_asked_for_as_everywhere(pipeline: FakePipeline, tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    hashed = "$2b$04$" + "a" * 53
    file.write_text(f"basic_auth_users: {{app: {hashed}}}")
    async with client_of(create_app(pipeline, WebConfig(file))) as http:
        answer = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)

    assert answer.status_code == 401


def test_protobuf_is_imported_once_it_is_needed() -> None:
    code = (
        "import sys, costmeter.sidecar.app; "
        "print([name for name in sys.modules if name.startswith(('google.', 'opentelemetry'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- With a real ledger, and OpenTelemetry's own exporter -----------------------------------------


class Stack:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "ledger.db"
        self.config = load(
            None, journal=directory / "journal", ledger=self.path, prices={"refresh": "off"}
        )
        self.start()

    def start(self) -> None:
        self.pipeline = Pipeline(self.config)
        self.pipeline.start()
        self.app = create_app(Exporter(self.pipeline), WebConfig())

    def restart(self) -> None:
        self.pipeline.stop()
        self.start()

    def calls(self) -> int:
        rows = query.spend(self.path, by=(), start=None, end=None, timezone="UTC", where={})
        return sum(row.calls for row in rows)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.pipeline.stop()


async def test_an_export_counts_once_across_a_restart(stack: Stack) -> None:
    for _ in range(2):
        async with client_of(stack.app) as http:
            for _ in range(2):
                answer = await http.post("/v1/traces", content=PYTHON, headers=PROTOBUF)
                assert answer.status_code == 200
                answer = await http.post("/v1/traces", content=NODE, headers=JSON)
                assert answer.status_code == 200
        assert stack.calls() == 3
        stack.restart()


def test_exports_are_taken_at_once_and_names_are_forgotten_in_the_ledger_too(
    tmp_path: Path,
) -> None:
    class Clock:
        seconds = 1_795_350_000

        def now_ns(self) -> int:
            return self.seconds * 10**9

        monotonic_ns = now_ns

    clock = Clock()
    config = load(
        None,
        journal=tmp_path / "journal",
        ledger=tmp_path / "ledger.db",
        prices={"refresh": "off"},
    )
    pipeline = Pipeline(config, clock=clock)
    pipeline.start()
    try:
        python = meter(from_protobuf(PYTHON, wanted), 0).events
        node = meter(from_json(NODE, wanted), 0).events
        receipts = [pipeline.submit_identified(python) for _ in range(2)]
        assert [each.result(20) for each in receipts] == [(2, False), (0, True)]
        clock.seconds += 3601
        assert pipeline.submit_identified(node).result(20) == (1, False)
        assert pipeline.submit_identified([*node, *python]).result(20) == (2, False)
        assert len([name for name in pipeline.ledger.positions() if "event:" in name]) == 6
    finally:
        pipeline.stop()


async def test_opentelemetrys_exporter_is_metered_to_the_cent(stack: Stack) -> None:
    def export(address: str) -> bool:
        exporter = OTLPSpanExporter(
            endpoint=f"http://{address}/v1/traces", compression=Compression.Gzip
        )
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("shop")
        for _ in range(100):
            with tracer.start_as_current_span("chat gpt-4o-mini") as span:
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.response.model": "gpt-4o-mini",
                        "gen_ai.usage.input_tokens": 1000,
                        "gen_ai.usage.output_tokens": 50,
                        "costmeter.team": "search",
                    }
                )
        flushed = provider.force_flush()
        provider.shutdown()
        return flushed

    async with serving(stack.app) as address:
        assert await asyncio.to_thread(export, address)

    rows = query.spend(stack.path, by=("team",), start=None, end=None, timezone="UTC", where={})
    # At 0.15 and 0.60 USD per million tokens, each call is 180,000 nano-dollars.
    assert [(row.key, row.calls, row.cost_nano_usd) for row in rows] == [
        (("search",), 100, 100 * 180_000)
    ]


async def test_senders_at_once_are_all_taken(stack: Stack) -> None:
    bodies = [NODE.replace(b"EEE19B7EC3C1B174", b"%016X" % (n + 1)).replace(b"resp_1", b"r%d" % n)
              for n in range(20)]  # fmt: skip
    async with serving(stack.app) as address, httpx2.AsyncClient() as http:
        url = f"http://{address}/v1/traces"
        answers = await asyncio.gather(
            *(http.post(url, content=body, headers=JSON) for body in bodies for _ in range(2))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert stack.calls() == 20
