"""What budgets say to a call that is about to be made: decisions only, nothing is read or kept.

A limit that would be reached counts as exceeded (``>=``), as in the alerts: with what was spent,
what is reserved for calls under way, and the call itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from costmeter.budgets.budget import Budget, Degrade
from costmeter.budgets.period import Period
from costmeter.gate_protocol import Outcome
from costmeter.units import NANO, nano_to_usd

IsEmergency = Callable[[str], bool]
"""Says whether a budget was put in emergency mode, by its name."""

_LONGEST_CHAIN = 16
"""Steps that a chain of cheaper models is followed; configured ones may run in circles."""


class Position(NamedTuple):
    """How a budget stands in one of its open periods, in nano-dollars.

    Attributes:
        budget: the budget.
        period: the period.
        spent: spend less credit.
        reserved: what is set aside for calls under way.
        soft: the soft limit, with what the period inherited.
        hard: the hard limit, with what the period inherited; None where there is none.
        complete: whether ``spent`` is all that was spent: what others spend may not be known.
    """

    budget: Budget
    period: Period
    spent: int
    reserved: int
    soft: int
    hard: int | None
    complete: bool = True

    @property
    def stops(self) -> bool:
        """Whether it is one that refuses."""
        return self.budget.policy == "hard" and self.hard is not None

    @property
    def limit(self) -> int:
        """The limit that counts: the one that stops, or else the soft one."""
        return self.hard if self.stops and self.hard is not None else self.soft

    def used(self, more: int = 0) -> float:
        """Return the share of the soft limit that is used, with ``more`` nano-dollars."""
        return (self.spent + self.reserved + more) / self.soft

    def reaches(self, limit: int, more: int) -> bool:
        """Tell whether ``more`` nano-dollars make it reach a limit."""
        return self.spent + self.reserved + more >= limit


class Ruling(NamedTuple):
    """What becomes of a call.

    Attributes:
        outcome: see :data:`costmeter.gate_protocol.Outcome`.
        reason: why, where it is not plainly allowed.
        position: what decided, or what is used up the most; None where nothing is limited.
    """

    outcome: Outcome
    reason: str
    position: Position | None


def rule(positions: Sequence[Position], cost: int | None, *, critical: bool, free: bool) -> Ruling:
    """Decide on a call.

    Args:
        positions: the open, limited periods of all budgets that it counts for.
        cost: what it costs at most, in nano-dollars; None where nobody knows.
        critical: whether it passes whatever the limits say.
        free: whether it is known to cost nothing, so that no limit is in its way.
    """
    more = cost or 0
    stopping = [
        each for each in positions if each.stops and not free and each.reaches(each.limit, more)
    ]
    if stopping:
        last = max(stopping, key=lambda each: each.period.end_ns)
        return Ruling("critical" if critical else "refused", _over(last, more), last)
    tightest = max(positions, key=lambda each: each.used(more), default=None)
    if not (critical or free):
        for each in positions:
            if each.stops and not each.complete:
                reason = f"{_name(each)}: what the other exporters have spent is not known"
                return Ruling("unavailable", reason, each)
    warning = [
        each
        for each in positions
        if each.budget.policy != "warn" and not free and each.reaches(each.soft, more)
    ]
    if warning:
        worst = max(warning, key=lambda each: each.used(more))
        return Ruling("warned", _over(worst, more), worst)
    if cost is None and any(each.budget.policy != "warn" for each in positions):
        return Ruling("warned", "what it will cost is not known: nothing is reserved", tightest)
    return Ruling("allowed", "", tightest)


def in_emergency(position: Position, is_emergency: IsEmergency) -> bool:
    """Tell whether a budget is in emergency mode: it was put there, or too much of it is used."""
    budget = position.budget
    return position.used() >= budget.emergency_ratio or is_emergency(budget.name)


def alternatives(
    positions: Iterable[Position], model: str, is_emergency: IsEmergency, *, automatic: bool
) -> list[str]:
    """Return the models that budgets want to be used in place of one, the most wanted first.

    Args:
        positions: as for :func:`rule`.
        model: the model that was asked for.
        is_emergency: says which budgets were put in emergency mode.
        automatic: leaves out budgets whose models are not to be switched without being asked.
    """
    wanted: list[str] = []
    for each in sorted(positions, key=lambda each: -each.used()):
        degrade = each.budget.degrade
        if degrade is None or (automatic and not degrade.automatic):
            continue
        if in_emergency(each, is_emergency):
            wanted += degrade.emergency or _followed(degrade, model)
        elif each.used() >= degrade.from_ratio and (step := _cheaper(degrade, model)):
            wanted.append(step)
    return [each for each in dict.fromkeys(wanted) if each != model]


def _followed(degrade: Degrade, model: str) -> list[str]:
    """Return where a chain of ever cheaper models ends; nothing where it does not begin."""
    end = None
    for _ in range(_LONGEST_CHAIN):
        step = _cheaper(degrade, end or model)
        if step is None or step in (model, end):
            break
        end = step
    return [end] if end else []


def _cheaper(degrade: Degrade, model: str) -> str | None:
    """Return the alternative of a model: the first whose pattern fits; None where there is none."""
    return next((to for name, to in degrade.models.items() if fnmatchcase(model, name)), None)


def _over(each: Position, more: int) -> str:
    limit, kind = (each.limit, "hard") if each.reaches(each.limit, more) and each.stops else (
        each.soft, "soft",
    )  # fmt: skip
    resets = datetime.fromtimestamp(each.period.end_ns // NANO, each.budget.zone)
    spent = f"{usd(each.spent)} USD spent"
    if each.reserved:
        spent += f", {usd(each.reserved)} reserved"
    if more:
        spent += f", {usd(more)} more asked for"
    return f"{_name(each)}: {spent}, of a {kind} limit of {usd(limit)}; until {resets.isoformat()}"


def _name(each: Position) -> str:
    return f"budget {each.budget.name}, {each.period.window} {each.period.key}"


def usd(nano: int) -> str:
    """Return nano-dollars as people read them: two decimals, or as many as there are."""
    text = f"{nano_to_usd(nano):f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
