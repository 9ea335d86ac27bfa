"""Budgets, Resources and costmeter itself over a real Prometheus: figures worked out by hand."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from costmeter import names
from costmeter.units import GIB, NANO
from tests.dashboards.boards import TARGETS, Target, target
from tests.dashboards.exposed import Meter, Past
from tests.dashboards.exposed import Target as Sidecar
from tests.dashboards.server import Prometheus, prometheus
from tests.rules.stack import installed, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
MONTH: Final = 730
MINE: Final = {"budgets.json", "resources.json", "itself.json"}

ENDS: Final = 30
"""Seconds after the beginning at which the day of a budget ends."""

QUIET: Final = {
    "Budget alerts", "Alerts of budgets", "Alerts of this budget", "Alerts about costmeter",
    "Lasts", "Runs out next", "Forecast", "Inherited", "Last hour of it", "Last day of it", "Burn rate",
    "Burn against alerts", "Spend against limits, since the $window began", "Each budget",
}  # fmt: skip
"""Panels of budgets some of whose queries need history, or rightly have no answer."""


def lived(database: Path, end: int) -> Meter:
    """Write two hours up to ``end`` and return what the sidecar has counted by then.

    One core for an hour, three for the next, of four: 2 on the mean. 3 and 5 of 8 GiB. Compute costs
    0.031 USD a core-hour, and 0.004 a GiB-hour.
    """
    meter, past = Meter(), Past()
    of = {"resource": "api"}
    host = {"provider": "host", "component": "compute", "team": "lab"}
    meter.set(names.LEDGER_INFO, {"ledger": "one", "schema": "1"}, 1)
    for minute in range(120, -1, -1):
        early = minute >= 60
        cores, gib = (1, 3) if early else (3, 5)
        meter.set(names.CPU_USAGE, of, cores)
        meter.set(names.MEMORY_USAGE, of, gib * GIB)
        meter.set(names.CPU_LIMIT, of, 4)
        meter.set(names.MEMORY_LIMIT, of, 8 * GIB)
        meter.set(names.CPU_PRICE, of, 31_000_000)
        meter.set(names.MEMORY_PRICE, of, 4_000_000)
        meter.set(names.RESOURCE_UP, of, 1)
        cpu, memory = cores * 31_000_000, gib * 4_000_000
        meter.add(names.SPEND, {**host, "model": "cpu"}, cpu // 60)
        meter.add(names.SPEND, {**host, "model": "memory"}, memory // 60)
        meter.add(names.SPEND, {"provider": "openai", "model": "gpt", "component": "input"}, NANO)
        idle_cpu, idle_memory = 4 * 31_000_000 - cpu, 8 * 4_000_000 - memory
        for rule, nano in (
            ("resource:cost_usd_per_hour:sum", cpu + memory),
            ("resource:cost_cpu_idle_usd_per_hour:sum", idle_cpu),
            ("resource:cost_memory_idle_usd_per_hour:sum", idle_memory),
            ("resource:cost_idle_usd_per_hour:sum", idle_cpu + idle_memory),
        ):
            meter.record(rule, of, nano, NANO)
        meter.set(names.BUILD_INFO, {"version": "0.1.0", "python": "3.11"}, 1)
        meter.add(names.EVENTS_REJECTED, {"reason": "malformed"}, 2 * (minute == 40))
        meter.add(names.EVENTS_REJECTED, {"reason": "too_large"}, minute == 30)
        meter.add(names.EVENTS_DROPPED, {}, 0)
        meter.add(names.UNPRICED_EVENTS, {**NEW, "reason": "no_price"}, 3 * (minute == 20))
        meter.add(names.UNPRICED_EVENTS, {**NEW, "reason": "no_usage"}, minute in {10, 50})
        at = end - minute * MINUTE
        past.take(meter, at, ledger="one")
        past.record(at)
    past.write(database)
    return meter


NEW: Final = {"provider": "openai", "model": "gpt-6"}


def exposed(meter: Meter) -> str:
    """Return the sidecar's page: without what rules record."""
    lines = meter.page().splitlines(keepends=True)
    return "".join(line for line in lines if ":" not in line.partition("{")[0])


