"""Runs the whole stack in the foreground: what ``make up`` calls.

Makes the files and variables that the Procfile needs, has honcho run it, and says where to look.
Ports come from the environment, see :data:`PORTS`; all state is kept in ``.run``, or where
``COSTMETER_RUN`` says.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from urllib.request import urlopen

ROOT: Final = Path(__file__).resolve().parent.parent
RUN: Final = Path(os.environ.get("COSTMETER_RUN", ROOT / ".run")).resolve()
PORTS: Final = {
    "EXAMPLE_PORT": ("8000", "the example service", "/docs"),
    "STANDIN_PORT": ("8001", "the provider's stand-in", "/v1/models"),
    "RECEIVER_PORT": ("8002", "alerts received", "/"),
    "COSTMETER_PORT": ("9464", "costmeter", "/"),
    "PROMETHEUS_PORT": ("9090", "Prometheus", "/alerts"),
    "ALERTMANAGER_PORT": ("9093", "Alertmanager", "/"),
    "GRAFANA_PORT": ("3000", "Grafana", "/"),
}
"""Variables with ports on 127.0.0.1: default, what listens there, and the page to look at."""
PROCESSES: Final = (
    "standin",
    "service",
    "load",
    "receiver",
    "sidecar",
    "prometheus",
    "alertmanager",
)
NO_GRAFANA: Final = (
    "Grafana is not installed: see https://grafana.com/grafana/download, or run "
    "`docker compose up`, which brings it."
)
UP_WITHIN_SECONDS: Final = 90
SPENT_AFTER_SECONDS: Final = 60


def main() -> int:
    """Run the stack until it is told to stop; return the exit status."""
    ports = {name: os.environ.get(name, default) for name, (default, _, _) in PORTS.items()}
    environment = variables(ports)
    processes = [*PROCESSES, "grafana"] if environment["GRAFANA"] else list(PROCESSES)
    if not environment["GRAFANA"]:
        del ports["GRAFANA_PORT"]
    problems = [*missing(environment), *taken(ports)]
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    configure(ports, environment)
    # In a session of its own, so that Ctrl-C reaches it through us only.
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "start", *processes],
        cwd=ROOT, env=environment, start_new_session=True,
    )  # fmt: skip
    told_to_stop = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        honcho.terminate()

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    say_where_to_look(honcho, ports)
    say_what_was_spent(honcho, ports)
    status = honcho.wait()
    return 0 if told_to_stop else status or 1


def variables(ports: dict[str, str]) -> dict[str, str]:
    """Return the environment of all processes; an empty GRAFANA means that there is none."""
    grafana = shutil.which("grafana-server") or shutil.which("grafana") or ""
    return {
        # What somebody has set goes before these.
        "COSTMETER_WEBHOOK_URL": f"http://127.0.0.1:{ports['RECEIVER_PORT']}/",
        "COSTMETER_ALERTS_URL": f"http://127.0.0.1:{ports['COSTMETER_PORT']}/v1/alerts",
        "COSTMETER_GRAFANA_URL": f"http://127.0.0.1:{ports['GRAFANA_PORT']}",
        "GF_PATHS_HOME": "/usr/share/grafana",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        **os.environ,
        **ports,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "RUN": str(RUN),
        "PROMETHEUS": shutil.which("prometheus") or "",
        "ALERTMANAGER": shutil.which("prometheus-alertmanager")
        or shutil.which("alertmanager")
        or "",
        "COSTMETER_JOURNAL": str(RUN / "journal"),
        "COSTMETER_LEDGER": str(RUN / "ledger.db"),
        "COSTMETER_LISTEN": f"127.0.0.1:{ports['COSTMETER_PORT']}",
        "COSTMETER_DASHBOARDS": str(ROOT / "dashboards"),
        "PROMETHEUS_URL": f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}",
        "GRAFANA": f"{grafana} server" if grafana.endswith("grafana") else grafana,
        "GF_PATHS_DATA": str(RUN / "grafana"),
        "GF_PATHS_LOGS": str(RUN / "grafana" / "log"),
        "GF_PATHS_PROVISIONING": str(ROOT / "dashboards" / "provisioning"),
        "GF_LOG_LEVEL": "warn",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": ports["GRAFANA_PORT"],
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(ROOT / "dashboards" / "overview.json"),
    }


def missing(environment: dict[str, str]) -> list[str]:
    """Return what is not installed, in words."""
    return [
        f"{name.capitalize()} is not installed; on Debian, `make setup` does it"
        for name in ("PROMETHEUS", "ALERTMANAGER")
        if not environment[name]
    ]


def taken(ports: dict[str, str]) -> list[str]:
    """Return the ports that something else listens on, in words."""
    return [
        f"port {port} is taken: set {name} to another"
        for name, port in ports.items()
        if listens(port)
    ]


def listens(port: str) -> bool:
    """Return whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def configure(ports: dict[str, str], environment: dict[str, str]) -> None:
    """Write the configuration files that name ports."""
    (RUN / "journal").mkdir(parents=True, exist_ok=True)
    etc = RUN / "etc" / "prometheus"
    shutil.rmtree(etc, ignore_errors=True)
    (etc / "targets").mkdir(parents=True)
    shutil.copy(ROOT / "prometheus" / "prometheus.yml", etc)
    shutil.copytree(ROOT / "prometheus" / "rules", etc / "rules")
    for job, name in (("costmeter", "COSTMETER_PORT"), ("alertmanager", "ALERTMANAGER_PORT")):
        targets = [{"targets": [f"127.0.0.1:{ports[name]}"]}]
        (etc / "targets" / f"{job}.yml").write_text(json.dumps(targets))  # JSON is YAML
    subprocess.run(
        [sys.executable, "alertmanager/render.py", "--output", RUN / "etc" / "alertmanager"],
        cwd=ROOT, env=environment, check=True,
    )  # fmt: skip


