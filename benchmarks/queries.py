"""Spend by day and model over 10 M events of 30 days: from the ledger's sums, and from rows.

20 features use 10 of 50 models each, some far more than others, with a day's shape; an event has
three components, three types of tokens and a call. The ledger holds the sums that the pipeline
would have left. The peer is what one would write first: a SQLite table with a row for each event.
It gets a tenth of the events and its time is multiplied by ten, which flatters it: it sorts.
"""

from __future__ import annotations

import math
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.table import Row, show
from costmeter.ledger.batch import Batch
from costmeter.ledger.query import spend
from costmeter.ledger.store import Ledger

EVENTS: Final = 10_000_000
DAYS: Final = 30
FIRST_QUARTER: Final = 1_793_491_200 // 900  # 2026-11-01 UTC
PEER_SHARE: Final = 10
ROUNDS: Final = 5
TARGET_SECONDS: Final = 0.5
NANO_USD: Final = {"input": 150, "cache_read": 75, "output": 600}


def accounts() -> list[dict[str, str]]:
    rng = random.Random(1)
    return [
        {"provider": "openai", "model": f"model-{model}", "feature": f"feature-{feature}",
         "endpoint": f"/v1/{feature}", "team": f"team-{feature % 5}"}
        for feature in range(20)
        for model in rng.sample(range(50), 10)
    ]  # fmt: skip


def events_by_quarter(
    labels: list[dict[str, str]], events: int
) -> Iterator[tuple[int, Counter[int]]]:
    """Yield each quarter with how many events each account had in it."""
    rng = random.Random(2)
    order = rng.sample(range(len(labels)), len(labels))
    weights = [1 / (1 + rank) for rank in order]
    for number in range(DAYS * 96):
        share = 1 + 0.8 * math.sin(2 * math.pi * (number % 96) / 96)  # its mean is 1
        count = round(events / (DAYS * 96) * share)
        yield FIRST_QUARTER + number, Counter(rng.choices(range(len(labels)), weights, k=count))


def fill_ledger(path: Path) -> None:
    labels = accounts()
    ledger = Ledger.open(path)
    series = [
        [
            (ledger.intern("cost_provider_api_calls_total", each | {"status": "ok"}), 1),
            *(
                (ledger.intern("cost_spend_usd_total", each | {"component": name}), nano * 100)
                for name, nano in NANO_USD.items()
            ),
            *(
                (ledger.intern("cost_provider_tokens_total", each | {"type": name}), 100)
                for name in NANO_USD
            ),
        ]
        for each in labels
    ]
    batch = Batch()
    for quarter, counted in events_by_quarter(labels, EVENTS):
        for account, count in counted.items():
            for number, amount in series[account]:
                batch.sums.setdefault(number, {})[quarter] = amount * count
        if quarter % 96 == 95:
            ledger.commit(batch)
            batch = Batch()
    ledger.commit(batch)
    ledger.close()


def fill_rows(path: Path) -> None:
    labels = accounts()
    cost = sum(NANO_USD.values()) * 100
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE event (time_ns INTEGER, provider TEXT, model TEXT, feature TEXT, "
            "endpoint TEXT, team TEXT, cost INTEGER, tokens INTEGER)"
        )
        connection.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (quarter * 900 * 10**9 + index, *labels[account].values(), cost, 300)
                for quarter, counted in events_by_quarter(labels, EVENTS // PEER_SHARE)
                for index, account in enumerate(counted.elements())
            ),
        )


def from_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT date(time_ns / 1000000000, 'unixepoch') AS day, model, sum(cost), count(*), "
            "sum(tokens) FROM event GROUP BY day, model ORDER BY day, sum(cost) DESC"
        ).fetchall()
    return sum(cost for _, _, cost, _, _ in found)


def from_sums(path: Path, *by: str, timezone: str = "UTC") -> int:
    return sum(row.cost_nano_usd for row in spend(path, by=by, timezone=timezone))


def seconds(measured: Callable[[], int], rounds: int) -> tuple[float, int]:
    """Return the median time of some rounds, and what was found."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = measured()
        times.append(time.perf_counter() - began)
    return statistics.median(times), found


def measure() -> dict[str, float]:
    """Return seconds by query; ``rows`` are the rows of the ledger's sums, ``bytes`` its size."""
    with tempfile.TemporaryDirectory() as directory:
        ledger, peer = Path(directory) / "ledger.db", Path(directory) / "rows.db"
        fill_ledger(ledger)
        fill_rows(peer)
        peer_seconds, peer_cost = seconds(lambda: from_rows(peer), 1)
        found = {"rows, by day and model": peer_seconds * PEER_SHARE}
        for name, by, timezone in (
            ("sums, by day and model", ("day", "model"), "UTC"),
            ("sums, the same in Berlin's days", ("day", "model"), "Europe/Berlin"),
            ("sums, by month, team and component", ("month", "team", "component"), "UTC"),
            ("sums, by hour", ("hour",), "Asia/Kolkata"),
        ):
            found[name], cost = seconds(lambda: from_sums(ledger, *by, timezone=timezone), ROUNDS)  # noqa: B023 called at once
            assert abs(cost / (peer_cost * PEER_SHARE) - 1) < 0.001, "they add up the same events"
        with closing(sqlite3.connect(ledger)) as connection:
            (found["rows"],) = connection.execute("SELECT count(*) FROM quarter_sum").fetchone()
        found["bytes"] = ledger.stat().st_size
    return found


def main() -> None:
    """Measure and print."""
    found = measure()
    rows, megabytes = found.pop("rows"), found.pop("bytes") / 1e6
    peer = found["rows, by day and model"]
    lines = [Row("a row an event, by day and model", f"{peer:.1f} s", "1.0")]
    for name, took in found.items():
        if name.startswith("sums"):
            asked = name == "sums, by day and model"
            target, met = (f"≤ {TARGET_SECONDS} s", took <= TARGET_SECONDS) if asked else ("", None)
            lines.append(Row(name, f"{took:.2f} s", f"{took / peer:.3f}", target, met))
    show(f"Reports over 10 M events ({rows:,.0f} rows of sums, {megabytes:,.0f} MB)", lines)


if __name__ == "__main__":
    main()