def show_budget(meter: Meter, name: str, window: str, key: str, bounds: tuple[int, int]) -> None:
    of = {"budget": name, "window": window, "period": key}
    meter.set(names.BUDGET_PERIOD_START, of, bounds[0])
    meter.set(names.BUDGET_PERIOD_END, of, bounds[1])


def spend_budget(
    meter: Meter, name: str, window: str, key: str, spent: dict[str, int], credit: int = 0
) -> None:
    """Show what ledgers have spent of a period, in nano-dollars."""
    for ledger, nano in spent.items():
        of = {"budget": name, "window": window, "period": key, "ledger": ledger}
        meter.set(names.BUDGET_SPEND, of, nano)
        meter.set(names.BUDGET_CREDIT, of, credit if ledger == "one" else 0)


def budgets(meter: Meter, now: int) -> None:
    """Show three budgets: one of a month and a day, one of a week that is used up, and ``all``."""
    month, week = (now - 10 * DAY, now + 20 * DAY), (now - 3 * DAY, now + 4 * DAY)
    for name in ("search", "lab", "all"):
        show_budget(meter, name, "month", "m1", month)
        show_budget(meter, name, "week", "w1", week)
        show_budget(meter, name, "day", "d1", (now - HOUR, now + ENDS))
    # 60 + 24.5 - 0.5 = 84 of 100, by two ledgers
    spend_budget(
        meter, "search", "month", "m1", {"one": 60 * NANO, "two": 24_500_000_000}, 500_000_000
    )
    spend_budget(meter, "search", "day", "d1", {"one": 2 * NANO, "two": 1_000_000_001})
    spend_budget(meter, "lab", "week", "w1", {"one": 60 * NANO})
    spend_budget(meter, "all", "month", "m1", {"one": 300 * NANO})
    for name, window, soft, hard in (
        ("search", "month", 100, 150),
        ("search", "day", 10, None),
        ("lab", "week", 50, None),
    ):
        of = {"budget": name, "window": window}
        meter.set(names.BUDGET_LIMIT, {**of, "limit": "soft"}, soft * NANO)
        if hard:
            meter.set(names.BUDGET_LIMIT, {**of, "limit": "hard"}, hard * NANO)
        for threshold, told in (("0.5", "info"), ("0.9", "warning"), ("1.0", "critical")):
            share = {**of, "threshold": threshold, "severity": told}
            meter.record(names.BUDGET_THRESHOLD.name, share, int(float(threshold) * 10), 10)
    for name, owner, policy in (
        ("search", "ann", "hard"),
        ("lab", "", "warn"),
        ("all", "", "warn"),
    ):
        info = {"budget": name, "owner": owner, "policy": policy, "timezone": "UTC"}
        meter.set(names.BUDGET_INFO, info, 1)
        meter.set(names.BUDGET_EMERGENCY, {"budget": name}, name == "lab")
    meter.add(names.GATE_CHECKS, {"budget": "search", "outcome": "refused"}, 0)
    meter.set(names.GATE_RESERVED, {"budget": "search"}, 250_000_000)


