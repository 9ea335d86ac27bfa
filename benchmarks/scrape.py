"""A whole scrape over HTTP: how long it takes and what a series weighs, beside prometheus_client.

Each exporter serves from a process of its own with uvicorn on a real socket, and is scraped by a
client that only reads. ``all`` is a scrape after every series changed, ``5 %`` after one in twenty
did, picked at random. Memory is the growth of the process for its series, by resident pages.
"""

from __future__ import annotations

import gc
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.asgi import make_asgi_app

from benchmarks.table import Row, show
from costmeter.names import LEDGER_FAMILIES
from costmeter.sidecar.app import create_app
from costmeter.sidecar.exposition import Exposition
from costmeter.sidecar.web import WebConfig

LABELS: Final = ("provider", "model", "endpoint", "feature", "team", "component")
SIZES: Final = (10_000, 100_000)
ROUNDS: Final = {10_000: 15, 100_000: 5}
PEER_EVERY: Final = 5
"""The peer takes seconds, so it is scraped in every fifth round only."""
TARGETS_MS: Final = {(10_000, "all"): 25, (100_000, "all"): 130,
                     (10_000, "5 %"): 6, (100_000, "5 %"): 35}  # fmt: skip
PEER_MS: Final = {10_000: 289, 100_000: 2600}
"""What a scrape of prometheus_client took when the targets were set."""
TARGET_BYTES: Final = 360
SHARES: Final = {"all": 1.0, "5 %": 0.05}


def label_values(series: int) -> list[tuple[str, ...]]:
    """Return so many different sets of label values as a service would have, in no order."""
    values = [
        ("openai", f"gpt-{n % 10}-mini", f"/v1/{n // 10 % 20}/chat", f"feature-{n // 200 % 20}",
         f"team-{n // 4000 % 100}", ("input", "cache_read", "output")[n % 3])
        for n in range(series)
    ]  # fmt: skip
    random.Random(1).shuffle(values)
    return values


# -- the processes that are scraped -------------------------------------------------------------


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def costmeter_exporter(series: int) -> tuple[object, Callable[[list[int]], None], int]:
    class Pipeline:
        exposition = Exposition(LEDGER_FAMILIES)

        def gauges(self) -> list[object]:
            return []

        def scraped(self, began_ns: int) -> None:
            pass

    pipeline = Pipeline()
    app = create_app(pipeline, WebConfig())
    all_values = label_values(series)
    totals = array("q", bytes(8 * series))
    before = resident_bytes()
    for number, values in enumerate(all_values):
        labels = dict(zip(LABELS, values, strict=True))
        pipeline.exposition.add(number, "cost_spend_usd_total", labels, 0)

    def change(changed: list[int]) -> None:
        for number in changed:
            totals[number] += 1_234_567
        pipeline.exposition.update({number: totals[number] for number in changed})

    change(list(range(series)))
    pipeline.exposition.draw(openmetrics=False)
    return app, change, resident_bytes() - before


def prometheus_client_exporter(series: int) -> tuple[object, Callable[[list[int]], None], int]:
    registry = CollectorRegistry()
    app = make_asgi_app(registry)
    all_values = label_values(series)
    before = resident_bytes()
    counter = Counter("cost_spend_usd", "Spend.", LABELS, registry=registry)
    children = [counter.labels(*values) for values in all_values]

    def change(changed: list[int]) -> None:
        for number in changed:
            children[number].inc(0.001234567)

    change(list(range(series)))
    generate_latest(registry)
    return app, change, resident_bytes() - before


