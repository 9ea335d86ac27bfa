"""Meters Mistral's WebSockets: what is transcribed or spoken while it is still being said.

The seam is where a connection is opened. The SDK imports what it needs for that when it is first
used, and it is patched then; the gate is asked before. A transcription tells the seconds of its
sound at its end, speech is billed by the characters that were sent.

Source: https://docs.mistral.ai/studio/audio/speech_to_text/realtime_transcription
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.mistral.answers import read_transcription
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.on_import import OnImport
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

MODULE: Final = "mistralai.extra.realtime"
"""The module that opens connections."""
_OPENERS: Final = {"RealtimeTranscription": "transcription", "RealtimeSpeech": "speech"}
"""Its classes that do, and ``gen_ai.operation.name`` of what is spoken over their connections."""
_ENDS: Final = frozenset({"transcription.done", "speech.audio.done"})
"""Types of the events that tell that all was said."""
_SENDING: Final = ("send_text", "flush")
"""Methods of a connection that send text to be spoken."""


class Sockets:
    """The patched openers of connections."""

    def __init__(self, provider: Callable[[str], str]) -> None:
        """Take what tells the provider at an address."""
        self._provider = provider
        self._on_import = OnImport()
        self._methods: list[Method] = []

    def put(self) -> None:
        """Start metering, or wait until there is something to meter."""
        if (module := sys.modules.get(MODULE)) is not None:
            self._meter(module)
        else:
            self._on_import.wait(MODULE, self._meter)

    def take(self) -> None:
        """Stop metering, and leave the SDK as it was."""
        self._on_import.forget(MODULE)
        for method in self._methods:
            method.take()
        self._methods.clear()

    def _meter(self, module: ModuleType) -> None:
        boundary.attempt(self._meter_openers, module, default=None)

    def _meter_openers(self, module: ModuleType) -> None:
        for name, operation in _OPENERS.items():
            connecting = functools.partial(self._connecting, operation)
            method = Method(getattr(module, name), "connect", "model", replacement=connecting)
            self._methods.append(method)
            method.put()

    def _connecting(self, operation: str, method: Method) -> Callable[..., Any]:
        @functools.wraps(method.original)
        async def connect(opener: Any, model: str, *args: Any, **named: Any) -> Any:
            call = begin(self._start, operation, opener, model, named) if method.on else None
            if call is None:
                return await method.original(opener, model, *args, **named)
            try:
                connection = await method.original(opener, model, *args, **named)
            except BaseException as error:
                call.fail(error, _refusal)
                raise
            boundary.attempt(_follow, connection, call, default=None)
            return connection

        return connect

    def _start(self, operation: str, opener: Any, model: str, named: dict[str, Any]) -> Call:
        url = named.get("server_url") or opener._sdk_config.get_server_details()[0]
        return Call(operation=operation, provider=self._provider(url), model=text_of(model))


class _Session:
    """What passes by of a connection.

    Attributes:
        watched: whether its events are being read.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._characters = 0
        self._told = NOTHING
        self._waits = True
        self.watched = False

    def __del__(self) -> None:
        """Count a connection that was dropped, neither read to its end nor closed."""
        self.over("cancelled")

    def sent(self, text: object) -> None:
        """Take note of text that is to be spoken."""
        self._characters += len(text_of(text))

    def see(self, event: Any) -> None:
        """Take an event in."""
        kind = getattr(event, "type", "")
        if kind == "error":
            self._call.end("server_error", self._reading)
        elif kind in _ENDS:
            self._told = read_transcription(event.model_dump_json().encode())
            self._call.end("ok", self._reading)
        elif self._waits and text_of(kind).endswith(".delta"):
            self._waits = False
            self._call.first_chunk()

    def over(self, status: str) -> None:
        """Take note that nothing more will come."""
        self._call.end(status, self._reading)

    def _reading(self) -> Reading:
        if self._call.operation == "speech":
            usage = {"input_characters": self._characters} if self._characters else None
            return Reading(usage=usage)
        return self._told


def _follow(connection: Any, call: Call) -> None:
    """Have a session take note of what a connection sends and brings."""
    session = _Session(call)
    events, close = connection.events, connection.close

    async def watched() -> AsyncIterator[Any]:
        session.watched = True  # from now on, the events close the connection by themselves
        steps = events()
        try:
            async for event in steps:
                boundary.attempt(session.see, event, default=None)
                yield event
        except BaseException as error:
            session.over(_broken_off(error))
            raise
        finally:
            if (close_events := getattr(steps, "aclose", None)) is not None:
                await close_events()
        session.over("incomplete")

    async def closing(*args: Any, **named: Any) -> None:
        await close(*args, **named)
        if not session.watched:
            session.over("cancelled")

    connection.events, connection.close = watched, closing
    for name in _SENDING:
        if send := getattr(connection, name, None):
            setattr(connection, name, _noting(send, session))


def _noting(send: Callable[..., Any], session: _Session) -> Callable[..., Any]:
    """Return what sends text, and has a session take note of it."""

    @functools.wraps(send)
    async def sending(*args: Any, **named: Any) -> Any:
        sent = await send(*args, **named)
        for each in (*args, *named.values()):
            session.sent(each)
        return sent

    return sending


def _refusal(error: BaseException) -> str:
    """Return the status that an error of opening a connection stands for, by what led to it."""
    cause = error.__cause__ or error
    code = getattr(getattr(cause, "response", None), "status_code", None)
    return status_of_code(code) if isinstance(code, int) else status_of(cause)


def _broken_off(error: BaseException) -> str:
    """Return the status of a connection that an error ended: a server that hangs up is no news."""
    status = boundary.attempt(status_of, error, default="error")
    return status if status in {"cancelled", "timeout"} else "incomplete"
