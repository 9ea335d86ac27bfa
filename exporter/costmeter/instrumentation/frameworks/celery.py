"""Attributes what a Celery task uses: to whom it was sent for, and to the task itself.

A task carries the attribution in force where it was sent, in one header of its message, to the
worker. What it is attributed to there by none of that has the task's name as its ``feature``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.boundary import spared
from costmeter.instrumentation.context import Attribution, attribution, current, fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings

HEADER: Final = "costmeter"
"""The message header that holds attributes by name."""


def meter(module: ModuleType, settings: Settings) -> Sequence[Receiver]:  # noqa: ARG001
    """Return what is connected to Celery's signals.

    Raises:
        AttributeError: Celery has no such signals.
    """
    signals = import_module(f"{module.__name__}.signals")
    tasks = _Tasks(import_module(module.__name__))  # it puts another module in its place
    return (
        Receiver(signals.before_task_publish, tasks.published),
        Receiver(signals.task_prerun, tasks.starts),
        Receiver(signals.task_postrun, tasks.ended),
    )


class Receiver:
    """A function connected to a signal."""

    def __init__(self, signal: Any, receive: Callable[..., None]) -> None:
        """Take both; they are connected by :meth:`put`."""
        self._signal = signal
        self._receive = receive

    def put(self) -> None:
        """Connect them."""
        self._signal.connect(self._receive, weak=False)

    def take(self) -> None:
        """Disconnect them."""
        self._signal.disconnect(self._receive)


class _Tasks:
    """What happens to the tasks of this process."""

    def __init__(self, celery: Any) -> None:
        self._celery = celery
        self._before: dict[str, Attribution] = {}
        # A signal knows its receivers by their identity: these are bound once.
        self.published = spared(self._published)
        self.starts = spared(self._starts)
        self.ended = spared(self._ended)

    def _published(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        attributes = current()
        task = self._celery.current_task
        if task and attributes.get("feature") == task.name:
            del attributes["feature"]  # that of this task, not of those that it sends
        if attributes and headers is not None:
            headers[HEADER] = attributes

    def _starts(self, task_id: str, task: Any, **_: Any) -> None:
        carried = getattr(task.request, HEADER, None)
        added = dict(carried) if isinstance(carried, dict) else {}
        outer = attribution.get()
        if "feature" not in added and "feature" not in outer.attributes:
            added["feature"] = task.name
        self._before[task_id] = outer
        attribution.set(outer.within(fitting(added)))

    def _ended(self, task_id: str, **_: Any) -> None:
        before = self._before.pop(task_id, None)
        if before is not None:
            attribution.set(before)
