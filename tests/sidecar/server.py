"""A pipeline without a ledger, and the web server in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import httpx2
import uvicorn
from starlette.types import ASGIApp

from costmeter.names import LEDGER_FAMILIES
from costmeter.sidecar.exposition import Exposition, Gauges
from costmeter.sidecar.handover import Identified, Receipt, State, UnavailableError
from costmeter.sidecar.rights import AccessConfig
from costmeter.sidecar.view import Status
from costmeter.usage import UsageEvent


@dataclass
class FakePipeline:
    """Remembers what it was asked, and answers what the test set."""

    exposition: Exposition = field(default_factory=lambda: Exposition(LEDGER_FAMILIES))
    state: State = "ready"
    shown: Status | None = None
    drawn: list[Gauges] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    submitted: list[tuple[str, int, list[UsageEvent]]] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)
    identified: list[UsageEvent] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    scrapes: int = 0
    receipt: Future[Receipt] | None = None
    access: AccessConfig = field(default_factory=AccessConfig)

    def gauges(self) -> Iterable[Gauges]:
        return self.drawn

    def submit(self, source: str, sequence: int, events: list[UsageEvent]) -> Future[Receipt]:
        if self.state != "ready":
            raise UnavailableError(f"the exporter is {self.state}")
        done: Future[Receipt] = Future()
        if any((source, sequence) == (each[0], each[1]) for each in self.submitted):
            done.set_result(Receipt(0, duplicate=True))
        else:
            self.submitted.append((source, sequence, events))
            done.set_result(Receipt(len(events)))
        return self.receipt or done

    def submit_identified(self, events: Sequence[Identified]) -> Future[Receipt]:
        if self.state != "ready":
            raise UnavailableError(f"the exporter is {self.state}")
        new = [each for each in events if not self.taken.intersection(each.known_by)]
        self.taken.update(name for each in new for name in each.takes)
        self.identified += [each.event for each in new]
        done: Future[Receipt] = Future()
        done.set_result(Receipt(len(new), duplicate=not new))
        return self.receipt or done

    def status(self) -> Status:
        assert self.shown is not None
        return self.shown

    def reload(self) -> list[str]:
        return self.problems

    def rejected(self, reason: str, events: int) -> None:
        self.refused.append((reason, events))

    def scraped(self, began_ns: int) -> None:
        self.scrapes += 1


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, **options: object) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback; yields its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, server_header=False, **options
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def client_of(app: ASGIApp, **options: object) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application, without a socket in between."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", **options) as client:
        yield client