def itself(meter: Meter, now: int) -> None:
    """Show what a sidecar tells about itself."""
    meter.set(names.JOURNAL_LAG_SECONDS, {}, 2)
    meter.set(names.JOURNAL_LAG_BYTES, {}, 4096)
    meter.set(names.JOURNAL_WRITERS, {}, 3)
    meter.set(names.LEDGER_SIZE, {}, 1 << 20)
    meter.set(names.CATALOGUE_INFO, {"version": "0.2.3", "origin": "bundled"}, 1)
    meter.set(names.CATALOGUE_TIMESTAMP, {}, now - 8 * DAY)
    meter.add(names.CATALOGUE_REFRESHES, {"outcome": "failure"}, 1)
    meter.set(names.CONFIG_RELOAD_SUCCESS, {}, 0)
    meter.set(names.CONFIG_RELOAD_TIMESTAMP, {}, now - HOUR)
    meter.set(names.SCRAPE_DURATION, {}, 1)
    meter.add(names.EVENTS_READ, {"source": "journal"}, 7)
    meter.add(names.EVENTS_REDATED, {}, 0)
    meter.add(names.INSTRUMENTATION_ERRORS, {}, 0)
    meter.add(names.LABEL_OVERFLOW, {"label": "team"}, 0)
    meter.add(names.ESTIMATED_EVENTS, NEW, 0)
    for outcome in ("allowed", "unavailable"):
        meter.add(names.GATE_CHECKS, {"budget": "lab", "outcome": outcome}, 0)
    for status in ("firing", "refused"):
        meter.add(names.ALERTS_RECEIVED, {"status": status, "severity": "info"}, 0)
    for collector, works in (("journal", 1), ("ledger", 0)):
        meter.set(names.COLLECTOR_SUCCESS, {"collector": collector}, works)
        meter.set(names.COLLECTOR_DURATION, {"collector": collector}, 1)


@dataclass
class Stack:
    """A Prometheus over the past, when that ended, the sidecar's meter and when a day ends."""

    prometheus: Prometheus
    end: int
    meter: Meter
    midnight: int

    def values(
        self, board: str, panel: str, letter: str = "A", at: float | None = None, **choices: str
    ) -> dict[str, float]:
        """Return a panel's values by their labels; '' without one."""
        one = target(panel, letter, f"{board}.json")
        found = self.prometheus.query(one.promql(2 * HOUR, **choices), at or time.time())
        return {
            " ".join(v for k, v in each["metric"].items() if k != "__name__"): float(
                each["value"][1]
            )
            for each in found
        }

    def budget(self, panel: str, letter: str = "A", **choices: str) -> dict[str, float]:
        chosen = {"budget": "search", "window": "month", **choices}
        return until(lambda: self.values("budgets", panel, letter, **chosen), panel)


@pytest.fixture(scope="module", params=installed("prometheus"))
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("prometheus")
    end = int(time.time()) // 300 * 300
    meter = lived(folder / "tsdb", end)
    now = int(time.time())
    budgets(meter, now)
    itself(meter, now)
    rules = []
    for path in Path("prometheus/rules").glob("*.yml"):
        rules.append(folder / path.name)
        rules[-1].write_text(re.sub(r"interval: \d+[mh]", "interval: 1s", path.read_text()))
    sidecar = Sidecar(lambda: exposed(meter))
    with prometheus(
        folder, sidecar.port, rules=rules, interval="1s", program=request.param
    ) as server:
        yield Stack(server, end, meter, now + ENDS)
    sidecar.close()


# -- Budgets -----------------------------------------------------------------------------------


def test_what_is_used_of_a_budget_is_the_sum_of_the_ledgers_less_what_came_back(
    stack: Stack,
) -> None:
    assert stack.budget("Used") == {"": 84}
    assert stack.budget("Share used") == {"": pytest.approx(0.84)}
    assert stack.budget("Left") == {"left": 16}
    assert stack.budget("Left", budget="lab", window="week") == {"over": 10}
    assert stack.budget("Soft limit") == {"": 100}
    assert stack.budget("Hard limit") == {"": 150}
    assert stack.budget("Hard limit", window="day") == {"": -1}, "none"
    # 0.84 of the limit in 10 of 30 days
    assert stack.budget("Pace")[""] == pytest.approx(0.84 * 3, rel=1e-3)
    assert stack.budget("Ends in")[""] == pytest.approx(20 * DAY, abs=600)


