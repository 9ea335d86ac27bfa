"""What exporters with other ledgers spend of the same budgets, as Prometheus has it.

Own spend is exact and never taken from there. Of the others it is known as of their last scrape,
and only while that is not too long ago: no data is never read as no spend. What is certain of a
period without any data is that it began with nothing spent.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx2
import msgspec

from costmeter import names
from costmeter.budgets.period import Period, Window
from costmeter.clock import Clock
from costmeter.sidecar.config import PrometheusConfig
from costmeter.units import NANO, usd_to_nano

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0
"""How often it is looked whether a reload has named a Prometheus."""
_RATE_WINDOW: Final[Window] = "month"

_Key = tuple[str, str, str]  # budget, window, period
_INHERITED: Final = "max by (budget, window, period) (budget:cost_inherited:usd)"
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Known(NamedTuple):
    """What an answer of Prometheus said.

    Attributes:
        as_of_ns: an instant (monotonic) until which it holds the others' spend.
        spent: spend less credit of the others, in nano-dollars.
        inherited: what a period inherits of what all ledgers together left, in nano-dollars.
    """

    as_of_ns: int
    spent: dict[_Key, int]
    inherited: dict[_Key, int]


class Elsewhere:
    """Asks Prometheus again and again; implements :class:`costmeter.sidecar.gate.gate.Others`."""

    def __init__(
        self, settings: Callable[[], PrometheusConfig | None], ledger: str, clock: Clock
    ) -> None:
        """Take where Prometheus is, and which ledger is one's own.

        Args:
            settings: returns the settings in force; None where this ledger has all spend.
            ledger: the id of one's own ledger, which is left out.
            clock: what tells the time.
        """
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._known: _Known | None = None
        self._rates: dict[str, float] = {}  # nano-dollars a nanosecond, by budget
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costmeter-elsewhere", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; an answer under way is not waited for."""
        self._stopped.set()

    def spent(self, budget: str, period: Period) -> int | None:
        """Return the others' spend less credit in nano-dollars; None where it is not known."""
        settings = self._settings()
        if settings is None:
            return 0
        max_age_ns = int(settings.max_age.total_seconds() * NANO)
        known = self._known
        if known is not None and self._clock.monotonic_ns() - known.as_of_ns <= max_age_ns:
            found = known.spent.get((budget, period.window, period.key))
            if found is not None:
                return found
        return 0 if self._clock.now_ns() - period.start_ns <= max_age_ns else None

    def inherited(self, budget: str, period: Period, own: int) -> int:
        """Return what a period inherits, in nano-dollars.

        Args:
            budget: the budget's name.
            period: the period.
            own: what it would inherit if nobody but this ledger had spent: the most it can be.
        """
        if self._settings() is None or not own:
            return own
        known = self._known
        key = (budget, period.window, period.key)
        return 0 if known is None else min(own, known.inherited.get(key, 0))

    def age_seconds(self) -> float | None:
        """Return how old it is what is known; None where nothing is, or nothing has to be."""
        if self._settings() is None or self._known is None:
            return None
        return (self._clock.monotonic_ns() - self._known.as_of_ns) / NANO

    def unseen(self) -> dict[str, float]:
        """Return what the others may have spent since, by budget, in nano-dollars: age by rate."""
        age = self.age_seconds()
        return {} if age is None else {name: age * NANO * r for name, r in self._rates.items()}

    def ask(self) -> None:
        """Ask once.

        Raises:
            httpx2.HTTPError, ValueError: there is no answer, or none that makes sense.
        """
        settings = self._settings()
        if settings is None:
            return
        asked_ns = self._clock.monotonic_ns()
        with _client(settings.url) as client:
            spend = self._by_ledger(client, names.BUDGET_SPEND.name, "spend")
            credit = self._by_ledger(client, names.BUDGET_CREDIT.name, "credit")
            rolled = list(_query(client, _INHERITED))
            age_ns = self._age_ns(client)
        spent = {
            key: sum(nano for ledger, nano in by_ledger.items() if ledger != self._ledger)
            - sum(nano for ledger, nano in credit[key].items() if ledger != self._ledger)
            for key, by_ledger in spend.items()
        }
        inherited = {_key(labels): usd_to_nano(value) for labels, value in rolled}
        self._take(_Known(asked_ns - age_ns, spent, inherited))

    def _take(self, known: _Known) -> None:
        before, self._known = self._known, known
        if before is not None and known.as_of_ns > before.as_of_ns:
            self._rates = {
                key[0]: max(0, nano - before.spent[key]) / (known.as_of_ns - before.as_of_ns)
                for key, nano in known.spent.items()
                if key[1] == _RATE_WINDOW and key in before.spent
            }

    def _run(self) -> None:
        while not self._stopped.is_set():
            settings = self._settings()
            try:
                self.ask()
                self.problem = ""
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, LookupError) as error:
                problem = f"prometheus: {error or type(error).__name__}"
                if problem != self.problem:
                    log.warning("%s; the spend of other exporters gets old", problem)
                self.problem = problem
            self._stopped.wait(settings.poll_interval.total_seconds() if settings else LOOK_SECONDS)

    def _by_ledger(
        self, client: httpx2.Client, scraped: str, kind: str
    ) -> defaultdict[_Key, dict[str, int]]:
        """Return nano-dollars by ledger: the latest scrape's, or what a rule holds of one gone."""
        found: defaultdict[_Key, dict[str, int]] = defaultdict(dict)
        recorded = f"ledger:cost_budget_{kind}:usd"
        promql = f'max by (budget, window, period, ledger) ({{__name__=~"{scraped}|{recorded}"}})'
        for labels, value in _query(client, promql):
            found[_key(labels)][labels["ledger"]] = usd_to_nano(value)
        return found

    def _age_ns(self, client: httpx2.Client) -> int:
        """Return the age of the others' oldest scrape that is in force."""
        others = f'{{ledger!="{self._ledger}"}}'
        ages = (
            f"max(time() - timestamp({name}{others}))"
            for name in (names.BUDGET_SPEND.name, "ledger:cost_budget_spend:usd")
        )
        samples = list(_query(client, " or ".join(ages)))
        return int(samples[0][1] * NANO) if samples else 0


def _key(labels: dict[str, str]) -> _Key:
    return labels["budget"], labels["window"], labels["period"]


def _client(url: str) -> httpx2.Client:
    """Return a client of Prometheus; the password of its URL comes into no message."""
    parts = urlsplit(url)
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return httpx2.Client(base_url=address, auth=user, timeout=TIMEOUT_SECONDS)


def _query(client: httpx2.Client, promql: str) -> Iterator[tuple[dict[str, str], Decimal]]:
    """Yield labels and value of each series that a query returns."""
    response = client.get("api/v1/query", params={"query": promql})
    response.raise_for_status()
    for series in _decode(response.content)["data"]["result"]:
        yield series["metric"], Decimal(series["value"][1])
