"""``costmeter budget`` as a user runs it. It is Sunday, 22 November 2026, noon in UTC."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from costmeter.cli.budget import budget
from costmeter.cli.cells import usd
from costmeter.clock import SystemClock
from costmeter.errors import CostmeterError
from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.names import CREDIT, SPEND
from costmeter.units import NANO

CONFIG = """
labels:
  tenant: {}
budgets:
  - name: search
    match: {team: search, model: "gpt-*"}
    owner: search-leads
    policy: soft
    day: {soft_usd: 8, hard_usd: 12}
    month: {soft_usd: 100, hard_usd: 150, rollover_max_usd: 50}
  - name: acme
    match: {tenant: acme}
    week: {hard_usd: 20}
"""


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


NOW = at("2026-11-22T12:00+00:00")


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a ledger made on 1 September, and of a configuration.

    search spent 70 in September, 120 in October, of which 10 came back; in November 50 on the 4th, 14
    on Sunday the 15th at 18:00, and 6 today at 9:00: 70 in all. acme has spent nothing.
    """
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: at("2026-09-01T00:00+00:00"))
    ledger = Ledger.open(tmp_path / "ledger.db")
    labels = {"team": "search", "model": "gpt-4o"}
    spent = {
        "2026-09-10T12:00": 70,
        "2026-10-10T12:00": 120,
        "2026-11-04T12:00": 50,
        "2026-11-15T18:00": 14,
        "2026-11-22T09:00": 6,
    }
    by_quarter = {at(f"{time}+00:00") // NANO // 900: usd * NANO for time, usd in spent.items()}
    came_back = {at("2026-10-11T12:00+00:00") // NANO // 900: 10 * NANO}
    ledger.commit(
        Batch(
            sums={
                ledger.intern(SPEND.name, labels | {"component": "input"}): by_quarter,
                ledger.intern(CREDIT.name, labels): came_back,
            }
        )
    )
    ledger.close()
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: NOW)
    config = tmp_path / "costmeter.yml"
    config.write_text(CONFIG)
    return ["--config", str(config), "--ledger", str(tmp_path / "ledger.db")]


def run(command: str, arguments: list[str], *more: str) -> Result:
    return CliRunner().invoke(budget, [command, *arguments, *more], env={"COLUMNS": "140"})


def document(command: str, arguments: list[str], *more: str) -> Any:
    return json.loads(run(command, arguments, "--json", *more).stdout)


def cells(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, whatever its borders look like."""
    lines = [line for line in table.splitlines() if "│" in line or "┃" in line]
    return [[cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]] for line in lines]


def test_status_shows_each_budget_by_its_limits_and_all_without_any(arguments: list[str]) -> None:
    result = run("status", arguments)
    assert result.exit_code == 0, result.output
    # The last week cost 20, four weeks 70, of which 14 on a Sunday afternoon: today's will cost a
    # fifth of 20. To the end of the month are 8.5 days at 20 a week. The last 24 hours cost 6.
    assert cells(result.stdout) == [
        ["budget", "period", "spent", "soft", "hard", "used", "forecast", "days left", "state"],
        ["all", "2026-11-22", "6.00", "", "", "", "10.00", "", ""],
        ["all", "2026-W47", "6.00", "", "", "", "10.00", "", ""],
        ["all", "2026-11", "70.00", "", "", "", "94.29", "", ""],
        ["search", "2026-11-22", "6.00", "8.00", "12.00", "75%", "10.00", "0.3", "threshold"],
        ["search", "2026-11", "70.00", "120.00", "170.00", "58%", "94.29", "8.3", "threshold"],
        ["acme", "2026-W47", "0.00", "20.00", "20.00", "0%", "0.00", "", "within"],
    ]  # fmt: skip


def test_status_explains_what_was_inherited(arguments: list[str]) -> None:
    # September left 30 of 100; October had 130, spent 110 net, and left 20.
    assert (
        "search, 2026-11: inherited 20.00 USD: "
        "2026-09 had 100.00, spent 70.00, passed on 30.00; "
        "2026-10 had 130.00, spent 110.00, passed on 20.00"
    ) in " ".join(run("status", arguments).stdout.split())
    *_, month = document("status", arguments, "search")
    assert month["inherited_usd"] == "20.000000000"
    assert month["inheritance"][0] == {
        "period": "2026-09",
        "soft_limit_usd": "100.000000000",
        "spent_usd": "70.000000000",
        "passed_on_usd": "30.000000000",
    }


def test_json_has_all_that_the_table_shows(arguments: list[str]) -> None:
    day, _ = document("status", arguments, "search")
    assert day == {
        "budget": "search",
        "owner": "search-leads",
        "policy": "soft",
        "window": "day",
        "period": "2026-11-22",
        "start": "2026-11-22T00:00:00+00:00",
        "end": "2026-11-23T00:00:00+00:00",
        "state": "threshold",
        "spent_usd": "6.000000000",
        "soft_limit_usd": "8.000000000",
        "hard_limit_usd": "12.000000000",
        "used_ratio": 0.75,
        "pace_ratio": 1.5,
        "daily_usd": "6.000000000",
        "days_left": pytest.approx(1 / 3),
        "forecast_usd": "10.000000000",
        "forecast_method": "same_hours",
        "forecast_weeks": 4,
        "inherited_usd": "0.000000000",
        "inheritance": [],
    }


def test_a_ledger_of_today_tells_no_forecast_yet(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.db"
    Ledger.open(new).close()
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: NOW + 3600 * NANO)
    (week,) = document("status", [*arguments, "--ledger", str(new)], "acme")
    assert (week["forecast_usd"], week["forecast_method"]) == (None, None)
    result = run("forecast", [*arguments, "--ledger", str(new)], "acme")
    assert "the next 30 days: too early to tell" in result.stdout


@pytest.mark.parametrize(
    ("labels", "cost", "code"),
    [
        (["--team", "search", "--model", "gpt-4o"], "1.99", 0),
        (["--team", "search", "--model", "gpt-4o"], "2", 1),  # a limit reached counts as exceeded
        (["--team", "search", "--model", "gpt-4o"], "5.999999999", 1),
        (["--team", "search", "--model", "gpt-4o"], "6", 2),
        (["--team", "search", "--model", "claude"], "6", 0),
        (["--team", "search"], "1000", 0),
        (["--label", "tenant=acme"], "20", 2),
    ],
)
def test_check_tells_scripts_by_its_exit_code(
    arguments: list[str], labels: list[str], cost: str, code: int
) -> None:
    assert run("check", arguments, *labels, "--cost", cost).exit_code == code
    assert run("check", arguments, *labels, "--cost", cost, "--json").exit_code == code


def test_check_says_which_limit_would_be_reached(arguments: list[str]) -> None:
    search = ["--team", "search", "--model", "gpt-4o", "--cost", "2.5"]
    assert run("check", arguments, *search).stdout.splitlines() == [
        "search, 2026-11-22: would reach its soft limit: 6.00 + 2.50 of 8.00 USD",
        "search, 2026-11: within: 70.00 + 2.50 of 120.00 USD",
    ]
    found = document("check", arguments, *search)
    assert found["exit_code"] == 1
    assert found["budgets"][0] == {
        "budget": "search",
        "policy": "soft",
        "window": "day",
        "period": "2026-11-22",
        "state": "soft_limit",
        "spent_usd": "6.000000000",
        "cost_usd": "2.500000000",
        "soft_limit_usd": "8.000000000",
        "hard_limit_usd": "12.000000000",
    }
    assert "no budget with a limit counts such spend" in run("check", arguments).stdout


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--cost", "-1", "'-1' is no amount of US dollars"),
        ("--cost", "much", "'much' is no amount of US dollars"),
        ("--cost", "1e999990", "'1e999990' is no amount of US dollars"),
        ("--cost", "nan", "'nan' is no amount of US dollars"),
        ("--label", "tenant", "'tenant' is not LABEL=VALUE"),
        ("--label", "tenent=acme", "'tenent=acme' is not LABEL=VALUE with a label of provider"),
    ],
)
def test_check_refuses_what_it_cannot_read(
    arguments: list[str], option: str, value: str, message: str
) -> None:
    result = run("check", arguments, option, value)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_forecast_tells_periods_the_daily_rate_and_the_days_ahead(arguments: list[str]) -> None:
    lines = run("forecast", arguments, "search", "--days", "14").stdout
    assert cells(lines) == [
        ["period", "spent", "soft", "hard", "will end at", "days left", "worked out"],
        ["2026-11-22", "6.00", "8.00", "12.00", "10.00", "0.3", "by the same hours of past weeks (4)"],
        ["2026-11", "70.00", "120.00", "170.00", "94.29", "8.3", "by the rate of the last 7 days"],
    ]  # fmt: skip
    assert "the last 24 hours cost 6.00 USD" in lines
    # two weeks like the last
    assert "the next 14 days: 40.00 USD, by the rate of the last 7 days" in lines
    found = document("forecast", arguments, "search", "--days", "14")
    assert (found["cost_usd"], found["method"], found["weeks"]) == ("40.000000000", "week", 1)
    assert found["daily_usd"] == "6.000000000"
    assert found["periods"][1]["days_left"] == pytest.approx(50 / 6)


@pytest.mark.parametrize("command", ["status", "forecast"])
def test_a_budget_that_does_not_exist_is_named_with_those_that_do(
    command: str, arguments: list[str]
) -> None:
    result = run(command, arguments, "serch")
    assert isinstance(result.exception, CostmeterError)
    assert str(result.exception) == "no budget 'serch', there are all, search, acme"


def test_a_name_does_not_steer_the_terminal(arguments: list[str], tmp_path: Path) -> None:
    config = tmp_path / "evil.yml"
    config.write_text('budgets: [{name: "[red]\\e[31mx", day: {soft_usd: 1}}]')
    shown = run("status", [*arguments, "--config", str(config)]).stdout
    assert "[red]\\x1b[31mx" in shown
    checked = run("check", [*arguments, "--config", str(config)]).stdout
    assert checked.startswith("[red]\\x1b[31mx, 2026-11-22: would reach")


def test_status_keeps_every_column_on_a_narrow_terminal(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = cells(run("status", arguments).stdout)
    assert rows[0][0] == "budget"
    assert rows[0][-1] == "state"
    assert ["search", "2026-11"] in [row[:2] for row in rows]


@pytest.mark.parametrize(
    ("nano", "shown"),
    [(18_000_000, "0.018"), (20_000_000, "0.02"), (0, "0.00"), (1_234_567_890, "1.23"),
     (-123_460_000, "-0.1235"), (1_999_000_000_000, "1,999.00"), (None, "")],
)  # fmt: skip
def test_amounts_are_to_the_cent_and_below_a_dollar_to_its_hundredth(
    nano: int | None, shown: str
) -> None:
    assert usd(nano) == shown
