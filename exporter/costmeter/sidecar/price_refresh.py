"""Fetching the published prices now and then, in a thread that nothing waits for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from costmeter.pricing.book import PriceBook
from costmeter.sidecar.collectors import Collectors

LOOK_SECONDS: Final = 300.0
"""How often it is asked whether prices have to be fetched, and how soon after a failure again."""


class PriceRefresh:
    """Has prices fetched when they are due.

    Attributes:
        outcomes: how often that was a ``success``, and a ``failure``.
    """

    def __init__(self, prices: Callable[[], PriceBook], collectors: Collectors) -> None:
        """Take what returns the prices in use, and who is told how it went."""
        self._prices = prices
        self._collectors = collectors
        self._stopped = threading.Event()
        self.outcomes: Counter[str] = Counter(success=0, failure=0)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="costmeter-prices", daemon=True).start()

    def stop(self) -> None:
        """Fetch no more; what is under way is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            prices = self._prices()
            if prices.due:
                began = time.monotonic()
                self.outcomes["success" if prices.refresh() else "failure"] += 1
                problem = prices.problem and f"prices stay as they are: {prices.problem}"
                self._collectors.report("prices", began, problem)
            self._stopped.wait(LOOK_SECONDS)
