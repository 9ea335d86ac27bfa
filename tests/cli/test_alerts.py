"""``costmeter alerts`` and ``costmeter budget alerts`` as a user runs them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from costmeter.cli import app
from costmeter.ledger import alerts
from costmeter.ledger.alerts import Alert
from costmeter.ledger.store import Ledger
from costmeter.units import NANO

HOUR = 3600 * NANO
HOSTILE = "\x1b[31mred\x1b]0;title\x07"

Run = Callable[..., Result]


def alert(name: str, hours: int, *, budget: str = "", over: bool = False) -> Alert:
    """An alert that was told of so many hours ago, and began an hour earlier."""
    told = time.time_ns() - hours * HOUR
    labels = {"alertname": name, "severity": "warning"} | ({"budget": budget} if budget else {})
    ends_ns = told if over else None
    return Alert(name.lower(), told - HOUR, ends_ns, told, labels, {"summary": f"{name} it is"})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COSTMETER_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("COLUMNS", "200")
    ledger = Ledger.open(tmp_path / "ledger.db")
    told = [
        alert("Fires", 100, budget="search"),
        alert("Lately", 2, budget="chat", over=True),
        alert("Yesterday", 26, budget="search", over=True),
        alert("Spike", 3, over=True),
        alert(HOSTILE, 1, over=True),
    ]
    with ledger.transaction() as connection:
        alerts.take(connection, told)
    ledger.close()
    return lambda *words: CliRunner().invoke(app, words)


def names(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [each["labels"]["alertname"] for each in json.loads(result.stdout)]


def test_all_alerts_of_the_last_day_are_told_and_those_that_fire(run: Run) -> None:
    assert names(run("alerts", "--json")) == [HOSTILE, "Lately", "Spike", "Fires"]
    assert names(run("alerts", "--json", "--since", "150m")) == [HOSTILE, "Lately", "Fires"]


def test_alerts_of_budgets_are_told_apart(run: Run) -> None:
    assert names(run("budget", "alerts", "--json")) == ["Lately", "Fires"]
    assert names(run("budget", "alerts", "--json", "--since", "2d", "--budget", "search")) == [
        "Yesterday",
        "Fires",
    ]


def test_the_table_tells_what_fires_and_steers_no_terminal(run: Run) -> None:
    output = run("alerts").output
    (fires,) = [line for line in output.splitlines() if "Fires it is" in line]
    assert [cell.strip() for cell in fires.strip("│").split("│")][1:] == [
        "fires", "warning", "Fires", "search", "Fires it is"
    ]  # fmt: skip
    assert r"\x1b[31mred" in output
    assert "\x1b" not in output


def test_no_alert_is_told_as_such(run: Run) -> None:
    result = run("budget", "alerts", "--budget", "nothing")
    assert result.output == "no alert fires, and none was told of\n"


def test_a_length_of_time_that_is_none_is_an_error(run: Run) -> None:
    result = run("alerts", "--since", "yesterday")
    assert result.exit_code == 2
    assert "is not a length of time" in result.output
