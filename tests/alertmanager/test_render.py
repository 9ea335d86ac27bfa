"""The configuration that the environment makes, for every combination of receivers."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertmanager.render import BASE, render, write
from tests.rules.stack import installed

EMAIL = {"COSTMETER_ALERT_EMAIL_TO": "a@example.com", "COSTMETER_SMTP_SMARTHOST": "mail:587"}
SLACK = {"COSTMETER_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/secret"}
WEBHOOK = {"COSTMETER_WEBHOOK_URL": "http://hook/"}
OWNERS = {"COSTMETER_OWNERS": "{search-leads: {email: s@example.com, slack: https://slack/s}}"}
CRITICAL = {"COSTMETER_CRITICAL_WEBHOOK_URL": "http://pager/"}
COSTMETER = {"COSTMETER_ALERTS_URL": "http://sidecar/v1/alerts", "COSTMETER_ALERTS_TOKEN": "s3cret"}
PARTS = {
    "email": EMAIL,
    "slack": SLACK,
    "webhook": WEBHOOK,
    "critical": CRITICAL,
    "costmeter": COSTMETER,
}
COMBINATIONS = [
    dict(chosen)
    for size in range(len(PARTS) + 1)
    for chosen in itertools.combinations(PARTS.items(), size)
]


def rendered(variables: dict[str, str], output: Path) -> Any:
    """Return the configuration that is made of these variables, after writing it."""
    files, problems = render(variables, output)
    assert problems == []
    write(files, output)
    return yaml.safe_load((output / "alertmanager.yml").read_text(encoding="utf-8"))


def receivers(config: Any) -> dict[str, Any]:
    return {receiver["name"]: receiver for receiver in config["receivers"]}


@pytest.mark.parametrize("amtool", installed("amtool"))
@pytest.mark.parametrize("owners", [{}, OWNERS | EMAIL], ids=["no owners", "owners"])
@pytest.mark.parametrize("parts", COMBINATIONS, ids=lambda parts: "+".join(parts) or "nothing")
def test_every_combination_passes_amtool(
    parts: dict[str, dict[str, str]], owners: dict[str, str], amtool: str, tmp_path: Path
) -> None:
    variables = owners.copy()
    for part in parts.values():
        variables |= part
    rendered(variables, tmp_path)
    result = subprocess.run(
        [amtool, "check-config", tmp_path / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_not_configured_is_left_out(tmp_path: Path) -> None:
    config = rendered(WEBHOOK | {"COSTMETER_SLACK_WEBHOOK_URL": ""}, tmp_path)
    assert receivers(config)["default"] == {
        "name": "default",
        "webhook_configs": [{"url": "http://hook/", "send_resolved": True}],
    }
    assert set(receivers(config)) == {
        *("default", "default-once", "critical", "critical-once", "costmeter")
    }
    assert receivers(config)["costmeter"] == {"name": "costmeter"}
    assert not any("owner" in str(route) for route in config["route"]["routes"])


def test_critical_alerts_fall_back_to_the_general_addresses(tmp_path: Path) -> None:
    found = receivers(rendered(EMAIL | WEBHOOK | CRITICAL, tmp_path))
    assert found["critical"]["email_configs"][0]["to"] == "a@example.com"
    assert found["critical"]["webhook_configs"][0]["url"] == "http://pager/"
    assert found["default"]["webhook_configs"][0]["url"] == "http://hook/"


def test_an_owner_has_receivers_and_a_route(tmp_path: Path) -> None:
    owners = "{search-leads: {email: s@example.com}, web: {webhook: 'http://web/'}}"
    config = rendered(EMAIL | {"COSTMETER_OWNERS": owners}, tmp_path)
    found = receivers(config)
    assert found["owner-search-leads"]["email_configs"][0]["to"] == "s@example.com"
    assert "webhook_configs" not in found["owner-search-leads"]
    assert found["owner-web"]["webhook_configs"][0]["url"] == "http://web/"
    assert "email_configs" not in found["owner-web"]
    routes = [route for route in config["route"]["routes"] if "owner" in str(route)]
    assert [(route["matchers"], route["receiver"]) for route in routes] == [
        (['owner = "search-leads"'], "owner-search-leads"),
        (['owner = "web"'], "owner-web"),
    ]


def test_secrets_stand_in_files_that_only_their_user_reads(tmp_path: Path) -> None:
    password = {"COSTMETER_SMTP_USERNAME": "me", "COSTMETER_SMTP_PASSWORD": "s3cret"}
    config = rendered(EMAIL | SLACK | OWNERS | password, tmp_path)
    text = (tmp_path / "alertmanager.yml").read_text(encoding="utf-8")
    assert "s3cret" not in text
    assert "hooks.slack.com" not in text
    found = receivers(config)
    general = Path(found["default"]["slack_configs"][0]["api_url_file"])
    owned = Path(found["owner-search-leads"]["slack_configs"][0]["api_url_file"])
    login = Path(found["default"]["email_configs"][0]["auth_password_file"])
    assert general.read_text() == SLACK["COSTMETER_SLACK_WEBHOOK_URL"]
    assert owned.read_text() == "https://slack/s"
    assert login.read_text() == "s3cret"
    for path in (general, owned, login, tmp_path / "alertmanager.yml"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_s_own_file_is_used_where_it_is(tmp_path: Path) -> None:
    files = {"COSTMETER_SLACK_WEBHOOK_URL_FILE": "/run/secrets/slack"}
    found = receivers(rendered(files, tmp_path))
    assert found["default"]["slack_configs"][0]["api_url_file"] == "/run/secrets/slack"
    assert found["critical"]["slack_configs"][0]["api_url_file"] == "/run/secrets/slack"
    assert not (tmp_path / "secrets").exists()


def test_a_secret_that_is_no_longer_set_is_removed(tmp_path: Path) -> None:
    rendered(SLACK | WEBHOOK, tmp_path)
    assert (tmp_path / "secrets").exists()
    rendered(WEBHOOK, tmp_path)
    assert not (tmp_path / "secrets").exists()


def test_slack_is_given_no_channel_since_its_webhook_has_one(tmp_path: Path) -> None:
    slack = receivers(rendered(SLACK, tmp_path))["default"]["slack_configs"][0]
    assert "channel" not in slack


def test_costmeter_itself_is_told_first_of_everything_with_its_token(tmp_path: Path) -> None:
    url = {"COSTMETER_ALERTS_URL": "http://sidecar:9464/v1/alerts"}
    (hook,) = receivers(rendered(url, tmp_path))["costmeter"]["webhook_configs"]
    assert hook == {"url": "http://sidecar:9464/v1/alerts", "max_alerts": 500}
    config = rendered(url | {"COSTMETER_ALERTS_TOKEN": "s3cret"}, tmp_path)
    first = config["route"]["routes"][0]
    assert (first["receiver"], first["continue"], "matchers" in first) == ("costmeter", True, False)
    (hook,) = receivers(config)["costmeter"]["webhook_configs"]
    token = Path(hook["http_config"]["authorization"]["credentials_file"])
    assert token.read_text() == "s3cret"
    assert token.stat().st_mode & 0o777 == 0o600


def test_tls_can_be_turned_off_and_is_on_otherwise(tmp_path: Path) -> None:
    def tls(**variables: str) -> object:
        email = receivers(rendered(EMAIL | variables, tmp_path))["default"]["email_configs"][0]
        return email["require_tls"]

    assert tls() is True
    assert tls(COSTMETER_SMTP_REQUIRE_TLS="false") is False


def test_an_address_is_taken_as_it_is_whatever_yaml_thinks_of_it(tmp_path: Path) -> None:
    url = "http://hook/?a=b#c: {d} ' \" ${HOME}"
    found = receivers(rendered({"COSTMETER_WEBHOOK_URL": url}, tmp_path))
    assert found["default"]["webhook_configs"][0]["url"] == url


def test_links_to_dashboards_begin_with_grafana_s_address(tmp_path: Path) -> None:
    rendered({"COSTMETER_GRAFANA_URL": "https://grafana.example.com"}, tmp_path)
    template = (tmp_path / "templates" / "costmeter.tmpl").read_text(encoding="utf-8")
    assert "https://grafana.example.com{{ .Annotations.dashboard }}" in template
    rendered({}, tmp_path)
    template = (tmp_path / "templates" / "costmeter.tmpl").read_text(encoding="utf-8")
    assert "http://localhost:3000{{ .Annotations.dashboard }}" in template


def test_every_problem_is_told_at_once() -> None:
    variables = {
        "COSTMETER_ALERT_EMAIL_TO": "a@example.com",
        "COSTMETER_GRAFANA_URL": "localhost:3000",
        "COSTMETER_OWNERS": "{a/b: {email: x}, c: {mail: x}, d: {email: 3}, e: {}, f: y}",
    }
    _, problems = render(variables, Path("anywhere"))
    addresses = "is not a mapping with some of email, slack, webhook"
    assert problems == [
        "COSTMETER_GRAFANA_URL: 'localhost:3000' is not an http:// or https:// address",
        "COSTMETER_OWNERS.a/b: an owner is 1 to 128 of letters, digits and . _ @ -",
        f"COSTMETER_OWNERS.c: {{'mail': 'x'}} {addresses}",
        "COSTMETER_OWNERS.d.email: 3 is not an address",
        f"COSTMETER_OWNERS.e: {{}} {addresses}",
        f"COSTMETER_OWNERS.f: 'y' {addresses}",
        "COSTMETER_SMTP_SMARTHOST: not set, but email_configs have an address and need it",
    ]


@pytest.mark.parametrize("owners", ["[a, b]", "{a: [", "nobody"])
def test_owners_that_are_no_mapping_are_refused(owners: str) -> None:
    _, problems = render({"COSTMETER_OWNERS": owners}, Path("anywhere"))
    assert len(problems) == 1
    assert problems[0].startswith("COSTMETER_OWNERS: ")


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        (WEBHOOK, 0, ""),
        ({}, 0, "no e-mail, Slack or webhook is configured: alerts show on its page only\n"),
        (
            {"COSTMETER_ALERT_EMAIL_TO": "a@example.com"},
            1,
            "COSTMETER_SMTP_SMARTHOST: not set, but email_configs have an address and need it\n",
        ),
    ],
    ids=["configured", "nothing configured", "half configured"],
)
def test_the_command_writes_all_or_nothing(
    variables: dict[str, str], status: int, said: str, tmp_path: Path
) -> None:
    result = subprocess.run(
        [sys.executable, BASE / "render.py", "--output", tmp_path / "out"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (status, "", said)
    assert (tmp_path / "out").exists() == (status == 0)
