"""Eight processes spend against one hard limit as fast as they can."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from costmeter.units import NANO
from tests.gate.spender import DEAREST
from tests.gate.stack import HARD, Stack
from tests.waiting import until

WORKERS = 8
LIMIT = 10 * NANO


@pytest.fixture
def spend(stack: Stack) -> Iterator[object]:
    stack.settings["budgets"] = [{**HARD, "day": {"soft_usd": 10, "hard_usd": 10}}]
    workers: list[subprocess.Popen[str]] = []

    def run(error: float) -> tuple[int, int]:
        """Return by how much all estimates were wrong, and how many calls there were."""
        stack.start()
        script = Path(__file__).with_name("spender.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers.extend(
            subprocess.Popen([sys.executable, script, str(seed), str(error)], **pipes)
            for seed in range(WORKERS)
        )
        for each in workers:
            assert each.stdout.readline() == "ready\n"
        for each in workers:
            each.stdin.write("\n")
            each.stdin.flush()
        told = [tuple(map(int, each.communicate(timeout=60)[0].split())) for each in workers]
        until(lambda: stack.spent() == sum(spent for _, spent, _ in told))
        until(lambda: stack.reserved() == 0)
        return sum(wrong for _, _, wrong in told), sum(calls for calls, _, _ in told)

    yield run
    for each in workers:
        each.kill()
        each.wait()
        each.stdin.close()
        each.stdout.close()


def test_with_exact_estimates_the_limit_is_never_reached_and_nearly_all_of_it_is_used(stack, spend):
    _, calls = spend(0.0)
    assert calls > 500
    assert LIMIT - DEAREST <= stack.spent() < LIMIT


def test_the_limit_is_passed_by_no_more_than_the_estimates_in_flight_were_wrong(stack, spend):
    wrong, calls = spend(0.5)
    assert calls > 300
    overshoot = stack.spent() - LIMIT
    assert overshoot < wrong  # of all calls; those that were settled count with what they cost
