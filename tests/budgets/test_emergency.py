"""Budgets in emergency, over a real ledger."""

from pathlib import Path

import pytest

from costmeter.budgets.emergency import BY_HAND, Emergencies
from costmeter.errors import LedgerError
from costmeter.ledger.store import Ledger
from tests.budgets.ticking import Ticking

ALERT = "CostBudgetHardLimitExceeded 8d1f"


@pytest.fixture
def clock() -> Ticking:
    return Ticking(1000)


@pytest.fixture
def ledger(tmp_path: Path):
    opened = Ledger.open(tmp_path / "ledger.db")
    yield opened
    opened.close()


def test_no_budget_is_in_emergency_from_the_start(ledger: Ledger, clock: Ticking) -> None:
    emergencies = Emergencies(ledger, clock)
    assert not emergencies.active("search")
    emergencies.end("search")
    assert not emergencies.active("search")


def test_an_emergency_lasts_until_the_last_of_its_reasons_has_ended(
    ledger: Ledger, clock: Ticking
) -> None:
    emergencies = Emergencies(ledger, clock)
    emergencies.begin("search", 5000, ALERT)
    emergencies.begin("search", None, BY_HAND)
    assert emergencies.reasons("search") == {ALERT: 5000, BY_HAND: None}
    assert not emergencies.active("chat")
    emergencies.end("search", ALERT)
    assert emergencies.active("search")
    emergencies.end("search", BY_HAND)
    assert not emergencies.active("search")


def test_without_a_reason_all_of_them_end(ledger: Ledger, clock: Ticking) -> None:
    emergencies = Emergencies(ledger, clock)
    emergencies.begin("search", 5000, ALERT)
    emergencies.begin("search", None, BY_HAND)
    emergencies.begin("chat", None, BY_HAND)
    emergencies.end("search")
    assert not emergencies.active("search")
    assert emergencies.active("chat")


def test_a_reason_lapses_at_its_instant(ledger: Ledger, clock: Ticking) -> None:
    emergencies = Emergencies(ledger, clock)
    emergencies.begin("search", 5000, ALERT)
    clock.now = 4999
    assert emergencies.active("search")
    clock.now = 5000
    assert not emergencies.active("search")
    emergencies.begin("search", 7000, ALERT)
    assert emergencies.active("search")


def test_an_emergency_survives_a_restart(tmp_path: Path, clock: Ticking) -> None:
    path = tmp_path / "ledger.db"
    first = Ledger.open(path)
    Emergencies(first, clock).begin("search", 5000, ALERT)
    first.close()
    second = Ledger.open(path)
    assert Emergencies(second, clock).reasons("search") == {ALERT: 5000}
    second.close()


def test_what_lapsed_is_not_kept(ledger: Ledger, clock: Ticking) -> None:
    emergencies = Emergencies(ledger, clock)
    emergencies.begin("search", 2000, ALERT)
    clock.now = 3000
    emergencies.begin("chat", 5000, ALERT)
    assert ledger.read("SELECT budget FROM emergency") == [("chat",)]


def test_within_a_transaction_that_fails_nothing_begins(ledger: Ledger, clock: Ticking) -> None:
    emergencies = Emergencies(ledger, clock)

    def begin_and_fail() -> None:
        with ledger.transaction() as connection:
            emergencies.begin("search", 5000, ALERT)
            connection.execute("no such statement")

    with pytest.raises(LedgerError):
        begin_and_fail()
    emergencies.load()
    assert not emergencies.active("search")
