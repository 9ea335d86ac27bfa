"""From a usage event to the sums it belongs to.

An event is checked, attributed to label values within their caps, priced, split by component and
token type, and added up in memory until :meth:`Accountant.take` hands the sums over to be
committed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from costmeter.clock import Clock
from costmeter.ledger.batch import Batch, EventRow
from costmeter.names import (
    API_CALL_DURATION,
    API_CALLS,
    COMPONENTS,
    CREDIT,
    DIMENSIONS,
    OVERFLOW,
    REQUEST_COST,
    SPEND,
    TOKEN_TYPES,
    TOKENS,
    UNPRICED_EVENTS,
    Family,
)
from costmeter.pricing.charge import Charge
from costmeter.pricing.tokens import KINDS
from costmeter.pricing.tokens import count as count_tokens
from costmeter.units import NANO, QUARTER_SECONDS
from costmeter.usage import (
    MAX_ATTRIBUTES,
    MAX_EVENT_BYTES,
    MAX_NAME_LENGTH,
    MAX_VALUE_LENGTH,
    RecordedUsage,
)

QUARTER_NS: Final = QUARTER_SECONDS * NANO
FUTURE_NS: Final = 3600 * NANO
"""How far ahead of this machine's clock an event may be before it is redated, in nanoseconds."""
MAX_STATUSES: Final = 30
_CACHED_ATTRIBUTE_SETS: Final = 65_536

_CALLS: Final = 0
_CREDIT: Final = 1
_SPEND: Final = {name: 2 + index for index, name in enumerate(COMPONENTS)}
_SAME_TYPE: Final = {"cache_audio_read": "cache_read", "cache_write_1h": "cache_write"}
_TOKENS: Final = tuple(
    2 + len(COMPONENTS) + TOKEN_TYPES.index(_SAME_TYPE.get(kind, kind)) for kind in KINDS
)
"""The slot of each kind of token; kinds that differ in price only are one type on ``/metrics``."""
_SLOTS: Final = (
    (API_CALLS.name, "", ""),
    (CREDIT.name, "", ""),
    *((SPEND.name, "component", component) for component in COMPONENTS),
    *((TOKENS.name, "type", kind) for kind in TOKEN_TYPES),
)
"""Family, own label and its value for each amount that an account adds up."""


class Pricer(Protocol):
    """What says what usage costs: :meth:`costmeter.pricing.book.PriceBook.charge`."""

    def __call__(
        self, provider: str, model: str, service_tier: str, usage: dict[str, int], time_ns: int, /
    ) -> Charge | None:
        """Return the charge, or None where there is no price."""


Intern = Callable[[str, Mapping[str, str]], int]


