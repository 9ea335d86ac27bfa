"""From a usage event to the sums it belongs to.

An event is checked, attributed to label values within their caps, priced, split by component and
token type, and added up in memory until :meth:`Accountant.take` hands the sums over to be
committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from costmeter.clock import Clock
from costmeter.ledger.account import (
    CALLS,
    CREDITED,
    SPENT,
    USED,
    Account,
    Histogram,
    Intern,
    add,
)
from costmeter.ledger.batch import Batch, EventRow
from costmeter.ledger.identities import digest_of
from costmeter.ledger.labels import LabelValues
from costmeter.ledger.requests import Ended, OpenRequest, OpenRequests, Part
from costmeter.names import (
    API_CALL_DURATION,
    API_RETRIES,
    ESTIMATED_EVENTS,
    EVENTS_REDATED,
    EVENTS_REJECTED,
    LABEL_OVERFLOW,
    REQUEST_COST,
    TIME_TO_FIRST_TOKEN,
    UNPRICED_EVENTS,
    Family,
)
from costmeter.pricing.charge import Charge
from costmeter.pricing.tariff import Tariff
from costmeter.pricing.tokens import KINDS
from costmeter.pricing.tokens import count as count_tokens
from costmeter.units import NANO, QUARTER_SECONDS
from costmeter.usage import (
    MAX_ATTRIBUTES,
    MAX_EVENT_BYTES,
    MAX_NAME_LENGTH,
    RecordedUsage,
)

QUARTER_NS: Final = QUARTER_SECONDS * NANO
FUTURE_NS: Final = 3600 * NANO
"""How far ahead of this machine's clock an event may be before it is redated, in nanoseconds."""
_CACHED_ATTRIBUTE_SETS: Final = 65_536

_PERHAPS_BILLED: Final = frozenset({"ok", "incomplete", "cancelled", "timeout"})
"""Statuses of calls that a provider may charge for, so that no usage means that it is not known."""
_new_row: Final = tuple.__new__

_TEXT_KEYS: Final = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
"""The usage of most events, in the order in which it is recorded."""
_TEXT: Final = ("input", "cache_read", "output", "reasoning")
_FRESH, _READS, _WRITTEN, _REASONING = (USED[KINDS.index(kind)] for kind in _TEXT)
_FOR_FRESH, _FOR_READS, _FOR_WRITTEN, _FOR_REASONING = (SPENT[name] for name in _TEXT)

TariffOf = Callable[[str, str, str, int], Tariff]
"""Says how requests are charged: :meth:`costmeter.pricing.book.PriceBook.tariff`."""
IsTaken = Callable[[bytes], bool]
"""Says whether a digest of an identity is in the ledger: :meth:`.store.Ledger.is_taken`."""


