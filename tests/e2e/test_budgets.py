"""Budgets in a real Prometheus while sidecars start, die, move and meet new labels.

Amounts are US dollars that the events themselves state, so that each sum is worked out by hand.
"""

from __future__ import annotations

import json
import signal
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.processes import Processes, end, eventually, free_port
from tests.e2e.test_stack import at_noon
from tests.rules.stack import Prometheus, fetch, installed

INTERVAL = 1
"""Seconds between scrapes, and between evaluations."""

BUDGETS = [
    {"name": "search", "match": {"team": "search*", "model": "gpt-*"}, "month": {"soft_usd": 100}},
    {"name": "all", "day": {"soft_usd": 50}, "week": {"soft_usd": 100}},
]


class Sidecar:
    """A real sidecar with a ledger of its own, which it keeps wherever it runs."""

    def __init__(self, directory: Path, name: str, processes: Processes, zone: str) -> None:
        """Write its configuration."""
        self.name = name
        self._processes = processes
        self._sequence = 0
        self._home = directory / name
        (self._home / "journal").mkdir(parents=True)
        self._config = self._home / "costmeter.yml"
        settings = {
            "journal": str(self._home / "journal"),
            "ledger": str(self._home / "ledger.db"),
            "timezone": zone,
            "scrape_interval": f"{INTERVAL}s",
            "prices": {"refresh": "off"},
            "budgets": BUDGETS,
        }
        self._config.write_text(json.dumps(settings))  # which is YAML, too

    def start(self) -> None:
        """Run it at an address where nobody was before."""
        self.port = free_port()
        self._process = self._processes.python(
            "-m", "costmeter", "serve", "--config", self._config, "--listen", f"127.0.0.1:{self.port}"
        )  # fmt: skip

    def until_ready(self) -> None:
        eventually(lambda: self._get("/-/ready"), lambda _: True)

    def kill(self) -> None:
        end(self._process, signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, which waits until it was scraped once more."""
        assert end(self._process, signal.SIGTERM) == 0

    def move(self) -> None:
        """Stop it and run it elsewhere, with its ledger."""
        self.stop()
        self.start()

    def spend(self, usd: str, when: datetime, **attributes: str) -> None:
        """Spend, and return once it is in the ledger."""
        self._sequence += 1
        event = {
            "provider": "openai",
            "model": attributes.pop("model", "gpt-4o"),
            "time": when.isoformat(),
            "attributes": attributes,
            "cost_usd": usd,
        }
        batch = {"source": self.name, "sequence": self._sequence, "events": [event]}
        fetch(f"http://127.0.0.1:{self.port}/v1/events", batch)

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def recorded(prometheus: Prometheus, series: str) -> list[tuple[float, float]]:
    """Return every sample of a series: when it was recorded, in seconds since 1970, and its value."""
    query = urllib.parse.urlencode({"query": f"{series}[5m]"})
    (found,) = fetch(f"{prometheus.url}/api/v1/query?{query}")["data"]["result"]
    return [(time, float(value)) for time, value in found["values"]]


def scraped(prometheus: Prometheus, labels: str, at: float) -> float:
    """Return what all ledgers together had shown until an instant, each with its last word."""
    last = f"max by (ledger) (last_over_time(cost_budget_spend_usd{labels}[10m]))"
    query = urllib.parse.urlencode({"query": f"sum({last})", "time": at})
    result = fetch(f"{prometheus.url}/api/v1/query?{query}")["data"]["result"]
    return float(result[0]["value"][1]) if result else 0


@pytest.mark.parametrize("program", installed("prometheus"))
def test_what_is_recorded_of_budgets_is_the_sum_worked_out_by_hand(
    program: str, tmp_path: Path
) -> None:
    zone = at_noon()
    now = datetime.now(ZoneInfo(zone))
    yesterday = now - timedelta(days=1)
    today, day_before = now.date().isoformat(), yesterday.date().isoformat()
    prometheus = Prometheus(tmp_path / "prometheus")

    def shows(budget: str, today_usd: float, yesterday_usd: float = 0) -> None:
        prometheus.shows(
            f'budget_period:cost_spend:usd{{budget="{budget}",window="day"}}',
            {
                (budget, today, "day"): pytest.approx(today_usd, rel=1e-12),
                (budget, day_before, "day"): pytest.approx(yesterday_usd, rel=1e-12),
            },
        )

    with Processes(tmp_path) as processes, prometheus.run(program):
        one, two, three, four = (
            Sidecar(tmp_path, name, processes, zone) for name in ("one", "two", "three", "four")
        )
        for each in (one, two, three):
            each.start()
        for each in (one, two, three):
            each.until_ready()
        prometheus.scrape(one.port, two.port, three.port)
        shows("all", 0)

        one.spend("0.10", now, team="search")
        one.spend("4.000000001", yesterday, team="search")
        two.spend("0.20", now, team="search-eu")  # is meant by the pattern
        two.spend("1", now, team="chat")
        three.spend("8", now, team="search", model="claude-sonnet-4-5")  # is not
        shows("all", 9.3, 4.000000001)
        shows("search", 0.3, 4.000000001)

        # two is killed, perhaps before its last cent was seen; three moves to another address, and
        # meets labels that nobody has seen; four is new; of the day that is over comes a late word.
        two.spend("0.05", now, team="search")
        two.kill()
        three.move()
        four.start()
        three.until_ready()
        four.until_ready()
        prometheus.scrape(one.port, three.port, four.port)
        three.spend("0.40", now, team="search-2", feature="new", model="gpt-5")
        three.spend("-0.30", now, team="search")  # money back
        four.spend("0.25", now, team="search")
        one.spend("0.80", yesterday, team="search-3")

        # two comes back elsewhere, with its ledger and its last cent
        two.start()
        two.until_ready()
        prometheus.scrape(one.port, two.port, three.port, four.port)
        # 0.10 + (0.20 + 1 + 0.05) + (8 + 0.40 - 0.30) + 0.25, of it without 1 and 8 for search
        shows("all", 9.7, 4.800000001)
        shows("search", 0.7, 4.800000001)

        # They all go, and what they have spent stays.
        two.spend("0.02", now, team="search")
        for each in (one, two, three, four):
            each.stop()
        prometheus.scrape()
        prometheus.shows("count(up)", {})
        shows("all", 9.72, 4.800000001)

        # Every value that was ever recorded is what had been scraped by then, or one scrape before.
        labels = f'{{budget="all",window="day",period="{today}"}}'
        history = recorded(prometheus, f"budget_period:cost_gross_spend:usd{labels}")
        assert history[-1][1] == pytest.approx(10.02)
        for time, value in history:
            least = scraped(prometheus, labels, time - 2 * INTERVAL)
            most = scraped(prometheus, labels, time)
            assert least - 1e-9 <= value <= most + 1e-9
