"""The commands that change budgets, against a server with a real pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from costmeter.cli import app
from costmeter.cli.api import Api, RefusedError
from costmeter.errors import CostmeterError
from costmeter.ledger import audit
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.http_outlet import HttpOutlet
from costmeter.sidecar.rights import hash_of
from costmeter.sidecar.web import WebConfig
from tests.sidecar.budgeting import Stack

CHAT = {"name": "chat", "match": {"team": "chat"}, "month": {"soft_usd": "10"}}

Run = Callable[..., Result]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    stack.settings |= {"budgets": [CHAT], "listen": "127.0.0.1:0"}
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def url(stack: Stack) -> Iterator[str]:
    outlet = HttpOutlet(stack.config(), WebConfig())
    outlet.open(Exporter(stack.pipelines[-1]))
    yield outlet.url
    outlet.close()


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COSTMETER_URL", url)
    monkeypatch.setenv("COSTMETER_TOKEN", "finance")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, words)


def done(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(result: Result) -> str:
    """Return what a command says that fails, as ``main`` prints it."""
    assert isinstance(result.exception, CostmeterError), result.output
    return str(result.exception)


def test_a_budget_is_made_changed_and_removed(run: Run, stack: Stack) -> None:
    made = run("budget", "set", "search", "--match", "team=search", "--month-soft", "100")
    assert json.loads(done(made)) == {
        "name": "search",
        "match": {"team": "search"},
        "month": {"soft_usd": "100"},
    }
    options = [
        "--month-hard",
        "150.50",
        "--policy",
        "hard",
        "--emergency-ratio",
        "0.9",
        "--thresholds",
        "0.8, 1",
        "--day-soft",
        "5",
    ]
    changed = run("budget", "set", "search", *options)
    assert json.loads(done(changed)) == {
        "name": "search",
        "match": {"team": "search"},
        "policy": "hard",
        "thresholds": [0.8, 1.0],
        "day": {"soft_usd": "5"},
        "month": {"soft_usd": "100", "hard_usd": "150.50"},
        "emergency_ratio": 0.9,
    }
    assert stack.spent("search") == 0
    assert done(run("budget", "remove", "search")) == "removed 'search'\n"
    assert stack.spent("search") is None


def test_a_budget_is_given_cheaper_models(run: Run) -> None:
    options = ["--day-soft", "5", "--degrade", "gpt-4o=gpt-4o-mini", "--degrade", "o*=o4-mini"]
    assert json.loads(done(run("budget", "set", "search", *options)))["degrade"] == {
        "models": {"gpt-4o": "gpt-4o-mini", "o*": "o4-mini"}
    }
    options = ["--degrade-from", "0.7", "--degrade-emergency", "gpt-4.1-nano"]
    options += ["--degrade-emergency", "claude-haiku-4-5", "--no-degrade-automatic"]
    assert json.loads(done(run("budget", "set", "search", *options)))["degrade"] == {
        "from_ratio": 0.7,
        "models": {"gpt-4o": "gpt-4o-mini", "o*": "o4-mini"},
        "emergency": ["gpt-4.1-nano", "claude-haiku-4-5"],
        "automatic": False,
    }
    wrong = run("budget", "set", "search", "--degrade", "gpt-4o")
    assert wrong.exit_code == 2
    assert "'gpt-4o' is not MODEL=CHEAPER" in wrong.stderr


def test_the_built_in_budget_can_be_given_limits(run: Run) -> None:
    assert json.loads(done(run("budget", "set", "all", "--day-hard", "7"))) == {
        "name": "all",
        "day": {"hard_usd": "7"},
    }
    assert json.loads(done(run("budget", "set", "all", "--day-soft", "5"))) == {
        "name": "all",
        "day": {"soft_usd": "5", "hard_usd": "7"},
    }


def test_a_name_may_be_made_of_anything(run: Run, stack: Stack) -> None:
    name = "R&D / größer? 100%"
    done(run("budget", "set", name, "--day-soft", "1"))
    assert stack.spent(name) == 0
    done(run("budget", "emergency", name, "on"))
    assert stack.pipelines[-1].emergencies.active(name)
    done(run("budget", "remove", name))
    assert stack.spent(name) is None


def test_what_the_exporter_refuses_is_said_in_its_words(run: Run) -> None:
    assert refused(run("budget", "set", "chat", "--day-soft", "1")) == (
        "'chat' is a budget of costmeter.yml: change it there"
    )
    wrong = run("budget", "set", "x", "--day-soft", "-1", "--match", "teem=x")
    assert refused(wrong) == (
        "day.soft_usd: '-1': Input should be greater than 0\n"
        "match.teem: no such label, there are provider, model, endpoint, feature, team"
    )
    assert refused(run("budget", "remove", "x")) == "'x': no such budget"


def test_who_changes_what_another_has_just_changed_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(run("budget", "set", "search", "--day-soft", "1"))
    ask = Api.ask

    def slow(api: Api, method: str, path: str, **more: Any) -> object:
        if method == "PUT":  # meanwhile, somebody else
            ask(api, "PUT", path, body={"day": {"soft_usd": 2}})
        return ask(api, method, path, **more)

    monkeypatch.setattr(Api, "ask", slow)
    assert refused(run("budget", "set", "search", "--day-soft", "3")) == (
        "'search' was changed meanwhile: read it again"
    )


def test_emergencies_are_begun_and_ended(run: Run, stack: Stack) -> None:
    assert done(run("budget", "emergency", "chat", "on")) == "'chat' is in emergency\n"
    assert stack.pipelines[-1].emergencies.active("chat")
    assert done(run("budget", "emergency", "chat", "off")) == "'chat' is out of emergency\n"
    assert not stack.pipelines[-1].emergencies.active("chat")
    assert run("budget", "emergency", "chat", "perhaps").exit_code == 2


def test_the_trail_tells_who_changed_what(run: Run) -> None:
    done(run("budget", "set", "search", "--day-soft", "1"))
    done(run("budget", "emergency", "chat", "on"))
    shown = done(run("budget", "audit"))
    assert re.search(r"costmeter\.yml .* chat .* limits .*-.*\"soft_usd\": \"10\"", shown)
    assert re.search(r"finance .* search .* limits .*-.*\"soft_usd\": \"1\"", shown)
    assert re.search(r"finance .* chat .* emergency", shown)
    changes = json.loads(
        done(run("budget", "audit", "--json", "--since", "1h", "--budget", "search"))
    )
    assert [(each["who"], each["before"]) for each in changes] == [("finance", None)]


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "the exporter does not know who asks: set COSTMETER_TOKEN to a token of its"),
        ("wrong", "the exporter does not know who asks: set COSTMETER_TOKEN to a token of its"),
        ("alertmanager", "alertmanager may not change budgets: see 'access' in costmeter.yml"),
    ],
)
def test_who_may_not_is_told(
    run: Run, stack: Stack, monkeypatch: pytest.MonkeyPatch, token: str, problem: str
) -> None:
    monkeypatch.setenv("COSTMETER_TOKEN", token)
    assert refused(run("budget", "remove", "chat")) == problem
    assert len(audit.trail(stack.ledger, limit=9)) == 1  # the file's own


def test_a_token_is_never_sent_in_clear_over_a_network(run: Run) -> None:
    result = run("budget", "remove", "chat", "--url", "http://costmeter.example.com")
    assert refused(result) == (
        "--url: 'http://costmeter.example.com' would send COSTMETER_TOKEN in clear over the "
        "network; use https"
    )
    assert "finance" not in refused(result)


@pytest.mark.parametrize("address", ["localhost:9464", "ftp://127.0.0.1", "http://", ""])
def test_an_address_that_is_none_is_told(run: Run, address: str) -> None:
    assert refused(run("budget", "remove", "chat", "--url", address)).startswith("--url: ")


def test_an_exporter_that_is_not_there_is_told(run: Run) -> None:
    result = run("budget", "remove", "chat", "--url", "http://127.0.0.1:1")
    assert refused(result).startswith("http://127.0.0.1:1: ")
    assert not isinstance(result.exception, RefusedError)


def test_no_proxy_sees_the_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert done(run("budget", "audit"))


def test_a_new_token_goes_with_its_hash() -> None:
    result = CliRunner().invoke(app, ["token"])
    assert hash_of(result.stdout.strip().encode()) == result.stderr.strip()
