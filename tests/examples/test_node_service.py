"""The service in JavaScript: what it sends is metered, and the example does as it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmeter.ledger import query
from costmeter.sidecar.otlp.decode import from_protobuf
from costmeter.sidecar.otlp.names import wanted
from costmeter.sidecar.otlp.usage import meter
from costmeter.units import NANO
from examples.node_service import __main__ as example
from tests.examples.running import bench

RECORDED = Path(__file__).parents[1] / "responses" / "otlp" / "node-openai.bin"
SENT = 1_795_359_831 * NANO


def test_a_recorded_export_of_it_is_one_event_a_call() -> None:
    triage, answer = (
        identified.event
        for identified in meter(from_protobuf(RECORDED.read_bytes(), wanted), SENT).events
    )
    for event, feature in ((triage, "triage"), (answer, "answer")):
        assert (event.provider, event.model) == ("openai", "gpt-4o-mini-2024-07-18")
        assert (event.operation, event.status) == ("chat", "ok")
        assert event.attributes == {
            "endpoint": f"/{feature}",
            "feature": feature,
            "service": "tickets",
            "team": "support",
        }
    assert triage.usage == {"input_tokens": 35, "output_tokens": 60}
    assert answer.usage == {"input_tokens": 32, "output_tokens": 52}


@pytest.mark.skipif(
    not (example.HERE / "node_modules").exists(),
    reason="its packages are not installed: npm ci in examples/node_service",
)
def test_the_running_service_is_metered_through_its_traces(tmp_path: Path) -> None:
    with bench(tmp_path) as around:
        run = around.python("-m", "examples.node_service")
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("answered: ") == 3
        assert around.requests() == 6
    rows = query.spend(tmp_path / "ledger.db", by=("endpoint", "feature", "team"))
    assert {row.key: row.calls for row in rows} == {
        ("/triage", "triage", "support"): 3,
        ("/answer", "answer", "support"): 3,
    }
    assert all(row.cost_nano_usd > 0 for row in rows)
