"""Pricing events after the fact: corrections of their own beside what stands."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.ledger.accounting import Accountant, TariffOf
from costmeter.ledger.batch import Batch, Correction
from costmeter.ledger.store import Ledger

_EVENTS_A_COMMIT: Final = 1000


@dataclass(slots=True)
class Repriced:
    """What became of a model's unpriced events; ``nano_usd`` is what was added for the priced."""

    priced: int = 0
    nano_usd: int = 0
    unpriced: int = 0


def reprice(
    ledger: Ledger, tariff_of: TariffOf, caps: Mapping[str, int], *, clock: Clock = SYSTEM_CLOCK
) -> dict[tuple[str, str], Repriced]:
    """Price the events of a ledger that have no price.

    Args:
        ledger: the ledger; an exporter may be writing to it at the same time.
        tariff_of: says how requests were charged at the time of an event.
        caps: how many values each label may have.
        clock: dates the corrections.

    Returns:
        The outcome by provider and model.

    Raises:
        LedgerError: a correction could not be written; those committed before it stand.
    """
    accountant = Accountant(ledger.intern, tariff_of, caps, clock=clock, retention_ns=0)
    accountant.know(series.labels for series in ledger.series())
    outcome: defaultdict[tuple[str, str], Repriced] = defaultdict(Repriced)
    corrections: list[Correction] = []
    for event in list(ledger.unpriced()):
        _, _, provider, model, *_ = json.loads(event.payload)
        found = outcome[provider, model]
        charge = accountant.correct(event.payload, event.time_ns)
        if charge is None:
            found.unpriced += 1
            continue
        found.priced += 1
        found.nano_usd += charge.nano_usd
        corrections.append(
            Correction(event.id, clock.now_ns(), charge.nano_usd, charge.price, "reprice")
        )
        if len(corrections) == _EVENTS_A_COMMIT:
            _commit(ledger, accountant.take(), corrections)
            corrections = []
    if corrections:
        _commit(ledger, accountant.take(), corrections)
    return dict(outcome)


def _commit(ledger: Ledger, batch: Batch, corrections: list[Correction]) -> None:
    batch.corrections.extend(corrections)
    ledger.commit(batch)
