"""The gate: says what may be spent, and sets money aside until it is known what a call cost.

What counts against a limit is what the ledger has and what is reserved. A reservation ends once the
usage event that carries it is committed, so that money is never counted as neither; and where no
event will come: when it is cancelled, when the process that made it is dead and its journal is
read, or after its time to live. The ledger keeps them, so a restart of the sidecar ends none.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from costmeter.budgets import enforcement
from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.enforcement import IsEmergency, Position
from costmeter.budgets.meter import BudgetMeter, Standing
from costmeter.budgets.period import Period
from costmeter.budgets.spending import PeriodSpend
from costmeter.clock import Clock
from costmeter.gate_protocol import Answer, Ask, Outcome
from costmeter.ledger.reservations import Reservation
from costmeter.names import ALL_SPEND
from costmeter.pricing.book import PriceBook
from costmeter.pricing.tariff import charge_known
from costmeter.sidecar.config import Config
from costmeter.sidecar.gate.reservations import Reservations
from costmeter.sidecar.handover import State
from costmeter.units import NANO

OUTCOMES: Final[tuple[Outcome, ...]] = ("allowed", "warned", "refused", "critical", "unavailable")


class Books(Protocol):
    """What the gate needs of the pipeline; a reload may put others in their place."""

    config: Config
    prices: PriceBook
    budgets: BudgetMeter

    @property
    def state(self) -> State:
        """Whether everything that was used is in the budgets."""


class Others(Protocol):
    """What exporters with other ledgers spend of the same budgets."""

    def spent(self, budget: str, period: Period) -> int | None:
        """Return their spend less credit in nano-dollars; None where it is not known."""

    def inherited(self, budget: str, period: Period, own: int) -> int:
        """Return what a period inherits in nano-dollars: ``own``, less what they have spent."""


class Gate:
    """Answers questions and keeps the reservations. Every method may be called from any thread."""

    def __init__(
        self, books: Books, is_emergency: IsEmergency, *, clock: Clock, others: Others | None = None
    ) -> None:
        """Take the books.

        Args:
            books: budgets, prices and configuration in force.
            is_emergency: says which budgets were put in emergency mode.
            clock: what tells the time.
            others: what is spent elsewhere; None where this ledger has it all.
        """
        self._books = books
        self._is_emergency = is_emergency
        self._clock = clock
        self._others = others
        self._lock = threading.Lock()
        self._reservations = Reservations(clock)
        self._checks: Counter[tuple[str, Outcome]] = Counter()

    def ask(self, ask: Ask, owner: int | None = None) -> Answer:
        """Decide on a call, and reserve what it will cost where it is allowed.

        Args:
            ask: the question.
            owner: the process that asks, where its death will be told (:meth:`bury`).
        """
        with self._lock:
            self._checks[ALL_SPEND, "unavailable"] += ask.missed
            if ask.replaces:
                self._reservations.end(ask.replaces)
            if self._books.state == "starting":
                self._checks[ALL_SPEND, "unavailable"] += 1
                return Answer("unavailable", "the exporter is still reading what was used")
            return self._answer(ask, owner)

    def cancel(self, reservation: str) -> None:
        """End a reservation whose call is not going to be made."""
        with self._lock:
            self._reservations.end(reservation)

    def bury(self, owner: int) -> None:
        """Take note that a process is dead: what it reserved ends with the end of its journal."""
        with self._lock:
            self._reservations.bury(owner)

    def settle(self, reservations: Iterable[str], read_ns: int | None) -> None:
        """End reservations whose usage the budgets have from now on, or that none will come of.

        Args:
            reservations: those that committed events carried.
            read_ns: an instant (monotonic) until which all journals are read and committed; None
                where there may be more in them.
        """
        with self._lock:
            for name in reservations:
                self._reservations.settle(name)
            if read_ns is not None:
                ttl = self._books.config.gate.reservation_ttl
                self._reservations.lapse(read_ns, int(ttl.total_seconds() * NANO))

    # -- for the ledger ------------------------------------------------------------------------

    def resume(self, kept: Mapping[str, Reservation]) -> set[int]:
        """Take over what a ledger holds; return the processes that it was reserved for."""
        with self._lock:
            self._reservations.resume(kept)
            return self._reservations.owners

    def take_changes(self) -> dict[str, Reservation | None]:
        """Return the reservations made since the last call, and None for those that ended."""
        with self._lock:
            return self._reservations.take_changes()

    # -- for /metrics --------------------------------------------------------------------------

    def checks(self) -> dict[tuple[str, str], int]:
        """Return how many checks there were, by budget and outcome."""
        with self._lock:
            return {
                (budget.name, outcome): self._checks[budget.name, outcome]
                for budget in self._books.budgets.budgets
                for outcome in OUTCOMES
            }

    def reserved(self) -> dict[str, int]:
        """Return what is reserved of each budget, in nano-dollars."""
        with self._lock:
            reserved = self._reservations.by_budget
            return {each.name: reserved[each.name] for each in self._books.budgets.budgets}

    def emergencies(self, standings: Sequence[Standing]) -> dict[str, bool]:
        """Return which budgets are in emergency mode, of all that there are."""
        with self._lock:
            return {
                each.budget.name: self._is_emergency(each.budget.name)
                or any(
                    enforcement.in_emergency(
                        self._position(each.budget, spend, each.limits[spend.period.window]),
                        self._is_emergency,
                    )
                    for spend in each.periods[1::2]
                    if spend.period.window in each.limits
                )
                for each in standings
            }

    # -- with the lock held --------------------------------------------------------------------

    def _answer(self, ask: Ask, owner: int | None) -> Answer:
        now_ns = self._clock.now_ns()
        labels = {**ask.attributes, "provider": ask.provider, "model": ask.model}
        positions = self._positions(labels, now_ns)
        model, cost = self._model(ask, positions, now_ns)
        if model != ask.model:
            positions = self._positions({**labels, "model": model}, now_ns)
        ruling = enforcement.rule(
            positions,
            cost,
            critical=ask.priority == "critical",
            free=cost == 0 and ask.cost_nano_usd is None,
        )
        position = ruling.position
        self._checks[position.budget.name if position else ALL_SPEND, ruling.outcome] += 1
        return Answer(
            ruling.outcome,
            ruling.reason,
            budget=position.budget.name if position else "",
            window=position.period.window if position else "",
            spent_nano_usd=position.spent if position else None,
            reserved_nano_usd=position.reserved if position else None,
            limit_nano_usd=position.limit if position else None,
            resets_at_ns=position.period.end_ns if position else None,
            model=model,
            reservation=""
            if ruling.outcome in {"refused", "unavailable"}
            else self._reserve(cost or 0, positions, owner),
            emergency=any(enforcement.in_emergency(each, self._is_emergency) for each in positions),
        )

    def _positions(self, labels: Mapping[str, str], now_ns: int) -> list[Position]:
        limited = self._books.budgets.limited(labels, now_ns)
        return [self._position(*each) for each in limited]

    def _position(self, budget: Budget, spend: PeriodSpend, limits: Limits) -> Position:
        elsewhere: int | None = 0
        if self._others is not None:
            elsewhere = self._others.spent(budget.name, spend.period)
            base = budget.limits[spend.period.window]
            own = limits.soft - base.soft
            limits = base.raised(self._others.inherited(budget.name, spend.period, own))
        return Position(
            budget,
            spend.period,
            spend.spend - spend.credit + (elsewhere or 0),
            self._reservations.by_budget[budget.name],
            limits.soft,
            limits.hard,
            complete=elsewhere is not None,
        )

    def _model(
        self, ask: Ask, positions: Sequence[Position], now_ns: int
    ) -> tuple[str, int | None]:
        """Return the model to use, and what the call costs with it at most, in nano-dollars.

        A request that goes where it was going, to another model, goes to the cheapest of those that
        its provider has a price for, if that is cheaper. Otherwise the model is advice, the most
        wanted, unless the sender is not going to heed it.
        """
        cost = ask.cost_nano_usd
        if cost is None:
            cost = self._price(ask, ask.model, now_ns, partly=True)
        if ask.fixed or not ask.model:
            return ask.model, cost
        others = enforcement.alternatives(
            positions, ask.model, self._is_emergency, automatic=ask.switching
        )
        if not ask.switching:
            return (others[0] if others else ask.model), cost
        priced = [(each, self._price(ask, each, now_ns)) for each in others]
        known = [(price, each) for each, price in priced if price is not None]
        if known:
            cheapest, model = min(known, key=lambda each: each[0])
            if cost is None or cheapest < cost:
                return model, cheapest
        return ask.model, cost

    def _price(self, ask: Ask, model: str, now_ns: int, *, partly: bool = False) -> int | None:
        if not (ask.provider and model and ask.usage):
            return None
        usage = {"output_tokens": self._books.config.gate.assumed_output_tokens, **ask.usage}
        tariff = self._books.prices.tariff(ask.provider, model, ask.service_tier, now_ns)
        charge = charge_known(tariff, usage) if partly else tariff.charge(usage)
        return None if charge is None else charge.nano_usd

    def _reserve(self, nano: int, positions: Sequence[Position], owner: int | None) -> str:
        budgets = tuple(dict.fromkeys(each.budget.name for each in positions))
        return self._reservations.make(nano, budgets, owner) if nano and budgets else ""
