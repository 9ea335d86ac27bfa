"""What recorded events cost by a ledger that drops those it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from costmeter.clock import SYSTEM_CLOCK
from costmeter.ledger.accounting import Accountant
from costmeter.ledger.labels import label_caps
from costmeter.ledger.store import Ledger
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig
from costmeter.usage import UsageEvent


def spent(ledger: Path, *lives: Sequence[UsageEvent]) -> int:
    """Return what events come to in nano-dollars, read by one exporter and by those after it."""
    total = 0
    for events in lives:
        store = Ledger.open(ledger)
        books = Accountant(
            store.intern,
            PriceBook(PricesConfig(), clock=SYSTEM_CLOCK).tariff,
            label_caps({}),
            clock=SYSTEM_CLOCK,
            retention_ns=10**17,
            is_taken=store.is_taken,
        )
        for event in events:
            books.add(msgspec.json.encode(event))
        batch = books.take()
        total += sum(row.cost_nano_usd or 0 for row in batch.events)
        store.commit(batch)
        store.close()
    return total
