"""What a check of the gate takes, socket round trip and reservation included.

The exporter is ``costmeter serve`` in a process of its own, with budgets that match; every check
reserves, and the one before it is given back. ``beside ingest``: while the exporter reads and
commits usage as fast as an application writes it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from benchmarks.table import Row, show

TARGET_US: Final = 300
CHECKS: Final = 3000
THREADS: Final = 8
CONFIG: Final = {
    "listen": "127.0.0.1:9469",
    "prices": {"refresh": "off"},
    "budgets": [
        {"name": "all", "policy": "hard", "month": {"hard_usd": 1_000_000}},
        {"name": "search", "match": {"team": "search"}, "policy": "hard",
         "day": {"soft_usd": 50_000, "hard_usd": 100_000}, "month": {"hard_usd": 1_000_000}},
    ],
}  # fmt: skip
_WRITER: Final = """
import time, costmeter
end = time.monotonic() + 60
while time.monotonic() < end:
    for _ in range(2000):
        costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1000, output_tokens=50)
    time.sleep(0.05)
"""


@contextmanager
def exporter(directory: Path) -> Iterator[None]:
    settings = {"journal": str(directory / "journal"), "ledger": str(directory / "ledger.db")}
    (directory / "costmeter.yml").write_text(yaml.safe_dump(CONFIG | settings))
    os.environ["COSTMETER_JOURNAL"] = settings["journal"]
    command = [sys.executable, "-m", "costmeter", "serve", "--config", directory / "costmeter.yml"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while ask("0.001").outcome == "unavailable":
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.wait()


def ask(usd: str) -> object:
    from costmeter import gate

    return gate.check(usd, team="search", feature="summarise", endpoint="/v1/chat")


def timed(check: Callable[[], object], checks: int = CHECKS) -> list[float]:
    """Return microseconds of single checks."""
    taken = []
    for _ in range(checks):
        began = time.perf_counter_ns()
        check()
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def threaded() -> list[float]:
    taken: list[float] = []
    threads = [
        threading.Thread(
            target=lambda: taken.extend(timed(lambda: ask("0.001"), CHECKS // THREADS))
        )
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


async def awaited() -> list[float]:
    from costmeter import gate

    taken = []
    for _ in range(CHECKS):
        began = time.perf_counter_ns()
        await gate.acheck("0.001", team="search", feature="summarise", endpoint="/v1/chat")
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def line(name: str, taken: list[float], target: float | None = None) -> Row:
    median, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    met = None if target is None else median < target
    shown = "" if target is None else f"< {target:g} µs"
    return Row(name, f"{median:.0f} µs, p99 {p99:.0f}", target=shown, met=met)


def main() -> None:
    """Measure and print."""
    from costmeter.instrumentation import gate_client

    rows = []
    with tempfile.TemporaryDirectory() as name:
        with exporter(Path(name)):
            rows.append(line("check, Unix socket", timed(lambda: ask("0.001")), TARGET_US))
            rows.append(line(f"check, {THREADS} threads on one connection", threaded()))
            rows.append(line("await acheck", asyncio.run(awaited())))
            writer = subprocess.Popen([sys.executable, "-c", _WRITER])
            time.sleep(1)
            rows.append(line("check beside ingest", timed(lambda: ask("0.001"))))
            writer.kill()
            writer.wait()
            os.environ["COSTMETER_GATE"] = f"http://{CONFIG['listen']}"
            gate_client.reset()
            rows.append(line("check, HTTP", timed(lambda: ask("0.001"), CHECKS // 3)))
        gate_client.reset()
        os.environ["COSTMETER_GATE"] = f"unix://{name}/gone"
        rows.append(line("check, no exporter", timed(lambda: ask("0.001"))))
        del os.environ["COSTMETER_GATE"]
    show("The gate", rows, "median and 99th percentile of single checks")


if __name__ == "__main__":
    main()
