"""What was spent, by label and calendar window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger import query
from costmeter.ledger.batch import Batch
from costmeter.ledger.query import SpendRow, spend
from costmeter.ledger.store import Ledger
from costmeter.names import API_CALLS, CREDIT, SPEND, TOKENS, UNPRICED_EVENTS

GPT = {"provider": "openai", "model": "gpt-4o", "team": "search"}
CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4-5", "team": "chat"}


def quarter_of(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) // 900


def put(ledger: Ledger, family: str, labels: Mapping[str, str], at: str, amount: int) -> None:
    ledger.commit(Batch(sums={ledger.intern(family, labels): {quarter_of(at): amount}}))


def hourly(ledger: Ledger, start: str, hours: int) -> None:
    """Spend one nano-dollar in the first quarter of each hour."""
    first = quarter_of(start)
    quarters = {first + 4 * hour: 1 for hour in range(hours)}
    series = ledger.intern(SPEND.name, GPT | {"component": "input"})
    ledger.commit(Batch(sums={series: quarters}))


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Two models on the evening of 21 and the morning of 22 November, UTC."""
    put(ledger, SPEND.name, GPT | {"component": "input"}, "2026-11-21T22:45Z", 100)
    put(ledger, SPEND.name, GPT | {"component": "output"}, "2026-11-21T22:45Z", 20)
    put(ledger, SPEND.name, GPT | {"component": "input"}, "2026-11-21T23:00Z", 7)
    put(ledger, SPEND.name, CLAUDE | {"component": "output"}, "2026-11-22T08:00Z", 3000)
    put(ledger, CREDIT.name, CLAUDE, "2026-11-22T08:15Z", 500)
    put(ledger, TOKENS.name, GPT | {"type": "input"}, "2026-11-21T22:45Z", 1200)
    put(ledger, TOKENS.name, GPT | {"type": "reasoning"}, "2026-11-21T22:45Z", 34)
    put(ledger, API_CALLS.name, GPT | {"status": "ok"}, "2026-11-21T22:45Z", 3)
    put(ledger, API_CALLS.name, GPT | {"status": "timeout"}, "2026-11-21T22:45Z", 1)
    put(ledger, API_CALLS.name, CLAUDE | {"status": "ok"}, "2026-11-22T08:00Z", 2)
    unpriced = {"provider": "new", "model": "newest", "reason": "no_price"}
    put(ledger, UNPRICED_EVENTS.name, unpriced, "2026-11-22T08:00Z", 9)
    return ledger


def test_spend_by_day_and_model_is_less_credit_and_dearest_first(
    filled: Ledger, path: Path
) -> None:
    assert spend(path, by=["day", "model"], timezone="UTC") == [
        SpendRow(("2026-11-21", "gpt-4o"), 127, 4, 1234),
        SpendRow(("2026-11-22", "claude-sonnet-4-5"), 2500, 2, 0),
    ]
    assert spend(path, by=["model", "day"], timezone="Europe/Berlin") == [
        SpendRow(("gpt-4o", "2026-11-21"), 120, 4, 1234),
        SpendRow(("claude-sonnet-4-5", "2026-11-22"), 2500, 2, 0),
        SpendRow(("gpt-4o", "2026-11-22"), 7, 0, 0),
    ]


def test_nothing_to_group_by_gives_the_total(filled: Ledger, path: Path) -> None:
    assert spend(path, by=[]) == [SpendRow((), 2627, 6, 1234)]


def test_components_add_up_to_spend_and_credit_has_none(filled: Ledger, path: Path) -> None:
    assert spend(path, by=["component", "team"]) == [
        SpendRow(("output", "chat"), 3000, None, None),
        SpendRow(("input", "search"), 107, None, None),
        SpendRow(("output", "search"), 20, None, None),
        SpendRow(("", "chat"), -500, None, None),
    ]


@pytest.mark.parametrize(
    ("where", "cost"),
    [
        ({"team": "search"}, 127),
        ({"team": "search", "model": "gpt-4o"}, 127),
        ({"component": "output"}, 3020),
        ({"component": "output", "team": "search"}, 20),
        ({"component": ""}, -500),
    ],
)
def test_where_keeps_what_has_all_the_values(
    filled: Ledger, path: Path, where: dict[str, str], cost: int
) -> None:
    assert [row.cost_nano_usd for row in spend(path, by=[], where=where)] == [cost]


def test_where_finds_nothing_for_a_value_that_is_not_there(filled: Ledger, path: Path) -> None:
    assert spend(path, by=["model"], where={"team": "unknown"}) == []
    assert spend(path, by=["model"], where={"component": "image"}) == []


def test_spend_without_a_label_is_asked_for_by_the_empty_value(ledger: Ledger, path: Path) -> None:
    put(ledger, SPEND.name, GPT | {"component": "input"}, "2026-11-22T08:00Z", 1)
    put(ledger, SPEND.name, GPT | {"team": "", "component": "input"}, "2026-11-22T08:00Z", 2)
    assert [row[:2] for row in spend(path, by=["team"])] == [(("",), 2), (("search",), 1)]
    assert [row.cost_nano_usd for row in spend(path, by=[], where={"team": ""})] == [2]


def test_a_configured_label_can_be_asked_for_once_there_is_one(ledger: Ledger, path: Path) -> None:
    with pytest.raises(LedgerError, match="by: 'tenant' is none of"):
        spend(path, by=["tenant"])
    put(ledger, SPEND.name, {"tenant": "acme", "component": "input"}, "2026-11-22T08:00Z", 1)
    assert spend(path, by=["tenant"]) == [SpendRow(("acme",), 1, 0, 0)]


