"""The pipeline in a thread of an application, and what shows its metrics.

There is one engine for each ledger in a process, however often it is asked for. It holds a pipeline
while this process has the ledger; another process's lock makes it stand by.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Final, Protocol, Self

from costmeter.errors import CostmeterError, LedgerError
from costmeter.sidecar import config as configuration
from costmeter.sidecar.config import Config
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.pipeline import Pipeline

log = logging.getLogger("costmeter")

RETRY_SECONDS: Final = 5.0
"""How often a process that stands by asks for the ledger, and what failed is tried again."""
READ_SECONDS: Final = 5.0
"""How long a stop reads what the journal still holds, at most; the next process reads the rest."""
END_SECONDS: Final = 10.0
"""How long a stop waits for its threads, at most: a thread of ours must not hold up an exit."""
FORK_SECONDS: Final = 2.0
"""How long a fork waits until a ledger that is being opened is open, at most."""
_POLL_SECONDS: Final = 0.02

Open = Callable[[], Config]


class Outlet(Protocol):
    """What shows the metrics of an engine.

    Attributes:
        url: where, without a slash at its end; empty while it does not, or has no address.
    """

    url: str

    def open(self, exporter: Exporter) -> None:
        """Show an exporter's metrics from now on; called again and again while it runs.

        Raises:
            CostmeterError: it cannot now.
        """

    def close(self) -> None:
        """Show them no more."""

    def abandon(self) -> None:
        """Leave everything to the parent process: for a forked child."""


class Handle:
    """An exporter that runs inside the application, or stands by.

    Attributes:
        url: where ``/metrics`` is served, without a slash at its end; empty while it is not.
    """

    def __init__(self, engine: Engine | None, outlet: Hashable = None, problem: str = "") -> None:
        """Take the engine and its outlet; or what keeps it from running."""
        self._engine = engine
        self._outlet = outlet
        self._problem = problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the server in this process."""
        outlet = self._engine.outlets.get(self._outlet) if self._engine else None
        return outlet.url if outlet else ""

    @property
    def problem(self) -> str:
        """What keeps it from running now, as it was logged; empty where nothing does."""
        return self._engine.problem if self._engine else self._problem

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until this process shows the metrics, at most so many seconds; return whether."""
        return self._engine is not None and self._engine.showing.wait(timeout)

    def stop(self, drain_timeout: float = 0.0) -> None:
        """Read the journal to where it ends now, and end. Harmless where it has ended already.

        Args:
            drain_timeout: how many seconds to stay for a last scrape, at most.
        """
        if self._engine is not None:
            self._engine.remove(self._outlet, drain_timeout)


class Engine:
    """A pipeline for as long as this process has the ledger.

    Attributes:
        pipeline: the pipeline; None while standing by.
        outlets: what shows it.
        problem: what keeps it from running, or one of its outlets from showing it.
        showing: set while it runs and all outlets show it.
        opening: held while the ledger is being opened.
    """

    def __init__(self, config: Config, load: Open) -> None:
        """Take the configuration, and what reads it again for a reload."""
        self._config = config
        self._load = load
        self.pipeline: Pipeline | None = None
        self.outlets: dict[Hashable, Outlet] = {}
        self.problem = ""
        self.showing = threading.Event()
        self.opening = threading.Lock()
        self._changing = threading.Lock()  # held while outlets are opened and closed
        self._standing_by = False
        self._drain_timeout = 0.0
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costmeter-engine", daemon=True)

    def add(self, key: Hashable, outlet: Outlet) -> None:
        """Show the metrics somewhere else, too; begin where it is the first time."""
        with self._changing:
            self.showing.clear()
            self.outlets[key] = outlet
        self._wake.set()
        if not self._thread.ident:
            self._thread.start()

    def remove(self, key: Hashable, drain_timeout: float) -> None:
        """Close an outlet; the engine ends with the last of them."""
        if self not in _engines.values() or key not in self.outlets:
            return  # ended already, or inherited from the parent process
        with self._changing:
            is_last = len(self.outlets) == 1
            if not is_last:
                self.outlets.pop(key).close()
        if is_last:
            self.stop(drain_timeout)

    def stop(self, drain_timeout: float = 0.0) -> None:
        """End with the journal read; the ledger is another process's then."""
        with _lock:
            _engines.pop(_key(self._config), None)
        self._drain_timeout = drain_timeout
        self._stopped.set()
        self._wake.set()
        self._thread.join(END_SECONDS + drain_timeout)

    # -- the engine's thread -------------------------------------------------------------------

    def _run(self) -> None:
        while True:  # once at least: a stop that comes early wants the journal read as well
            try:
                self._hold_the_ledger()
            except LedgerError as error:
                if isinstance(error.__cause__, BlockingIOError):
                    self._stand_by(str(error))
                else:
                    self._tell(str(error))
            except CostmeterError as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001 - the application must not break because of us
                self._tell(f"{type(error).__name__}: {error}")
            if self._stopped.wait(RETRY_SECONDS):
                return

    def _hold_the_ledger(self) -> None:
        """Run a pipeline until a stop.

        Raises:
            LedgerError: another process has the ledger, or it cannot be used.
            CostmeterError: the pipeline cannot run.
        """
        with self.opening:
            self.pipeline = pipeline = Pipeline(self._config, self._load)
        self._standing_by = False
        exporter = Exporter(pipeline)
        try:
            pipeline.start()
            while not self._stopped.is_set():
                if not pipeline.alive:
                    raise CostmeterError("the exporter ended by itself; it is begun again")
                self._wake.clear()
                self._open_outlets(exporter)
                self._wake.wait(RETRY_SECONDS)
            _drain(pipeline, self._drain_timeout)
        finally:
            with self._changing:
                self.showing.clear()
                for outlet in self.outlets.values():
                    outlet.close()
            pipeline.stop()
            self.pipeline = None

    def _open_outlets(self, exporter: Exporter) -> None:
        problems = []
        with self._changing:
            for outlet in self.outlets.values():
                try:
                    outlet.open(exporter)
                except CostmeterError as error:
                    problems.append(str(error))  # what is metered reaches the ledger all the same
            if not problems:
                self.problem = ""
                self.showing.set()
        if problems:
            self._tell("; ".join(problems))

    def _stand_by(self, reason: str) -> None:
        self.problem = ""
        if not self._standing_by:
            self._standing_by = True
            log.info("%s: this process writes the journal only", reason)

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            log.error("%s (the application goes on; this is said once)", problem)

    def after_fork_in_child(self) -> None:
        """Leave it all to the parent process: this is a forked child."""
        pipeline, self.pipeline = self.pipeline, None
        self.showing = threading.Event()
        for outlet in self.outlets.values():
            outlet.abandon()
        if pipeline is not None:
            pipeline.abandon()
            _inherited[_key(self._config)] = pipeline


