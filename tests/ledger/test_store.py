"""Totals, sums by quarter and positions: all of a batch or nothing of it."""

from __future__ import annotations

import resource
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmeter.errors import LedgerError, OverfullError
from costmeter.ledger.batch import Batch
from costmeter.ledger.schema import accumulated
from costmeter.ledger.store import Ledger, Series
from costmeter.names import (
    API_CALLS,
    COMPONENTS,
    CREDIT,
    REQUEST_COST,
    SPEND,
    TOKEN_TYPES,
    TOKENS,
    UNPRICED_EVENTS,
)
from costmeter.units import NANO, QUARTER_SECONDS
from tests.ledger.sample import event, rows

MODEL = {"provider": "openai", "model": "gpt-4o"}
MOST = 2**63 - 1


def everyone(labels: Mapping[str, str]) -> str:
    """Put all accounts into one group."""
    return ""


def spend_series(ledger: Ledger, component: str = "input") -> int:
    return ledger.intern(SPEND.name, MODEL | {"component": component})


def by_labels(ledger: Ledger) -> dict[tuple[str, ...], tuple[int, bool]]:
    return {
        (each.family, *each.labels.values()): (each.total, each.shown) for each in ledger.series()
    }


def test_what_was_committed_is_there_after_a_restart(path: Path) -> None:
    ledger = Ledger.open(path)
    series = ledger.intern(SPEND.name, {**MODEL, "team": "", "component": "input"})
    ledger.commit(Batch(sums={series: {7: 100, 8: 20}}, positions={"a": 3}))
    ledger.commit(Batch(sums={series: {8: 1}}, positions={"a": 5}, shown=[series]))
    identifier = ledger.id
    ledger.close()
    again = Ledger.open(path)
    assert list(again.series()) == [
        Series(series, SPEND.name, {"component": "input", **MODEL}, 121, shown=True)
    ]
    assert again.positions() == {"a": 5}
    assert again.money_by_quarter(0, everyone) == {"": ({7: 100, 8: 21}, {})}
    assert again.id == identifier
    again.close()


def test_a_series_has_the_same_id_in_every_ledger_and_order_of_labels(
    ledger: Ledger, tmp_path: Path
) -> None:
    other = Ledger.open(tmp_path / "other.db")
    reordered = {"component": "input", "team": "", "model": "gpt-4o", "provider": "openai"}
    assert other.intern(SPEND.name, reordered) == spend_series(ledger)
    assert spend_series(ledger, "output") != spend_series(ledger)
    assert ledger.intern(TOKENS.name, MODEL | {"type": "input"}) != spend_series(ledger)
    assert other.id != ledger.id
    other.close()


def test_a_series_without_an_amount_is_there_with_0_and_not_shown(ledger: Ledger) -> None:
    spend_series(ledger)
    assert list(ledger.series()) == []
    ledger.commit(Batch())
    assert by_labels(ledger) == {(SPEND.name, "input", "gpt-4o", "openai"): (0, False)}


def test_each_family_is_added_up_in_its_own_column(ledger: Ledger, path: Path) -> None:
    def intern(family: str, **labels: str) -> int:
        return ledger.intern(family, MODEL | labels)

    ledger.commit(
        Batch(
            sums={
                intern(SPEND.name, component="input"): {7: 1},
                intern(SPEND.name, component="network"): {7: 2},
                intern(CREDIT.name): {7: 4},
                intern(TOKENS.name, type="input"): {7: 8},
                intern(TOKENS.name, type="output_image"): {7: 16},
                intern(API_CALLS.name, status="ok"): {7: 32},
                intern(API_CALLS.name, status="timeout"): {7: 64},
                intern(API_CALLS.name, status="rate_limited"): {7: 128},
                intern(UNPRICED_EVENTS.name, reason="no_price"): {7: 256},
                intern(f"{REQUEST_COST.name}_bucket", le="0.1"): {0: 512},
            }
        )
    )
    assert rows(
        path,
        "SELECT quarter, cost_input, cost_network, spend, credit, tokens_input, "
        "tokens_output_image, tokens, calls_ok, calls_failed, unpriced FROM quarter_sum",
    ) == [(7, 1, 2, 3, 4, 8, 16, 24, 32, 192, 256)]
    assert rows(path, "SELECT labels FROM account") == [('{"model":"gpt-4o","provider":"openai"}',)]
    assert sum(each.total for each in ledger.series()) == 1023


