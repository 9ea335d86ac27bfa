"""A training loop with MLflow: what the run cost stands beside what it reached.

Two things cost: the machine, whose price is known here, and a model that judges each epoch. The
exporter runs inside the loop's process, so its ``/metrics`` can be watched meanwhile.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx2
import mlflow

import costmeter
from costmeter.ledger.query import spend

EPOCHS = 5
GPU_USD_PER_HOUR = 5.12  # an A100 at AWS, on demand
JUDGE = "gpt-4o-mini"


def train_epoch(weight: float) -> float:
    """Learn a little of ``y = 3 x``."""
    time.sleep(0.05)  # stands for the GPU's work
    return weight - 0.1 * sum(2 * x * (weight * x - 3 * x) for x in (0.5, 1.0, 1.5)) / 3


def judge(weight: float) -> None:
    """Have a model look at the epoch, over plain HTTP: so what it used is said by hand."""
    question = {"role": "user", "content": f"Is a weight of {weight} any good?"}
    answer = httpx2.post(
        f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        json={"model": JUDGE, "messages": [question]},
    )
    used = answer.raise_for_status().json()["usage"]
    tokens = {"input_tokens": used["prompt_tokens"], "output_tokens": used["completion_tokens"]}
    costmeter.record_llm(provider="openai", model=JUDGE, **tokens)


def main() -> None:
    """Train, and log what it cost."""
    mlflow.set_experiment("three-times")
    with mlflow.start_run() as run:
        name, weight = run.info.run_name, 0.0
        with (
            costmeter.start_exporter(0, config=Path(__file__).with_name("costmeter.yml")),
            costmeter.attribute(experiment="three-times", run=name, feature="training"),
        ):
            for epoch in range(EPOCHS):
                began = time.monotonic()
                weight = train_epoch(weight)
                hours = (time.monotonic() - began) / 3600
                costmeter.record_request("train", "aws", hours * GPU_USD_PER_HOUR)
                judge(weight)
                mlflow.log_metrics({"error": abs(3 - weight), "gpu_hours": hours}, step=epoch)
        # The exporter has ended, so all of the run is in the ledger.
        rows = spend(Path(os.environ["COSTMETER_LEDGER"]), by=("provider",), where={"run": name})
        cost_usd = {row.key[0]: row.cost_nano_usd / 1e9 for row in rows}
        mlflow.log_metrics({f"cost_usd_{provider}": usd for provider, usd in cost_usd.items()})
        print(f"run {name}:", *(f"{provider} {usd:.9f}" for provider, usd in cost_usd.items()))


if __name__ == "__main__":
    main()
