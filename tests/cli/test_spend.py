"""``costmeter spend`` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from costmeter.cli.spend import spend
from costmeter.errors import CostmeterError
from costmeter.ledger.batch import Batch, EventRow
from costmeter.ledger.store import Ledger
from costmeter.names import API_CALLS, CREDIT, ESTIMATED_EVENTS, SPEND, TOKENS

MIDNIGHT = int(datetime.fromisoformat("2026-11-21T00:00Z").timestamp()) // 900


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(spend)
    return app


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger: gpt-4o on the 21st at 23:00 UTC, an unnamed local model on the 22nd."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    evening, morning = (
        int(datetime.fromisoformat(text).timestamp()) // 900
        for text in ("2026-11-21T23:00Z", "2026-11-22T08:00Z")
    )
    gpt = {"model": "gpt-4o", "team": "search"}

    def intern(family: str, labels: dict[str, str]) -> int:
        return ledger.intern(family, labels)

    ledger.commit(
        Batch(
            sums={
                intern(SPEND.name, gpt | {"component": "input"}): {evening: 1_234_500_000_000},
                intern(SPEND.name, gpt | {"component": "output"}): {evening: 1},
                intern(TOKENS.name, gpt | {"type": "input"}): {evening: 1_500_000},
                intern(API_CALLS.name, gpt | {"status": "ok"}): {evening: 1200},
                intern(API_CALLS.name, {"status": "ok"}): {morning: 5},
            }
        )
    )
    ledger.close()
    return path


def run(app: typer.Typer, path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--ledger", str(path), *arguments])


def cells(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, whatever its borders look like."""
    lines = [line for line in table.splitlines() if "│" in line or "┃" in line]
    return [[cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]] for line in lines]


def test_the_table_shows_every_decimal_that_matters_and_a_total(
    app: typer.Typer, path: Path
) -> None:
    result = run(app, path)
    assert result.exit_code == 0
    assert cells(result.stdout) == [
        ["day", "model", "USD", "calls", "tokens"],
        ["2026-11-21", "gpt-4o", "1,234.500000001", "1,200", "1,500,000"],
        ["2026-11-22", "-", "0.000000000", "5", "0"],
        ["total", "", "1,234.500000001", "1,205", "1,500,000"],
    ]


def test_two_decimals_are_shown_where_no_more_matter(app: typer.Typer, path: Path) -> None:
    result = run(app, path, "--by", "component", "--where", "component=input")
    assert cells(result.stdout)[1:] == [
        ["input", "1,234.50", "", ""],
        ["total", "1,234.50", "", ""],
    ]


def test_days_are_those_of_the_time_zone(app: typer.Typer, path: Path) -> None:
    result = run(app, path, "--by", "day", "--timezone", "Europe/Berlin", "--format", "csv")
    assert result.stdout == ("day,cost_usd,calls,tokens\n2026-11-22,1234.500000001,1205,1500000\n")


def test_since_counts_and_until_does_not(app: typer.Typer, path: Path) -> None:
    def calls(*arguments: str) -> list[str]:
        result = run(app, path, "--by", "day", "--format", "csv", *arguments)
        return [row["calls"] for row in csv.DictReader(result.stdout.splitlines())]

    assert calls("--since", "2026-11-22") == ["5"]
    assert calls("--until", "2026-11-22") == ["1200"]
    assert calls("--since", "2026-11-21T23:15", "--until", "2026-11-22T08:00") == []


def test_json_has_costs_as_decimal_strings(app: typer.Typer, path: Path) -> None:
    result = run(app, path, "--by", "model,component", "--format", "json")
    assert json.loads(result.stdout) == {
        "rows": [
            {
                "model": "gpt-4o",
                "component": "input",
                "cost_usd": "1234.500000000",
                "calls": None,
                "tokens": None,
            },
            {
                "model": "gpt-4o",
                "component": "output",
                "cost_usd": "0.000000001",
                "calls": None,
                "tokens": None,
            },
        ],
        "total": {"cost_usd": "1234.500000001", "calls": None, "tokens": None},
        "unpriced_events": 0,
        "estimated_events": 0,
    }


def test_the_total_alone_is_asked_for_with_nothing_to_group_by(
    app: typer.Typer, path: Path
) -> None:
    result = run(app, path, "--by", "", "--where", "team=search", "--where", "model=gpt-4o")
    assert cells(result.stdout) == [
        ["USD", "calls", "tokens"],
        ["1,234.500000001", "1,200", "1,500,000"],
    ]
    assert "0.00" in run(app, path, "--by", "", "--where", "team=nobody").stdout


def test_events_without_a_price_are_told_of(app: typer.Typer, path: Path) -> None:
    ledger = Ledger.open(path)
    waiting = EventRow(1, b'[1,"chat","openai","new",{},{}]', None, "")
    ledger.commit(Batch(events=[waiting, waiting]))
    ledger.close()
    for form in ("table", "csv"):
        result = run(app, path, "--format", form)
        assert "events without a price, not in these figures: 2;" in result.stderr
        assert "without a price" not in result.stdout
    result = run(app, path, "--format", "json")
    assert json.loads(result.stdout)["unpriced_events"] == 2


def test_events_whose_tokens_were_counted_are_told_of(app: typer.Typer, path: Path) -> None:
    assert run(app, path).stderr == ""
    count_tokens(path, {"model": "own"}, {MIDNIGHT: 34})
    count_tokens(path, {"model": "gpt-4o", "team": "search"}, {MIDNIGHT: 1200})
    for form in ("table", "csv"):
        result = run(app, path, "--format", form)
        assert "whose tokens were counted, not told: 1,234; " in result.stderr
        assert "counted" not in result.stdout
    result = run(app, path, "--format", "json")
    assert json.loads(result.stdout)["estimated_events"] == 1234