def test_start_counts_and_end_does_not(filled: Ledger, path: Path) -> None:
    def cost(start: datetime | None, end: datetime | None, zone: str = "UTC") -> int:
        (row,) = spend(path, by=[], start=start, end=end, timezone=zone)
        return row.cost_nano_usd

    eleven = datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert cost(None, eleven) == 120
    assert cost(eleven, datetime(2026, 11, 22, 8, tzinfo=UTC)) == 7
    assert cost(eleven, None) == 2507
    midnight = datetime(2026, 11, 22)  # noqa: DTZ001 local time of the zone that is asked for
    assert (cost(midnight, None, "UTC"), cost(midnight, None, "Europe/Berlin")) == (2500, 2507)
    assert spend(path, by=[], start=datetime(2027, 1, 1, tzinfo=UTC)) == []


def test_an_empty_ledger_has_no_spend(ledger: Ledger, path: Path) -> None:
    assert spend(path, by=["day", "model"]) == []


def test_a_free_model_is_a_row_of_its_own(ledger: Ledger, path: Path) -> None:
    put(ledger, API_CALLS.name, GPT | {"status": "ok"}, "2026-11-22T08:00Z", 5)
    assert spend(path, by=["model"]) == [SpendRow(("gpt-4o",), 0, 5, 0)]


def test_a_day_has_as_many_hours_as_its_zone_gives_it(ledger: Ledger, path: Path) -> None:
    # A nano-dollar an hour. Berlin's 25 October has 25 hours, from 22:00 UTC the evening before.
    hourly(ledger, "2026-10-24T00:00Z", 72)
    found = spend(path, by=["day"], timezone="Europe/Berlin")
    assert [row[:2] for row in found] == [
        (("2026-10-24",), 22),
        (("2026-10-25",), 25),
        (("2026-10-26",), 24),
        (("2026-10-27",), 1),
    ]


def test_zones_of_half_and_three_quarter_hours_cut_between_quarters(
    ledger: Ledger, path: Path
) -> None:
    # Midnight is 18:30 UTC in Kolkata, 18:15 in Kathmandu.
    for at, amount in (("18:00", 1), ("18:15", 20), ("18:30", 300), ("18:45", 4000)):
        put(ledger, SPEND.name, GPT | {"component": "input"}, f"2026-11-21T{at}Z", amount)
    for zone, before, after in (
        ("Asia/Kolkata", 21, 4300),
        ("Asia/Kathmandu", 1, 4320),
        ("UTC", 4321, 0),
    ):
        found = [row.cost_nano_usd for row in spend(path, by=["day"], timezone=zone)]
        assert found == [cost for cost in (before, after) if cost]


def test_several_windows_and_labels_keep_the_order_they_were_asked_for(
    filled: Ledger, path: Path
) -> None:
    found = spend(path, by=["week", "provider", "month"])
    assert [row.key for row in found] == [
        ("2026-W47", "anthropic", "2026-11"),
        ("2026-W47", "openai", "2026-11"),
    ]


def test_more_quarters_than_are_added_up_at_once_are_one_period(ledger: Ledger, path: Path) -> None:
    hourly(ledger, "2026-11-01T00:00Z", 30 * 24)
    assert spend(path, by=["month"]) == [SpendRow(("2026-11",), 720, 0, 0)]


def test_spend_past_64_bits_is_an_error_not_a_number(ledger: Ledger, path: Path) -> None:
    for at in ("08:00", "08:15"):
        labels = GPT | {"component": "input"}
        put(ledger, SPEND.name, labels, f"2026-11-22T{at}Z", 2**63 - 1)
    with pytest.raises(LedgerError, match="integer overflow"):
        spend(path, by=[])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": ["colour"]}, "by: 'colour' is none of hour, day, week, month, provider, model, "),
        ({"by": ["status"]}, "endpoint, feature, team, component"),
        ({"by": [], "where": {"day": "x"}}, "where: 'day' is none of provider, model"),
        ({"by": [], "where": {"component": "gold"}}, "component: 'gold' is none of input,"),
        ({"by": [], "timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not an IANA"),
        ({"by": [], "start": datetime(2026, 1, 1, 0, 1, tzinfo=UTC)}, "start: .* quarter"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_what_can(
    ledger: Ledger, path: Path, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        spend(path, **asked)  # type: ignore[arg-type]


def test_reading_goes_on_beside_the_sidecar_and_without_it(filled: Ledger, path: Path) -> None:
    assert spend(path, by=[])[0].cost_nano_usd == 2627
    put(filled, SPEND.name, GPT | {"component": "input"}, "2026-11-22T09:00Z", 1)
    assert spend(path, by=[])[0].cost_nano_usd == 2628
    filled.close()
    assert spend(path, by=[])[0].cost_nano_usd == 2628


def test_a_query_sees_the_ledger_as_of_one_instant(
    filled: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quarters_after_a_commit(*asked: Any) -> range:
        put(filled, SPEND.name, GPT | {"component": "input"}, "2026-11-22T09:00Z", 1)
        return between(*asked)

    between = query._quarters
    monkeypatch.setattr(query, "_quarters", quarters_after_a_commit)
    assert spend(path, by=[])[0].cost_nano_usd == 2627
    assert spend(path, by=[])[0].cost_nano_usd == 2628


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("spent: nothing\n" * 20)
    with pytest.raises(LedgerError, match="notes: not a ledger"):
        spend(tmp_path / "notes", by=[])
