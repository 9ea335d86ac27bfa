"""Runs the Node service beside an exporter, and sends it tickets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import httpx2

import costmeter

HERE: Final = Path(__file__).parent
TICKETS: Final = ("My invoice is wrong.", "The app is slow today.", "How do I add a colleague?")


def main() -> None:
    """Have each ticket sorted and answered."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SystemExit("node_service needs Node.js 20 or newer with npm (Debian: nodejs npm)")
    if not (HERE / "node_modules").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    with costmeter.start_exporter(0) as exporter:
        exporter.wait(10)
        environment = os.environ | {
            "PORT": "0",
            "OTEL_SERVICE_NAME": "tickets",
            "OTEL_RESOURCE_ATTRIBUTES": "costmeter.team=support",
            "OTEL_NODE_RESOURCE_DETECTORS": "env",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{exporter.url}/v1/traces",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
        service = subprocess.Popen(
            [node, "--require", "./telemetry.cjs", "service.cjs"],
            cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert service.stdout is not None
            url = service.stdout.readline().strip()
            for ticket in TICKETS:
                for path in ("/triage", "/answer"):
                    httpx2.post(url + path, content=ticket).raise_for_status()
                print(f"answered: {ticket}")
        finally:
            service.terminate()  # upon which it sends the spans that it still has
            service.wait(20)


if __name__ == "__main__":
    main()