def test_what_is_told_beside_the_figures_is_of_what_was_asked_for(
    app: typer.Typer, path: Path
) -> None:
    quarter = 900 * 10**9
    count_tokens(path, {"model": "own", "team": "search"}, {MIDNIGHT: 1, MIDNIGHT + 4: 2})
    count_tokens(path, {"model": "own", "team": "chat"}, {MIDNIGHT + 4: 4})
    ledger = Ledger.open(path)
    search, chat = (b'{"team":"%b"}' % team for team in (b"search", b"chat"))
    waiting = [(0, search), (4, search), (4, chat), (4, chat)]
    ledger.commit(
        Batch(
            events=[
                EventRow(
                    (MIDNIGHT + at) * quarter,
                    b'[0,"chat","openai","new",%b,{}]' % attributes,
                    None,
                    "",
                )
                for at, attributes in waiting
            ]
        )
    )
    ledger.close()

    def caveats(*options: str) -> tuple[int, int]:
        found = json.loads(run(app, path, *options, "--format", "json").stdout)
        return found["unpriced_events"], found["estimated_events"]

    assert caveats() == (4, 7)
    assert caveats("--since", "2026-11-21T01:00") == (3, 6)
    assert caveats("--until", "2026-11-21T01:00") == (1, 1)
    assert caveats("--where", "team=search") == (2, 3)
    assert caveats("--where", "team=chat", "--until", "2026-11-21T01:00") == (0, 0)
    assert caveats("--where", "model=new", "--by", "component") == (4, 0)


def count_tokens(path: Path, labels: dict[str, str], events: dict[int, int]) -> None:
    """Have a ledger hold so many events by quarter of an hour whose tokens were counted."""
    ledger = Ledger.open(path)
    series = ledger.intern(ESTIMATED_EVENTS.name, {"provider": "mine", **labels})
    ledger.commit(Batch(sums={series: events}))
    ledger.close()


def test_a_label_does_not_steer_the_terminal(app: typer.Typer, path: Path) -> None:
    ledger = Ledger.open(path)
    series = ledger.intern(SPEND.name, {"model": "[red]\x1b[31m\nrow", "component": "input"})
    ledger.commit(Batch(sums={series: {1: 1}}))
    ledger.close()
    result = run(app, path, "--by", "model")
    assert ["[red]\\x1b[31m\\nrow", "0.000000001", "0", "0"] in cells(result.stdout)


@pytest.mark.parametrize(
    ("model", "cell"),
    [
        ('=HYPERLINK("http://evil/")', '\'=HYPERLINK("http://evil/")'),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\t=1"),
        ("\r=1", "\\r=1"),
        ("one\r\n=1", "one\\r\\n=1"),
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_a_spreadsheet_does_not_run_a_label(
    app: typer.Typer, path: Path, model: str, cell: str
) -> None:
    ledger = Ledger.open(path)
    refund = ledger.intern(CREDIT.name, {"model": model})
    ledger.commit(Batch(sums={refund: {1: 2 * 10**9}}))
    ledger.close()
    result = run(app, path, "--by", "model", "--until", "2026-01-01", "--format", "csv")
    rows = list(csv.reader(io.StringIO(result.stdout, newline="")))
    assert rows[1:] == [[cell, "-2.000000000", "0", "0"]]


def test_long_names_are_shown_whole(app: typer.Typer, path: Path) -> None:
    name = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/" + "x" * 60
    ledger = Ledger.open(path)
    series = ledger.intern(SPEND.name, {"model": name, "component": "input"})
    ledger.commit(Batch(sums={series: {1: 1}}))
    ledger.close()
    shown = [row[0] for row in cells(run(app, path, "--by", "model").stdout)]
    assert name in "".join(shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "team"], "'team' is not LABEL=VALUE"),
        (["--since", "yesterday"], "'yesterday' is neither a date"),
        (["--format", "xml"], "'xml' is not one of"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(
    app: typer.Typer, path: Path, arguments: list[str], message: str
) -> None:
    result = run(app, path, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "colour"], "by: 'colour' is none of hour, day"),
        (["--timezone", "Mars/Olympus"], "'Mars/Olympus' is not an IANA time zone"),
        (["--since", "2026-11-22T08:01"], "not on a quarter of an hour"),
    ],
)
def test_what_the_ledger_does_not_have_is_refused_in_its_words(
    app: typer.Typer, path: Path, arguments: list[str], message: str
) -> None:
    assert message in str(run(app, path, *arguments).exception)


def test_a_ledger_that_does_not_exist_is_an_error_and_not_made(
    app: typer.Typer, tmp_path: Path
) -> None:
    result = run(app, tmp_path / "none.db")
    assert isinstance(result.exception, CostmeterError)
    assert "none.db: No such file or directory" in str(result.exception)
    assert not (tmp_path / "none.db").exists()


def test_the_configuration_names_the_ledger_and_the_time_zone(
    app: typer.Typer, path: Path, tmp_path: Path
) -> None:
    config = tmp_path / "costmeter.yml"
    config.write_text(f"ledger: {path}\ntimezone: Europe/Berlin\n")
    result = CliRunner().invoke(
        app, ["--config", str(config), "--by", "day", "--format", "csv"], catch_exceptions=False
    )
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == ["day", "2026-11-22"]