def test_every_component_and_token_type_has_its_column(ledger: Ledger, path: Path) -> None:
    # A new word in names.py takes a migration that adds its column: this says so.
    sums = {spend_series(ledger, name): {7: 1} for name in COMPONENTS}
    sums |= {ledger.intern(TOKENS.name, MODEL | {"type": name}): {7: 1} for name in TOKEN_TYPES}
    ledger.commit(Batch(sums=sums))
    assert rows(path, "SELECT spend, tokens FROM quarter_sum") == [(12, 9)]


@pytest.mark.parametrize(
    ("family", "labels", "message"),
    [
        (SPEND.name, {"component": "magic"}, "component 'magic' is none of input, cache_read,"),
        (SPEND.name, {}, "component '' is none of input"),
        (TOKENS.name, {"type": "total"}, "type 'total' is none of input, cache_read"),
    ],
)
def test_a_component_or_type_without_a_column_is_refused(
    ledger: Ledger, family: str, labels: dict[str, str], message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        ledger.intern(family, labels)


def test_positions_are_forgotten_in_the_transaction_that_says_so(ledger: Ledger) -> None:
    ledger.commit(Batch(positions={"a": 1, "b": 2}))
    ledger.commit(Batch(positions={"b": 3, "c": 4}, forget=["a", "unknown"]))
    assert ledger.positions() == {"b": 3, "c": 4}


def test_money_by_quarter_starts_where_it_is_asked_to(ledger: Ledger) -> None:
    credit = ledger.intern(CREDIT.name, MODEL)
    ledger.commit(Batch(sums={spend_series(ledger): {6: 1, 7: 2, 8: 4}, credit: {7: 1, 9: 8}}))
    start = 7 * QUARTER_SECONDS * NANO
    assert ledger.money_by_quarter(start, everyone) == {"": ({7: 2, 8: 4}, {7: 1, 9: 8})}


def test_money_by_quarter_is_told_by_group_of_accounts(ledger: Ledger) -> None:
    def spend(model: str, component: str) -> int:
        return ledger.intern(SPEND.name, {"model": model, "component": component})

    ledger.commit(
        Batch(
            sums={
                spend("gpt-4o", "input"): {7: 1},
                spend("gpt-4o", "output"): {7: 2, 8: 4},
                spend("gpt-5", "output"): {7: 8},
                spend("claude", "output"): {7: 16},
                ledger.intern(CREDIT.name, {"model": "claude"}): {7: 32},
            }
        )
    )
    assert ledger.money_by_quarter(0, lambda labels: labels["model"].startswith("gpt")) == {
        True: ({7: 11, 8: 4}, {}),
        False: ({7: 16}, {7: 32}),
    }


def test_a_series_tells_whom_it_is_for_before_its_commit_and_after_a_restart(path: Path) -> None:
    ledger = Ledger.open(path)
    series = ledger.intern(SPEND.name, {"team": "search", "component": "input"})
    assert ledger.account_labels(series) == {"team": "search"}
    ledger.commit(Batch(sums={series: {7: 1}}))
    ledger.close()
    again = Ledger.open(path)
    assert again.account_labels(series) == {"team": "search"}
    again.close()


# -- Failures ---------------------------------------------------------------------------------


def forbid_commit(action: int, operation: str | None, *_: object) -> int:
    denied = action == sqlite3.SQLITE_TRANSACTION and operation == "COMMIT"
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


def everything(ledger: Ledger) -> Batch:
    series = spend_series(ledger)
    return Batch(
        sums={series: {7: 100}},
        positions={"a": 3},
        forget=["old"],
        events=[event(7), event(7, cost=None)],
        shown=[series],
    )


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    names = [name for (name,) in rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {name: rows(path, f"SELECT * FROM {name}") for name in names}


def test_a_commit_that_fails_at_its_end_leaves_nothing_and_can_be_made_again(
    ledger: Ledger, path: Path
) -> None:
    ledger.commit(Batch(positions={"old": 1}))
    before = contents(path)
    batch = everything(ledger)
    ledger._connection.set_authorizer(forbid_commit)
    for _ in range(2):
        with pytest.raises(LedgerError, match=f"{path}: not authorized"):
            ledger.commit(batch)
        assert contents(path) == before
    ledger._connection.set_authorizer(None)
    ledger.commit(batch)
    assert by_labels(ledger) == {(SPEND.name, "input", "gpt-4o", "openai"): (100, True)}
    assert ledger.positions() == {"a": 3}
    assert [each.id for each in ledger.unpriced()] == [257]  # event 1 of block 1
    assert rows(path, "SELECT name FROM price ORDER BY id") == [("",), ("book:openai/gpt-4o",)]


def test_a_full_disk_fails_the_commit_and_room_lets_it_pass(ledger: Ledger, path: Path) -> None:
    series = spend_series(ledger)
    ledger.commit(Batch(sums={series: {7: 1}}))
    batch = Batch(sums={series: {7: 100}}, events=[event(7)] * 5000)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(LedgerError, match=f"{path}: (disk I/O error|database or disk is full)"):
            ledger.commit(batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert [each.total for each in ledger.series()] == [1]
    ledger.commit(batch)
    assert [each.total for each in ledger.series()] == [101]
    assert rows(path, "SELECT sum(events) FROM event_block") == [(5000,)]


def test_a_ledger_that_another_process_holds_is_an_error_for_now(
    few_milliseconds: None, path: Path
) -> None:
    ledger = Ledger.open(path)
    batch = everything(ledger)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="database is locked"):
            ledger.commit(batch)
        other.execute("ROLLBACK")
    ledger.commit(batch)
    assert ledger.positions() == {"a": 3}
    ledger.close()


@pytest.mark.parametrize(("quarter", "amount"), [(7, 1), (8, 2**63), (8, 2**70)])
def test_a_sum_of_a_quarter_past_64_bits_is_refused(
    ledger: Ledger, quarter: int, amount: int
) -> None:
    series = spend_series(ledger)
    ledger.commit(Batch(sums={series: {7: MOST}}))
    with pytest.raises(OverfullError, match="would pass 9,223,372,036,854,775,807"):
        ledger.commit(Batch(sums={series: {quarter: amount}}, positions={"a": 1}))
    assert [each.total for each in ledger.series()] == [MOST]
    assert ledger.positions() == {}


def test_a_total_past_64_bits_begins_again_as_counters_do(ledger: Ledger) -> None:
    series = ledger.intern(f"{REQUEST_COST.name}_sum", {"endpoint": "/", "provider": "openai"})
    for amount, total in ((MOST - 5, MOST - 5), (-3, MOST - 8), (8, MOST), (7, 7), (1, 8)):
        ledger.commit(Batch(sums={series: {0: amount}}))
        assert [each.total for each in ledger.series()] == [total]
        assert accumulated(MOST - 8, 9) == 9


def test_components_whose_sum_is_past_64_bits_are_refused(ledger: Ledger) -> None:
    sums = {spend_series(ledger, name): {7: MOST} for name in ("input", "output")}
    with pytest.raises(LedgerError, match="would pass"):
        ledger.commit(Batch(sums=sums))
    assert list(ledger.series()) == []


def test_a_series_that_was_never_interned_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no series has the id 12345"):
        ledger.commit(Batch(sums={12345: {7: 1}}))


def test_a_closed_ledger_says_so(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.close()
    with pytest.raises(LedgerError, match="closed database"):
        ledger.commit(Batch())


# -- Beside other processes -------------------------------------------------------------------


def test_two_writers_agree_on_a_series_that_both_meet_first(ledger: Ledger, path: Path) -> None:
    beside = Ledger.open(path, exclusive=False)
    batches = [Batch(sums={spend_series(each): {7: 10}}) for each in (ledger, beside)]
    ledger.commit(batches[0])
    beside.commit(batches[1])
    assert by_labels(ledger) == {(SPEND.name, "input", "gpt-4o", "openai"): (20, False)}
    beside.close()


def test_a_series_from_an_earlier_run_needs_no_interning(path: Path) -> None:
    ledger = Ledger.open(path)
    series = spend_series(ledger)
    ledger.commit(Batch(sums={series: {7: 1}}))
    ledger.close()
    again = Ledger.open(path)
    again.commit(Batch(sums={series: {7: 2}}))
    assert again.money_by_quarter(0, everyone) == {"": ({7: 3}, {})}
    again.close()


def test_changed_tells_once_of_what_others_committed(ledger: Ledger, path: Path) -> None:
    assert not ledger.changed()
    ledger.commit(Batch(positions={"a": 1}))
    assert not ledger.changed()
    beside = Ledger.open(path, exclusive=False)
    beside.commit(Batch(positions={"b": 1}))
    assert ledger.changed()
    assert not ledger.changed()
    assert not beside.changed()
    beside.close()


def test_the_log_is_emptied_once_the_reader_that_held_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    limit = 1 << 20
    monkeypatch.setattr("costmeter.ledger.store._WAL_LIMIT_BYTES", limit)
    monkeypatch.setattr("costmeter.ledger.store._WAL_WAIT_MS", 1)
    ledger = Ledger.open(path)
    log = path.with_name("ledger.db-wal")
    batch = Batch(events=[event(7)] * 5000)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM meta").fetchone()
        while log.stat().st_size < 6 * limit:
            ledger.commit(batch)
        assert ledger.size_bytes() == log.stat().st_size + path.stat().st_size
    while log.stat().st_size > limit:
        ledger.commit(batch)
    ledger.close()


# -- Any sequence of batches ------------------------------------------------------------------

_KEYS = st.tuples(
    st.sampled_from(["gpt-4o", "claude-sonnet-4-5", ""]),
    st.sampled_from(
        [(SPEND.name, "component", name) for name in COMPONENTS[:3]]
        + [(TOKENS.name, "type", "input"), (CREDIT.name, "", "")]
        + [(API_CALLS.name, "status", name) for name in ("ok", "timeout")]
    ),
)
_BATCHES = st.lists(
    st.dictionaries(
        _KEYS, st.dictionaries(st.integers(0, 5), st.integers(0, 10**15), max_size=3), max_size=6
    ),
    max_size=6,
)
_COLUMNS = {
    SPEND.name: "spend",
    TOKENS.name: "tokens",
    CREDIT.name: "credit",
    API_CALLS.name: "calls_ok + calls_failed",
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(batches=_BATCHES)
def test_totals_are_the_sums_of_the_quarters(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[dict[tuple[str, tuple[str, str, str]], dict[int, int]]],
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = Ledger.open(path)
    expected: Counter[str] = Counter()
    for amounts in batches:
        batch = Batch()
        for (model, (family, label, value)), quarters in amounts.items():
            batch.sums[ledger.intern(family, {"model": model, label: value})] = quarters
            expected[family] += sum(quarters.values())
        ledger.commit(batch)
    totals: Counter[str] = Counter()
    for each in ledger.series():
        totals[each.family] += each.total
    ledger.close()
    for family, columns in _COLUMNS.items():
        ((by_quarter,),) = rows(path, f"SELECT coalesce(sum({columns}), 0) FROM quarter_sum")
        assert totals[family] == by_quarter == expected[family]
