"""Reads what transcriptions, translations and speech cost.

A transcription is billed by its tokens or by the time of its audio, as its ``usage`` tells; where
it is asked for as plain text, nothing is told. Speech is billed by the characters of the request,
or by tokens that only a stream of events tells.

Sources: https://platform.openai.com/docs/api-reference/audio/json-object,
https://platform.openai.com/docs/api-reference/audio/verbose-json-object and
https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.openai.events import EventWatcher
from costmeter.instrumentation.clients.openai.usage import read, read_json
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.usage import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from costmeter.instrumentation.clients.reading import Watcher

_SPOKEN: Final = b'"speech.audio.done"'
_TRANSCRIBED: Final = b'"transcript.text.done"'


class _Body(msgspec.Struct):
    """The fields of a body or an event that matter here: texts are passed over."""

    usage: Any = None
    duration: Any = None


_decode: Final = msgspec.json.Decoder(_Body).decode


class TranscriptionReader:
    """Reads the answer to a request for a transcription or a translation."""

    @classmethod
    def of(cls, given: Callable[[str], Any]) -> TranscriptionReader:  # noqa: ARG003, all the same
        """Return the reader for a request."""
        return cls()

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells: a plain text tells nothing."""
        fields = fields_of(body)
        return NOTHING if fields is None else _of_audio(fields)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body, or the last event of a stream, tells."""
        try:
            return _of_audio(msgspec.structs.asdict(_decode(body)))
        except msgspec.DecodeError:
            return NOTHING  # a plain text, or subtitles

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of a document."""
        if media_type == "text/event-stream":
            return EventWatcher(_TRANSCRIBED, self.read_json)
        return BodyWatcher(self.read_json)


class SpeechReader:
    """Reads the answer to a request for speech: sound, or events with pieces of it."""

    def __init__(self, by_characters: Reading) -> None:
        """Take what the characters that are to be spoken tell."""
        self._by_characters = by_characters

    @classmethod
    def of(cls, given: Callable[[str], Any]) -> SpeechReader:
        """Return the reader for a request."""
        return cls(foreseen(given))

    def read(self, body: object) -> Reading:  # noqa: ARG002, it is sound
        """Return what the request tells."""
        return self._by_characters

    def read_json(self, body: bytes) -> Reading:
        """Return what a whole answer tells."""
        if not body.startswith((b"data:", b"event:")):
            return self._by_characters
        watcher = EventWatcher(_SPOKEN, _of_speech)
        watcher.feed(body)
        watcher.flush()
        return watcher.reading()

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of sound."""
        if media_type == "text/event-stream":
            return EventWatcher(_SPOKEN, _of_speech)
        return _SoundWatcher(self._by_characters)


class _SoundWatcher:
    """Watches sound pass by: what it costs is known beforehand, however much of it is read."""

    def __init__(self, reading: Reading) -> None:
        self.complete = False
        self._reading = reading

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        return chunk

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        self.complete = True
        return b""

    def reading(self) -> Reading:
        """Return what the request told."""
        return self._reading


def foreseen(given: Callable[[str], Any]) -> Reading:
    """Return what a request for speech tells of its cost."""
    characters = len(text_of(given("input")))
    return Reading(usage={"input_characters": characters} if characters else None)


def _of_audio(fields: Mapping[str, Any]) -> Reading:
    """Return what a transcription tells; a translation tells at most how long it was."""
    of = fields_of(fields.get("usage"))
    if of is None:
        return _of_seconds(fields.get("duration"))
    if of.get("type") == "duration":
        return _of_seconds(of.get("seconds"))
    return read({"usage": of})


def _of_seconds(value: object) -> Reading:
    """Return the usage of audio of so many seconds.

    Part of a second counts as a whole one: OpenAI's example bills 8.47 s as 9.
    """
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_QUANTITY:
        return Reading(odd=("a duration that is no number of seconds",))
    return Reading(usage={"input_audio_seconds": math.ceil(seconds)}) if seconds else NOTHING


def _of_speech(event: bytes) -> Reading:
    """Return what the last event of speech tells: all that was written is sound."""
    reading = read_json(event)
    if reading.usage and (spoken := reading.usage.get("output_tokens")):
        reading.usage["output_audio_tokens"] = spoken
    return reading
