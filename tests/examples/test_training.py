from __future__ import annotations

import re
from pathlib import Path

import pytest

from costmeter.ledger import query
from tests.examples.running import bench


def logged(metric: Path) -> list[float]:
    """Return the values of a metric in MLflow's file store: a line is time, value and step."""
    return [float(line.split()[1]) for line in metric.read_text().splitlines()]


def test_what_a_run_cost_is_printed_from_the_ledger_and_logged_beside_its_error(
    tmp_path: Path,
) -> None:
    with bench(tmp_path) as around:
        around.environment["MLFLOW_TRACKING_URI"] = (tmp_path / "mlruns").as_uri()
        around.environment["MLFLOW_ALLOW_FILE_STORE"] = "true"
        run = around.python("-m", "examples.training")
        assert run.returncode == 0, run.stderr
        assert around.requests() == 5
    (error,) = tmp_path.glob("mlruns/*/*/metrics/error")
    assert logged(error)[-1] < logged(error)[0]
    (line,) = run.stdout.splitlines()
    name, *costs = re.fullmatch(r"run (\S+): (\w+) (\S+) (\w+) (\S+)", line).groups()
    spent = dict(zip(costs[::2], map(float, costs[1::2]), strict=True))
    assert set(spent) == {"aws", "openai"}
    for provider, usd in spent.items():
        assert logged(error.with_name(f"cost_usd_{provider}")) == [usd]
    # 5.12 USD an hour; each epoch is rounded to the nano-dollar.
    hours = logged(error.with_name("gpu_hours"))
    assert spent["aws"] == pytest.approx(sum(hours) * 5.12, abs=5e-9)
    rows = query.spend(tmp_path / "ledger.db", by=("experiment", "run", "feature", "model"))
    assert {row.key: row.calls for row in rows} == {
        ("three-times", name, "training", ""): 0,
        ("three-times", name, "training", "gpt-4o-mini"): 5,
    }
