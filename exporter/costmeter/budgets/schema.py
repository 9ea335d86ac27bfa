"""The key ``budgets`` of ``costmeter.yml``: what may be spent, on what, in which period."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from costmeter.budgets.budget import (
    EMERGENCY_RATIO,
    THRESHOLDS,
    Budget,
    Degrade,
    Limits,
    Policy,
)
from costmeter.budgets.period import WINDOWS, Window
from costmeter.names import ALL_SPEND
from costmeter.schema import Section, Zone
from costmeter.units import usd_to_nano
from costmeter.usage import MAX_NAME_LENGTH, MAX_VALUE_LENGTH

_MOST_USD = 1_000_000_000

Limit = Annotated[Decimal, Field(gt=0, le=_MOST_USD, decimal_places=9, allow_inf_nan=False)]
"""US dollars that may go in a period."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Pattern = Annotated[str, StringConstraints(max_length=MAX_VALUE_LENGTH)]
Ratio = Annotated[float, Field(ge=0.01, le=10)]
"""A share of the soft limit."""


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class LimitsConfig(Section):
    """Limits of a day, week or month, in US dollars.

    Attributes:
        soft_usd: the limit that thresholds are shares of; the hard one where it is not given.
        hard_usd: the limit at which to stop, if there is one.
        rollover_max_usd: the most that a period inherits of what the one before left unused.
    """

    soft_usd: Limit | None = None
    hard_usd: Limit | None = None
    rollover_max_usd: Annotated[
        Decimal, Field(ge=0, le=_MOST_USD, decimal_places=9, allow_inf_nan=False)
    ] = Decimal(0)

    @field_validator("hard_usd")
    @classmethod
    def _hard_is_not_below_soft(cls, hard: Decimal | None, info: ValidationInfo) -> Decimal | None:
        soft = info.data.get("soft_usd")
        if hard is not None and soft is not None and hard < soft:
            raise ValueError(f"is below soft_usd {soft}")
        return hard

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.soft_usd is None and self.hard_usd is None:
            raise ValueError("needs soft_usd, hard_usd or both")
        return self

    @property
    def limits(self) -> Limits:
        """The limits in nano-dollars."""
        hard = None if self.hard_usd is None else usd_to_nano(self.hard_usd)
        soft = hard if self.soft_usd is None else usd_to_nano(self.soft_usd)
        assert soft is not None  # noqa: S101 validated: there is one of the two
        return Limits(soft, hard, usd_to_nano(self.rollover_max_usd))


class DegradeConfig(Section):
    """Cheaper models, for when much of a budget is used.

    Attributes:
        from_ratio: share of the soft limit from which a cheaper model is used.
        models: that model, by the name or glob of the one that is asked for.
        emergency: a model, or several of different providers, for emergency mode.
        automatic: whether instrumented calls are switched, rather than only told.
    """

    from_ratio: Ratio = 0.8
    models: dict[Pattern, Name] = Field(default_factory=dict)
    emergency: Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)] = ()
    automatic: bool = True

    @model_validator(mode="after")
    def _names_a_model(self) -> Self:
        if not (self.models or self.emergency):
            raise ValueError("needs models, emergency or both")
        return self

    @property
    def degrade(self) -> Degrade:
        """The same, in force."""
        return Degrade(self.from_ratio, self.models, self.emergency, self.automatic)


