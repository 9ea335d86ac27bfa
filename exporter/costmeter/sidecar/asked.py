"""What other threads have the pipeline's do for them: one after another, between commits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Outcome = TypeVar("Outcome")


class Asked:
    """A queue of actions, each with a future for what comes of it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._closed: Exception | None = None

    def put(self, action: Callable[[], Outcome]) -> Future[Outcome]:
        """Queue an action; what it returns or raises is its future's."""
        done: Future[Outcome] = Future()
        self._waiting.put((action, done))
        if self._closed is not None:
            self.close(self._closed)
        return done

    def carry_out(self) -> None:
        """Do what waits, in order."""
        while not self._waiting.empty():
            action, done = self._waiting.get_nowait()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(action())
            except Exception as error:  # noqa: BLE001 - who asked gets it, and metering goes on
                done.set_exception(error)

    def close(self, problem: Exception) -> None:
        """Turn away all that waits, and all that is asked for from now on."""
        self._closed = problem
        with suppress(Empty):
            while True:
                _, done = self._waiting.get_nowait()
                if done.set_running_or_notify_cancel():
                    done.set_exception(problem)