def _drain(pipeline: Pipeline, timeout: float) -> None:
    """Have the journals read to where they end, and stay for a last scrape."""
    pipeline.drain()
    deadline = time.monotonic() + READ_SECONDS
    while pipeline.alive and time.monotonic() < deadline:
        if not sum(reader.lag().bytes for reader in pipeline.readers):
            break
        time.sleep(_POLL_SECONDS)
    deadline = time.monotonic() + timeout
    while not pipeline.drained and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


# -- One engine a ledger -----------------------------------------------------------------------

_lock = threading.Lock()
_engines: dict[Path, Engine] = {}
_held: list[threading.Lock] = []
"""Locks that a fork under way has taken."""
_inherited: dict[Path, Pipeline] = {}
"""Pipelines of the parent process by ledger, kept so that nothing of theirs is ever closed here."""


def attach(
    key: Hashable,
    new_outlet: Callable[[Config], Outlet],
    config: str | os.PathLike[str] | None,
    **overrides: object,
) -> Handle:
    """Have the engine of a configuration's ledger show its metrics somewhere.

    Args:
        key: which outlet it is; there is one of each.
        new_outlet: makes it where there is none yet.
        config: the configuration file; None takes the environment's, or none.
        overrides: values that go before the file's.
    """
    if os.environ.get("COSTMETER_DISABLED", "") not in ("", "0"):
        return Handle(None, problem="COSTMETER_DISABLED is set")
    path = config or os.environ.get("COSTMETER_CONFIG") or None
    load = partial(
        configuration.load,
        None if path is None else Path(path),
        journal=os.environ.get("COSTMETER_JOURNAL") or None,
        ledger=os.environ.get("COSTMETER_LEDGER") or None,
        **overrides,
    )
    try:
        settings = load()
        settings.make_journals()  # now: what is recorded next has to find them
        with _lock:
            if _key(settings) in _inherited:
                # SQLite would take the parent's locks for this process's own.
                raise LedgerError(
                    f"{settings.ledger}: was in use when this process was forked; "
                    "start the exporter after a fork, not before it"
                )
            engine = _engines.get(_key(settings)) or Engine(settings, load)
            if key not in engine.outlets:
                engine.add(key, new_outlet(settings))
            _engines[_key(settings)] = engine
    except CostmeterError as error:
        log.error("%s (the application goes on, without metrics)", error)  # noqa: TRY400 no bug
        return Handle(None, problem=str(error))
    return Handle(engine, key)


def _key(config: Config) -> Path:
    return config.ledger.resolve()


def _before_fork() -> None:
    # A child could not give back its share in the lock of a ledger that is half open.
    locks = (_lock, *(engine.opening for engine in list(_engines.values())))
    _held.extend(lock for lock in locks if lock.acquire(timeout=FORK_SECONDS))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    _held.clear()
    for engine in _engines.values():
        engine.after_fork_in_child()
    _engines.clear()


def _stop_all() -> None:
    for engine in list(_engines.values()):
        engine.stop()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(_stop_all)
