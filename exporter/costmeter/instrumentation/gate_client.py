"""The way to the gate: one connection a process, and an answer at once where there is none.

``COSTMETER_GATE`` is the address: ``unix:///path``, or ``http://user:password@host:port``; by
default, the socket in the journal. Whoever cannot be asked is left alone for a while, so that a
sidecar that is gone costs microseconds, not a timeout, with every call of the application.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from costmeter.errors import ConfigError
from costmeter.gate_protocol import Answer, Ask, Cancel
from costmeter.instrumentation.boundary import attempt, note
from costmeter.instrumentation.gate_lines import ADDRESS, Line, opener

_T = TypeVar("_T")

FALLBACK: Final = "COSTMETER_GATE_FALLBACK"
"""The environment variable that says whether calls pass without an answer: ``open``, ``closed``."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
"""How long a gate that cannot be reached is not asked: twice as long after each failure."""


class UnreachableError(Exception):
    """The gate cannot be asked now; never seen outside of costmeter."""


class GateClient:
    """Asks the gate of this process's environment. May be used by any thread, and after a fork."""

    def __init__(self, address: str) -> None:
        """Take an address; nothing is connected before the first question.

        Raises:
            ConfigError: it is none.
        """
        self._open = opener(address)
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._pause = 0.0
        self._again_at = 0.0
        self._missed = 0

    def ask(self, ask: Ask) -> Answer:
        """Return the gate's answer.

        Raises:
            UnreachableError: there is none in time.
        """
        if time.monotonic() < self._again_at:
            self._missed += 1
            raise UnreachableError
        with self._lock:
            missed, self._missed = self._missed, 0
            if missed:
                ask = msgspec.structs.replace(ask, missed=missed)
            try:
                return self._reach(lambda line: line.ask(ask))
            except UnreachableError:
                self._missed += missed + 1
                raise

    def cancel(self, reservation: str) -> None:
        """End a reservation, if the gate can be reached; otherwise it ends by itself."""
        with self._lock, suppress(UnreachableError):
            self._reach(lambda line: line.cancel(Cancel(reservation)))

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._hang_up()

    def after_fork_in_child(self) -> None:
        """Leave the connection to the parent process: answers must not get mixed up."""
        self._lock = threading.Lock()
        self._hang_up()

    def _reach(self, act: Callable[[Line], _T]) -> _T:
        if time.monotonic() < self._again_at:  # another thread has just found out
            raise UnreachableError
        kept = self._line is not None
        try:
            try:
                done = act(self._connected())
            except ConnectionError:
                if not kept:
                    raise
                self._hang_up()  # the sidecar was started anew since the last question
                done = act(self._connected())
        except (OSError, ValueError) as error:
            self._hang_up()
            self._pause = min(max(2 * self._pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            self._again_at = time.monotonic() + self._pause
            raise UnreachableError from error
        except BaseException:  # broken off in the middle: the next answer would be the wrong one
            self._hang_up()
            raise
        self._pause = 0.0
        return done

    def _connected(self) -> Line:
        if self._line is None:
            self._line = self._open()
        return self._line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):
                line.close()


# -- The gate of this process --------------------------------------------------------------------

OFF: Final = Answer("allowed", "the gate is off")
UNAVAILABLE: Final = Answer("unavailable", "the gate cannot be asked")

_client: GateClient | None = None
_client_lock = threading.Lock()
_switched_off = False


def answer(ask: Ask) -> Answer:
    """Return what the gate says; that it is unavailable where it cannot be asked. Never raises."""
    client = _the_client()
    if client is None:
        return OFF if _switched_off else UNAVAILABLE
    try:
        return client.ask(ask)
    except UnreachableError as error:
        if error.__cause__ is not None:
            note(f"the gate cannot be asked: {error.__cause__}")
        return UNAVAILABLE


async def aanswer(ask: Ask) -> Answer:
    """Return what :func:`answer` returns, while the event loop runs on."""
    import asyncio  # noqa: PLC0415 - whoever gets here has it

    waiting = asyncio.get_running_loop().run_in_executor(None, answer, ask)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        waiting.add_done_callback(lambda told: release(told.result().reservation))
        raise


def release(reservation: str) -> None:
    """End a reservation; harmless where there is none."""
    client = _client
    if reservation and client is not None:
        attempt(client.cancel, reservation, default=None)


async def arelease(reservation: str) -> None:
    """End a reservation, while the event loop runs on."""
    if reservation:
        import asyncio  # noqa: PLC0415 - whoever gets here has it

        await asyncio.get_running_loop().run_in_executor(None, release, reservation)


def opens() -> bool:
    """Tell whether calls pass where the gate cannot be asked."""
    return os.environ.get(FALLBACK, "").strip().lower() != "closed"


def reset() -> None:
    """Hang up, and read the environment again at the next question."""
    global _client, _switched_off
    client, _client, _switched_off = _client, None, False
    if client is not None:
        client.close()


def _the_client() -> GateClient | None:
    """Return what asks the gate; None where it is switched off, or its address is none."""
    global _client, _switched_off  # noqa: PLW0603 - one gate a process
    if _client is None and not _switched_off:
        with _client_lock:
            address = os.environ.get(ADDRESS, "").strip()
            if address in {"off", "0"} or os.environ.get("COSTMETER_DISABLED", "") not in {"", "0"}:
                _switched_off = True
            elif _client is None:
                try:
                    _client = GateClient(address)
                except ConfigError as error:
                    note(str(error))
    return _client


def _after_fork_in_child() -> None:
    global _client_lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _client_lock = threading.Lock()
    if _client is not None:
        _client.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
