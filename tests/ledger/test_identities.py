"""An event that is told more than once counts once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from costmeter.errors import LedgerError
from costmeter.ledger.accounting import Accountant
from costmeter.ledger.batch import Batch
from costmeter.ledger.identities import digest_of
from costmeter.ledger.labels import label_caps
from costmeter.ledger.store import Ledger
from costmeter.pricing.tariff import Unpriced
from costmeter.units import NANO
from costmeter.usage import UsageEvent
from tests.ledger.sample import rows
from tests.ledger.test_accounting import DAY, NOON, FixedClock

RESULT = "openai:batch_req_1"


def result(identity: str = RESULT, **attributes: str) -> bytes:
    event = UsageEvent(
        NOON, "chat", "openai", "gpt-4o", attributes, {"input_tokens": 1}, identity=identity
    )
    return msgspec.json.encode(event)


def accountant(ledger: Ledger) -> Accountant:
    return Accountant(
        ledger.intern,
        lambda *_: Unpriced(),
        label_caps({}),
        clock=FixedClock(),
        retention_ns=90 * DAY,
        is_taken=ledger.is_taken,
    )


def test_a_second_event_with_an_identity_is_dropped(ledger: Ledger) -> None:
    books = accountant(ledger)
    assert [books.add(result()), books.add(result(feature="again"))] == [True, False]
    batch = books.take()
    assert len(batch.events) == 1
    assert batch.identities == {digest_of(RESULT): NOON}


def test_it_is_dropped_after_a_commit_and_by_a_later_process_too(path: Path) -> None:
    ledger = Ledger.open(path)
    books = accountant(ledger)
    books.add(result())
    ledger.commit(books.take())
    assert not books.add(result())
    ledger.close()
    ledger = Ledger.open(path)
    assert not accountant(ledger).add(result())
    assert accountant(ledger).add(result("openai:batch_req_2"))
    ledger.close()


def test_events_without_an_identity_all_count(ledger: Ledger) -> None:
    books = accountant(ledger)
    assert all(books.add(result("")) for _ in range(3))
    assert books.take().identities == {}


def test_an_event_that_is_refused_takes_no_identity(ledger: Ledger) -> None:
    books = accountant(ledger)
    assert not books.add(result(**{f"a{number}": "" for number in range(33)}))
    assert books.add(result())


def test_an_identity_is_in_the_ledger_with_its_sums_or_not_at_all(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = accountant(ledger)
    books.add(result())
    batch = books.take()
    batch.positions["x"] = "no number"  # type: ignore[assignment]
    with pytest.raises(LedgerError):
        ledger.commit(batch)
    assert not ledger.is_taken(digest_of(RESULT))
    batch.positions.clear()
    ledger.commit(batch)
    assert ledger.is_taken(digest_of(RESULT))


def test_identities_are_kept_as_long_as_events(ledger: Ledger, path: Path) -> None:
    ledger.commit(Batch(identities={digest_of("old"): 5 * NANO, digest_of("new"): 9 * NANO}))
    ledger.prune(9 * NANO)
    assert rows(path, "SELECT digest, time_ns FROM identity") == [(digest_of("new"), 9 * NANO)]
