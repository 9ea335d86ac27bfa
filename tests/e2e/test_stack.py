"""A cent's whole way through the real stack, with workers and sidecars killed on the way."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.e2e.processes import ROOT, Processes, end, eventually, free_port, hasten, query

# What a round of tests/e2e/worker.py costs, in nano-dollars, at the providers' published prices:
# gpt-4o-mini 0.15, cached 0.075, out 0.60; gpt-4o 2.50, out 10.00; o4-mini 1.10, out 4.40 (USD per
# million tokens).
SMALL = 200 * 150 + 1000 * 75 + 50 * 600  # 135,000
LARGE = 1000 * 2500 + 100 * 10_000  # 3,500,000
THINKING = 500 * 1100 + 300 * 4400  # 1,870,000
ROUNDS = (12, 8, 10)
ALL_ROUNDS = 30


class Alerts(ThreadingHTTPServer):
    """Takes what Alertmanager delivers."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.extend(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as server:
        yield server
        server.shutdown()


def at_noon() -> str:
    """A time zone in which it is about noon, so that no period ends while the test runs."""
    behind = datetime.now(UTC).hour - 12
    return f"Etc/GMT{'+' if behind >= 0 else ''}{behind}"


class Stack:
    """The real stack on free ports."""

    def __init__(self, directory: Path, processes: Processes, alerts: Alerts) -> None:
        self.directory = directory
        self.processes = processes
        self.sidecar_port, port, self.standin_port, alertmanager_port = (
            free_port() for _ in range(4)
        )
        self.prometheus = f"http://127.0.0.1:{port}"
        self.journal = directory / "journal"
        self.journal.mkdir()
        self.configuration = directory / "costmeter.yml"
        self.configuration.write_text(
            f"journal: {self.journal}\nledger: {directory / 'ledger.db'}\n"
            f"listen: 127.0.0.1:{self.sidecar_port}\ntimezone: {at_noon()}\n"
            "scrape_interval: 1s\nprices: {refresh: off}\n"
        )
        processes.python(
            "-m", "examples.standin", STANDIN_PORT=self.standin_port, STANDIN_LATENCY=0, STANDIN_ERRORS=0
        )  # fmt: skip
        self._start_alertmanager(alertmanager_port, alerts)
        hasten(ROOT / "prometheus", directory / "prometheus")
        for job, target in (("costmeter", self.sidecar_port), ("alertmanager", alertmanager_port)):
            targets = directory / "prometheus" / "targets" / f"{job}.yml"
            targets.write_text(json.dumps([{"targets": [f"127.0.0.1:{target}"]}]))
        processes.start(
            "prometheus",
            f"--config.file={directory / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )

    def _start_alertmanager(self, port: int, alerts: Alerts) -> None:
        etc = self.directory / "alertmanager"
        self.processes.python(
            ROOT / "alertmanager" / "render.py", "--output", etc,
            COSTMETER_WEBHOOK_URL=f"http://127.0.0.1:{alerts.server_port}/",
            COSTMETER_ALERTS_URL=f"http://127.0.0.1:{self.sidecar_port}/v1/alerts",
        ).wait(30)  # fmt: skip
        path = etc / "alertmanager.yml"
        path.write_text(re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", path.read_text()))
        self.processes.start(
            "prometheus-alertmanager",
            f"--config.file={path}",
            f"--storage.path={etc / 'data'}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
        )

    def sidecar(self) -> Any:
        return self.processes.python("-m", "costmeter", "serve", "--config", self.configuration)

    def worker(self, rounds: int, *options: str) -> Any:
        return self.processes.python(
            ROOT / "tests" / "e2e" / "worker.py", f"http://127.0.0.1:{self.standin_port}/v1", rounds, *options,
            COSTMETER_JOURNAL=self.journal,
        )  # fmt: skip

    def told(self) -> list[str]:
        """Return the models of the alerts that the sidecar was told of."""
        url = f"http://127.0.0.1:{self.sidecar_port}/v1/alerts?since=1h"
        with urlopen(url, timeout=10) as answer:
            return [each["labels"].get("model", "") for each in json.load(answer)["alerts"]]

    def ask(self, promql: str) -> dict[tuple[str, ...], float]:
        return query(self.prometheus, promql)


def test_prometheus_records_every_cent_once_and_the_alert_arrives(
    tmp_path: Path, alerts: Alerts
) -> None:
    with Processes(tmp_path) as processes:
        stack = Stack(tmp_path, processes, alerts)
        sidecar = stack.sidecar()
        eventually(lambda: stack.ask('up{job="costmeter"}'), lambda up: set(up.values()) == {1})

        killed = stack.worker(ROUNDS[0], "--hang")
        assert killed.stdout.readline() == "done\n"
        end(killed, signal.SIGKILL)
        end(sidecar, signal.SIGKILL)

        second = stack.worker(ROUNDS[1])
        assert second.wait(60) == 0, "a worker does not need the sidecar"
        sidecar = stack.sidecar()
        third = stack.worker(ROUNDS[2])
        assert third.wait(60) == 0

        spent = {  # by the model that answered, which the stand-in names as OpenAI does
            "gpt-4o-mini-2024-07-18": 2 * SMALL * ALL_ROUNDS / 1e9,
            "gpt-4o-2024-08-06": LARGE * ALL_ROUNDS / 1e9,
            "o4-mini-2025-04-16": THINKING * ALL_ROUNDS / 1e9,
        }
        # 30 x (2 x 135,000 + 3,500,000 + 1,870,000) = 169,200,000 nano-dollars
        total = 0.1692
        assert sum(spent.values()) == pytest.approx(total, rel=1e-12)
        month = 'budget:cost_spend:usd{budget="all",window="month"}'
        eventually(lambda: list(stack.ask(month).values()), lambda seen: seen == [pytest.approx(total, rel=1e-12)])  # fmt: skip
        eventually(
            lambda: stack.ask("sum by (model) (provider_model:cost_spend_usd:sum)"),
            lambda seen: seen == {(model,): pytest.approx(usd, rel=1e-12) for model, usd in spent.items()},
        )  # fmt: skip
        teams = {
            "search": (SMALL + LARGE) * ALL_ROUNDS / 1e9,
            "finance": (SMALL + THINKING) * ALL_ROUNDS / 1e9,
        }
        assert stack.ask("sum by (team) (cost_spend_usd_total)") == {
            (team,): pytest.approx(usd, rel=1e-12) for team, usd in teams.items()
        }
        calls = stack.ask("sum by (model) (cost_provider_api_calls_total)")
        assert calls == {
            ("gpt-4o-mini-2024-07-18",): 60,
            ("gpt-4o-2024-08-06",): 30,
            ("o4-mini-2025-04-16",): 30,
            ("mystery-1",): 3,
        }
        first = stack.ask("min by (component) (min_over_time(cost_spend_usd_total[10m]))")
        assert set(first.values()) == {0}, "increase() has to see the first cent"

        eventually(lambda: alerts.received, lambda seen: any(alert["labels"].get("model") == "mystery-1" for alert in seen))  # fmt: skip
        alert = next(each for each in alerts.received if each["labels"].get("model") == "mystery-1")
        assert alert["labels"]["alertname"] == "CostUsageUnpriced"
        assert alert["status"] == "firing"
        assert alert["annotations"]["runbook_url"].endswith("#costusageunpriced")
        eventually(stack.told, lambda models: "mystery-1" in models)

        end(sidecar, signal.SIGTERM)
        assert list(stack.ask(month).values()) == [pytest.approx(total, rel=1e-12)]
