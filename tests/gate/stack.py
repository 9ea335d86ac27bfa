"""A real sidecar in this process, with budgets, and the environment of an application beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from costmeter.gate_protocol import Answer, Ask
from costmeter.journal.process import gate_socket
from costmeter.journal.writer import JournalWriter
from costmeter.sidecar.config import Config, load
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.pipeline import Pipeline
from costmeter.units import usd_to_nano
from costmeter.usage import UsageEvent
from tests.waiting import until

HARD = {
    "name": "search",
    "match": {"team": "search"},
    "policy": "hard",
    "day": {"soft_usd": 8, "hard_usd": 10},
}


def ask(usd: str | float | None = None, **fields: Any) -> Ask:
    cost = None if usd is None else usd_to_nano(usd)
    return Ask(cost_nano_usd=cost, **{"attributes": {"team": "search"}} | fields)


class Stack:
    """A journal, a ledger, and one pipeline after another over them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.socket = gate_socket(self.journal)
        self.settings: dict[str, Any] = {"budgets": [HARD]}
        self.pipelines: list[Pipeline] = []
        self._writer: JournalWriter | None = None

    def config(self) -> Config:
        return load(
            None,
            journal=self.journal,
            ledger=self.directory / "ledger.db",
            scrape_interval="100ms",
            **{"prices": {"refresh": "off"}, **self.settings},
        )

    def start(self) -> Pipeline:
        pipeline = Pipeline(self.config(), self.config)
        self.pipelines.append(pipeline)
        pipeline.start()
        until(lambda: pipeline.state == "ready")
        return pipeline

    @property
    def pipeline(self) -> Pipeline:
        return self.pipelines[-1]

    def ask(self, usd: str | float | None = None, **fields: Any) -> Answer:
        return self.pipeline.gate.ask(ask(usd, **fields))

    def listen(self) -> list[tuple[Ask, Answer, int]]:
        """Return what the gate is asked from now on, what it answers, and what it has reserved."""
        heard: list[tuple[Ask, Answer, int]] = []
        ask_of = self.pipeline.gate.ask

        def asked(question: Ask, owner: int | None = None) -> Answer:
            answer = ask_of(question, owner)
            heard.append((question, answer, self.reserved()))
            return answer

        self.pipeline.gate.ask = asked  # type: ignore[method-assign]
        return heard

    def spend(self, usd: str, *, reservation: str = "", team: str = "search") -> None:
        """Have something cost what it costs, and wait until the ledger has it."""
        if self._writer is None:
            self._writer = JournalWriter(self.journal)
        before = self.spent(team)
        event = UsageEvent(
            time.time_ns(),
            "chat",
            "openai",
            "gpt-4o-mini",
            {"team": team},
            {},
            cost_nano_usd=usd_to_nano(usd),
            reservation=reservation,
        )
        assert self._writer.write(msgspec.json.encode(event))
        # What a call before it cost may come to the ledger only now.
        until(lambda: self.spent(team) >= before + event.cost_nano_usd)

    def spent(self, budget: str = "search") -> int:
        """Return what was spent of a budget today, in nano-dollars."""
        for each in self.pipeline.budgets.standings(time.time_ns()):
            if each.budget.name == budget:
                return each.periods[1].spend
        return sum(self.pipeline.publisher.totals[s] for s in self.pipeline.publisher.money)

    def reserved(self, budget: str = "search") -> int:
        return self.pipeline.gate.reserved()[budget]

    def samples(self, family: str) -> dict[tuple[str, ...], float]:
        """Return a family's values as /metrics has them now, by its labels."""
        for gauges in Exporter(self.pipeline).gauges():
            if gauges.family.name == family:
                return {tuple(labels): value for labels, value in gauges.samples}
        raise LookupError(family)

    def stop(self) -> None:
        for pipeline in self.pipelines:
            pipeline.stop()
        if self._writer is not None:
            self._writer.close()