class _Histogram:
    """A histogram of one label set: per-bucket counts since the last flush, kept cumulative."""

    __slots__ = ("bounds", "changed", "counts", "series", "total")

    def __init__(self, family: Family, labels: dict[str, str], intern: Intern) -> None:
        self.bounds = [round(bound * family.scale) for bound in family.buckets]
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0
        self.changed = False
        bounds = [*(repr(float(bound)) for bound in family.buckets), "+Inf"]
        self.series = [
            *(intern(f"{family.name}_bucket", labels | {"le": bound}) for bound in bounds),
            intern(f"{family.name}_sum", labels),
            intern(f"{family.name}_count", labels),
        ]

    def observe(self, value: int, times: int) -> None:
        self.counts[bisect_left(self.bounds, value // times)] += times
        self.total += value
        self.changed = True

    def flush(self, sums: dict[int, dict[int, int]]) -> None:
        cumulative = 0
        for index, count in enumerate(self.counts):
            cumulative += count
            if cumulative:
                _add(sums, self.series[index], 0, cumulative)
        _add(sums, self.series[-2], 0, self.total)
        _add(sums, self.series[-1], 0, cumulative)
        self.counts = [0] * len(self.counts)
        self.total = 0
        self.changed = False


class _Account:
    """The amounts of one set of label values within one quarter of an hour, not yet flushed."""

    __slots__ = ("amounts", "durations", "labels", "overflows", "quarter", "requests", "series",
                 "status")  # fmt: skip

    def __init__(self, labels: dict[str, str], status: str, overflows: tuple[str, ...]) -> None:
        self.labels = labels
        self.status = status
        self.overflows = overflows
        self.quarter = -1
        self.amounts = [0] * len(_SLOTS)
        self.series: list[int | None] = [None] * len(_SLOTS)
        self.requests: _Histogram | None = None
        self.durations: _Histogram | None = None

    def flush(self, sums: dict[int, dict[int, int]], intern: Intern) -> None:
        for slot, amount in enumerate(self.amounts):
            if amount:
                series = self.series[slot]
                if series is None:
                    series = self.series[slot] = self._intern(slot, intern)
                _add(sums, series, self.quarter, amount)
        self.amounts = [0] * len(_SLOTS)

    def _intern(self, slot: int, intern: Intern) -> int:
        family, label, value = _SLOTS[slot]
        if family == API_CALLS.name:
            label, value = "status", self.status
        return intern(family, self.labels | {label: value} if label else self.labels)


def _add(sums: dict[int, dict[int, int]], series: int, quarter: int, amount: int) -> None:
    quarters = sums.get(series)
    if quarters is None:
        sums[series] = {quarter: amount}
    else:
        quarters[quarter] = quarters.get(quarter, 0) + amount


@dataclass(slots=True)
class Counts:
    """What an accountant came across, since this process began.

    Attributes:
        rejected: events refused, by reason (``malformed``, ``too_large``).
        overflow: events with a label value over its cap, by label.
        redated: events whose time was out of range and which count as of now.
    """

    rejected: Counter[str] = field(default_factory=Counter)
    overflow: Counter[str] = field(default_factory=Counter)
    redated: int = 0


class Accountant:
    """Adds usage events up by series and quarter of an hour."""

    def __init__(
        self,
        intern: Intern,
        price: Pricer,
        caps: Mapping[str, int],
        counts: Counts,
        *,
        clock: Clock,
        retention_ns: int,
        keep_events: bool = True,
    ) -> None:
        """Take what interns series and what prices usage.

        Args:
            intern: gives the id of a series by family and labels.
            price: prices usage.
            caps: how many values each label may have, for each label that there is: those of
                :data:`costmeter.names.DIMENSIONS` and the configuration's own.
            counts: where it counts what it refuses or changes.
            clock: says what is now.
            retention_ns: age in nanoseconds beyond which an event is redated to now.
            keep_events: whether priced events are kept one by one. Unpriced ones always are.
        """
        self._intern = intern
        self._price = price
        self._caps = {**caps, "status": MAX_STATUSES}
        self._own_labels = tuple(name for name in caps if name not in {"provider", "model"})
        self._clock = clock
        self._retention_ns = retention_ns
        self._keep_events = keep_events
        self._decode = msgspec.json.Decoder(RecordedUsage).decode
        self._decode_attributes = msgspec.json.Decoder(dict[str, str]).decode
        self._values: dict[str, set[str]] = {name: set() for name in self._caps}
        self._by_bytes: dict[tuple[str, str, str, bytes], _Account] = {}
        self._accounts: dict[tuple[str, ...], _Account] = {}
        self._histograms: dict[tuple[str, str, str], _Histogram] = {}
        self._touched: dict[_Account, None] = {}
        self._batch = Batch()
        self._earliest_ns = self._latest_ns = self._now_ns = 0
        self._set_now()
        self._counts = counts

    def know(self, series: Iterable[Mapping[str, str]]) -> None:
        """Take the label values of series that exist: they keep their place within the caps."""
        for labels in series:
            for name, value in labels.items():
                if name in self._values and value != OVERFLOW:
                    self._values[name].add(value)

    def add(self, payload: bytes) -> bool:  # noqa: C901 the hot path, in one pass
        """Add one event, given as its JSON array; return False where it is refused."""
        if len(payload) > MAX_EVENT_BYTES:
            self._counts.rejected["too_large"] += 1
            return False
        try:
            event = self._decode(payload)
            account = self._account(event)
        except (msgspec.MsgspecError, RecursionError):
            self._counts.rejected["malformed"] += 1
            return False
        time_ns = event.time_ns
        if not self._earliest_ns <= time_ns <= self._latest_ns:
            self._counts.redated += 1
            time_ns = self._now_ns
        quarter = time_ns // QUARTER_NS
        if account.quarter != quarter:
            account.flush(self._batch.sums, self._intern)
            account.quarter = quarter
        self._touched[account] = None
        if account.overflows:
            self._counts.overflow.update(account.overflows)
        amounts = account.amounts
        usage = event.usage
        if usage:
            for slot, tokens in zip(_TOKENS, count_tokens(usage), strict=True):
                if tokens:
                    amounts[slot] += tokens
        if event.calls:
            amounts[_CALLS] += event.calls
            if event.duration_ns:
                self._durations(account).observe(event.duration_ns, 1)
        cost, price = self._cost(event, time_ns, account)
        if cost is not None and event.requests:
            self._requests(account).observe(cost, event.requests)
        if self._keep_events or cost is None:
            self._batch.events.append(EventRow(time_ns, payload, cost, price))
        return True

    def correct(self, payload: bytes, time_ns: int) -> Charge | None:
        """Price a kept event that had no price and add its cost to the time it belongs to.

        Returns:
            What it is charged, or None where there is still no price.
        """
        event = self._decode(payload)
        charge = self._price(
            event.provider, event.model, event.service_tier, event.usage, event.time_ns
        )
        if charge is None or _lacks_usage(event, charge):
            return None
        account = self._account(event)
        account.flush(self._batch.sums, self._intern)
        account.quarter = time_ns // QUARTER_NS
        self._touched[account] = None
        cost = 0
        for component, nano in charge.components:
            account.amounts[_SPEND[component]] += nano
            cost += nano
        if event.requests:
            self._requests(account).observe(cost, event.requests)
        return charge

    def take(self) -> Batch:
        """Return what was added since the last call, and begin anew."""
        sums = self._batch.sums
        for account in self._touched:
            account.flush(sums, self._intern)
        self._touched.clear()
        for histogram in self._histograms.values():
            if histogram.changed:
                histogram.flush(sums)
        batch, self._batch = self._batch, Batch()
        self._set_now()
        return batch

    def _set_now(self) -> None:
        self._now_ns = self._clock.now_ns()
        self._earliest_ns = self._now_ns - self._retention_ns
        self._latest_ns = self._now_ns + FUTURE_NS

    def _cost(
        self, event: RecordedUsage, time_ns: int, account: _Account
    ) -> tuple[int | None, str]:
        """Add an event's cost by component; return it in nano-dollars, and what priced it."""
        amounts = account.amounts
        known = event.cost_nano_usd
        if known is not None:
            if known < 0:
                amounts[_CREDIT] -= known
            else:
                amounts[_SPEND["compute" if event.operation == "compute" else "request"]] += known
            return known, "reported"
        if not event.usage and event.status not in {"ok", "incomplete"}:
            return 0, "failed"
        charge = self._price(event.provider, event.model, event.service_tier, event.usage, time_ns)
        if charge is None:
            self._unpriced(account, "no_price")
            return None, ""
        if _lacks_usage(event, charge):
            self._unpriced(account, "no_usage")
            return None, ""
        cost = 0
        for component, nano in charge.components:
            amounts[_SPEND[component]] += nano
            cost += nano
        return cost, charge.price

    def _unpriced(self, account: _Account, reason: str) -> None:
        labels = {name: account.labels.get(name, "") for name in ("provider", "model")}
        series = self._intern(UNPRICED_EVENTS.name, labels | {"reason": reason})
        _add(self._batch.sums, series, account.quarter, 1)

    def _account(self, event: RecordedUsage) -> _Account:
        """Return the account of an event.

        Raises:
            msgspec.MsgspecError: its attributes are no object of strings.
        """
        attributes = bytes(event.attributes)
        key = (event.provider, event.model, event.status, attributes)
        account = self._by_bytes.get(key)
        if account is None:
            account = self._open(event, self._decode_attributes(attributes))
            if len(self._by_bytes) >= _CACHED_ATTRIBUTE_SETS:
                self._by_bytes.clear()
            self._by_bytes[key] = account
        return account

    def _open(self, event: RecordedUsage, attributes: dict[str, str]) -> _Account:
        if len(attributes) > MAX_ATTRIBUTES:
            raise msgspec.ValidationError(f"{len(attributes)} attributes, {MAX_ATTRIBUTES} allowed")
        overflows: list[str] = []
        labels = {
            "provider": self._capped("provider", event.provider[:MAX_NAME_LENGTH], overflows),
            "model": self._capped("model", event.model[:MAX_VALUE_LENGTH], overflows),
        }
        for name in self._own_labels:
            value = attributes.get(name, "")[:MAX_VALUE_LENGTH]
            labels[name] = self._capped(name, value, overflows)
        status = self._capped("status", event.status[:MAX_NAME_LENGTH], overflows)
        key = (*labels.values(), status, *overflows)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(labels, status, tuple(overflows))
        return account

    def _capped(self, name: str, value: str, overflows: list[str]) -> str:
        values = self._values[name]
        if not value or value in values:
            return value
        if len(values) < self._caps[name]:
            values.add(value)
            return value
        overflows.append(name)
        return OVERFLOW

    def _requests(self, account: _Account) -> _Histogram:
        if account.requests is None:
            account.requests = self._histogram(REQUEST_COST, account.labels)
        return account.requests

    def _durations(self, account: _Account) -> _Histogram:
        if account.durations is None:
            account.durations = self._histogram(API_CALL_DURATION, account.labels)
        return account.durations

    def _histogram(self, family: Family, labels: dict[str, str]) -> _Histogram:
        first, second = (labels[name] for name in family.labels)
        key = (family.name, first, second)
        histogram = self._histograms.get(key)
        if histogram is None:
            own = dict(zip(family.labels, (first, second), strict=True))
            histogram = self._histograms[key] = _Histogram(family, own, self._intern)
        return histogram


def _lacks_usage(event: RecordedUsage, charge: Charge) -> bool:
    """Tell whether a call that should have used something reports nothing that could be priced."""
    return not event.usage and not charge.components


def label_caps(own: Mapping[str, int]) -> dict[str, int]:
    """Return the caps of all labels: the built-in ones, changed and added to by the given ones."""
    return {**DEFAULT_CAPS, **own}


DEFAULT_CAPS: Final = dict(zip(DIMENSIONS, (100, 500, 500, 200, 200), strict=True))
"""How many values of each built-in label are told apart."""
