"""Rules of budgets over weeks of traffic, against what Python makes of the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.forecast import History, by_week, exhausted_ns, period_forecast
from costmeter.budgets.period import WINDOWS, Window, period
from costmeter.units import NANO
from tests.rules.replay import Replay
from tests.rules.stack import installed

each_promtool = pytest.mark.parametrize("promtool", installed("promtool"))
pytestmark = pytest.mark.timeout(300)  # weeks in steps of minutes
DAY = 86_400
STEP = 1800


def hourly(seconds: int) -> float:
    """Return the US dollars an hour: of workdays 12 from 9 to 18 h and 1.5 at night, 0.75 of weekends."""
    at = datetime.fromtimestamp(seconds, UTC)
    if at.weekday() >= 5:
        return 0.75
    return 12 if 9 <= at.hour < 18 else 1.5


def growing(seconds: int) -> int:
    """Return the nano-dollars of half an hour, a 16th of the first more each day."""
    return round(hourly(seconds) / 2 * (1 + seconds // DAY / 16) * NANO)


@each_promtool
def test_prometheus_and_python_forecast_the_same(promtool: str, tmp_path: Path) -> None:
    limits = Limits(soft=10_000 * NANO)
    budget = Budget("team", ZoneInfo("Asia/Kolkata"), limits=dict.fromkeys(WINDOWS, limits))
    replay = Replay([budget], STEP)
    replay.run(31 * 48, growing)
    expressions = []
    # Before and after a week and four weeks of history; a Thursday is the first day.
    for days, window in [
        (0.5, "day"), (5.75, "day"), (9.5, "day"), (12.25, "day"), (28.25, "day"), (30.625, "day"),
        (2.5, "week"), (9.5, "week"), (20.25, "week"), (28.25, "week"), (30.625, "week"),
        (2.5, "month"), (6.75, "month"), (7.25, "month"), (20.5, "month"), (30.25, "month"),
    ]:  # fmt: skip
        now = int(days * DAY)
        expressions += expected(budget, window, now)
    replay.check(promtool, tmp_path, expressions)


def expected(budget: Budget, window: Window, now: int) -> list[dict[str, object]]:
    """Return what Prometheus has to say at an instant, in seconds since 1970."""
    quarters = {start // 900: growing(start) for start in range(0, now, STEP)}
    history = History(quarters, 0, now * NANO)
    current = period(window, now * NANO, budget.zone)
    spent = history.between(max(0, current.start_ns), now * NANO)
    ahead = period_forecast(history, current)
    if window == "month" and history.weeks:  # here Prometheus goes by the week for good
        ahead = by_week(history, current.end_ns)
    assert ahead is not None
    lasts = exhausted_ns(budget.limits[window].soft - spent, history.daily)
    assert lasts is not None
    return [
        {
            "expr": f'count(abs({name}{{window="{window}"}} - {value!r}) < {value!r} * 1e-9)',
            "eval_time": f"{now}s",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for name, value in (
            ("budget:cost_forecast:usd", (spent + ahead.more) / NANO),
            ("budget:cost_exhaustion:seconds", lasts / NANO),
        )
    ]


@each_promtool
def test_days_and_weeks_within_their_budgets_are_quiet(promtool: str, tmp_path: Path) -> None:
    # A workday costs 9 x 12 + 15 x 1.5 = 130.5, a weekend 36, a week 688.5.
    day = Budget("by day", ZoneInfo("UTC"), limits={"day": Limits(soft=135 * NANO)})
    week = Budget("by week", ZoneInfo("UTC"), limits={"week": Limits(soft=700 * NANO)})
    replay = Replay([day, week], 300)
    replay.run(9 * 288, lambda seconds: round(hourly(seconds) / 12 * NANO))
    replay.check(
        promtool,
        tmp_path,
        [
            # They have no thresholds here; nothing else is to be told, not even for a moment.
            {"expr": "count(count_over_time(ALERTS[9d]))", "eval_time": "9d", "exp_samples": []},
            {
                "expr": "count(budget:cost_forecast:usd)",
                "eval_time": "8d12h",
                "exp_samples": [{"labels": "{}", "value": 6}],
            },
        ],
    )