class Accountant:
    """Adds usage events up by series and quarter of an hour."""

    def __init__(
        self,
        intern: Intern,
        tariff_of: TariffOf,
        caps: Mapping[str, int],
        *,
        clock: Clock,
        retention_ns: int,
        keep_events: bool = True,
        is_taken: IsTaken = lambda _: False,
    ) -> None:
        """Take what interns series and what prices usage.

        Args:
            intern: gives the id of a series by family and labels.
            tariff_of: says how requests are charged.
            caps: how many values each label may have, for each label that there is: those of
                :data:`costmeter.names.DIMENSIONS` and the configuration's own.
            clock: says what is now.
            retention_ns: age in nanoseconds beyond which an event is redated to now.
            keep_events: whether priced events are kept one by one. Unpriced ones always are.
            is_taken: says whether the ledger has an identity.
        """
        self._intern = intern
        self._tariff_of = tariff_of
        self._labels = LabelValues(caps)
        self._clock = clock
        self._retention_ns = retention_ns
        self._keep_events = keep_events
        self._is_taken = is_taken
        self._decode = msgspec.json.Decoder(RecordedUsage).decode
        self._decode_attributes = msgspec.json.Decoder(dict[str, str]).decode
        self._by_bytes: dict[tuple[str, str, str, bytes], Account] = {}
        self._accounts: dict[tuple[str, ...], Account] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], Histogram] = {}
        self._requests = OpenRequests()
        self._touched: list[Account] = []
        self._tally: Counter[tuple[Family, str]] = Counter()
        self._batch = Batch()
        self._earliest_ns = self._latest_ns = self._now_ns = 0
        self._set_now()

    def know(self, series: Iterable[Mapping[str, str]]) -> None:
        """Take the label values of series that exist: they keep their place within the caps."""
        self._labels.know(series)

    def resume(self, requests: Iterable[OpenRequest]) -> None:
        """Take the requests under way, oldest first."""
        self._requests.resume(requests)

    def add(self, payload: bytes) -> bool:
        """Add one event, given as its JSON array; return False where it is refused or known."""
        if len(payload) > MAX_EVENT_BYTES:
            self.tally(EVENTS_REJECTED, "too_large")
            return False
        try:
            event = self._decode(payload)
            if event.request and not (event.calls or event.usage or event.cost_nano_usd):
                self._observe_ended(self._requests.end(event.request[:MAX_NAME_LENGTH]))
                return True
            account = self._account(event)
        except (msgspec.MsgspecError, RecursionError):
            self.tally(EVENTS_REJECTED, "malformed")
            return False
        if event.identity and not self._take(event.identity):
            return False
        time_ns = event.time_ns
        time_ns = time_ns if self._earliest_ns <= time_ns <= self._latest_ns else self._redated()
        self._turn_to(account, time_ns // QUARTER_NS)
        for label in account.overflows:
            self.tally(LABEL_OVERFLOW, label)
        if event.calls:
            account.amounts[CALLS] += event.calls
            if event.duration_ns:
                account.durations.append(event.duration_ns)
        cost, price = self._add_text(event, time_ns, account) or self._add_any(
            event, time_ns, account
        )
        if self._keep_events or cost is None:
            self._batch.events.append(_new_row(EventRow, (time_ns, payload, cost, price)))
        if event.estimated or event.reservation or event.first_chunk_ns or event.retries:
            self._note(event, account)
        return True

    def tally(self, family: Family, value: str = "", count: int = 1) -> None:
        """Count something that happened, in a family with one label, whose value it is, or none."""
        self._tally[family, value] += count

    def correct(self, payload: bytes, time_ns: int) -> Charge | None:
        """Price a kept event that had no price and add its cost to the time it belongs to.

        Returns:
            What it is charged, or None where there is still no price.
        """
        event = self._decode(payload)
        charge = self._tariff(event, time_ns).charge(event.usage)
        if charge is None or not (charge.components or any(event.usage.values())):
            return None
        account = self._account(event)
        self._turn_to(account, time_ns // QUARTER_NS)
        self._add_components(charge, account)
        if event.request:  # it was observed, or will be, without this part
            account.requests.ahead += charge.nano_usd
        else:
            _observe_shares(account.costs, charge.nano_usd, event.requests)
        return charge

    def take(self) -> Batch:
        """Return what was added since the last call, and begin anew."""
        sums = self._batch.sums
        for account in self._touched:
            account.flush(sums, self._intern)
            account.touched = False
        self._touched.clear()
        self._observe_ended(self._requests.lapse(self._now_ns))
        self._batch.requests = self._requests.take()
        for histogram in self._histograms.values():
            histogram.flush(sums, self._intern)
        for (family, value), count in self._tally.items():
            series = self._intern(family.name, dict.fromkeys(family.labels, value))
            add(sums, series, 0, count)
        self._tally.clear()
        batch, self._batch = self._batch, Batch()
        self._set_now()
        return batch

    def _redated(self) -> int:
        """Return the instant that an event too old or too new counts for."""
        self.tally(EVENTS_REDATED)
        return self._now_ns

    def _take(self, identity: str) -> bool:
        """Take an identity; return False where it is taken already."""
        digest = digest_of(identity)
        if digest in self._batch.identities or self._is_taken(digest):
            return False
        self._batch.identities[digest] = self._now_ns
        return True

    def _set_now(self) -> None:
        self._now_ns = self._clock.now_ns()
        self._earliest_ns = self._now_ns - self._retention_ns
        self._latest_ns = self._now_ns + FUTURE_NS

    def _turn_to(self, account: Account, quarter: int) -> None:
        """Have an account add up for a quarter of an hour."""
        if account.quarter != quarter:
            account.flush(self._batch.sums, self._intern)
            account.quarter = quarter
        if not account.touched:
            account.touched = True
            self._touched.append(account)

    def _tariff(self, event: RecordedUsage, time_ns: int) -> Tariff:
        return self._tariff_of(event.provider, event.model, event.service_tier, time_ns)

    def _add_text(
        self, event: RecordedUsage, time_ns: int, account: Account
    ) -> tuple[int, str] | None:
        """Add what most events are, consistent usage of text with a price, in the fewest steps.

        Returns:
            Its cost in nano-dollars and what priced it; None where it is no such event.
        """
        if event.cost_nano_usd is not None or tuple(event.usage) != _TEXT_KEYS:
            return None
        whole, reads, made, reasoning = event.usage.values()
        fresh, written = whole - reads, made - reasoning
        if fresh < 0 or written < 0 or not (whole or made):
            return None
        tariff = self._tariff(event, time_ns)
        charged = tariff.charge_text(fresh, reads, written, reasoning)
        if charged is None:
            return None
        for_fresh, for_reads, for_written, for_reasoning = charged
        amounts = account.amounts
        amounts[_FRESH] += fresh
        amounts[_READS] += reads
        amounts[_WRITTEN] += written
        amounts[_REASONING] += reasoning
        amounts[_FOR_FRESH] += for_fresh
        amounts[_FOR_READS] += for_reads
        amounts[_FOR_WRITTEN] += for_written
        amounts[_FOR_REASONING] += for_reasoning
        cost = for_fresh + for_reads + for_written + for_reasoning
        if event.requests == 1 and not event.request:
            account.costs.append(cost)
        else:
            self._observe(cost, event, account)
        return cost, tariff.price

    def _add_any(
        self, event: RecordedUsage, time_ns: int, account: Account
    ) -> tuple[int | None, str]:
        """Add an event's tokens and cost; return its cost in nano-dollars, and what priced it."""
        for slot, tokens in zip(USED, count_tokens(event.usage), strict=True):
            account.amounts[slot] += tokens
        if event.cost_nano_usd is not None:
            return self._add_known_cost(event.cost_nano_usd, event, account)
        charge = self._tariff(event, time_ns).charge(event.usage)
        components = charge.components if charge else ()
        if not components and not any(event.usage.values()):
            return self._add_unused(event, account)
        if charge is None:
            return self._unpriced(account, "no_price")
        self._add_components(charge, account)
        self._observe(charge.nano_usd, event, account)
        return charge.nano_usd, charge.price

    @staticmethod
    def _add_components(charge: Charge, account: Account) -> None:
        for component, nano in charge.components:
            account.amounts[SPENT[component]] += nano

    def _add_known_cost(
        self, known: int, event: RecordedUsage, account: Account
    ) -> tuple[int, str]:
        """Add the cost that the application gave, in nano-dollars."""
        if known < 0:
            account.amounts[CREDITED] -= known
        else:
            component = "compute" if event.operation == "compute" else "request"
            account.amounts[SPENT[component]] += known
        self._observe(known, event, account)
        return known, "reported"

    def _add_unused(self, event: RecordedUsage, account: Account) -> tuple[int | None, str]:
        """Take note of an event that used nothing: free where it failed, otherwise a riddle."""
        if event.status in _PERHAPS_BILLED:
            return self._unpriced(account, "no_usage")
        self._observe(0, event, account)
        return 0, "failed"

    def _observe(self, cost: int, event: RecordedUsage, account: Account) -> None:
        """Observe the cost of an event's requests, or hold it until the request it is in ends."""
        if not (event.request and (event.requests or cost)):
            _observe_shares(account.costs, cost, event.requests)
            return
        histogram = account.requests
        part = Part(*(histogram.labels[name] for name in REQUEST_COST.labels))
        self._requests.add(event.request[:MAX_NAME_LENGTH], part, cost, self._now_ns)
        histogram.ahead += cost

    def _observe_ended(self, ended: Iterable[Ended]) -> None:
        for part, cost in ended:
            histogram = self._histogram(REQUEST_COST, part)
            histogram.values.append(cost)
            histogram.ahead -= cost

    def _note(self, event: RecordedUsage, account: Account) -> None:
        """Take note of what few events tell beside their usage."""
        if event.estimated:
            series = self._intern(ESTIMATED_EVENTS.name, account.labels)
            add(self._batch.sums, series, account.quarter, 1)
        if event.first_chunk_ns:
            histogram = self._histogram_of(TIME_TO_FIRST_TOKEN, account.labels)
            histogram.values.append(event.first_chunk_ns)
        if event.retries:
            kind = {"status": "" if event.calls else account.status}
            series = self._intern(API_RETRIES.name, _whose(account) | kind)
            add(self._batch.sums, series, 0, event.retries)
        if event.reservation:
            self._batch.settled.append(event.reservation)

    def _unpriced(self, account: Account, reason: str) -> tuple[None, str]:
        """Count an event that has no price."""
        series = self._intern(UNPRICED_EVENTS.name, _whose(account) | {"reason": reason})
        add(self._batch.sums, series, account.quarter, 1)
        return None, ""

    def _account(self, event: RecordedUsage) -> Account:
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

    def _open(self, event: RecordedUsage, attributes: dict[str, str]) -> Account:
        if len(attributes) > MAX_ATTRIBUTES:
            raise msgspec.ValidationError(f"{len(attributes)} attributes, {MAX_ATTRIBUTES} allowed")
        labelled = self._labels.of(event, attributes)
        account = self._accounts.get(labelled.key)
        if account is None:
            account = self._accounts[labelled.key] = Account(
                *labelled,
                self._histogram_of(REQUEST_COST, labelled.labels),
                self._histogram_of(API_CALL_DURATION, labelled.labels),
            )
        return account

    def _histogram_of(self, family: Family, labels: dict[str, str]) -> Histogram:
        """Return the histogram that an account's label set is observed in."""
        return self._histogram(family, tuple(labels[name] for name in family.labels))

    def _histogram(self, family: Family, values: tuple[str, ...]) -> Histogram:
        key = (family.name, values)
        histogram = self._histograms.get(key)
        if histogram is None:
            own = dict(zip(family.labels, values, strict=True))
            histogram = self._histograms[key] = Histogram(family, own)
        return histogram


def _whose(account: Account) -> dict[str, str]:
    """Return the labels that say which model of which provider."""
    return {name: account.labels.get(name, "") for name in ("provider", "model")}


def _observe_shares(values: list[int], value: int, times: int) -> None:
    """Observe a value that several requests share."""
    if times:
        share = value // times
        values.extend([share] * (times - 1))
        values.append(value - share * (times - 1))
