"""When a series' value may be seen on ``/metrics``.

Prometheus's ``increase()`` counts from a series' first sample, so a series that appears with a
value loses it. Each new series is therefore drawn as 0 until every scraper has seen it so, and the
ledger remembers which series have passed this: one that has never goes back to 0 after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from costmeter.clock import Clock
from costmeter.ledger.batch import Batch
from costmeter.ledger.schema import accumulated
from costmeter.ledger.store import Ledger
from costmeter.ledger.store import Series as LedgerSeries
from costmeter.names import (
    CREDIT,
    EVENTS_DROPPED,
    EVENTS_READ,
    EVENTS_REDATED,
    EVENTS_REJECTED,
    INSTRUMENTATION_ERRORS,
    LABEL_OVERFLOW,
    SPEND,
    TOKENS,
    Family,
)
from costmeter.sidecar.exposition import Exposition

_SILENT_INTERVALS: Final = 4
"""Scrape intervals without a scrape after which no scraper is there any more."""

_COUNTS: Final = frozenset(family.name for family in (EVENTS_READ, EVENTS_REJECTED, EVENTS_DROPPED))
"""Families that the landing page shows as well."""

_COUNTED: Final = {
    EVENTS_READ: ("journal", "http", "resources"),
    EVENTS_REJECTED: ("malformed", "too_large", "torn", "invalid", "rate_limited", "overfull"),
    EVENTS_DROPPED: ("",),
    EVENTS_REDATED: ("",),
    INSTRUMENTATION_ERRORS: ("",),
    LABEL_OVERFLOW: (),
}
"""Counts that exist from the start, at 0: with these values of their label, or with every label."""


class Publisher:
    """Keeps the exposition in step with the ledger.

    Attributes:
        totals: each series' committed total, by id.
        money: ids of the series that hold spend (+1) and credit (-1), with that sign.
        models: pairs of provider and model that have used tokens.
    """

    def __init__(
        self, ledger: Ledger, exposition: Exposition, *, clock: Clock, hold_ns: int
    ) -> None:
        """Show what the ledger has.

        Args:
            ledger: where the series are.
            exposition: where they are drawn.
            clock: for the time since the first scrape.
            hold_ns: how long a new series stays 0 after its first scrape, in nanoseconds: one
                scrape interval, so that a second scraper has seen it too.
        """
        self._ledger = ledger
        self._exposition = exposition
        self._clock = clock
        self._hold_ns = hold_ns
        self._new: dict[int, int] = {}
        self._seen_at: dict[int, int] = {}
        self._began_ns = self._last_change_ns = clock.monotonic_ns()
        self.last_scrape_ns: int | None = None
        self.totals: dict[int, int] = {}
        self.money: dict[int, int] = {}
        self.models: set[tuple[str, str]] = set()
        self._counted: dict[tuple[str, str], int] = {}
        self.load(ledger.series())

    def load(self, series: Iterable[LedgerSeries]) -> None:
        """Take series as the ledger has them: at the start, and when another process changed it."""
        with self._exposition:
            for each in series:
                known = each.id in self.totals
                self._know(each.id, each.family, each.labels)
                self.totals[each.id] = each.total
                if not each.shown and not known:
                    self._new[each.id] = self._clock.monotonic_ns()
                held = each.id in self._new or each.id in self._seen_at
                value = 0 if held else each.total
                self._exposition.add(each.id, each.family, each.labels, value)
        self._last_change_ns = self._clock.monotonic_ns()

    def begin_counts(self, labels: Iterable[str]) -> None:
        """Have the counts of :data:`_COUNTED` from the start.

        Args:
            labels: values of those that have one for every label.
        """
        for family, values in _COUNTED.items():
            for value in values or labels:
                self.intern(family.name, dict.fromkeys(family.labels, value))

    def intern(self, family: str, labels: Mapping[str, str]) -> int:
        """Return the id of a series; a new one is drawn as 0 from now on."""
        series = self._ledger.intern(family, labels)
        if series not in self.totals:
            self._know(series, family, labels)
            self.totals[series] = 0
            self._exposition.add(series, family, labels, 0)
            self._new[series] = self._last_change_ns = self._clock.monotonic_ns()
        return series

    def due(self) -> list[int]:
        """Return the series whose value may be drawn once the ledger has committed so."""
        if not self._seen_at:
            return []
        latest = self._clock.monotonic_ns() - self._hold_ns
        return [series for series, seen in self._seen_at.items() if seen <= latest]

    def publish(self, batch: Batch) -> None:
        """Draw what a committed batch changed."""
        with self._exposition:
            for series, quarters in batch.sums.items():
                total = accumulated(self.totals[series], sum(quarters.values()))
                self.totals[series] = total
                if series not in self._new and series not in self._seen_at:
                    self._exposition.set(series, total)
            for series in batch.shown:
                del self._seen_at[series]
                self._exposition.set(series, self.totals[series])
        if batch.sums or batch.shown:
            self._last_change_ns = self._clock.monotonic_ns()

    def scraped(self, began_ns: int) -> None:
        """Take note of a scrape that began at an instant (monotonic) and reached its end.

        Called from the pipeline's thread only.
        """
        self.last_scrape_ns = began_ns
        for series in [series for series, added in self._new.items() if added < began_ns]:
            del self._new[series]
            self._seen_at[series] = began_ns

    @property
    def settled(self) -> bool:
        """Whether everything committed has been drawn with its value and scraped since.

        True as well where nobody has scraped for several intervals: nobody is going to.
        """
        silence_ns = self._clock.monotonic_ns() - (self.last_scrape_ns or self._began_ns)
        return silence_ns > _SILENT_INTERVALS * self._hold_ns or (
            not self._new
            and not self._seen_at
            and self.last_scrape_ns is not None
            and self.last_scrape_ns > self._last_change_ns
        )

    def counts(self, family: Family) -> dict[str, int]:
        """Return the totals of a family with one label by its value, or with none by ``""``."""
        return {
            value: self.totals[series]
            for (name, value), series in self._counted.copy().items()
            if name == family.name
        }

    def _know(self, series: int, family: str, labels: Mapping[str, str]) -> None:
        if family == SPEND.name:
            self.money[series] = 1
        elif family == CREDIT.name:
            self.money[series] = -1
        elif family == TOKENS.name:
            self.models.add((labels.get("provider", ""), labels.get("model", "")))
        elif family in _COUNTS:
            self._counted[family, "".join(labels.values())] = series
