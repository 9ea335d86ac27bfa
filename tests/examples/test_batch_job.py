from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from costmeter.ledger import query
from costmeter.usage import UsageEvent
from tests.examples.running import bench

KILLED = """
import os
from examples.batch_job.__main__ import main
main()
os.kill(os.getpid(), 9)
"""


def nano_usd(events: Iterable[UsageEvent]) -> int:
    """What it costs: gpt-4o-mini at 0.15 and 0.60 USD per million tokens, embeddings at 0.02."""
    cost = 0
    for event in events:
        used = event.usage
        if event.operation == "embeddings":
            cost += used["input_tokens"] * 20
        else:
            cost += used["input_tokens"] * 150 + used["output_tokens"] * 600
    return cost


@pytest.mark.parametrize(
    ("arguments", "status"), [(("-m", "examples.batch_job"), 0), (("-c", KILLED), -signal.SIGKILL)]
)
def test_every_cent_of_the_job_is_in_the_journal_however_it_ended(
    tmp_path: Path, arguments: tuple[str, ...], status: int
) -> None:
    with bench(tmp_path) as around:
        run = around.python(*arguments)
        assert run.returncode == status, run.stderr
        events = around.events()
        assert around.requests() == len(events) == 80
    for event in events:
        assert (event.provider, event.status) == ("openai", "ok")
        assert event.attributes == {"feature": "nightly-index", "team": "search"}
    if status == 0:
        tokens = sum(
            event.usage["input_tokens"] + event.usage.get("output_tokens", 0) for event in events
        )
        assert run.stdout == f"40 documents, {tokens} tokens\n"


def test_one_command_runs_an_example_and_shows_what_it_spent(tmp_path: Path) -> None:
    with bench(tmp_path) as around:
        assert around.python("-m", "examples.batch_job").returncode == 0
        expected = nano_usd(around.events())
        run = around.python("-m", "examples.run", "langchain_chain")
        assert run.returncode == 0, run.stderr
        assert "nightly-index" in run.stdout
        assert "triage" in run.stdout
    rows = query.spend(tmp_path / "ledger.db", by=("feature",))
    spent = {row.key[0]: (row.cost_nano_usd, row.calls) for row in rows}
    assert spent["nightly-index"] == (expected, 80)
    assert (spent["triage"][1], spent["answer"][1]) == (3, 1)