def test_the_table_says_of_each_budget_what_the_figures_say_of_one(stack: Stack) -> None:
    shares = stack.budget("Each budget")
    used, soft, hard = (stack.budget("Each budget", letter) for letter in "BCD")

    assert shares["search ann hard month"] == pytest.approx(0.84)
    assert shares["lab warn week"] == pytest.approx(1.2)
    assert {key: used[key] for key in ("search month", "lab week")} == {
        "search month": 84, "lab week": 60,
    }  # fmt: skip
    assert soft == {"search month": 100, "search day": 10, "lab week": 50}
    assert hard == {"search month": 150}
    assert stack.budget("Each budget", "G")["lab week"] == 0, "used up"


def test_budgets_that_need_somebody_are_counted(stack: Stack) -> None:
    assert stack.budget("Budgets") == {"": 2}
    assert stack.budget("Used up") == {"": 1}
    assert stack.budget("Nearly used") == {"": 1}
    assert stack.budget("Emergency", budget="lab") == {"": 1}
    assert stack.budget("Set aside now") == {"": 0.25}


def test_thresholds_say_what_is_left_until_somebody_is_told(stack: Stack) -> None:
    assert stack.budget("Thresholds") == {
        "info 0.5": 50, "warning 0.9": 90, "critical 1.0": 100,
    }  # fmt: skip
    assert stack.budget("Thresholds", "B") == {
        "info 0.5": 0, "warning 0.9": 6, "critical 1.0": 16,
    }  # fmt: skip


def test_nothing_is_said_of_a_budget_that_is_not_there(stack: Stack) -> None:
    for panel in ("Used", "Soft limit", "Share used", "Thresholds"):
        assert stack.values("budgets", panel, budget="nobody", window="month") == {}


def test_a_new_day_begins_at_nothing_and_the_old_one_keeps_what_it_cost(stack: Stack) -> None:
    def used(at: float) -> dict[str, float]:
        return stack.values("budgets", "Used", at=at, budget="search", window="day")

    show_budget(stack.meter, "search", "day", "d2", (stack.midnight, stack.midnight + DAY))
    spend_budget(stack.meter, "search", "day", "d2", {"one": 0, "two": 250_000_000})
    until(lambda: used(time.time()) == {"": 0.25}, "the new day")
    late = {"budget": "search", "window": "day", "period": "d1", "ledger": "one"}
    stack.meter.set(names.BUDGET_SPEND, late, 4 * NANO)  # an event of the old day

    each = until(
        lambda: (
            found := stack.values("budgets", "Spend of each $window", budget="search", window="day")
        ).get("d1") == pytest.approx(5.000000001) and found,
        "the late event",
    )  # fmt: skip
    assert each == pytest.approx({"d1": 5.000000001, "d2": 0.25}, abs=1e-12)
    assert used(time.time()) == {"": 0.25}
    assert used(stack.midnight - 2) == pytest.approx({"": 3.000000001}, abs=1e-12)


# -- Resources ---------------------------------------------------------------------------------


def test_means_and_peaks_are_those_of_the_chosen_time(stack: Stack) -> None:
    def at_end(panel: str, letter: str = "A") -> float:
        return stack.values("resources", panel, letter, at=stack.end)["api"]

    assert at_end("CPU of each resource") == 3
    assert at_end("CPU of each resource", "B") == pytest.approx(2, abs=0.02)
    assert at_end("CPU of each resource", "C") == 4
    assert at_end("CPU of each resource", "D") == 0.75
    assert at_end("Memory of each resource") == 5 * GIB
    assert at_end("Memory of each resource", "D") == pytest.approx(5 / 8)


def test_what_idles_adds_up_to_the_figure_above(stack: Stack) -> None:
    def at_end(panel: str, letter: str = "A") -> dict[str, float]:
        return stack.values("resources", panel, letter, at=stack.end)

    # 2 idle cores at 0.031 and 4 idle GiB at 0.004, on the mean; at the peak 1 core and 3 GiB
    idle = MONTH * (2 * 0.031 + 4 * 0.004)
    listed = at_end("Each resource", "D")
    assert listed["api"] == pytest.approx(idle, rel=0.01)
    assert at_end("Cost of what idles, a month") == {"": pytest.approx(sum(listed.values()))}
    parts = [at_end(f"{part} of each resource", "F")["api"] for part in ("CPU", "Memory")]
    assert sum(parts) == pytest.approx(listed["api"])
    assert at_end("Each resource", "E")["api"] == pytest.approx(MONTH * (0.031 + 3 * 0.004))
    used = 2 * 0.031 + 4 * 0.004
    assert at_end("Idle share")[""] == pytest.approx(idle / (idle + MONTH * used), rel=0.01)


