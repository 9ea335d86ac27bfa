"""What a sidecar would expose of budgets over weeks, as input of promtool's rule tests."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from costmeter.budgets.budget import Budget
from costmeter.budgets.spending import Spending
from costmeter.units import NANO, quarter
from tests.rules.rulebook import ROOT, read
from tests.rules.stack import WITHOUT_THRIFT

RULE_FILES = [
    ROOT / "prometheus" / "rules" / f"budget{part}.yml"
    for part in ("", "_limits", "_forecast", "_alerts")
]


class Replay:
    """Budgets that are exposed step by step, from 1970 on, the ledger being made then."""

    def __init__(self, budgets: Sequence[Budget], step_seconds: int) -> None:
        """Take the budgets, and how often they are scraped."""
        self.step_seconds = step_seconds
        self._spendings = [(budget, Spending(budget)) for budget in budgets]
        self._series: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._steps = 0

    def run(self, steps: int, spent: Callable[[int], int]) -> None:
        """Expose so many steps; ``spent`` tells the nano-dollars of each second's step."""
        for _ in range(steps):
            now_ns = self._steps * self.step_seconds * NANO
            for budget, spending in self._spendings:
                self._expose(budget, spending, now_ns)
                # What is spent within the step is seen at its end.
                nano = spent(self._steps * self.step_seconds)
                spending.add({quarter(now_ns): nano}, sign=1)
            self._steps += 1

    def _expose(self, budget: Budget, spending: Spending, now_ns: int) -> None:
        def show(name: str, value: float, **labels: str) -> None:
            pairs = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
            self._series[f"{name}{{{pairs}}}"][self._steps] = value

        show("cost_ledger_created_timestamp_seconds", 0, ledger="L")
        show("cost_ledger_info", 1, ledger="L")
        show("cost_budget_info", 1, budget=budget.name, owner=budget.owner, policy=budget.policy)
        for each in spending.periods(now_ns):
            key = {
                "budget": budget.name,
                "window": each.period.window,
                "period": each.period.key,
            }
            show("cost_budget_spend_usd", each.spend / NANO, **key, ledger="L")
            start, end = each.period.start_ns // NANO, each.period.end_ns // NANO
            show("cost_budget_period_start_timestamp_seconds", start, **key)
            show("cost_budget_period_end_timestamp_seconds", end, **key)
        for window, limits in spending.limits(now_ns):
            of = {"budget": budget.name, "window": window}
            show("cost_budget_limit_usd", limits.soft / NANO, **of, limit="soft")

    def check(
        self,
        promtool: str,
        directory: Path,
        expressions: Sequence[Mapping[str, Any]] = (),
        alerts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Let promtool evaluate the rules, and what is expected of them."""
        test = {
            "interval": f"{self.step_seconds}s",
            "input_series": [
                {"series": series, "values": self._values(values)}
                for series, values in self._series.items()
            ],
            "promql_expr_test": list(expressions),
            "alert_rule_test": list(alerts),
        }
        document = {
            "rule_files": list(map(str, RULE_FILES)),
            "evaluation_interval": f"{self.step_seconds}s",
            "group_eval_order": [
                group["name"] for path in RULE_FILES for group in read(path)["groups"]
            ],
            "tests": [test],
        }
        path = directory / "replay.test.yml"
        path.write_text(json.dumps(document))  # which is YAML, too
        result = subprocess.run(
            [promtool, "test", "rules", path],
            capture_output=True,
            text=True,
            check=False,
            env=WITHOUT_THRIFT,
        )
        assert result.returncode == 0, (result.stdout + result.stderr)[-5000:]

    def _values(self, values: Mapping[int, float]) -> str:
        return " ".join(
            repr(values[step]) if step in values else "_"
            for step in range(min(self._steps, max(values) + 1))
        )
