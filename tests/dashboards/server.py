"""A real Prometheus on a free port, asked over its HTTP API."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Prometheus:
    """Debian's Prometheus over a database that may hold a past; stopped at the end of ``with``."""

    def __init__(
        self, folder: Path, *, target: int, labels: dict[str, str], rules: Sequence[Path] = (),
        interval: str = "15s", port: int = 0,
    ) -> None:  # fmt: skip
        """Start it.

        Args:
            folder: its database is ``folder / "tsdb"``.
            target: the local port that it scrapes.
            labels: the labels given to what it scrapes.
            rules: rule files.
            interval: between scrapes and between evaluations of the rules.
            port: where it listens; 0 is any free one.
        """
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": interval, "scrape_timeout": "1s",
                       "evaluation_interval": interval},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{
                "job_name": labels["job"],
                "static_configs": [{"targets": [f"127.0.0.1:{target}"], "labels": labels}],
            }],
        }))  # fmt: skip
        self.url = f"http://127.0.0.1:{port or _free_port()}"
        self._log = (folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
             "--storage.tsdb.retention.time=1y",
             f"--web.listen-address={self.url.removeprefix('http://')}"],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Wait until it answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1).close()
            except (OSError, urllib.error.URLError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def query(self, expr: str, at: float) -> list[dict[str, Any]]:
        """Return an instant query's series, each with ``metric`` and ``value``."""
        return self._api("query", query=expr, time=at)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return a range query's series, each with ``metric`` and ``values``."""
        return self._api("query_range", query=expr, start=start, end=end, step=step)

    def _api(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=30) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from None
        return result


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
