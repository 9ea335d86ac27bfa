"""A real Prometheus over a database that may hold a past, asked over its HTTP API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from tests.dashboards.exposed import TARGET
from tests.rules.stack import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class Prometheus:
    """What is at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str, at: float) -> list[dict[str, Any]]:
        """Return an instant query's series, each with ``metric`` and ``value``."""
        return self._ask("query", query=expr, time=at)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return a range query's series, each with ``metric`` and ``values``."""
        return self._ask("query_range", query=expr, start=start, end=end, step=step)

    def _ask(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=30) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from None
        return result


@contextmanager
def prometheus(
    folder: Path,
    target: int,
    *,
    rules: Sequence[Path] = (),
    interval: str = "15s",
    port: int = 0,
    program: str = "prometheus",
    others: Mapping[str, int] | None = None,
) -> Iterator[Prometheus]:
    """Run it until the end of the ``with``.

    Args:
        folder: its database is ``folder / "tsdb"``.
        target: the local port that it scrapes as if it were the sidecar's.
        rules: rule files.
        interval: between scrapes, and between evaluations of rules that name none.
        port: where it listens; 0 is any free one.
        program: which of several versions.
        others: local ports of more sidecars, by the instances that they shall be.
    """
    config = folder / "prometheus.yml"
    scraped = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {**TARGET, "instance": instance}}
        for instance, port in {TARGET["instance"]: target, **(others or {})}.items()
    ]
    config.write_text(
        yaml.safe_dump(
            {
                "global": {
                    "scrape_interval": interval,
                    "scrape_timeout": "1s",
                    "evaluation_interval": interval,
                },
                "rule_files": [str(path) for path in rules],
                "scrape_configs": [{"job_name": TARGET["job"], "static_configs": scraped}],
            }
        )
    )
    url = f"http://127.0.0.1:{port or free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=1y",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with running(command, f"{url}/-/ready", folder / "prometheus.log"):
        yield Prometheus(url)
