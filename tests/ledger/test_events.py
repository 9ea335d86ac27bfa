"""Recent events: kept in blocks, found again one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger import query
from costmeter.ledger.batch import Batch, Correction, EventRow
from costmeter.ledger.events import PricedEvent, StoredEvent
from costmeter.ledger.store import Ledger
from costmeter.units import NANO, QUARTER_SECONDS
from tests.ledger.sample import PRICE, event, rows

FOREVER = (0, 2**63 - 1)


def quarter_ns(number: int) -> int:
    return number * QUARTER_SECONDS * NANO


def correction(of: int, cost: int = 700) -> Correction:
    return Correction(of, 99, cost, "book:openai/new", "reprice")


def test_an_unpriced_event_waits_with_its_bytes_until_it_is_corrected(
    ledger: Ledger, path: Path
) -> None:
    waiting = event(8, cost=None, model="new")
    ledger.commit(Batch(events=[event(7), waiting, event(9)]))
    assert list(ledger.unpriced()) == [StoredEvent(257, quarter_ns(8), waiting.payload)]
    assert query.unpriced(path) == {("openai", "new"): 1}
    ledger.commit(Batch(corrections=[correction(257)]))
    assert list(ledger.unpriced()) == []
    assert query.unpriced(path) == {}
    assert rows(path, "SELECT event, time_ns, cost, reason FROM correction") == [
        (257, 99, 700, "reprice")
    ]
    entries = f"[[{quarter_ns(7)},5,2],[{quarter_ns(8)},null,1],[{quarter_ns(9)},5,2]]"
    assert rows(path, "SELECT entries FROM event_block") == [(entries,)]  # as it was


def test_an_event_is_corrected_once(ledger: Ledger) -> None:
    series = ledger.intern("cost_credit_usd_total", {})
    ledger.commit(Batch(events=[event(7, cost=None), event(7)]))
    ledger.commit(Batch(corrections=[correction(256)]))
    for known in (256, 257, 9999):  # corrected by now; priced from the start; no such event
        with pytest.raises(LedgerError, match=f"event {known} does not wait for a price"):
            ledger.commit(Batch(sums={series: {7: 1}}, corrections=[correction(known)]))
    assert [each.total for each in ledger.series()] == [0]


def test_a_thousand_unpriced_events_can_be_corrected_while_they_are_read(ledger: Ledger) -> None:
    ledger.commit(Batch(events=[event(number, cost=None) for number in range(2500)]))
    found = 0
    for each in ledger.unpriced():
        assert each.time_ns == quarter_ns(found)
        ledger.commit(Batch(corrections=[correction(each.id)])) if found % 100 == 0 else None
        found += 1
    assert found == 2500
    assert len(list(ledger.unpriced())) == 2475


def test_any_number_of_events_is_kept_in_the_order_they_came(ledger: Ledger, path: Path) -> None:
    ledger.commit(Batch(events=[event(number) for number in range(600)]))
    assert rows(path, "SELECT id, events FROM event_block") == [(1, 256), (2, 256), (3, 88)]
    sql = "SELECT json_extract(value, '$[0]') FROM event_block, json_each(CAST(payloads AS TEXT))"
    assert rows(path, f"{sql} ORDER BY event_block.id, key") == [
        (quarter_ns(n),) for n in range(600)
    ]


def test_old_events_go_and_unpriced_ones_stay(ledger: Ledger, path: Path) -> None:
    ledger.commit(Batch(events=[event(1), event(2)]))
    ledger.commit(Batch(events=[event(3), event(4, cost=None)]))
    ledger.commit(Batch(events=[event(5), event(9)]))
    ledger.commit(Batch(events=[event(6, cost=None)]))
    assert ledger.prune(quarter_ns(9)) == 2  # 5 shares a block with 9, which is not older
    ledger.commit(Batch(corrections=[correction(2 * 256 + 1)]))
    assert ledger.prune(quarter_ns(9)) == 2
    assert [each.time_ns for each in ledger.unpriced()] == [quarter_ns(6)]
    assert rows(path, "SELECT * FROM correction") == []
    assert ledger.prune(quarter_ns(10)) == 2
    ledger.commit(Batch(events=[event(10, cost=None)]))
    assert [each.id // 256 for each in ledger.unpriced()] == [4, 5]  # no number is given twice


def test_more_old_events_go_than_one_transaction_deletes(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.commit(Batch(events=[event(1)] * (256 * 100)))
    assert ledger.prune(quarter_ns(2)) == 76_800
    assert ledger.prune(quarter_ns(2)) == 0


def test_space_of_old_events_is_used_again(ledger: Ledger, path: Path) -> None:
    def month() -> int:
        ledger.commit(Batch(events=[event(1)] * 20_000))
        ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return path.stat().st_size

    size = month()
    for _ in range(3):
        ledger.prune(quarter_ns(2))
        assert month() <= size * 1.05


def test_the_dearest_events_come_first_whichever_block_holds_them(
    ledger: Ledger, path: Path
) -> None:
    costs = [(3, 50), (4, 900), (5, 10), (6, 800), (7, 0), (8, -20)]
    for number, cost in costs:
        ledger.commit(Batch(events=[event(number, cost=1), event(number, cost=cost)]))
    ledger.commit(Batch(events=[event(5, cost=None)]))
    ledger.commit(Batch(corrections=[correction(7 * 256, 850)]))
    found = query.dearest(path, 4, *FOREVER)
    assert [(each.cost_nano_usd, each.price) for each in found] == [
        (900, PRICE), (850, "book:openai/new"), (800, PRICE), (50, PRICE)
    ]  # fmt: skip
    assert found[0] == PricedEvent(2 * 256 + 1, quarter_ns(4), event(4).payload, 900, PRICE)
    within = query.dearest(path, 9, quarter_ns(5), quarter_ns(7))
    assert [each.cost_nano_usd for each in within] == [850, 800, 10, 1, 1]


def test_events_whose_time_was_changed_keep_the_time_they_count_for(ledger: Ledger) -> None:
    ledger.commit(Batch(events=[EventRow(77, b'[1,"chat","openai","gpt-4o",{},{}]', None, "")]))
    assert [each.time_ns for each in ledger.unpriced()] == [77]