def test_what_was_spent_on_them_is_what_the_ledger_has(stack: Stack) -> None:
    # 60 minutes at 1 core and 3 GiB, 60 at 3 cores and 5 GiB; each minute rounded down to nano-USD
    cpu = (60 * (31_000_000 // 60) + 60 * (93_000_000 // 60)) / NANO
    memory = (60 * (12_000_000 // 60) + 60 * (20_000_000 // 60)) / NANO

    def at_end(panel: str, **choices: str) -> dict[str, float]:
        return stack.values("resources", panel, at=stack.end, **choices)

    listed = at_end("Spend on CPU and memory by model")
    assert listed == pytest.approx({"cpu": cpu, "memory": memory}, abs=1e-12)
    assert at_end("Spend on CPU and memory")[""] == pytest.approx(cpu + memory, abs=1e-12)
    assert at_end("Spend on CPU and memory by team") == pytest.approx({"lab": cpu + memory})
    assert at_end("Spend on CPU and memory", team="nobody") == {"": 0}


# -- costmeter itself --------------------------------------------------------------------------


def test_every_way_of_missing_something_is_counted(stack: Stack) -> None:
    def figure(panel: str) -> float:
        return until(lambda: stack.values("itself", panel), panel)[""]

    assert figure("Events rejected") == 3
    assert figure("Events dropped") == 0
    assert figure("Without a price") == 3
    assert figure("Without usage") == 2
    assert figure("Collectors failing") == 1
    assert figure("Reloads refused") == 1
    for panel in ("Scraped twice", "Gate not asked", "Alerts lost", "Sidecars down"):
        assert figure(panel) == 0
    assert figure("Lag") == 2
    assert figure("Age of prices") == pytest.approx(8 * DAY, abs=600)


def test_each_table_adds_up_to_its_figure(stack: Stack) -> None:
    listed = until(
        lambda: stack.values("itself", "Usage without a price, by model"), "events without a price"
    )

    assert listed == {"gpt-6 openai no_price": 3, "gpt-6 openai no_usage": 2}


def test_a_sidecar_is_shown_with_what_it_runs_while_it_answers_and_after(stack: Stack) -> None:
    ((labels, answers),) = until(lambda: stack.values("itself", "Each sidecar"), "a scrape").items()

    assert answers == 1
    for word in ("0.1.0", "one", "0.2.3", "bundled"):
        assert word in labels.split()


def test_of_an_unknown_sidecar_nothing_is_said_to_be_right(stack: Stack) -> None:
    for panel in ("Events dropped", "Sidecars down", "Without a price", "Collectors failing"):
        assert stack.values("itself", panel, instance="nobody") == {}


@pytest.mark.parametrize(
    "one", [each for each in TARGETS if each.board in MINE and each.panel not in QUIET], ids=str
)
def test_every_query_has_an_answer(stack: Stack, one: Target) -> None:
    def answer() -> list[dict[str, Any]]:
        now, promql = time.time(), one.promql(HOUR, budget="search", window="month")
        if one.query["instant"]:
            return stack.prometheus.query(promql, now)
        return stack.prometheus.query_range(promql, now - HOUR, now, 60)

    assert until(answer, "recording rules")


@pytest.mark.parametrize(
    "one", [each for each in TARGETS if each.board in MINE and each.panel in QUIET], ids=str
)
def test_every_other_query_is_one_that_prometheus_answers(stack: Stack, one: Target) -> None:
    promql = one.promql(HOUR, budget="search", window="month")
    now = time.time()

    stack.prometheus.query_range(promql, now - HOUR, now, 60)
