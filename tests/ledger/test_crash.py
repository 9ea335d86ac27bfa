"""A sidecar that is killed anywhere: every event counts once, and what was told stays told.

A child commits batches in a loop, each of a few events that cost 7 nano-dollars or wait for a price.
Position, totals, sums by quarter and kept events have to agree after each kill, and no commit that
the child knew of may be missing.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from pathlib import Path

import pytest

from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.names import API_CALLS, SPEND
from tests.ledger.sample import event, rows

KILLS = 60
FORK = multiprocessing.get_context("fork")


def next_batch(ledger: Ledger, rng: random.Random) -> Batch:
    """Return what a sidecar would commit that has read a few events more from one journal."""
    model = {"model": f"model-{rng.randrange(40)}"}
    series = ledger.intern(SPEND.name, model | {"component": "input"})
    calls = ledger.intern(API_CALLS.name, model | {"status": "ok"})
    events = [event(rng.randrange(4), cost=7 if rng.random() < 0.9 else None) for _ in range(20)]
    batch = Batch(positions={"journal": ledger.positions().get("journal", 0) + len(events)})
    for each in events:
        number = each.time_ns // 900_000_000_000
        for of, amount in ((series, each.cost_nano_usd or 0), (calls, 1)):
            quarters = batch.sums.setdefault(of, {})
            quarters[number] = quarters.get(number, 0) + amount
    batch.events.extend(events)
    batch.shown.append(series)
    return batch


def check(path: Path, told: int) -> int:
    """Check that a ledger agrees with itself and with what was told; return its events."""
    ledger = Ledger.open(path)
    position = ledger.positions().get("journal", 0)
    waiting = len(list(ledger.unpriced()))
    totals = {SPEND.name: 0, API_CALLS.name: 0}
    for each in ledger.series():
        totals[each.family] += each.total
    ledger.close()
    assert position >= told
    assert totals == {SPEND.name: 7 * (position - waiting), API_CALLS.name: position}
    sums = rows(path, "SELECT coalesce(sum(spend), 0), coalesce(sum(calls_ok), 0) FROM quarter_sum")
    assert sums == [(totals[SPEND.name], position)]
    assert rows(path, "SELECT coalesce(sum(events), 0) FROM event_block") == [(position,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    return position


def run(act: Callable[[], None]) -> int:
    """Run something in a child; return the signal that ended it."""
    child = FORK.Process(target=act)
    child.start()
    child.join()
    assert child.exitcode is not None
    return -child.exitcode


def test_events_count_once_though_the_sidecar_is_killed_at_any_moment(path: Path) -> None:
    told = RawValue("q", 0)
    seed = random.Random(20261122)
    position = 0
    for kill in range(KILLS):
        delay = seed.uniform(0, 0.03)

        def commit_until_killed(kill: int = kill, delay: float = delay) -> None:
            rng = random.Random(kill)
            killer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
            killer.start()
            ledger = Ledger.open(path)
            while True:
                batch = next_batch(ledger, rng)
                ledger.commit(batch)
                told.value = batch.positions["journal"]

        assert run(commit_until_killed) == signal.SIGKILL
        position = check(path, told.value)
    assert position > KILLS  # it did get somewhere


@pytest.mark.parametrize("blocks_of_wal", [1, 1000])
def test_events_count_once_though_the_sidecar_is_killed_before_any_statement(
    path: Path, blocks_of_wal: int
) -> None:
    """Kill before the first statement of a commit, before the second, … and after the last."""
    Ledger.open(path).close()
    for statement in range(100):

        def commit_once(statement: int = statement) -> None:
            ledger = Ledger.open(path)
            ledger._connection.execute(f"PRAGMA wal_autocheckpoint = {blocks_of_wal}")
            batch = next_batch(ledger, random.Random(statement))
            left = statement

            def count(_: str) -> None:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

            ledger._connection.set_trace_callback(count)
            ledger.commit(batch)
            os._exit(0)

        before = check(path, 0)
        if run(commit_once) == 0:
            assert check(path, before + 20) == before + 20
            break
        assert check(path, before) == before  # COMMIT is the last statement
    assert statement > 10


def test_a_ledger_whose_making_was_cut_short_is_made_anew(path: Path) -> None:
    """Kill at 40 moments of the time that the first opening takes."""

    def open_new() -> None:
        for leftover in path.parent.glob("ledger.db*"):
            leftover.unlink()
        Ledger.open(path).close()

    began = time.perf_counter()
    open_new()
    seconds = time.perf_counter() - began
    for moment in range(40):

        def open_until_killed(delay: float = seconds * moment / 30) -> None:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            while True:
                open_new()

        assert run(open_until_killed) == signal.SIGKILL
        check(path, 0)