def serve(
    make: Callable[[int], tuple[object, Callable[[list[int]], None], int]], series: int
) -> None:
    """Serve until standard input ends; each of its lines is a share of the series to change."""
    app, change, grown = make(series)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `costmeter serve` does
    config = uvicorn.Config(
        app, lifespan="off", log_level="warning", access_log=False, timeout_keep_alive=3600
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    print(listener.getsockname()[1], grown, flush=True)
    for line in sys.stdin:
        changed = round(series * float(line))
        change(list(range(series)) if changed == series else random.sample(range(series), changed))
        print("changed", flush=True)
    server.should_exit = True


# -- the one that scrapes -----------------------------------------------------------------------


class Exporter:
    """A process that serves, as its scraper sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        port, self.grown_bytes = map(int, process.stdout.readline().split())
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._buffer = bytearray(1 << 22)

    def change(self, share: float) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(share, file=self._process.stdin, flush=True)
        self._process.stdout.readline()

    def scrape_ms(self, *, gzip: bool) -> float:
        """Scrape once; return how long it took, in milliseconds."""
        encoding = "gzip" if gzip else "identity"
        began = time.perf_counter()
        self._connection.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
            b"Accept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5\r\n"
            b"Accept-Encoding: " + encoding.encode() + b"\r\n\r\n"
        )
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert (fields.get(b"content-encoding") == b"gzip") == gzip
        if length := fields.get(b"content-length"):
            left = int(length) - len(body)
            while left:
                left -= len(self._receive())
        else:  # in chunks, of which the last is empty
            while not body.endswith(b"0\r\n\r\n"):
                body = body[-5:] + bytes(self._receive()[-5:])
        return (time.perf_counter() - began) * 1e3

    def _receive(self) -> memoryview:
        size = self._connection.recv_into(self._buffer)
        assert size, "the server closed the connection"
        return memoryview(self._buffer)[:size]


@contextmanager
def exporter(kind: str, series: int) -> Iterator[Exporter]:
    command = [sys.executable, "-m", "benchmarks.scrape", kind, str(series)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Exporter(process)
        finally:
            process.kill()


MAKERS: Final = {"costmeter": costmeter_exporter, "prometheus_client": prometheus_client_exporter}


def measure(series: int) -> dict[tuple[str, str, bool], float]:
    """Return medians in ms by exporter, share of changes and gzip; bytes a series by ``memory``."""
    taken: dict[tuple[str, str, bool], list[float]] = {}
    measured: dict[tuple[str, str, bool], float] = {}
    with exporter("costmeter", series) as ours, exporter("prometheus_client", series) as peer:
        exporters = {"costmeter": ours, "prometheus_client": peer}
        for name, each in exporters.items():
            measured[name, "memory", False] = each.grown_bytes / series
        for number in range(ROUNDS[series]):
            for gzip, share in product((False, True), SHARES):
                for name, each in exporters.items():  # in turns: a slow moment meets both
                    if name == "costmeter" or number % PEER_EVERY == 0:
                        each.change(SHARES[share])
                        taken.setdefault((name, share, gzip), []).append(each.scrape_ms(gzip=gzip))
    return measured | {key: statistics.median(times) for key, times in taken.items()}


def rows(series: int) -> Iterator[Row]:
    """Return what was measured with so many series.

    The targets in ms are of a machine that prometheus_client takes ``PEER_MS`` on, so they are held
    as ratios to what it takes in the same run.
    """
    measured = measure(series)
    for gzip, share in product((False, True), SHARES):
        ours, peer = (measured[name, share, gzip] for name in MAKERS)
        target, nominal = TARGETS_MS[series, share], PEER_MS[series]
        yield Row(
            f"{series:,} series, {share} changed{', gzip' if gzip else ''}",
            f"{ours:.1f} ms",
            f"{ours / peer:.1%} of {peer:,.0f} ms",
            f"{target / nominal:.1%} ({target} of {nominal:,} ms)",
            ours / peer <= target / nominal,
        )
    if series == SIZES[-1]:  # with few, the allocator's own grain is what is measured
        ours, peer = (measured[name, "memory", False] for name in MAKERS)
        yield Row(
            "memory of a series",
            f"{ours:.0f} B",
            f"{ours / peer:.1%} of {peer:.0f} B",
            f"{TARGET_BYTES} B",
            ours <= TARGET_BYTES,
        )


def main() -> None:
    found = [row for series in SIZES for row in rows(series)]
    show("A scrape over HTTP, beside prometheus_client", found)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(MAKERS[sys.argv[1]], int(sys.argv[2]))
    else:
        main()
