"""How many events a second one core reads, prices, adds up and commits.

A journal is filled first, by writers of several teams, features and models; then the pipeline's own
reader, accountant and ledger take it in, 10,000 events a transaction, ``synchronous=FULL``. Beside
it stands SQLite doing the least that any ledger has to do: one row an event, in transactions of the
same size. Time is this process's CPU time, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.table import Row, show
from costmeter.clock import SYSTEM_CLOCK
from costmeter.journal.reader import JournalReader
from costmeter.journal.writer import JournalWriter
from costmeter.ledger.accounting import Accountant
from costmeter.ledger.labels import label_caps
from costmeter.ledger.store import Ledger
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig
from costmeter.sidecar.serve import collect_garbage_rarely
from costmeter.usage import UsageEvent

EVENTS = 400_000
A_COMMIT = 10_000
MODELS = (("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("openai", "o4-mini"),
          ("anthropic", "claude-sonnet-4-5"), ("deepseek", "deepseek-chat"))  # fmt: skip


def events() -> list[bytes]:
    """Return events as an application writes them: 100 sets of attributes, 5 models."""
    now = time.time_ns()
    encode = msgspec.json.Encoder().encode
    return [
        encode(
            UsageEvent(
                now + number,
                "chat",
                *MODELS[number % 5],
                {
                    "endpoint": f"/v1/{number % 10}",
                    "feature": f"f{number % 20}",
                    "team": f"t{number % 4}",
                },
                {
                    "input_tokens": 200 + number % 1000,
                    "cache_read_tokens": number % 200,
                    "output_tokens": 20 + number % 300,
                    "reasoning_tokens": number % 20,
                },
                duration_ns=10**8 + number,
            )
        )
        for number in range(EVENTS)
    ]


def fill(directory: Path, payloads: list[bytes]) -> None:
    """Write events to a journal."""
    directory.mkdir()
    writer = JournalWriter(directory)
    for payload in payloads:
        if not writer.write(payload):
            raise RuntimeError("the journal is full")
    writer.close()


def ingest(directory: Path, *, keep_events: bool) -> float:
    """Take a journal into a new ledger; return events a second of CPU."""
    ledger = Ledger.open(directory / f"ledger-{keep_events}.db")
    prices = PriceBook(PricesConfig(refresh=None))
    accountant = Accountant(
        ledger.intern, prices.tariff, label_caps({}),
        clock=SYSTEM_CLOCK, retention_ns=10**17, keep_events=keep_events,
    )  # fmt: skip
    reader = JournalReader(directory / f"journal-{keep_events}", {})
    done = 0
    began = time.process_time()
    while done < EVENTS:
        chunk = reader.read(A_COMMIT)
        for payload in chunk.payloads:
            accountant.add(payload)
        batch = accountant.take()
        batch.positions.update(chunk.positions)
        ledger.commit(batch)
        batch.forget.extend(reader.release())
        done += len(chunk.payloads)
    rate = EVENTS / (time.process_time() - began)
    ledger.close()
    return rate


def rows(directory: Path, payloads: list[bytes]) -> float:
    """Insert a row an event into SQLite; return events a second of CPU."""
    connection = sqlite3.connect(directory / "rows.db", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE event (time INTEGER, provider TEXT, model TEXT, labels TEXT,"
        " input INTEGER, output INTEGER)"
    )
    began = time.process_time()
    for first in range(0, len(payloads), A_COMMIT):
        connection.execute("BEGIN")
        for payload in payloads[first : first + A_COMMIT]:
            time_ns, _, provider, model, labels, usage, *_ = json.loads(payload)
            connection.execute(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
                (
                    time_ns,
                    provider,
                    model,
                    json.dumps(labels),
                    usage["input_tokens"],
                    usage["output_tokens"],
                ),
            )
        connection.execute("COMMIT")
    return len(payloads) / (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    payloads = events()
    collect_garbage_rarely()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for keep_events in (False, True):
            fill(directory / f"journal-{keep_events}", payloads)
        sums = ingest(directory, keep_events=False)
        kept = ingest(directory, keep_events=True)
        peer = rows(directory, payloads[: EVENTS // 4])
    lines = [Row("SQLite, a row an event", f"{peer:,.0f}/s", "1.0")]
    for what, rate, target in (
        ("costmeter, sums", sums, 250_000),
        ("costmeter, each event kept", kept, 150_000),
    ):
        line = Row(what, f"{rate:,.0f}/s", f"{rate / peer:.1f}", f"≥ {target:,}/s", rate >= target)
        lines.append(line)
    show("Events read, priced, added up and committed, by one core's time", lines)


if __name__ == "__main__":
    main()
