"""Counts the tokens of a stream that told no usage, where they can be counted on this machine.

A stream of OpenAI's tells its usage only if it is asked to, and only at its end. What was asked and
what was written then stand for it, in the vocabulary of the model: an estimate, and marked as one.
The text is kept until the stream has ended, and is neither recorded nor passed on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation import tokens
from costmeter.instrumentation.clients.openai.stream import StreamWatcher
from costmeter.instrumentation.clients.openai.usage import read, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from costmeter.instrumentation.clients.reading import Reading

_MOST_BYTES: Final = 16 << 20
"""Bytes of a stream that are kept; of a longer one, nothing is counted."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode


class EstimatingReader:
    """Reads the answer to a request for a stream, and counts where it tells no usage."""

    def __init__(self, given: Callable[[str], Any]) -> None:
        """Take what returns a field of the request by its name."""
        self._given = given

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        return read(body)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return read_json(body)

    def watcher(self, media_type: str, *, hiding: bool) -> EstimatingWatcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of events."""
        asked = {name: self._given(name) for name in ("model", "messages", "prompt", "tools")}
        if isinstance(asked["messages"], list):
            asked["messages"] = asked["messages"].copy()  # the caller goes on with the list
        options = self._given("stream_options")
        told = hiding or (isinstance(options, Mapping) and bool(options.get("include_usage")))
        return EstimatingWatcher(asked, hiding=hiding, told=told)


class EstimatingWatcher(StreamWatcher):
    """Watches a stream, and keeps it until it is known whether it tells its usage."""

    def __init__(self, asked: Mapping[str, Any], *, hiding: bool, told: bool) -> None:
        """Watch a stream from its first byte.

        Args:
            asked: the fields of the request that make its tokens.
            hiding: whether a chunk that only carries usage is kept from the caller.
            told: whether the stream was asked to tell its usage.
        """
        super().__init__(hiding=hiding)
        self._asked = asked
        self._told = told
        self._kept: list[bytes] = []
        self._size = 0
        if not told and (encoding := self._encoding("")):
            tokens.loaded(encoding)  # by the end, it is

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in and return what of it the caller is to see."""
        self._size += len(chunk)
        if self._size <= _MOST_BYTES:
            self._kept.append(chunk)
        else:
            self._kept.clear()
        return super().feed(chunk)

    def reading(self) -> Reading:
        """Return what was read so far; where no usage came, what was counted."""
        reading = super().reading()
        kept, self._kept = self._kept, []
        if reading.usage is not None or reading.status != "ok" or not kept:
            return reading
        encoding = self._encoding(reading.model)
        # A stream that breaks off before it tells is rare, and must not wait for a vocabulary.
        if not encoding or (self._told and not tokens.loaded(encoding)):
            return reading
        asked = tokens.count_prompt(self._asked, encoding)
        if asked is None:
            return reading
        usage = {
            "input_tokens": asked,
            "output_tokens": tokens.count(list(_written(b"".join(kept))), encoding),
        }
        return msgspec.structs.replace(reading, usage=usage, estimated=True)

    def _encoding(self, answering: str) -> str:
        """Return the vocabulary of the model that answers, or else of the one asked for."""
        asked = self._asked.get("model")
        return tokens.encoding_of(answering) or (
            tokens.encoding_of(asked) if isinstance(asked, str) and not answering else ""
        )


def _written(stream: bytes) -> Iterator[str]:
    """Yield the texts that a stream is made of, each put together again."""
    texts: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for line in stream.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            chunk = _decode(line[5:])
        except msgspec.MsgspecError:
            continue  # the end, or something else than a piece of text
        for choice in chunk.choices or ():
            for part, text in _pieces(choice):
                if text:
                    texts[choice.index, *part].append(text)
    return map("".join, texts.values())


def _pieces(choice: _Choice) -> Iterator[tuple[tuple[object, ...], str | None]]:
    yield ("text",), choice.text
    if (delta := choice.delta) is None:
        return
    yield ("content",), delta.content
    yield ("refusal",), delta.refusal
    for call in delta.tool_calls or ():
        if call.function is not None:
            yield ("name", call.index), call.function.name
            yield ("arguments", call.index), call.function.arguments
