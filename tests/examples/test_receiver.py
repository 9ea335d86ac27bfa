from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from examples.receiver.app import SHOWN, create_app

ALERT = {
    "status": "firing",
    "labels": {"alertname": "CostSpike", "severity": "warning"},
    "annotations": {"summary": "Spend is <twice> the usual"},
    "startsAt": "2026-11-22T10:00:00.123Z",
}


def test_what_arrives_is_printed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(create_app())
    assert "None yet" in client.get("/").text
    body = {"version": "4", "receiver": "default", "status": "firing", "alerts": [ALERT]}
    assert client.post("/", json=body).status_code == 200
    assert client.post("/any/path", json=body | {"receiver": "critical"}).status_code == 200
    page = client.get("/").text
    assert page.count("<td>CostSpike") == 2
    assert page.index("critical") < page.index("default")  # the newest first
    assert "2026-11-22T10:00:00<" in page
    assert "Spend is &lt;twice&gt; the usual" in page
    assert "firing: warning CostSpike: Spend is <twice> the usual" in capsys.readouterr().out


def test_only_so_many_are_kept() -> None:
    client = TestClient(create_app())
    client.post("/", json={"alerts": [ALERT] * (SHOWN + 50)})
    assert client.get("/").text.count("<td>CostSpike") == SHOWN
