"""What others add to the calls of the same SDKs, in an environment of its own.

OpenLIT pins versions of SDKs older than those that costmeter is tested with, so all of this runs
with what OpenLIT accepts, costmeter too. Spans, metrics and events of the others go to exporters
that drop them, in batches and from threads whose time does not count.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.metering import Taken, measure, measure_costmeter, rows
from benchmarks.mocked import SDKS
from benchmarks.table import Row, show

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "benchmarks" / "peers.txt"
"""What fits together; pip finds it in minutes, if at all."""
VENV: Final = ROOT / ".run" / "peers"
PEERS: Final = {
    "openai": ("costmeter", "OpenLIT", "OpenTelemetry"),
    "anthropic": ("costmeter", "OpenLIT"),
}
"""Who is measured on which SDK."""


def main() -> None:
    """Make the environment where there is none, measure in it, and print a table."""
    if reason := install():
        print(f"OpenLIT and OpenTelemetry's instrumentation are left out: {reason}")
        return
    lines: list[Row] = []
    for package, peers in PEERS.items():
        for who in peers:
            title, taken = run(who, package)
            lines += rows(f"{who}: {title}", {name: Taken(*call) for name, call in taken.items()})
    show("What others add to a call, with the SDKs that OpenLIT accepts", lines)


def install() -> str:
    """Install the peers; return why that failed, or nothing."""
    if (VENV / "installed").exists():
        return ""
    shutil.rmtree(VENV, ignore_errors=True)
    python = VENV / "bin" / "python"
    try:
        for command in (
            [sys.executable, "-m", "venv", str(VENV)],
            [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        return str(told).strip().splitlines()[-1]
    (VENV / "installed").touch()
    return ""


def run(who: str, package: str) -> tuple[str, dict[str, list[float]]]:
    """Return an SDK with its version, and what someone adds to its calls: in a new process."""
    run = subprocess.run(
        [VENV / "bin" / "python", "-m", "benchmarks.peers", who, package],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'exporter'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    title, taken = json.loads(run.stdout.splitlines()[-1])
    return title, taken


# -- In the environment of the peers -------------------------------------------------------------


def measure_one(who: str, package: str) -> None:
    """Print what someone adds to the calls of an SDK, as JSON."""
    sdk = next(sdk for sdk in SDKS if sdk.package == package)
    if who == "costmeter":
        taken = measure_costmeter(sdk)
    else:
        drop_telemetry()
        taken = measure(sdk, openlit if who == "OpenLIT" else opentelemetry)
    print(json.dumps((f"{package} {sdk.version}", taken)))


def openlit() -> None:
    """Switch OpenLIT on, with what it does by default."""
    import openlit as peer

    peer.init()


def opentelemetry() -> None:
    """Switch OpenTelemetry's instrumentation of OpenAI's SDK on."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def drop_telemetry() -> None:
    """Have spans, metrics and logs end nowhere, after all the work in the calling thread."""
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Dropping(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002 - the signature is theirs
            return SpanExportResult.SUCCESS

    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(Dropping()))
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    _logs.set_logger_provider(LoggerProvider())


if __name__ == "__main__":
    measure_one(*sys.argv[1:])
