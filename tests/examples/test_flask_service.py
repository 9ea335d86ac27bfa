from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.examples.running import bench


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with bench(tmp_path) as around:
        environment = around.environment | {"EXAMPLE_PORT": str(port)}
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "examples.flask_service"],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(20)


def ask(url: str, body: str | None = None) -> str:
    data = None if body is None else body.encode()
    with urlopen(Request(url, data, {"content-type": "text/plain"}), timeout=20) as answer:
        return str(answer.read().decode())


def metrics(service: str) -> dict[str, float]:
    lines = [line for line in ask(f"{service}/metrics").splitlines() if not line.startswith("#")]
    return {sample: float(value) for sample, _, value in (line.rpartition(" ") for line in lines)}


def until_there_is(service: str, sample: str) -> dict[str, float]:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            found = metrics(service)
        except (URLError, ConnectionError):
            found = {}
        if found.get(sample):
            return found
        time.sleep(0.05)
    pytest.fail(f"{sample} did not come in time")


def calls(endpoint: str, feature: str, model: str, team: str) -> str:
    return (
        f'cost_provider_api_calls_total{{endpoint="{endpoint}",feature="{feature}",'
        f'model="{model}",provider="openai",status="ok",team="{team}"}}'
    )


def test_its_own_metrics_and_what_it_spends_are_on_one_page(service: str) -> None:
    until_there_is(service, 'cost_collector_success{collector="ledger"}')
    assert "summary" in ask(f"{service}/summarise", "A long text.")
    for _ in range(2):
        assert ask(f"{service}/chat/prices", "What does it cost?")
    chat = calls("/chat/<topic>", "chat", "gpt-4o-2024-08-06", "support")
    found = until_there_is(service, chat)
    assert found[chat] == 2
    assert found['questions_total{topic="prices"}'] == 2
    summarise = calls("/summarise", "summarise", "gpt-4o-mini-2024-07-18", "content")
    assert until_there_is(service, summarise)[summarise] == 1
    assert {name for name in found if name.startswith("cost_spend_usd_total")}
