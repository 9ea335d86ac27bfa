"""The real stack for a test: processes on free ports, and how to wait for and ask them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 60) -> T:
    """Look again and again until what is seen is wanted; fail with what was seen last."""
    deadline = time.monotonic() + seconds
    seen: T | str = "nothing"
    while time.monotonic() < deadline:
        try:
            seen = look()
            if wanted(seen):
                return seen
        except (OSError, KeyError, json.JSONDecodeError) as error:
            seen = repr(error)
            if isinstance(error, HTTPError):
                error.close()  # which Python 3.14 warns of where nobody does
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds} s; seen last: {seen}")


class Processes:
    """Processes that a test started; all are killed at its end, and their output is kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start(self, *command: object, **environment: object) -> subprocess.Popen[str]:
        log = self.directory / f"{len(self.running)}-{Path(str(command[0])).name}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                env=os.environ | {name: str(value) for name, value in environment.items()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.running.append(process)
        return process

    def python(self, *arguments: object, **environment: object) -> subprocess.Popen[str]:
        return self.start(sys.executable, *arguments, **environment)


def end(process: subprocess.Popen[str], how: signal.Signals, seconds: float = 60) -> int:
    process.send_signal(how)
    return process.wait(seconds)


def query(prometheus: str, promql: str) -> dict[tuple[str, ...], float]:
    """Ask Prometheus now; return values by the series' label values, in order of label names."""
    with urlopen(f"{prometheus}/api/v1/query?{urlencode({'query': promql})}", timeout=10) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return {
        tuple(value for name, value in sorted(each["metric"].items()) if name != "__name__"): float(
            each["value"][1]
        )
        for each in result
    }


def hasten(source: Path, target: Path) -> None:
    """Copy Prometheus's configuration and rules; everything happens each second.

    Only how often is changed, not one expression or duration of a rule.
    """
    shutil.copytree(source, target)
    for path in (target / "prometheus.yml", *(target / "rules").glob("*.yml")):
        lines = path.read_text("utf-8").splitlines()
        for index, line in enumerate(lines):
            key, colon, _ = line.partition("interval:")
            if colon and key.strip() in {"", "scrape_", "evaluation_"}:
                lines[index] = f"{key}interval: 1s"
        path.write_text("\n".join(lines) + "\n", "utf-8")