class BudgetConfig(Section):
    """A budget.

    Attributes:
        name: value of the label ``budget``. ``all`` gives the built-in budget of everything limits.
        match: an exact value or a glob for each label that decides; nothing matches all spend.
        timezone: zone of its days, weeks and months; None takes that of the configuration.
        owner: who is told.
        policy: what to do at a limit: ``warn``, ``soft`` (spend less) or ``hard`` (stop).
        thresholds: shares of the soft limit at which someone is told.
        day: limits of a day, from midnight.
        week: limits of an ISO week, from Monday.
        month: limits of a month, from the 1st.
        emergency_ratio: share of the soft limit from which it is in emergency mode.
        degrade: cheaper models, for when much of it is used.
    """

    name: Name
    match: dict[str, Pattern] = Field(default_factory=dict)
    timezone: Zone | None = None
    owner: Annotated[str, StringConstraints(max_length=MAX_VALUE_LENGTH)] = ""
    policy: Policy = "warn"
    thresholds: tuple[Ratio, ...] = THRESHOLDS
    day: LimitsConfig | None = None
    week: LimitsConfig | None = None
    month: LimitsConfig | None = None
    emergency_ratio: Ratio = EMERGENCY_RATIO
    degrade: DegradeConfig | None = None

    @field_validator("match")
    @classmethod
    def _all_is_everything(cls, match: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if match and info.data.get("name") == ALL_SPEND:
            raise ValueError(f"the budget {ALL_SPEND!r} is of everything; name this one otherwise")
        return match

    @field_validator("timezone")
    @classmethod
    def _all_has_the_common_zone(
        cls, zone: ZoneInfo | None, info: ValidationInfo
    ) -> ZoneInfo | None:
        if zone is not None and info.data.get("name") == ALL_SPEND:
            raise ValueError(f"the budget {ALL_SPEND!r} has the timezone of the top level")
        return zone

    @field_validator("thresholds")
    @classmethod
    def _thresholds_rise(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if list(thresholds) != sorted(set(thresholds)):
            raise ValueError("thresholds rise from one to the next")
        return thresholds

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        given = [limits for _, limits in self._windows()]
        if not given:
            raise ValueError("needs limits for a day, week or month")
        if self.policy == "hard" and not any(each.hard_usd for each in given):
            raise ValueError("the policy hard needs a hard_usd")
        return self

    def budget(self, zone: ZoneInfo) -> Budget:
        """Return the budget in force, in a zone where it has none of its own."""
        return Budget(
            self.name,
            self.timezone or zone,
            self.match,
            self.owner,
            self.policy,
            self.thresholds,
            {window: given.limits for window, given in self._windows()},
            self.emergency_ratio,
            self.degrade.degrade if self.degrade else None,
        )

    def _windows(self) -> Iterator[tuple[Window, LimitsConfig]]:
        for window in WINDOWS:
            given: LimitsConfig | None = getattr(self, window)
            if given is not None:
                yield window, given


def in_force(configured: Sequence[BudgetConfig], zone: ZoneInfo) -> tuple[Budget, ...]:
    """Return all budgets: that of everything, which always exists, and the configured ones.

    Args:
        configured: the configuration's budgets.
        zone: the calendar of those that name none.
    """
    budgets = tuple(each.budget(zone) for each in configured)
    if any(each.name == ALL_SPEND for each in budgets):
        return budgets
    return (Budget(ALL_SPEND, zone), *budgets)


def conflicts(value: object, labels: Collection[str] | None) -> Iterator[InitErrorDetails]:
    """Yield what is wrong between budgets, and between these and the labels that there are.

    Args:
        value: the list as it was written, perhaps wrong in other ways.
        labels: the labels that spend is attributed to; None where these are not known.
    """
    first: dict[object, int] = {}
    for index, each in enumerate(value if isinstance(value, list | tuple) else ()):
        given = dict(each) if isinstance(each, dict | BudgetConfig) else {}
        name, match = given.get("name"), given.get("match")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield _problem((index, "name"), name, f"budgets[{first[name]}] has this name already")
        for label in match if isinstance(match, dict) else ():
            if labels is not None and label not in labels:
                message = f"no such label, there are {', '.join(labels)}"
                yield _problem((index, "match", str(label)), match, message)


def restated(error: ValidationError) -> Iterator[InitErrorDetails]:
    """Yield the problems of a failed validation, so that they can be told with others."""
    for each in error.errors(include_url=False):
        yield _problem(each["loc"], each["input"], each["msg"], each["type"])


def _problem(
    location: tuple[int | str, ...], value: object, message: str, kind: str = "budgets"
) -> InitErrorDetails:
    told = PydanticCustomError(kind, "{problem}", {"problem": message})
    return InitErrorDetails(type=told, loc=location, input=value)
