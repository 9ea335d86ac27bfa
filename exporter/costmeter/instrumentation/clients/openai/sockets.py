"""Meters OpenAI's WebSockets: each answer that a session brings is a call.

The seam is where a connection is opened: the managers that ``connect`` returns, whatever it is that
is spoken. Their modules are imported by the SDK when they are first used, and are patched then. The
gate is asked before a connection is opened, since from then on the server may answer unasked.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.openai.session import Session
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.on_import import OnImport
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.stainless import Addresses

MODULES: Final = (
    "openai.resources.beta.realtime.realtime",
    "openai.resources.beta.responses.responses",
    "openai.resources.live.forks",
    "openai.resources.live.live",
    "openai.resources.live.sideband",
    "openai.resources.realtime.realtime",
    "openai.resources.responses.responses",
)
"""Modules with connections that tell what is used; those for translations tell nothing."""

_MANAGER: Final = "ConnectionManager"
_OPENING: Final = ("enter", "__enter__", "__aenter__")


class Sockets:
    """The patched managers of connections."""

    def __init__(self, addresses: Addresses) -> None:
        """Take what tells the provider that a client speaks to."""
        self._addresses = addresses
        self._on_import = OnImport()
        self._methods: list[Method] = []

    def put(self) -> None:
        """Start metering, also what is yet to be imported."""
        for name in MODULES:
            self._on_import.now_or_then(name, self._meter)

    def take(self) -> None:
        """Stop metering, and leave the SDK as it was."""
        for name in MODULES:
            self._on_import.forget(name)
        for method in self._methods:
            method.take()
        self._methods.clear()

    def _meter(self, module: ModuleType) -> None:
        for name, kind in vars(module).items():
            if not name.endswith(_MANAGER) or not isinstance(kind, type):
                continue
            opening = self._opened_async if "__aenter__" in vars(kind) else self._opened
            for method in _OPENING:
                if method in vars(kind):
                    self._methods.append(Method(kind, method, replacement=opening))
                    self._methods[-1].put()

    def _opened(self, method: Method) -> Callable[..., Any]:
        @functools.wraps(method.original)
        def opened(manager: Any) -> Any:
            call = begin(self._start, manager) if method.on else None
            if call is None:
                return method.original(manager)
            try:
                connection = method.original(manager)
            except BaseException as error:
                call.fail(error, _refusal)
                raise
            boundary.attempt(_follow, connection, manager, call, method, default=None)
            return connection

        return opened

    def _opened_async(self, method: Method) -> Callable[..., Any]:
        @functools.wraps(method.original)
        async def opened(manager: Any) -> Any:
            call = begin(self._start, manager) if method.on else None
            if call is None:
                return await method.original(manager)
            try:
                connection = await method.original(manager)
            except BaseException as error:
                call.fail(error, _refusal)
                raise
            boundary.attempt(_follow_async, connection, manager, call, method, default=None)
            return connection

        return opened

    def _start(self, manager: Any) -> Call:
        provider = self._addresses.provider(_given(manager, "client"))
        return Call(operation="chat", provider=provider, model=text_of(_given(manager, "model")))


def _refusal(error: BaseException) -> str:
    """Return the status that an error of opening a connection stands for."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    return status_of_code(code) if isinstance(code, int) else status_of(error)


def _given(manager: Any, name: str) -> Any:
    """Return what a manager was made with, which it keeps to itself; None where there is none."""
    ending = f"{_MANAGER}__{name}"
    return next((value for key, value in vars(manager).items() if key.endswith(ending)), None)


def _session(manager: Any, call: Call) -> Session:
    others = text_of(_given(manager, "call_id")) or text_of(_given(manager, "session_id"))
    return Session(call, shared=bool(others))


def _follow(connection: Any, manager: Any, call: Call, method: Method) -> None:
    """Have a session read along, as long as the SDK is metered."""
    session = _session(manager, call)
    receive, close = connection.recv_bytes, connection.close

    def recv_bytes() -> bytes:
        try:
            message: bytes = receive()
        except BaseException as error:
            boundary.attempt(session.failed, error, default=None)
            raise
        if method.on:
            boundary.attempt(session.take, message, default=None)
        return message

    def closing(*args: Any, **named: Any) -> None:
        session.leave()
        try:
            close(*args, **named)
        finally:
            boundary.attempt(session.over, default=None)

    connection.recv_bytes, connection.close = recv_bytes, closing


def _follow_async(connection: Any, manager: Any, call: Call, method: Method) -> None:
    """Do the same for asyncio."""
    session = _session(manager, call)
    receive, close = connection.recv_bytes, connection.close

    async def recv_bytes() -> bytes:
        try:
            message: bytes = await receive()
        except BaseException as error:
            boundary.attempt(session.failed, error, default=None)
            raise
        if method.on:
            boundary.attempt(session.take, message, default=None)
        return message

    async def closing(*args: Any, **named: Any) -> None:
        session.leave()
        try:
            await close(*args, **named)
        finally:
            boundary.attempt(session.over, default=None)

    connection.recv_bytes, connection.close = recv_bytes, closing
