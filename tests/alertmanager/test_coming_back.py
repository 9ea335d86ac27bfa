"""What a real Alertmanager tells a real sidecar: kept, shown, and a budget in emergency."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from costmeter.sidecar.rights import hash_of
from tests.alertmanager.inbox import Hooks
from tests.alertmanager.server import Alertmanager
from tests.rules.stack import free_port, installed, running, until

HARD = {
    "alertname": "CostBudgetHardLimitExceeded",
    "severity": "critical",
    "kind": "threshold",
    "budget": "search",
    "window": "month",
    "period": f"{datetime.now(UTC):%Y-%m}",
    "summary": "search is over its hard limit for the month",
}
SPIKE = {
    "alertname": "CostSpendSpike",
    "severity": "warning",
    "kind": "spend",
    "summary": "Spend has jumped",
}


class Sidecar:
    """``costmeter serve`` with tokens for Alertmanager and for those who change budgets."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config = directory / "costmeter.yml"
        settings = {
            "journal": str(directory / "journal"),
            "ledger": str(directory / "ledger.db"),
            "listen": self.url.removeprefix("http://"),
            "prices": {"refresh": "off"},
            "budgets": [{"name": "search", "month": {"soft_usd": 1, "hard_usd": 2}}],
            "alerts": {"emergency": ["CostBudgetHardLimitExceeded"]},
            "access": {
                "alerts": "alertmanager",
                "tokens": {"alertmanager": hash_of(b"s3cret")},
            },
        }
        self.config.write_bytes(msgspec.json.encode(settings))

    @contextmanager
    def run(self) -> Iterator[None]:
        command = [sys.executable, "-m", "costmeter", "serve", "--config", str(self.config)]
        command += ["--drain-timeout", "0s"]
        with running(command, f"{self.url}/-/ready", self.directory / "log"):
            yield

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def alerts(self) -> dict[str, str]:
        """Return the status of each alert that it knows, by name."""
        told = self.get("/v1/alerts")["alerts"]
        return {each["labels"]["alertname"]: each["status"] for each in told}

    def emergency(self) -> bool:
        return bool(self.get("/v1/budgets/search")["emergency"])


@pytest.mark.parametrize("program", installed("prometheus-alertmanager", "alertmanager"))
def test_alerts_come_back_to_the_sidecar_beside_whoever_else_is_told(
    program: str, tmp_path: Path
) -> None:
    sidecar = Sidecar(tmp_path / "sidecar")
    with Hooks() as hooks:
        variables = {
            "COSTMETER_WEBHOOK_URL": hooks.url("/default"),
            "COSTMETER_CRITICAL_WEBHOOK_URL": hooks.url("/critical"),
            "COSTMETER_ALERTS_URL": f"{sidecar.url}/v1/alerts",
            "COSTMETER_ALERTS_TOKEN": "s3cret",
        }
        server = Alertmanager(tmp_path / "alertmanager", variables)
        with server.run(program), sidecar.run():
            began = datetime.now(UTC).isoformat()
            server.post(HARD, SPIKE, since=began)
            firing = {"CostBudgetHardLimitExceeded": "firing", "CostSpendSpike": "firing"}
            until(lambda: sidecar.alerts() == firing)
            assert sidecar.emergency()
            until(lambda: hooks.posted["/default"] and hooks.posted["/critical"])
            assert hooks.summaries("/default") == [("firing", ["Spend has jumped"])]
            assert hooks.summaries("/critical") == [("firing", [HARD["summary"]])]
        with server.run(program), sidecar.run():
            assert sidecar.emergency()
            server.post(HARD, since=began, over=True)
            until(lambda: not sidecar.emergency())
            resolved = firing | {"CostBudgetHardLimitExceeded": "resolved"}
            assert sidecar.alerts() == resolved
            assert "s3cret" not in (sidecar.directory / "log").read_text()


@pytest.mark.parametrize("program", installed("prometheus-alertmanager", "alertmanager"))
def test_without_its_token_alertmanager_is_turned_away(program: str, tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "sidecar")
    variables = {"COSTMETER_ALERTS_URL": f"{sidecar.url}/v1/alerts"}
    server = Alertmanager(tmp_path / "alertmanager", variables)
    log = server.directory / "log"
    with server.run(program), sidecar.run():
        server.post(SPIKE)
        until(lambda: "unexpected status code 401" in log.read_text())
        assert sidecar.alerts() == {}
