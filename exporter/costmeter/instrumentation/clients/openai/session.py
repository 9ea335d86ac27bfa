"""Reads along in a session over WebSockets: what each answer in it used.

Answers are those of the Realtime API and of the Responses API, what was said is transcribed by a
model of its own, and a session of the Live API is billed by its length, with the answers beside it
that it had others give. Pieces of text and sound are passed over.

Sources: https://platform.openai.com/docs/api-reference/realtime-server-events,
https://platform.openai.com/docs/api-reference/responses-streaming and
https://developers.openai.com/api/docs/guides/voice-latency-cost
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.openai.audio import TranscriptionReader
from costmeter.instrumentation.clients.openai.usage import error_status, read
from costmeter.instrumentation.clients.reading import Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import attribution

_TELLING: Final = (b'"usage"', b'"session.', b'"response.created"')
"""What stands in messages that may tell something."""
_PIECE: Final = re.compile(rb'"type"\s*:\s*"(response\.)?[a-z_.]+\.delta"')
_HEAD: Final = 200
"""Bytes of a message that tell its type, as a rule: what follows may be a lot of sound."""
_ENDS: Final = frozenset(
    {"response.done", "response.completed", "response.incomplete", "response.failed"}
)
_TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"
_transcription: Final = TranscriptionReader()


class _Message(msgspec.Struct):
    """The fields of a message that matter here."""

    type: str = ""
    response: Any = None
    session: Any = None
    usage: Any = None
    event: msgspec.Raw = msgspec.Raw(b"")


_decode: Final = msgspec.json.Decoder(_Message).decode


class Session:
    """What one connection has told so far."""

    def __init__(self, call: Call, *, shared: bool) -> None:
        """Begin with the call that opened it.

        Args:
            call: whose provider and model are those of the session; its first answer is this call.
            shared: whether others may follow the same session, so that the answers are told twice.
        """
        self._opening: Call | None = call
        self._provider = call.provider
        self._model = call.model
        self._shared = shared
        self._transcriber = ""
        self._closing = False
        self._under_way: dict[str, Call] = {}
        self._silent: list[Call] = []  # those of which no piece has come
        self._name = ""  # of a live session
        self._seconds = 0.0

    def take(self, message: bytes) -> None:
        """Take in a message of the server.

        Raises:
            msgspec.DecodeError: it is no JSON.
        """
        if (piece := _PIECE.search(message, 0, _HEAD)) is None:
            if any(word in message for word in _TELLING):
                self._take(_decode(message))
        elif self._silent and piece[1]:
            for call in self._silent:
                call.first_chunk()
            self._silent.clear()

    def failed(self, error: BaseException) -> None:
        """Take in an error of receiving: a lost connection, or one that is waited for no longer."""
        if any("ConnectionClosed" in kind.__name__ for kind in type(error).__mro__):
            self.over()

    def leave(self) -> None:
        """Take note that the application closes the connection, while it may still receive."""
        self._closing = True

    def over(self) -> None:
        """Count what was under way as the connection ended; nobody is told what it used.

        One thread may be told so by closing and another by receiving, at the same time.
        """
        status = "cancelled" if self._closing else "incomplete"
        for name in tuple(self._under_way):
            if (call := self._under_way.pop(name, None)) is not None:
                call.end(status, self._read, {})
        self._silent.clear()
        if not self._shared:
            boundary.attempt(self._end_live, default=None)

    def _take(self, message: _Message) -> None:
        response = fields_of(message.response) or {}
        if message.type == "response.created":
            self._begin(text_of(response.get("id")))
        elif message.type in _ENDS:
            self._end(response)
        elif message.type == _TRANSCRIBED:
            call = Call("transcription", self._provider, self._transcriber, reservation="")
            call.end("ok", _transcription.read, {"usage": message.usage})
        elif message.type == "response.event":
            self._end_delegated(_decode(message.event))
        elif message.type.startswith("session."):
            self._know(message)

    def _begin(self, name: str) -> None:
        call = self._opening or Call("chat", self._provider, self._model)
        self._opening = None
        if not self._shared:
            self._under_way[name] = call
            self._silent.append(call)

    def _end(self, response: Mapping[str, Any]) -> None:
        name = text_of(response.get("id"))
        if self._shared:
            self._record(name, self._read(response))
            return
        call = self._under_way.pop(name, None) or Call("chat", self._provider, self._model)
        call.end("ok", self._read, response)

    def _read(self, response: Mapping[str, Any]) -> Reading:
        reading = read_answer(response)
        return reading if reading.model else reading._replace(model=self._model)

    def _end_delegated(self, event: _Message) -> None:
        if event.type in _ENDS and (response := fields_of(event.response)):
            self._record(text_of(response.get("id")), read_answer(response))

    def _know(self, message: _Message) -> None:
        session = fields_of(message.session) or {}
        self._model = text_of(session.get("model")) or self._model
        self._transcriber = _transcriber(session) or self._transcriber
        if (usage := fields_of(message.usage)) is not None:
            self._name = text_of(session.get("id")) or self._name
            seconds = usage.get("seconds")
            self._seconds = seconds if isinstance(seconds, int | float) else self._seconds
        elif message.type == "session.started":
            self._name = text_of(session.get("id"))
        if message.type == "session.closed":
            self._end_live()

    def _end_live(self) -> None:
        """Record a session that is billed by its length, part of a second as a whole one."""
        seconds, self._seconds = self._seconds, 0.0
        if seconds > 0:
            usage = {"input_audio_seconds": math.ceil(seconds)}
            self._record(self._name, Reading(usage=usage, model=self._model))

    def _record(self, name: str, reading: Reading) -> None:
        opening, self._opening = self._opening, None
        record_result(
            "chat",
            self._provider,
            reading,
            name and f"{self._provider}/{name}",
            attribution.get(),
            reservation=opening.reservation if opening else "",
        )


def read_answer(response: Mapping[str, Any]) -> Reading:
    """Return what an answer tells at its end, one of either API."""
    reading = read(response)
    details = fields_of(response.get("status_details")) or {}
    if response.get("status") == "failed" and (error := details.get("error")):
        reading = reading._replace(status=error_status(error))
    usage = fields_of(response.get("usage")) or {}
    inputs = fields_of(usage.get("input_token_details")) or {}
    cached = fields_of(inputs.get("cached_tokens_details")) or {}
    odd: list[str] = []
    if reading.usage is not None and (
        heard := count_of("audio_tokens", cached.get("audio_tokens"), odd)
    ):
        reading.usage["cache_audio_read_tokens"] = heard
    return reading._replace(odd=(*reading.odd, *odd)) if odd else reading


def _transcriber(session: Mapping[str, Any]) -> str:
    """Return the model that transcribes in a session; the beta has it in another place."""
    audio = fields_of(session.get("audio")) or {}
    heard = fields_of(audio.get("input")) or {}
    of = fields_of(heard.get("transcription")) or fields_of(
        session.get("input_audio_transcription")
    )
    return text_of((of or {}).get("model"))
