"""Real Prometheus and Alertmanager servers for tests, of every version at hand.

``COSTMETER_TEST_BIN`` names further directories (by colons) with other versions' programs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.rules.rulebook import ROOT

PATIENCE: Final = 60
"""Seconds after which something that was to happen did not."""

WITHOUT_THRIFT: Final = os.environ | {"GOGC": "800"}
"""The environment of a program in Go that runs for long and ends: memory is there to be used."""

T = TypeVar("T")


def installed(*names: str) -> list[str]:
    """Return the program of one of these names on the PATH, and those of other versions."""
    found = next(filter(None, map(shutil.which, names)), names[0])
    others = [
        str(Path(directory) / name)
        for directory in filter(None, os.environ.get("COSTMETER_TEST_BIN", "").split(":"))
        for name in names
        if (Path(directory) / name).is_file()
    ]
    return [found, *others]


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(probe: Callable[[], T], what: str = "") -> T:
    """Return the first truthy value of a probe that asks another process."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            value = probe()
        except (OSError, AssertionError) as error:
            value, problem = None, repr(error)
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # which Python 3.14 warns of where nobody does
        else:
            problem = repr(value)
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} not within {PATIENCE} s: {problem}"
        time.sleep(0.05)


def fetch(url: str, body: Any = None) -> Any:
    """Return what a JSON API answers; ``body`` is posted where given."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


@contextmanager
def running(command: list[str], ready_url: str, log: Path) -> Iterator[None]:
    """Run a server until the end of the ``with``, from when it says that it is ready."""
    with log.open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:

            def is_ready() -> bool:
                assert process.poll() is None, log.read_text()
                urllib.request.urlopen(ready_url, timeout=1).close()
                return True

            until(is_ready, log.name)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


class Prometheus:
    """Our prometheus.yml and rules in a directory of their own, scraping every second."""

    def __init__(self, directory: Path) -> None:
        """Copy the configuration; only seconds are changed, and where to find others."""
        self.directory = directory
        self.url = f"http://127.0.0.1:{free_port()}"
        shutil.copytree(ROOT / "prometheus", directory, dirs_exist_ok=True)
        for path in [directory / "prometheus.yml", *(directory / "rules").glob("*.yml")]:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"interval: \w+", "interval: 1s", text), encoding="utf-8")
        self.scrape()
        self.alert()

    def scrape(self, *ports: int) -> None:
        """Set the sidecars to scrape, by their ports."""
        self._point("costmeter", ports)

    def alert(self, *ports: int) -> None:
        """Set the Alertmanagers to tell, by their ports."""
        self._point("alertmanager", ports)

    def _point(self, name: str, ports: tuple[int, ...]) -> None:
        path = self.directory / "targets" / f"{name}.yml"
        written = path.with_suffix(".new")
        written.write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{port}" for port in ports]}]))
        written.replace(path)

    @contextmanager
    def run(self, program: str) -> Iterator[None]:
        """Run it until the end of the ``with``."""
        command = [
            program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with running(command, f"{self.url}/-/ready", self.directory / "log"):
            yield

    def query(self, expr: str) -> dict[tuple[str, ...], float]:
        """Return the values of an expression now, by their labels' values in order of name."""
        answer = fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
        return {
            tuple(
                value for name, value in sorted(each["metric"].items()) if name != "__name__"
            ): float(each["value"][1])
            for each in answer["data"]["result"]
        }

    def shows(self, expr: str, expected: dict[tuple[str, ...], Any]) -> None:
        """Wait until an expression has these values."""

        def probe() -> bool:
            found = self.query(expr)
            assert found == expected, found
            return True

        until(probe, expr)
