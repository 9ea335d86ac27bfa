"""A real Alertmanager with our routes, in a hurry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alertmanager.render import render, write
from tests.rules.stack import fetch, free_port, running

RUNBOOK = "https://github.com/costmeter/costmeter/blob/main/docs/runbook.md"


class Alertmanager:
    """Our configuration in a directory; only how long it waits to group is changed."""

    def __init__(self, directory: Path, variables: Mapping[str, str]) -> None:
        """Make the configuration of these variables."""
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        files, problems = render(variables, directory)
        assert problems == []
        config = directory / "alertmanager.yml"
        files[config] = (
            files[config]
            .replace("group_wait: 30s", "group_wait: 1s")
            .replace("group_interval: 5m", "group_interval: 2s")
            .replace("group_wait: 5s", "group_wait: 1s")
            .replace("group_interval: 1m", "group_interval: 2s")
        )
        write(files, directory)

    @contextmanager
    def run(self, program: str) -> Iterator[None]:
        """Run it until the end of the ``with``; what it has told is kept for the next time."""
        command = [
            program,
            f"--config.file={self.directory / 'alertmanager.yml'}",
            f"--storage.path={self.directory / 'data'}",
            "--data.retention=840h",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.external-url=http://alerts.example.com",
        ]
        with running(command, f"{self.url}/-/ready", self.directory / "log"):
            yield

    def post(self, *alerts: dict[str, str], since: str = "", over: bool = False) -> None:
        """Post alerts as Prometheus does, firing or over now.

        Args:
            alerts: labels; ``summary`` and ``description`` become annotations.
            since: when they began; now, where left out.
            over: whether they have ended.
        """
        now = datetime.now(UTC).isoformat()
        fetch(
            f"{self.url}/api/v2/alerts",
            [
                {
                    "labels": {
                        name: value
                        for name, value in alert.items()
                        if name not in {"summary", "description"}
                    },
                    "annotations": {
                        "summary": alert.get("summary", alert["alertname"]),
                        "description": alert.get("description", "It is so."),
                        "runbook_url": f"{RUNBOOK}#{alert['alertname'].lower()}",
                        "dashboard": "/d/costmeter-overview",
                    },
                    "startsAt": since or now,
                    **({"endsAt": now} if over else {}),
                }
                for alert in alerts
            ],
        )
