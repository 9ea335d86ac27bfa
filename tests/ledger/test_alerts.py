"""Alerts in the ledger."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmeter.ledger import alerts
from costmeter.ledger.alerts import Alert
from costmeter.ledger.store import Ledger


def alert(fingerprint: str = "a1", ends_ns: int | None = None, received_ns: int = 50) -> Alert:
    labels, texts = {"alertname": "CostSpendSpike"}, {"summary": "Spend has jumped"}
    return Alert(fingerprint, 10, ends_ns, received_ns, labels, texts)


def take(ledger: Ledger, *told: Alert) -> list[Alert]:
    with ledger.transaction() as connection:
        return alerts.take(connection, told)


def test_an_alert_is_read_as_it_was_taken(ledger: Ledger, path: Path) -> None:
    firing, over = alert(), alert("b2", ends_ns=20)
    assert take(ledger, firing, over) == [firing, over]
    assert alerts.recent(path, 0, limit=9) == [firing, over]
    assert (firing.status, over.status, firing.name) == ("firing", "resolved", "CostSpendSpike")


def test_a_repeat_changes_nothing_but_when_it_was_last_told_of(ledger: Ledger, path: Path) -> None:
    take(ledger, alert(received_ns=50))
    assert take(ledger, alert(received_ns=60)) == []
    assert alerts.recent(path, 0, limit=9) == [alert(received_ns=60)]


def test_an_alert_as_json_has_it() -> None:
    assert alert(ends_ns=1_500_000_000).document == {
        "status": "resolved",
        "labels": {"alertname": "CostSpendSpike"},
        "annotations": {"summary": "Spend has jumped"},
        "starts": "1970-01-01T00:00:00Z",
        "ends": "1970-01-01T00:00:01.500000Z",
        "received": "1970-01-01T00:00:00Z",
        "fingerprint": "a1",
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=12))
def test_what_is_told_twice_in_a_row_is_news_once(
    ledger: Ledger, told: list[tuple[str, bool]]
) -> None:
    with ledger.transaction() as connection:
        connection.execute("DELETE FROM alert")
    last: dict[str, bool] = {}
    for fingerprint, over in told:
        each = alert(fingerprint, 20 if over else None)
        news = take(ledger, each, each)
        assert news == ([each] if last.get(fingerprint) != over else [])
        last[fingerprint] = over
