"""The one thread through which every cent passes: read, account, commit, publish.

Whatever comes in (journals, HTTP, resources) becomes sums that are committed together with how far
each source was read. A commit that fails is tried again as it stands; nothing is read meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Final, NamedTuple

import msgspec

from costmeter.budgets.emergency import Emergencies
from costmeter.budgets.meter import BudgetMeter
from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.errors import CostmeterError, LedgerError, OverfullError
from costmeter.journal.reader import JournalReader
from costmeter.ledger.accounting import Accountant
from costmeter.ledger.audit import Document
from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.names import (
    EVENTS_DROPPED,
    EVENTS_READ,
    EVENTS_REJECTED,
    INSTRUMENTATION_ERRORS,
    LEDGER_FAMILIES,
    Family,
)
from costmeter.pricing.book import PriceBook
from costmeter.sidecar.alert_book import AlertBook
from costmeter.sidecar.asked import Asked, Outcome
from costmeter.sidecar.budget_book import BudgetBook
from costmeter.sidecar.collectors import Collectors, Dues
from costmeter.sidecar.config import Config
from costmeter.sidecar.exposition import Exposition
from costmeter.sidecar.gate.gatehouse import Gatehouse
from costmeter.sidecar.handover import Identified, Receipt, State, UnavailableError
from costmeter.sidecar.price_refresh import PriceRefresh
from costmeter.sidecar.publisher import Publisher
from costmeter.sidecar.reload import Reload
from costmeter.sidecar.submissions import Delivery, Submissions
from costmeter.sidecar.upkeep import Upkeep
from costmeter.units import NANO
from costmeter.usage import UsageEvent
from costmeter.workloads.resources import Reading, ResourceSampler

log = logging.getLogger(__name__)

EVENTS_A_COMMIT: Final = 10_000
IDLE_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 1.0
SAMPLE_SECONDS: Final = 5.0
CHARGE_SECONDS: Final = 15.0
RELOAD_SECONDS: Final = 60.0
"""How long a reload may take before whoever asked for it is told to look again."""

_encode = msgspec.json.Encoder().encode


class _Turn(NamedTuple):
    """A batch on its way into the ledger, and who waits for it.

    ``read_ns`` is an instant (monotonic) until which all journals are in it or in the ledger; None
    where there may be more in them.
    """

    batch: Batch
    delivery: Delivery
    read_ns: int | None


class Pipeline:
    """Reads usage, prices it, keeps it in the ledger and publishes the totals.

    Attributes:
        config: what is in force.
        ledger: the ledger; only the pipeline's thread writes to it.
        prices: the prices in use.
        exposition: the ledger's series as text.
        publisher: decides what the exposition shows.
        budgets: what was spent of each budget.
        book: where the budgets come from.
        emergencies: which budgets are in emergency.
        alerts: alerts that came back.
        gatehouse: the gate and what belongs to it.
        gate: what applications ask before they spend.
        readings: what the watched resources use now.
        reloading: how reading the configuration again went last.
        refreshing: how fetching prices went.
        collectors: how each part did last.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config] | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Open the ledger and prepare everything; :meth:`start` begins.

        Args:
            config: the configuration.
            load: reads the configuration again, for a reload.
            clock: what tells the time.

        Raises:
            LedgerError: the ledger cannot be used.
            JournalError: a journal directory cannot be used.
        """
        self.config = config
        self._clock = clock
        config.make_journals()
        self.prices = PriceBook(config.kept_prices, clock=clock)
        self.exposition = Exposition(LEDGER_FAMILIES, config.extra_labels)
        self.readings: list[Reading] = []
        self.collectors = Collectors(
            ("journal", "ledger", "budgets", "resources", "prices", "gate")
        )
        self.refreshing = PriceRefresh(lambda: self.prices, self.collectors)
        self.reloading = Reload(load, self._conflicts, self._take_over, clock)
        self._forget: list[str] = []
        self._waiting: _Turn | None = None
        self._refused: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self._asked = Asked()
        self._scrape_began_ns: int | None = None
        self._dues = Dues()
        self._caught_up = False
        self._behind = True
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._drained = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costmeter-pipeline", daemon=True)
        with ExitStack() as opened:
            self.ledger = Ledger.open(config.ledger, clock=clock)
            opened.callback(self.ledger.close)
            positions = self.ledger.positions()
            self.readers = [JournalReader(path, positions) for path in config.journal]
            for reader in self.readers:
                opened.callback(reader.close)
                reader.hold()
            self.publisher = Publisher(
                self.ledger,
                self.exposition,
                clock=clock,
                hold_ns=int(config.scrape_interval.total_seconds() * NANO),
            )
            self.book = BudgetBook(self.ledger, clock)
            self.book.note_file(config)
            self.emergencies = Emergencies(self.ledger, clock)
            self.alerts = AlertBook(self.ledger, self.emergencies)
            self.budgets = self.new_budgets(config)
            self.gatehouse = Gatehouse(
                self, self.emergencies.active, ledger=self.ledger, clock=clock
            )
            self.gate = self.gatehouse.gate
            self._upkeep = Upkeep(
                self.ledger,
                self.publisher,
                self.alerts,
                collectors=self.collectors,
                budgets=lambda: self.budgets,
                clock=clock,
            )
            self._accountant = self._new_accountant(config, self.prices, self.budgets)
            self._submissions = Submissions(positions, clock)
            self._sampler = ResourceSampler(config.resources, clock=clock)
            opened.callback(self._sampler.close)
            self.publisher.begin_counts(config.label_caps)
            self._opened = opened.pop_all()

    # -- from any thread -----------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Whether the pipeline is starting, ready or draining."""
        if self._draining.is_set():
            return "draining"
        return "ready" if self._caught_up else "starting"

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()
        began = time.monotonic()
        self.collectors.report("gate", began, self.gatehouse.open())
        self.refreshing.start()

    def submit(self, source: str, sequence: int, events: Sequence[UsageEvent]) -> Future[Receipt]:
        """Queue a batch of events; the future is done once the ledger has committed it.

        Raises:
            UnavailableError: the pipeline is draining or too far behind.
        """
        self._refuse_when_draining()
        receipt = self._submissions.put(source, sequence, events)
        self._wake.set()
        return receipt

    def submit_identified(self, events: Sequence[Identified]) -> Future[Receipt]:
        """Queue events that are known by names of their own; as :meth:`submit`.

        Raises:
            UnavailableError: the pipeline is draining or too far behind.
        """
        self._refuse_when_draining()
        receipt = self._submissions.put_named(events)
        self._wake.set()
        return receipt

    def reload(self) -> list[str]:
        """Read the configuration again; return what is wrong with it."""
        try:
            return self.between_commits(self.reloading).result(RELOAD_SECONDS)
        except TimeoutError:
            return [f"not done within {RELOAD_SECONDS:g} s; /metrics tells when it is"]
        except UnavailableError as error:
            return [str(error)]

    def between_commits(self, action: Callable[[], Outcome]) -> Future[Outcome]:
        """Have something done on the pipeline's thread, where all that was taken is committed.

        What it raises is its future's. Only there may the ledger be written to.
        """
        done = self._asked.put(action)
        self._wake.set()
        return done

    def put_in_force(self, budgets: BudgetMeter) -> None:
        """Take budgets in place of those that there are; between commits only."""
        self.budgets = budgets
        self._accountant.know(budget.named for budget in budgets.budgets)

    def rejected(self, reason: str, events: int) -> None:
        """Count events that the server refused."""
        self._refused.put((reason, events))

    def scraped(self, began_ns: int) -> None:
        """Take note of a scrape that got everything, drawn from a monotonic instant on."""
        self._scrape_began_ns = began_ns
        self._wake.set()

    def drain(self) -> None:
        """Take no more over HTTP, and read the journals once more to where they end now."""
        self._draining.set()
        self._wake.set()

    def _refuse_when_draining(self) -> None:
        if self._draining.is_set():
            raise UnavailableError("the exporter is stopping; send the batch to its successor")

    @property
    def alive(self) -> bool:
        """Whether the pipeline's thread runs; it ends by :meth:`stop`, or by a fault of ours."""
        return self._thread.is_alive()

    @property
    def drained(self) -> bool:
        """Whether all that was read is committed, published and scraped."""
        return self._drained.is_set()

    def stop(self) -> None:
        """End the thread after the commit under way, and close the ledger."""
        self.gatehouse.close()
        self.refreshing.stop()
        self._draining.set()
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        stopped = UnavailableError("the exporter stopped before the batch was committed")
        self._submissions.refuse(stopped)
        self._asked.close(UnavailableError("the exporter has stopped"))
        if self._waiting is not None:
            self._waiting.delivery.refuse(stopped)
        self._opened.close()

    # -- the pipeline's thread -----------------------------------------------------------------

    def _run(self) -> None:
        journals_done = False
        while not self._stopped.is_set():
            self._wake.clear()
            draining = self._draining.is_set()
            self._note_scrape()
            if draining and not journals_done:
                self._dues.hurry("sample", "charge")
            worked = self._turn(read_journals=not journals_done)
            self._asked.carry_out()
            if draining and not self._behind:
                journals_done = True
            if worked:
                continue
            if self._waiting is None:
                self._caught_up = True
                if draining and self.publisher.settled:
                    self._drained.set()
            self._wake.wait(IDLE_SECONDS if self._waiting is None else RETRY_SECONDS)
        self._turn(read_journals=False)

    def _turn(self, *, read_journals: bool) -> bool:
        """Take what there is into the ledger; return whether there was anything."""
        turn = self._waiting or self._collect(read_journals=read_journals)
        batch = turn.batch
        if batch.is_empty:
            turn.delivery.answer()
            self.gate.settle(batch.settled, turn.read_ns)
            return False
        began = time.monotonic()
        try:
            self.ledger.commit(batch)
        except OverfullError as error:
            self._give_up(turn, error)
            return True
        except LedgerError as error:
            if self._waiting is None:
                log.warning("%s; trying again every %g s, nothing is lost", error, RETRY_SECONDS)
            self._waiting = turn
            self.collectors.report("ledger", began, str(error))
            return False
        if not self.collectors["ledger"].success:
            log.info("the ledger can be written again")
        self.collectors.report("ledger", began)
        self._waiting = None
        self._settle(turn)
        return True

    def _give_up(self, turn: _Turn, error: OverfullError) -> None:
        """Leave out what can never be committed, or nothing that comes after it would be.

        A sum of a quarter of an hour that is too large for 64 bits is beyond all that can be true:
        somebody reports nonsense, a thousand times.
        """
        batch = turn.batch
        events = len(batch.events) or 1  # one at least, where none are kept
        log.error("%s; %d events that came at once are left out", error, events)
        self._tally(EVENTS_REJECTED, "overfull", events)
        turn.delivery.refuse(UnavailableError(str(error)))
        kept = Batch(
            positions=batch.positions,
            forget=batch.forget,
            shown=batch.shown,
            reserved=batch.reserved,
            settled=batch.settled,
        )
        self._waiting = _Turn(kept, turn.delivery, turn.read_ns)

    def _collect(self, *, read_journals: bool) -> _Turn:
        self._upkeep.look(self.config.events.retention_ns)
        positions: dict[str, int] = {}
        began_ns = self._clock.monotonic_ns()
        if read_journals:
            self._read_journals(positions)
        delivery = self._take_submissions()
        self._charge_resources()
        batch = self._accountant.take()
        batch.positions.update(positions)
        batch.positions.update(delivery.positions)
        batch.forget.extend((*self._forget, *delivery.forget))
        batch.shown.extend(self.publisher.due())
        self._forget = []
        # What is reserved is no reason to commit all the time, but for what is to outlive us.
        if (
            not batch.is_empty
            or self._draining.is_set()
            or self._dues.is_due("reservations", IDLE_SECONDS)
        ):
            batch.reserved = self.gate.take_changes()
        return _Turn(batch, delivery, began_ns if read_journals and not self._behind else None)

    def _settle(self, turn: _Turn) -> None:
        """Show a committed batch and let go of what the ledger now holds."""
        self.budgets.add(turn.batch.sums, self.publisher.money)
        self.gate.settle(turn.batch.settled, turn.read_ns)
        self.publisher.publish(turn.batch)
        for reader in self.readers:
            self._forget.extend(reader.release())
        turn.delivery.answer()

    def abandon(self) -> None:
        """Leave everything to the parent process: for a forked child."""
        self.gatehouse.abandon()
        self.ledger.abandon()
        for reader in self.readers:
            reader.abandon()

    def _read_journals(self, positions: dict[str, int]) -> None:
        began = time.monotonic()
        problem = ""
        self._behind = False
        for reader in self.readers:
            try:
                chunk = reader.read(EVENTS_A_COMMIT)
            except CostmeterError as error:
                problem = str(error)
                continue
            add = self._accountant.add
            for payload in chunk.payloads:
                add(payload)
            self._behind |= len(chunk.payloads) >= EVENTS_A_COMMIT
            positions.update(chunk.positions)
            self._tally(EVENTS_READ, "journal", len(chunk.payloads))
            self._tally(EVENTS_DROPPED, "", chunk.dropped)
            self._tally(EVENTS_REJECTED, "torn", chunk.torn)
            self._tally(INSTRUMENTATION_ERRORS, "", chunk.errors)
        self.collectors.report("journal", began, problem)

    def _take_submissions(self) -> Delivery:
        delivery = self._submissions.take(self._accountant.add, EVENTS_A_COMMIT)
        self._tally(EVENTS_READ, "http", delivery.events)
        while not self._refused.empty():
            self._tally(EVENTS_REJECTED, *self._refused.get_nowait())
        return delivery

    def _charge_resources(self) -> None:
        if self._dues.is_due("sample", SAMPLE_SECONDS):
            began = time.monotonic()
            self.readings = self._sampler.sample()
            self.collectors.report("resources", began, "; ".join(self._sampler.problems))
        if self._dues.is_due("charge", CHARGE_SECONDS):
            for event in self._sampler.charge():
                self._tally(EVENTS_READ, "resources", self._accountant.add(_encode(event)))

    def _note_scrape(self) -> None:
        began, self._scrape_began_ns = self._scrape_began_ns, None
        if began is not None:
            self.publisher.scraped(began)

    # -- configuration and prices --------------------------------------------------------------

    def _conflicts(self, config: Config) -> list[str]:
        return [*self.config.fixed_to(config), *self.book.conflicts(config)]

    def _take_over(self, config: Config) -> None:
        """Put a configuration in force, or raise before anything has changed."""
        self.check_committed()
        prices = PriceBook(config.kept_prices, clock=self._clock, predecessor=self.prices)
        budgets = self.new_budgets(config)
        accountant = self._new_accountant(config, prices, budgets)
        self.book.note_file(config)
        self.config, self.prices, self.budgets = config, prices, budgets
        self._accountant = accountant
        self._sampler.watch(config.resources)

    def check_committed(self) -> None:
        """Check that nothing waits to be committed, when what the ledger has would not be all.

        Raises:
            UnavailableError: something does.
        """
        if self._waiting is not None:
            raise UnavailableError("the ledger cannot be written now; try again when it can")

    def _new_accountant(
        self, config: Config, prices: PriceBook, budgets: BudgetMeter
    ) -> Accountant:
        accountant = Accountant(
            self.publisher.intern,
            prices.tariff,
            config.label_caps,
            clock=self._clock,
            retention_ns=config.events.retention_ns,
            keep_events=config.events.keep,
            is_taken=self.ledger.is_taken,
        )
        accountant.know(series.labels for series in self.ledger.series())
        accountant.know(budget.named for budget in budgets.budgets)
        accountant.resume(self.ledger.open_requests())
        return accountant

    def new_budgets(
        self, config: Config, made: Mapping[str, Document] | None = None
    ) -> BudgetMeter:
        """Return all budgets, filled with what the ledger has.

        Args:
            config: has those of the file.
            made: those of the API; those that there are where left out.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        now_ns = self._clock.now_ns()
        return BudgetMeter(self.book.in_force(config, made), self.ledger, now_ns)

    # -- small -----------------------------------------------------------------------------------

    def _tally(self, family: Family, value: str, count: int) -> None:
        if count:
            self._accountant.tally(family, value, count)
