"""Recording one call of a model in the application, beside what others do for the same call.

REF is the least that counts the same: a hand-written function with the same parameters that adds up
calls, errors, every kind of token, duration and cost, with a histogram of each of the latter two,
under a lock. Times are CPU time of the calling thread, taken in turns in short rounds, so that
ratios hold on a machine that has other things to do. Then the same beside three busy threads, by
the clock on the wall: the share of calls that take longer than a millisecond.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Histogram

from benchmarks.table import Row, show
from costmeter import attribute, record_llm
from costmeter.journal import process
from costmeter.names import API_CALL_DURATION, REQUEST_COST

ROUNDS: Final = 60
CALLS: Final = 1000
WARM_UP: Final = 100
"""Calls before each round that are not measured: the contestant before has used the caches."""
BUSY_SECONDS: Final = 4.0
TARGET: Final = 1.3

DURATIONS: Final = API_CALL_DURATION.buckets
COSTS: Final = REQUEST_COST.buckets

Record = Callable[[int], None]
"""Records so many calls."""


# -- REF -------------------------------------------------------------------------------------------

_lock: Final = threading.Lock()
_rows: Final[dict[tuple[object, ...], list[float]]] = {}
_whom: Final = ContextVar("whom", default=("/v1/chat", "summarise", "search"))


def count(  # noqa: C901 - as plain as it gets, and fast
    provider: str,
    model: str,
    operation: str = "chat",  # noqa: ARG001 - the same parameters
    input_tokens: int = 0,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    input_audio_tokens: int = 0,
    cache_audio_read_tokens: int = 0,
    input_image_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    output_audio_tokens: int = 0,
    output_image_tokens: int = 0,
    images: int = 0,
    web_searches: int = 0,
    duration_seconds: float = 0.0,
    status: str = "ok",
    service_tier: str = "",  # noqa: ARG001 - the same parameters
    cost_usd: float = 0.0,
    estimated: bool = False,  # noqa: ARG001 - the same parameters
    **attributes: object,  # noqa: ARG001 - the same parameters
) -> None:
    """Count a call as one would by hand."""
    key = (provider, model, _whom.get())
    with _lock:
        row = _rows.get(key)
        if row is None:
            row = _rows[key] = [0.0] * 45
        row[0] += 1
        if status != "ok":
            row[1] += 1
        row[2] += input_tokens
        row[3] += output_tokens
        if cache_read_tokens:
            row[4] += cache_read_tokens
        if reasoning_tokens:
            row[5] += reasoning_tokens
        if cache_write_tokens:
            row[6] += cache_write_tokens
        if cache_write_1h_tokens:
            row[7] += cache_write_1h_tokens
        if input_audio_tokens:
            row[8] += input_audio_tokens
        if cache_audio_read_tokens:
            row[9] += cache_audio_read_tokens
        if input_image_tokens:
            row[10] += input_image_tokens
        if output_audio_tokens:
            row[11] += output_audio_tokens
        if output_image_tokens:
            row[12] += output_image_tokens
        if images:
            row[13] += images
        if web_searches:
            row[14] += web_searches
        row[15] += duration_seconds
        row[16] += cost_usd
        row[17 + bisect_left(DURATIONS, duration_seconds)] += 1
        row[31 + bisect_left(COSTS, cost_usd)] += 1


def ref(calls: int) -> None:
    for _ in range(calls):
        count(
            provider="openai",
            model="gpt-4o-mini",
            input_tokens=1200,
            cache_read_tokens=1000,
            output_tokens=50,
            reasoning_tokens=20,
            duration_seconds=0.8,
            cost_usd=0.000135,
        )


# -- costmeter and its peers ---------------------------------------------------------------------


def costmeter() -> Record:
    attribute(endpoint="/v1/chat", feature="summarise", team="search").__enter__()

    def record(calls: int) -> None:
        for _ in range(calls):
            record_llm(
                provider="openai",
                model="gpt-4o-mini",
                input_tokens=1200,
                cache_read_tokens=1000,
                output_tokens=50,
                reasoning_tokens=20,
                duration_seconds=0.8,
            )

    return record


LABELS: Final = ("provider", "model", "endpoint", "feature", "team")
VALUES: Final = ("openai", "gpt-4o-mini", "/v1/chat", "summarise", "search")
TOKENS: Final = (("input", 200), ("cache_read", 1000), ("output", 30), ("reasoning", 20))


def prometheus_client(*, cached: bool) -> Record:
    """Count with prometheus_client, with ``labels()`` for each call or with children kept."""
    registry = CollectorRegistry()
    calls_total = Counter("calls", "-", (*LABELS, "status"), registry=registry)
    tokens_total = Counter("tokens", "-", (*LABELS, "type"), registry=registry)
    spend_total = Counter("spend", "-", LABELS, registry=registry)
    durations = Histogram("duration", "-", LABELS[:2], buckets=DURATIONS, registry=registry)
    costs = Histogram("cost", "-", ("endpoint", "provider"), buckets=COSTS, registry=registry)

    def labelled(calls: int) -> None:
        for _ in range(calls):
            calls_total.labels(*VALUES, "ok").inc()
            for kind, tokens in TOKENS:
                tokens_total.labels(*VALUES, kind).inc(tokens)
            spend_total.labels(*VALUES).inc(0.000135)
            durations.labels("openai", "gpt-4o-mini").observe(0.8)
            costs.labels("/v1/chat", "openai").observe(0.000135)

    if not cached:
        return labelled
    call, spend = calls_total.labels(*VALUES, "ok"), spend_total.labels(*VALUES)
    kinds = [(tokens_total.labels(*VALUES, kind), tokens) for kind, tokens in TOKENS]
    duration = durations.labels("openai", "gpt-4o-mini")
    cost = costs.labels("/v1/chat", "openai")

    def kept(calls: int) -> None:
        for _ in range(calls):
            call.inc()
            for kind, tokens in kinds:
                kind.inc(tokens)
            spend.inc(0.000135)
            duration.observe(0.8)
            cost.observe(0.000135)

    return kept


def opentelemetry() -> Record:
    """Count with OpenTelemetry's SDK, read by an in-memory reader."""
    meter = MeterProvider([InMemoryMetricReader()]).get_meter("benchmark")
    calls_total, tokens_total, spend_total = map(meter.create_counter, ("calls", "tokens", "spend"))
    durations, costs = map(meter.create_histogram, ("duration", "cost"))
    labels = dict(zip(LABELS, VALUES, strict=True))

    def record(calls: int) -> None:
        for _ in range(calls):
            calls_total.add(1, {**labels, "status": "ok"})
            for kind, tokens in TOKENS:
                tokens_total.add(tokens, {**labels, "type": kind})
            spend_total.add(0.000135, labels)
            durations.record(0.8, {"provider": "openai", "model": "gpt-4o-mini"})
            costs.record(0.000135, {"endpoint": "/v1/chat", "provider": "openai"})

    return record


