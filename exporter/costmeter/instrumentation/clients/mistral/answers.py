"""Reads the answers of Mistral that are not like a chat's: pages, sound, conversations, responses.

Pages are billed by the piece, at another price where they are annotated too. A transcription is
billed by the length of its sound alone, though its tokens are told beside it; speech by the
characters to be spoken, which only the request tells. Responses have OpenAI's format.

Sources: https://docs.mistral.ai/api, https://docs.mistral.ai/models/ocr-4-1,
https://docs.mistral.ai/models/voxtral-mini-transcribe-26-02 and
https://docs.mistral.ai/models/voxtral-tts-26-03
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.answers import Answers
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.mistral.usage import read
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.openai.events import EventWatcher
from costmeter.instrumentation.clients.openai.stream import StreamWatcher as ResponseWatcher
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading
from costmeter.status import status_of_code


class Asked(msgspec.Struct):
    """The fields of a request that matter here: prompts are large, and passed over."""

    model: Any = None
    input: msgspec.Raw = msgspec.Raw(b"null")
    pages: Any = None
    bbox_annotation_format: msgspec.Raw = msgspec.Raw(b"null")
    document_annotation_format: msgspec.Raw = msgspec.Raw(b"null")


_RANGE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
"""Pages of a list, by their numbers."""
decode_asked: Final = msgspec.json.Decoder(Asked).decode


def pages(asked: Asked) -> Answers:
    """Return what reads the answer to a request for the text of pages."""
    annotated = _annotated(asked)
    return Answers(lambda body: read_pages(body, annotated=annotated))


def foreseen_pages(asked: Asked) -> Reading:
    """Return what a request for the text of pages tells of its cost, where it lists them."""
    pages = asked.pages
    count = len(pages) if isinstance(pages, list) else _listed(text_of(pages))
    return Reading(usage={_key(annotated=_annotated(asked)): count} if count else None)


def _annotated(asked: Asked) -> bool:
    formats = (asked.bbox_annotation_format, asked.document_annotation_format)
    return any(bytes(each) != b"null" for each in formats)


def _key(*, annotated: bool) -> str:
    return "annotated_pages" if annotated else "input_pages"


def _listed(pages: str) -> int:
    """Return how many pages a list such as ``0,2-4`` has; nothing else counts."""
    ranges = (_RANGE.fullmatch(each.strip()) for each in pages.split(","))
    bounds = ((int(found[1]), int(found[2] or found[1])) for found in ranges if found)
    return sum(max(last - first + 1, 0) for first, last in bounds)


def speech(asked: Asked) -> Answers:
    """Return what reads the answer to a request for speech."""
    said = foreseen_speech(asked)
    return Answers(lambda _: said, lambda: _SpeechWatcher(said))


def foreseen_speech(asked: Asked) -> Reading:
    """Return what a request for speech tells of its cost."""
    characters = len(text_of(msgspec.json.decode(asked.input)))
    return Reading(usage={"input_characters": characters} if characters else None)


class _Picture(msgspec.Struct):
    image_annotation: Any = None


class _Page(msgspec.Struct):
    images: list[_Picture] = []


class _Pages(msgspec.Struct):
    """The fields of read pages that matter here: texts and pictures are passed over."""

    model: Any = None
    pages: list[_Page] = []
    usage_info: Any = None
    document_annotation: Any = None


_decode_pages: Final = msgspec.json.Decoder(_Pages).decode


def read_pages(body: bytes, *, annotated: bool = False) -> Reading:
    """Return what the text of pages tells.

    Args:
        body: the answer.
        annotated: whether annotations were asked for; the answer tells it where there are any.
    """
    try:
        fields = _decode_pages(body)
    except msgspec.DecodeError:
        return NO_JSON
    odd: list[str] = []
    told = fields_of(fields.usage_info) or {}
    count = count_of("pages_processed", told.get("pages_processed"), odd)
    pictures = (picture for page in fields.pages for picture in page.images)
    annotated = (
        annotated
        or fields.document_annotation is not None
        or any(picture.image_annotation is not None for picture in pictures)
    )
    usage = {_key(annotated=annotated): count} if count else None
    return Reading(usage=usage, model=text_of(fields.model), odd=tuple(odd))


def read_transcription(body: bytes) -> Reading:
    """Return what a transcription, or the last event of one that streams, tells."""
    reading = read(body)
    if seconds := (reading.usage or {}).get("input_audio_seconds"):
        return reading._replace(usage={"input_audio_seconds": seconds})
    return reading


class _Error(msgspec.Struct):
    """What an event tells of an error: the HTTP status code."""

    code: Any = None


_decode_error: Final = msgspec.json.Decoder(_Error).decode


class _ConversationWatcher(LineWatcher):
    """Watches a conversation: pieces of text name the model, the last event tells the usage."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = NOTHING

    def line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:]
        if b'"conversation.response.done"' in data:
            self.complete = True
            self._reading = read(data)._replace(model=self._reading.model)
        elif b'"conversation.response.error"' in data:
            code = _decode_error(data).code
            status = status_of_code(code) if isinstance(code, int) else "server_error"
            self._reading = self._reading._replace(status=status)
        elif not self._reading.model and b'"model"' in data:
            self._reading = read(data)

    def reading(self) -> Reading:
        return self._reading


class _SpeechWatcher(EventWatcher):
    """Watches events with pieces of sound: what they cost is known beforehand."""

    def __init__(self, said: Reading) -> None:
        super().__init__(b'"speech.audio.done"', lambda _: said)
        self._said = said

    def reading(self) -> Reading:
        return self._said._replace(status=super().reading().status)


CONVERSATION: Final = Answers(read, _ConversationWatcher)
RESPONSE: Final = Answers(openai_usage.read_json, lambda: ResponseWatcher(hiding=False))
TRANSCRIPTION: Final = Answers(
    read_transcription, lambda: EventWatcher(b'"transcription.done"', read_transcription)
)
