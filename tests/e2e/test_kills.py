"""Whatever dies when, the ledger equals what was written, to the nano-dollar.

Sidecars and writers are killed with SIGKILL at random moments, again and again. Each writer notes,
in a shared mapping, the number of the event that it is about to write and of the last that it has
written, so the test knows what the ledger has to hold; only the one event that was being written when
a writer died may be there or not, and where it is, it has to count in full.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import random
import signal
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec

from costmeter.journal.writer import JournalWriter
from costmeter.ledger import query
from costmeter.sidecar.config import Config, load
from costmeter.sidecar.pipeline import Pipeline
from costmeter.usage import UsageEvent

KILLED_SIDECARS = 120
WRITERS = 3
TOKEN_NANO_USD = 150
"""gpt-4o-mini's input: 0.15 USD per million tokens."""

_NOTE = struct.Struct("<QQ")  # about to write, have written
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__, "costmeter.sidecar.pipeline", "genai_prices"])


def settings(directory: Path) -> Config:
    return load(
        None,
        journal=directory / "journal",
        ledger=directory / "ledger.db",
        scrape_interval="1s",
        prices={"refresh": "off"},
    )


def run_sidecar(directory: Path) -> None:
    pipeline = Pipeline(settings(directory))
    pipeline.start()
    signal.pause()


def tokens_of(number: int) -> int:
    return 1 + number % 1000


def run_writer(directory: Path, name: str) -> None:
    """Write events 1, 2, 3, …, until killed."""
    with (directory / name).open("r+b") as file:
        note = mmap.mmap(file.fileno(), _NOTE.size)
    writer = JournalWriter(directory / "journal")
    number = 0
    while True:
        number += 1
        usage = {"input_tokens": tokens_of(number)}
        event = UsageEvent(
            time.time_ns(),
            "chat",
            "openai",
            "gpt-4o-mini",
            {"writer": name, "n": str(number)},
            usage,
        )
        note[:8] = number.to_bytes(8, "little")
        assert writer.write(msgspec.json.encode(event))
        note[8:] = number.to_bytes(8, "little")
        if number % 10 == 0:
            time.sleep(0.005)


class Writers:
    """Writers that are killed and replaced; remembers what each of them noted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names: list[str] = []
        self.running: list[BaseProcess] = []

    def start(self) -> None:
        name = f"writer-{len(self.names)}"
        self.names.append(name)
        (self.directory / name).write_bytes(bytes(_NOTE.size))
        process = _context.Process(target=run_writer, args=(self.directory, name), daemon=True)
        process.start()
        self.running.append(process)

    def kill_one(self, chance: random.Random) -> None:
        kill(self.running.pop(chance.randrange(len(self.running))))

    def notes(self) -> dict[str, tuple[int, int]]:
        return {name: _NOTE.unpack((self.directory / name).read_bytes()) for name in self.names}


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


def test_nothing_is_lost_or_counted_twice_however_often_everything_is_killed(
    tmp_path: Path,
) -> None:
    chance = random.Random(20261122)
    (tmp_path / "journal").mkdir()
    writers = Writers(tmp_path)
    for _ in range(WRITERS):
        writers.start()

    for round_number in range(KILLED_SIDECARS):
        sidecar = _context.Process(target=run_sidecar, args=(tmp_path,), daemon=True)
        sidecar.start()
        time.sleep(chance.uniform(0.01, 0.25))
        if round_number % 4 == 0:
            writers.kill_one(chance)
            writers.start()
        kill(sidecar)
    while writers.running:
        writers.kill_one(chance)

    notes = writers.notes()
    seen = read_to_the_end(tmp_path, at_least=sum(written for _, written in notes.values()))

    for name, (begun, written) in notes.items():
        numbers = seen.get(name, Counter())  # one may be killed before its first event
        assert numbers.keys() - set(range(1, begun + 1)) == set(), "an event that nobody wrote"
        assert set(range(1, written + 1)) - numbers.keys() == set(), "an event was lost"
        assert set(numbers.values()) <= {1}, "an event was counted twice"
    tokens = sum(tokens_of(number) for numbers in seen.values() for number in numbers)
    (row,) = query.spend(
        tmp_path / "ledger.db", by=(), start=None, end=None, timezone="UTC", where={}
    )
    assert row.cost_nano_usd == tokens * TOKEN_NANO_USD
    assert row.tokens == tokens
    assert row.calls == sum(map(len, seen.values()))
    assert row.calls > KILLED_SIDECARS * 20, "too little was written for the test to mean anything"


def read_to_the_end(directory: Path, at_least: int) -> dict[str, Counter[int]]:
    """Let a last sidecar read what is left; return the events in the ledger by writer and number."""
    pipeline = Pipeline(settings(directory))
    pipeline.start()
    deadline = time.monotonic() + 60
    while pipeline.state != "ready" or list((directory / "journal").glob("*.segment")):
        assert time.monotonic() < deadline, "the journal is not read to its end"
        time.sleep(0.05)
    pipeline.stop()
    seen: dict[str, Counter[int]] = {}
    total = 0
    for payload, cost in kept_events(directory / "ledger.db"):
        event = msgspec.convert(payload, UsageEvent)
        assert cost == event.usage["input_tokens"] * TOKEN_NANO_USD
        seen.setdefault(event.attributes["writer"], Counter())[int(event.attributes["n"])] += 1
        total += 1
    assert total >= at_least
    return seen


def kept_events(ledger: Path) -> Iterator[tuple[list[Any], int]]:
    with closing(sqlite3.connect(ledger)) as connection:
        for entries, payloads in connection.execute("SELECT entries, payloads FROM event_block"):
            costs = [cost for _, cost, _ in json.loads(entries)]
            yield from zip(json.loads(payloads), costs, strict=True)
