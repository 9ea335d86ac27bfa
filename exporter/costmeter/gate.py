"""The gate: asked before a call, it says whether the money is there, and sets it aside.

::

    from costmeter import gate

    if gate.can_make_request(0.02):
        client.chat.completions.create(...)

    decision = gate.check(0.02, model="gpt-4o", team="search")
    if decision:
        client.chat.completions.create(model=decision.model, ...)

    gate.require(0.02)  # raises BudgetExceededError

    with gate.reserve(0.02):  # what no call takes is given back
        ...

A check reserves what it allows for the next metered call of the same thread or task, which settles
it with its real cost. A second check before any call takes the first one's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from costmeter.errors import BudgetExceededError
from costmeter.gate_protocol import Answer, Ask
from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.context import attribution, clipped, fitting
from costmeter.instrumentation.gate_client import aanswer, answer, arelease, opens, release
from costmeter.instrumentation.reserved import Reserved, reserved
from costmeter.units import NANO, nano_to_usd, usd_to_nano
from costmeter.usage import MAX_COST_NANO_USD, MAX_NAME_LENGTH, MAX_VALUE_LENGTH

if TYPE_CHECKING:
    from decimal import Decimal
    from types import TracebackType

    Usd = Decimal | float | str

__all__ = [
    "BudgetExceededError",
    "Decision",
    "acan_make_request",
    "acheck",
    "acheck_request_allowed",
    "arequire",
    "can_make_request",
    "cancel",
    "check",
    "check_request_allowed",
    "require",
    "reserve",
]

Priority = Literal["normal", "critical"]


class Decision(msgspec.Struct, frozen=True):
    """What the gate says to a call. True where it is allowed; unpacks to ``allowed, reason``.

    Attributes:
        allowed: whether the call may be made.
        reason: why not, or with what reservation; empty where it is plainly allowed.
        warning: the reason once more where it is allowed all the same; empty otherwise.
        budget: the budget that decided, or is used up the most; empty where none is limited.
        window: its ``day``, ``week`` or ``month``.
        spent_usd: what was spent of it in US dollars, exact, without what is reserved.
        reserved_usd: what is reserved of it for calls under way, without this one.
        limit_usd: its limit that counts: the hard one where it stops, else the soft one.
        resets_at: when its period ends, in UTC.
        model: the model to use: the one asked for, or a cheaper one; None where none was given.
        reservation: the name of what is set aside; empty where nothing is.
        emergency: whether a budget that counts is in emergency mode.
        outcome: ``allowed``, ``warned``, ``refused``, ``critical`` (would have been refused) or
            ``unavailable`` (the gate cannot tell; the fallback decided).
    """

    allowed: bool
    reason: str = ""
    warning: str = ""
    budget: str = ""
    window: str = ""
    spent_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    limit_usd: Decimal | None = None
    resets_at: datetime | None = None
    model: str | None = None
    reservation: str = ""
    emergency: bool = False
    outcome: str = "allowed"

    def __bool__(self) -> bool:
        return self.allowed

    def __iter__(self) -> Iterator[bool | str]:
        return iter((self.allowed, self.reason))

    def raise_if_refused(self) -> None:
        """Raise what a refusal is.

        Raises:
            BudgetExceededError: it is refused.
        """
        if not self.allowed:
            raise BudgetExceededError(
                self.reason,
                budget=self.budget,
                window=self.window,
                spent_usd=self.spent_usd,
                limit_usd=self.limit_usd,
                resets_at=self.resets_at,
            )


def check(
    estimated_cost: Usd,
    priority: Priority = "normal",
    *,
    model: str | None = None,
    **attributes: object,
) -> Decision:
    """Ask whether a call may be made, and reserve what it will cost. Never raises, never hangs.

    Args:
        estimated_cost: what it will cost at most, in US dollars.
        priority: ``critical`` is never refused, but counted.
        model: the model to be called, for budgets that match models, and for a cheaper one.
        **attributes: whom it is for, beyond what :func:`costmeter.attribute` says; ``provider``
            for budgets that match providers.
    """
    ask = _question(estimated_cost, priority, model, attributes)
    return _keep(decided(ask, answer(ask)))


async def acheck(
    estimated_cost: Usd,
    priority: Priority = "normal",
    *,
    model: str | None = None,
    **attributes: object,
) -> Decision:
    """Do what :func:`check` does, while the event loop runs on."""
    ask = _question(estimated_cost, priority, model, attributes)
    return _keep(decided(ask, await aanswer(ask)))


def require(
    estimated_cost: Usd,
    priority: Priority = "normal",
    *,
    model: str | None = None,
    **attributes: object,
) -> Decision:
    """Do what :func:`check` does, but raise where that refuses.

    Raises:
        BudgetExceededError: the call is refused.
    """
    decision = check(estimated_cost, priority, model=model, **attributes)
    decision.raise_if_refused()
    return decision


async def arequire(
    estimated_cost: Usd,
    priority: Priority = "normal",
    *,
    model: str | None = None,
    **attributes: object,
) -> Decision:
    """Do what :func:`require` does, while the event loop runs on.

    Raises:
        BudgetExceededError: the call is refused.
    """
    decision = await acheck(estimated_cost, priority, model=model, **attributes)
    decision.raise_if_refused()
    return decision


def can_make_request(cost: Usd) -> bool:
    """Tell whether a call that costs so many US dollars may be made; see :func:`check`."""
    return check(cost).allowed


async def acan_make_request(cost: Usd) -> bool:
    """Tell what :func:`can_make_request` tells, while the event loop runs on."""
    return (await acheck(cost)).allowed


def check_request_allowed(estimated_cost: Usd, priority: Priority = "normal") -> Decision:
    """Do what :func:`check` does, under the name that takes only these two arguments.

    Args:
        estimated_cost: what the call will cost at most, in US dollars.
        priority: ``critical`` is never refused, but counted.
    """
    return check(estimated_cost, priority)


async def acheck_request_allowed(estimated_cost: Usd, priority: Priority = "normal") -> Decision:
    """Do what :func:`check_request_allowed` does, while the event loop runs on."""
    return await acheck(estimated_cost, priority)


def cancel(decision: Decision) -> None:
    """Give back what a check has reserved: its call is not going to be made."""
    release(decision.reservation)


class reserve:  # noqa: N801 - reads as a function: with gate.reserve(0.02):
    """Money set aside for the first metered call in a block, which is refused where there is none.

    Use it with ``with`` or ``async with``; the block gets the :class:`Decision`. What no call has
    taken by the end of the block is given back. Arguments are those of :func:`check`.

    Raises:
        BudgetExceededError: on entering, where the call is refused.
    """

    def __init__(
        self,
        estimated_cost: Usd,
        priority: Priority = "normal",
        *,
        model: str | None = None,
        **attributes: object,
    ) -> None:
        """Take what :func:`check` takes."""
        self._asked = partial(_question, estimated_cost, priority, model, attributes)
        self._entered: list[tuple[Reserved, Reserved | None]] = []

    def __enter__(self) -> Decision:
        ask = self._asked(replacing=False)
        return self._enter(ask, answer(ask))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        release(self._leave())

    async def __aenter__(self) -> Decision:
        ask = self._asked(replacing=False)
        return self._enter(ask, await aanswer(ask))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await arelease(self._leave())

    def _leave(self) -> str:
        """Return what no call has taken."""
        mine, outer = self._entered.pop()
        reserved.set(outer)
        return mine.reservation

    def _enter(self, ask: Ask, told: Answer) -> Decision:
        decision = decided(ask, told)
        decision.raise_if_refused()
        mine = Reserved(decision.reservation, kept=True)
        self._entered.append((mine, reserved.get()))
        reserved.set(mine)
        return decision


def _question(
    estimated_cost: Usd,
    priority: str,
    model: str | None,
    attributes: dict[str, object],
    *,
    replacing: bool = True,
) -> Ask:
    others = dict(attributes)
    provider = others.pop("provider", None)
    held = reserved.get()
    return Ask(
        cost_nano_usd=attempt(_nano, estimated_cost, default=None),
        provider=clipped(provider or "", MAX_NAME_LENGTH),
        model=clipped(model or "", MAX_VALUE_LENGTH),
        attributes={**attribution.get().attributes, **dict(fitting(others))},
        priority="critical" if priority == "critical" else "normal",
        replaces=held.reservation if replacing and held is not None and not held.kept else "",
    )


def _nano(usd: Usd) -> int:
    """Return an estimate in nano-dollars.

    Raises:
        ValueError: it is no amount.
    """
    nano = usd_to_nano(usd)
    if nano < 0:
        raise ValueError(f"estimated_cost: {usd!r} is below 0")
    return min(nano, MAX_COST_NANO_USD)


def decided(ask: Ask, told: Answer) -> Decision:
    """Return what an answer comes to in this process, where the fallback may have to decide."""
    critical = ask.priority == "critical"
    allowed = told.outcome != "refused" and (told.outcome != "unavailable" or critical or opens())
    return Decision(
        allowed,
        told.reason,
        told.reason if allowed else "",
        told.budget,
        told.window,
        _usd(told.spent_nano_usd),
        _usd(told.reserved_nano_usd),
        _usd(told.limit_nano_usd),
        None
        if told.resets_at_ns is None
        else datetime.fromtimestamp(told.resets_at_ns / NANO, UTC),
        told.model or ask.model or None,
        told.reservation,
        told.emergency,
        told.outcome,
    )


def _usd(nano: int | None) -> Decimal | None:
    return None if nano is None else nano_to_usd(nano)


def _keep(decision: Decision) -> Decision:
    """Have the next call take a decision's reservation, in place of what waited for it before."""
    held = reserved.get()
    if decision.reservation or (held is not None and not held.kept):
        reserved.set(Reserved(decision.reservation))
    return decision