def say_where_to_look(honcho: subprocess.Popen[bytes], ports: dict[str, str]) -> None:
    """Print the addresses once everything listens."""
    wait(honcho, UP_WITHIN_SECONDS, until=lambda: all(map(listens, ports.values())))
    lines = []
    for name, port in ports.items():
        _, what, path = PORTS[name]
        state = "" if listens(port) else "  (not up yet)"
        lines.append(f"  {what:24} http://127.0.0.1:{port}{path}{state}")
    if "GRAFANA_PORT" not in ports:
        lines.append(f"  {NO_GRAFANA}")
    if honcho.poll() is None:
        print("\nAll is up. Ctrl-C ends it.\n", *lines, "", sep="\n", flush=True)


def say_what_was_spent(honcho: subprocess.Popen[bytes], ports: dict[str, str]) -> None:
    """Print, after a minute, what Prometheus knows of the money spent so far."""
    wait(honcho, SPENT_AFTER_SECONDS)
    if honcho.poll() is not None:
        return
    query = urlencode({"query": "sum by (model) (cost_spend_usd_total)"})
    url = f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}/api/v1/query?{query}"
    try:
        with urlopen(url, timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
    except OSError as error:
        print(f"\nPrometheus does not answer: {error}\n", flush=True)
        return
    spent = {line["metric"].get("model", "-"): float(line["value"][1]) for line in result}
    by_model = sorted(spent.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{model} ${usd:.4f}" for model, usd in by_model if usd >= 0.0001)
    print(f"\nSpent so far: ${sum(spent.values()):.4f} ({parts})\n", flush=True)


def wait(honcho: subprocess.Popen[bytes], seconds: float, until: object = None) -> None:
    """Wait for so long, or until something is true, or the stack has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and honcho.poll() is None:
        if callable(until) and until():
            return
        time.sleep(0.25)


if __name__ == "__main__":
    raise SystemExit(main())