# -- Measuring -----------------------------------------------------------------------------------


def in_turns(contestants: dict[str, Record]) -> dict[str, float]:
    """Return the median CPU time of a call, in nanoseconds, of each contestant."""
    for record in contestants.values():
        record(CALLS)
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, record in contestants.items():
            record(WARM_UP)
            began = time.thread_time_ns()
            record(CALLS)
            taken[name].append((time.thread_time_ns() - began) / CALLS)
    return {name: statistics.median(times) for name, times in taken.items()}


def multi_process_ratio() -> float:
    """Return prometheus_client's multi-process mode by REF: it has to be chosen before import."""
    with tempfile.TemporaryDirectory() as directory:
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.recording", "multi-process"],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": directory},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(run.stdout)


def print_multi_process_ratio() -> None:
    taken = in_turns({"REF": ref, "peer": prometheus_client(cached=False)})
    print(taken["peer"] / taken["REF"])


def slow_share(call: Callable[[], Any]) -> float:
    """Return the share of calls that take over a millisecond beside three busy threads."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    slow = calls = 0
    until = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < until:
        time.sleep(0.0005)  # as a service that waits for something now and then
        for _ in range(20):
            began = time.perf_counter_ns()
            call()
            slow += time.perf_counter_ns() - began > 1_000_000
            calls += 1
    stop.set()
    for thread in threads:
        thread.join()
    return slow / calls


def main() -> None:
    """Measure all of it and print two tables."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["COSTMETER_JOURNAL"] = directory
        ours = costmeter()
        taken = in_turns(
            {
                "REF, written by hand": ref,
                "costmeter.record_llm": ours,
                "prometheus_client, cached children": prometheus_client(cached=True),
                "prometheus_client, .labels()": prometheus_client(cached=False),
                "OpenTelemetry SDK": opentelemetry(),
            }
        )
        reference = taken["REF, written by hand"]
        ratios = {name: nanoseconds / reference for name, nanoseconds in taken.items()}
        ratios["prometheus_client, multi-process mode"] = multi_process_ratio()
        rows = [
            Row(name, f"{ratio * reference / 1000:.2f} µs", f"{ratio:.2f} REF")
            for name, ratio in sorted(ratios.items(), key=lambda item: item[1])
        ]
        at = next(at for at, row in enumerate(rows) if row.name == "costmeter.record_llm")
        met = ratios["costmeter.record_llm"] <= TARGET
        rows[at] = rows[at]._replace(target=f"≤ {TARGET} REF", met=met)
        show("Recording one call of a model", rows, "Only costmeter's survives kill -9.")

        file = os.open(Path(directory, "plain"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        payload = b"x" * 220
        shares = {
            "nothing": slow_share(lambda: None),
            "costmeter.record_llm": slow_share(lambda: ours(1)),
            "write(2) to a file": slow_share(lambda: os.write(file, payload)),
        }
        os.close(file)
        allowed = shares["nothing"] + 0.001
        show(
            "Beside three busy threads: calls over 1 ms",
            [
                Row(
                    name,
                    f"{share:.2%}",
                    target="as nothing" if name.startswith("costmeter") else "",
                    met=share <= allowed if name.startswith("costmeter") else None,
                )
                for name, share in shares.items()
            ],
        )
        process.journal.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["multi-process"]:
        print_multi_process_ratio()
    else:
        main()
