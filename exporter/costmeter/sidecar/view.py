"""What the web server needs of the pipeline: a protocol, and what the landing page shows.

The server holds nothing of its own. It draws ``/metrics`` from the pipeline's exposition, shows its
status on ``/`` and hands it the events that arrive over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from costmeter.budgets.status import State as Reached
from costmeter.ledger.alerts import Alert
from costmeter.sidecar.changes import Changes
from costmeter.sidecar.exposition import Exposition, Gauges
from costmeter.sidecar.gate.gate import Gate
from costmeter.sidecar.handover import Identified, Receipt, State
from costmeter.sidecar.rights import AccessConfig
from costmeter.usage import UsageEvent


@dataclass(frozen=True, slots=True)
class ModelSpend:
    """What one model cost, credits taken off, in nano-dollars.

    ``today`` and ``month`` are the calendar day and month of :attr:`Status.timezone`.
    """

    provider: str
    model: str
    today_nano_usd: int
    month_nano_usd: int


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """An open period that a budget limits: spend less credit, and the limits in force.

    All in nano-dollars; ``reached`` tells what the spend amounts to.
    """

    budget: str
    owner: str
    period: str
    spent_nano_usd: int
    soft_nano_usd: int
    hard_nano_usd: int | None
    reached: Reached


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Events of a model without a price: how many there are since the ledger began."""

    provider: str
    model: str
    events: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The prices in use: their version, ``bundled`` or ``refreshed``, and when last confirmed."""

    version: str
    origin: str
    confirmed_ns: int


@dataclass(frozen=True, slots=True)
class Status:
    """The exporter at one instant, as the landing page shows it.

    Attributes:
        now_ns: the instant, in nanoseconds since 1970-01-01 UTC.
        state: see :data:`State`.
        version: costmeter's version.
        ledger: the ledger's id.
        timezone: IANA name of the zone that days and months are counted in.
        day: today there, ``2026-11-22``.
        month: this month there, ``2026-11``.
        today_nano_usd: spend of today less credits, all models together.
        month_nano_usd: spend of this month less credits, all models together.
        models: the same by model, in any order; models that cost nothing may be left out.
        budgets: the open periods that budgets limit.
        unpriced: models with events that have no price.
        catalogue: the prices in use; None before they are loaded.
        lag_seconds: age of the oldest event not yet in the ledger; None when there is none.
        lag_bytes: bytes in the journal not yet in the ledger.
        writers: processes that hold a journal segment open.
        ledger_bytes: size of the ledger.
        events: events taken into the ledger since it began.
        dropped: events that applications could not write to their journal.
        rejected: events refused, by reason.
        problems: whatever an operator has to look at, one sentence each.
        alerts: those that fire, and those that were told of in the last day; latest first.
        emergencies: names of the budgets that were put in emergency.
    """

    now_ns: int
    state: State
    version: str
    ledger: str
    timezone: str
    day: str
    month: str
    today_nano_usd: int = 0
    month_nano_usd: int = 0
    models: tuple[ModelSpend, ...] = ()
    budgets: tuple[BudgetPeriod, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    catalogue: Catalogue | None = None
    lag_seconds: float | None = None
    lag_bytes: int = 0
    writers: int = 0
    ledger_bytes: int = 0
    events: int = 0
    dropped: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    emergencies: tuple[str, ...] = ()


class PipelineView(Protocol):
    """The pipeline as the web server sees it. Every method may be called from any thread."""

    @property
    def exposition(self) -> Exposition:
        """The ledger's series as text."""

    @property
    def state(self) -> State:
        """The state now. Asked by every probe and every batch, so it is cheap."""

    @property
    def access(self) -> AccessConfig:
        """Who may do what."""

    @property
    def changes(self) -> Changes:
        """What can be changed over HTTP."""

    @property
    def gate(self) -> Gate:
        """What applications ask before they spend."""

    def gauges(self) -> Iterable[Gauges]:
        """Return the families whose values are known at scrape time, not kept in the ledger."""

    def submit(self, source: str, sequence: int, events: list[UsageEvent]) -> Future[Receipt]:
        """Queue a batch of valid events; the future is done once the ledger has committed it.

        ``source`` names the sender, ``sequence`` rises with each of its batches. The future fails
        with a :class:`~costmeter.errors.CostmeterError` where the batch could not be committed.

        Raises:
            UnavailableError: the pipeline takes no events now.
        """

    def submit_identified(self, events: Sequence[Identified]) -> Future[Receipt]:
        """Queue valid events, those that are no repeats; otherwise as :meth:`submit`.

        Names stay taken for :data:`costmeter.sidecar.taken.WINDOW_SECONDS`.

        Raises:
            UnavailableError: the pipeline takes no events now.
        """

    def status(self) -> Status:
        """Return the status for the landing page; may query the ledger, so not on the loop."""

    def reload(self) -> list[str]:
        """Read configuration and prices again; return what is wrong with them, empty if nothing.

        Where something is wrong, what was in force stays in force.
        """

    def rejected(self, reason: str, events: int) -> None:
        """Count events that the server itself refused (``cost_events_rejected_total``)."""

    def scraped(self, began_ns: int) -> None:
        """Take note that a scraper got all of ``/metrics``; called after each such answer.

        Args:
            began_ns: when it began to be drawn, on the monotonic clock.
        """
