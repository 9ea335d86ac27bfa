"""A pipeline over a real journal and ledger behind the web server, with one token for each right."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from costmeter.journal.writer import JournalWriter
from costmeter.sidecar.app import create_app
from costmeter.sidecar.config import Config, load
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.pipeline import Pipeline
from costmeter.sidecar.rights import hash_of
from costmeter.sidecar.web import WebConfig
from costmeter.units import NANO
from costmeter.usage import UsageEvent
from tests.sidecar.server import client_of

ACCESS = {
    "alerts": ["alertmanager"],
    "budgets": ["finance"],
    "tokens": {name: hash_of(name.encode()) for name in ("alertmanager", "finance")},
}


class Stack:
    """One pipeline after another over the same journal and ledger; tokens are their names."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = directory / "ledger.db"
        self.journal = directory / "journal"
        self.journal.mkdir()
        self.writer = JournalWriter(self.journal)
        self.settings: dict[str, Any] = {"access": ACCESS}
        self.pipelines: list[Pipeline] = []

    def config(self) -> Config:
        return load(
            None,
            journal=self.journal,
            ledger=self.ledger,
            prices={"refresh": "off"},
            **self.settings,
        )

    def start(self) -> Pipeline:
        pipeline = Pipeline(self.config(), self.config)
        self.pipelines.append(pipeline)
        pipeline.start()
        return pipeline

    def restart(self) -> Pipeline:
        self.pipelines.pop().stop()
        return self.start()

    def stop(self) -> None:
        self.writer.close()
        for pipeline in self.pipelines:
            pipeline.stop()

    def spend(self, usd: int, team: str) -> None:
        event = UsageEvent(
            time_ns=time.time_ns(),
            operation="chat",
            provider="openai",
            model="gpt-4o",
            attributes={"team": team},
            usage={},
            cost_nano_usd=usd * NANO,
        )
        assert self.writer.write(msgspec.json.encode(event))

    def spent(self, budget: str) -> int | None:
        """What was spent of a budget in this month, in whole US dollars."""
        for standing in self.pipelines[-1].budgets.standings(time.time_ns()):
            if standing.budget.name == budget:
                return max(each.spend for each in standing.periods) // NANO
        return None

    @contextlib.asynccontextmanager
    async def client(self, token: str = "") -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(Exporter(self.pipelines[-1]), WebConfig())
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with client_of(app, headers=headers) as http:
            yield http
