from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from examples import up

ROOT = Path(__file__).parents[2]
PORTS = {name: str(20000 + number) for number, name in enumerate(up.PORTS)}


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "RUN", tmp_path)


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def test_the_procfile_has_every_process_and_no_variable_is_unknown() -> None:
    assert set(procfile()) == {*up.PROCESSES, "grafana"}
    used = {name for line in procfile().values() for name in re.findall(r"\$(\w+)", line)}
    assert used <= up.variables(PORTS).keys()


def test_ports_reach_every_process() -> None:
    variables = up.variables(PORTS)
    assert {name: variables[name] for name in PORTS} == PORTS
    assert variables["COSTMETER_LISTEN"].endswith(f":{PORTS['COSTMETER_PORT']}")
    assert variables["PROMETHEUS_URL"].endswith(f":{PORTS['PROMETHEUS_PORT']}")
    assert variables["COSTMETER_WEBHOOK_URL"].endswith(f":{PORTS['RECEIVER_PORT']}/")


def test_what_is_written_names_the_ports_and_prometheus_and_alertmanager_take_it(
    tmp_path: Path,
) -> None:
    up.configure(PORTS, up.variables(PORTS))
    etc = tmp_path / "etc"
    targets = json.loads((etc / "prometheus/targets/costmeter.yml").read_text())
    assert targets == [{"targets": [f"127.0.0.1:{PORTS['COSTMETER_PORT']}"]}]
    alertmanager = (etc / "alertmanager/alertmanager.yml").read_text()
    assert f"http://127.0.0.1:{PORTS['RECEIVER_PORT']}/" in alertmanager
    for command in (
        ["promtool", "check", "config", str(etc / "prometheus/prometheus.yml")],
        ["amtool", "check-config", str(etc / "alertmanager/alertmanager.yml")],
    ):
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_second_run_takes_changed_rules_and_loses_no_state(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("kept")
    up.configure(PORTS, up.variables(PORTS))
    stale = tmp_path / "etc/prometheus/rules/renamed.yml"
    stale.write_text("groups: []")
    up.configure(PORTS, up.variables(PORTS))
    assert not stale.exists()
    assert (tmp_path / "ledger.db").read_text() == "kept"


def test_a_port_that_is_taken_is_told_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        problems = up.taken({**PORTS, "PROMETHEUS_PORT": port})
    assert problems == [f"port {port} is taken: set PROMETHEUS_PORT to another"]


def test_what_is_not_installed_is_told() -> None:
    assert up.missing({"PROMETHEUS": "", "ALERTMANAGER": "/usr/bin/alertmanager"}) == [
        "Prometheus is not installed; on Debian, `make setup` does it"
    ]
