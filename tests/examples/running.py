"""Runs an example as a user does, against a stand-in, and reads back what it spent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from costmeter.journal.reader import JournalReader
from costmeter.usage import UsageEvent
from examples.standin.app import Standin, create_app
from tests.examples.serving import serving
from tests.recorded import usage_in


class Bench:
    """A stand-in, a journal and a ledger.

    Attributes:
        directory: where journal, ledger and configuration are.
        environment: the environment of examples.
    """

    def __init__(self, directory: Path, standin: Standin, url: str) -> None:
        self.directory = directory
        self._standin = standin
        config = directory / "costmeter.yml"
        config.write_text("scrape_interval: 100ms\nprices: {refresh: off}\n")
        (directory / "journal").mkdir()
        self.environment = os.environ | {
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_KEY": "k",
            "COSTMETER_CONFIG": str(config),
            "COSTMETER_PROVIDERS": f"{url}=openai",
            "COSTMETER_JOURNAL": str(directory / "journal"),
            "COSTMETER_LEDGER": str(directory / "ledger.db"),
        }

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip

    def events(self) -> list[UsageEvent]:
        return usage_in(JournalReader(self.directory / "journal", {}).read(1000).payloads)

    def requests(self) -> int:
        """How many requests the stand-in has had; asked once, at the end."""
        return next(self._standin._numbers) - 1


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    standin = Standin()
    with serving(create_app(standin)) as url:
        yield Bench(directory, standin, url)
