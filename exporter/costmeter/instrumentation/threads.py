"""Carries the attribution in force into threads, which begin with none by themselves.

Only ours is carried, not the whole context: other libraries' context variables (decimal's, a
tracer's) stay as they would be without us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.context import OUTERMOST, attribute, attribution

_P = ParamSpec("_P")
_R = TypeVar("_R")


class bind(Generic[_P, _R]):  # noqa: N801 - reads as a function: pool.apply(costmeter.bind(work))
    """A function that runs under the attribution in force where it was bound, wherever it runs.

    For what carries no context: a process pool, an executor of another library, a queue. It can be
    pickled where the function can.
    """

    __slots__ = ("__weakref__", "_function", "_scope")

    def __init__(self, function: Callable[_P, _R], /) -> None:
        """Take the function, and the attribution of now."""
        self._function = function
        self._scope = attribution.get()

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the function."""
        token = attribution.set(self._scope)
        try:
            return self._function(*args, **kwargs)
        finally:
            attribution.reset(token)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebind, (self._function, self._scope.attributes)


def _rebind(function: Callable[_P, _R], attributes: dict[str, str]) -> bind[_P, _R]:
    token = attribution.set(OUTERMOST)
    try:
        with attribute(**attributes):
            return bind(function)
    finally:
        attribution.reset(token)


class Threads:
    """The patches of ``threading.Thread.start`` and ``ThreadPoolExecutor.submit``.

    A thread that is started, and a task that is submitted, inside an attribution run under it. All
    others run as ever. The threads of a pool begin with none, whoever's task they were started for.

    Attributes:
        wanted: whether :meth:`apply` puts the patches in.
    """

    def __init__(self) -> None:
        """Change nothing yet."""
        self.wanted = True
        self._patches: tuple[_Patch, ...] = ()

    def apply(self) -> None:
        """Put the patches in if they are wanted; take them out if not."""
        if self.wanted:
            self.put()
        else:
            self.take()

    def put(self) -> None:
        """Start to carry; harmless where that is done."""
        if not self._patches:
            self._patches = (
                _Patch(threading.Thread, "start", _carrying_start),
                _Patch(ThreadPoolExecutor, "submit", _carrying_submit),
            )

    def take(self) -> None:
        """Stop it, and leave both methods as they were."""
        for patch in self._patches:
            patch.take()
        self._patches = ()


class _Patch:
    """One method with ours in its place; inert once it is taken, where others have wrapped it."""

    def __init__(self, owner: type, name: str, make: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        carrying = make(original)

        @wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            carries = self.on and attribution.get() is not OUTERMOST
            return (carrying if carries else original)(*args, **kwargs)

        self.on = True
        self._owner, self._name, self._original, self._method = owner, name, original, method
        setattr(owner, name, method)

    def take(self) -> None:
        self.on = False
        if vars(self._owner).get(self._name) is self._method:
            setattr(self._owner, self._name, self._original)


def _carrying_start(original: Callable[..., None]) -> Callable[..., None]:
    def start(thread: threading.Thread) -> None:
        scope = attribution.get()
        run = thread.run

        def carried() -> None:
            del thread.run  # the instance's, which hides its class's
            if attribution.get() is not OUTERMOST:  # the thread was given a context of its own
                run()
                return
            token = attribution.set(scope)
            try:
                run()
            finally:
                attribution.reset(token)

        thread.run = carried  # type: ignore[method-assign]
        try:
            original(thread)
        except BaseException:  # no more threads, or it was started before
            attempt(vars(thread).pop, "run", None, default=None)
            raise

    return start


def _carrying_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        task = bind(function)
        token = attribution.set(OUTERMOST)
        try:
            return original(pool, task, *args, **kwargs)
        finally:
            attribution.reset(token)

    return submit
