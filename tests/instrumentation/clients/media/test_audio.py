"""OpenAI's audio and moderations by the real SDK against a stand-in over real sockets."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx2
import openai
import pytest
from openai.types.audio import TranscriptionVerbose

from costmeter.instrumentation.clients.openai.audio import SpeechReader, TranscriptionReader
from costmeter.instrumentation.clients.reading import NOTHING
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.media.asking import answer
from tests.standins.answering import RESPONSES
from tests.standins.openai_media import SOUND

SOUND_FILE = ("talk.mp3", SOUND, "audio/mpeg")
HEARD = {"input_tokens": 34, "input_audio_tokens": 14, "output_tokens": 45}
STREAMED = {"input_tokens": 14, "input_audio_tokens": 14, "output_tokens": 31}
SAY: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": "Für 5 € mehr"}
SAID = {"input_characters": 12}
SPOKEN = {"input_tokens": 14, "output_tokens": 101, "output_audio_tokens": 101}


class TestTranscriptions:
    def test_one_counts_by_its_tokens(self, client: openai.OpenAI, recorded: Recorded) -> None:
        heard = client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND_FILE, **answer()
        )
        assert heard.text == "What does it cost?"
        (event,) = recorded()
        assert (event.operation, event.model) == ("transcription", "gpt-4o-transcribe")
        assert (event.usage, event.status) == (HEARD, "ok")

    async def test_one_of_asyncio_counts_the_same(
        self, async_client: openai.AsyncOpenAI, recorded: Recorded
    ) -> None:
        await async_client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND_FILE, **answer()
        )
        assert [event.usage for event in recorded()] == [HEARD]

    def test_one_counts_by_its_time_where_that_is_billed(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        client.audio.transcriptions.create(
            model="whisper-1",
            file=SOUND_FILE,
            response_format="verbose_json",
            **answer("transcription_by_time.json"),
        )
        assert [event.usage for event in recorded()] == [{"input_audio_seconds": 9}]

    @pytest.mark.parametrize("raw", [False, True])
    def test_a_plain_text_tells_no_usage(
        self, client: openai.OpenAI, recorded: Recorded, raw: bool
    ) -> None:
        calls: Any = client.audio.transcriptions
        calls = calls.with_raw_response if raw else calls
        calls.create(
            model="whisper-1",
            file=SOUND_FILE,
            response_format="text",
            **answer("transcription.txt"),
        )
        assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]

    def test_a_raw_response_counts_and_so_does_one_read_piece_by_piece(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        asked: dict[str, Any] = {"model": "gpt-4o-transcribe", "file": SOUND_FILE, **answer()}
        client.audio.transcriptions.with_raw_response.create(**asked)
        with client.audio.transcriptions.with_streaming_response.create(**asked) as response:
            assert b"cost" in b"".join(response.iter_bytes(9))
        assert [event.usage for event in recorded()] == [HEARD, HEARD]

    def test_a_stream_counts_what_its_last_event_tells(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        events = client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND_FILE, stream=True, **answer()
        )
        assert [event.type for event in events][-1] == "transcript.text.done"
        assert [(event.usage, event.status) for event in recorded()] == [(STREAMED, "ok")]

    async def test_a_stream_of_asyncio_counts_too(
        self, async_client: openai.AsyncOpenAI, recorded: Recorded
    ) -> None:
        events = await async_client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND_FILE, stream=True, **answer()
        )
        assert [event.type async for event in events][-1] == "transcript.text.done"
        assert [event.usage for event in recorded()] == [STREAMED]

    @pytest.mark.parametrize(
        ("fault", "status"),
        [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")],
    )
    def test_a_stream_that_breaks_off_is_counted_by_how_it_did(
        self, client: openai.OpenAI, recorded: Recorded, fault: str, status: str
    ) -> None:
        events = client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=SOUND_FILE, stream=True, **answer(fault=fault)
        )
        with suppress(openai.APIError, httpx2.TransportError):
            assert len(list(events)) == 2
        assert [(event.usage, event.status) for event in recorded()] == [({}, status)]

    def test_a_translation_counts_by_how_long_it_says_the_audio_was(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            client.audio.translations.create(
                model="whisper-1", file=SOUND_FILE, response_format="verbose_json", **answer()
            )
        (event,) = recorded()
        assert (event.operation, event.usage) == ("transcription", {"input_audio_seconds": 62})

    def test_an_error_is_counted_by_its_kind(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        with pytest.raises(openai.APITimeoutError):
            client.audio.transcriptions.create(
                model="whisper-1", file=SOUND_FILE, **answer(fault="hang")
            )
        assert [event.status for event in recorded()] == ["timeout"]

    @pytest.mark.parametrize(
        ("body", "usage"),
        [
            (b'{"usage": {"type": "duration", "seconds": 0.2}}', {"input_audio_seconds": 1}),
            (b'{"usage": {"type": "duration", "seconds": 60}}', {"input_audio_seconds": 60}),
            (b'{"duration": "61.0"}', {"input_audio_seconds": 61}),  # as text in older answers
            (b'{"duration": "long"}', None),
            (b'{"duration": -1}', None),
            (b'{"duration": 1e300}', None),
            (b'{"duration": 0}', None),
            (b'{"usage": 7}', None),
            (b"[]", None),
            (b"1\n00:00:00,000 --> 00:00:02,000\n", None),
        ],
    )
    def test_seconds_are_whole_and_odd_ones_are_not_read(
        self, body: bytes, usage: dict[str, int] | None
    ) -> None:
        assert TranscriptionReader().read_json(body).usage == usage

    def test_a_parsed_body_tells_what_an_unparsed_one_does(self) -> None:
        body = (RESPONSES / "openai_media/transcription_by_time.json").read_bytes()
        parsed = TranscriptionVerbose.model_validate_json(body)
        assert TranscriptionReader().read(parsed) == TranscriptionReader().read_json(body)
        assert TranscriptionReader().read("What does it cost?") == NOTHING


class TestSpeech:
    def test_speech_counts_by_its_characters(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        assert client.audio.speech.create(**SAY, **answer()).read() == SOUND
        (event,) = recorded()
        assert (event.operation, event.model) == ("speech", "tts-1")
        assert (event.usage, event.status) == (SAID, "ok")

    async def test_that_of_asyncio_counts_the_same(
        self, async_client: openai.AsyncOpenAI, recorded: Recorded
    ) -> None:
        spoken = await async_client.audio.speech.create(**SAY, **answer())
        assert await spoken.aread() == SOUND
        assert [event.usage for event in recorded()] == [SAID]

    def test_speech_that_is_read_piece_by_piece_is_paid_for_however_much_is_read(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        speech = client.audio.speech.with_streaming_response
        with speech.create(**SAY, **answer()) as response:
            assert b"".join(response.iter_bytes(100)) == SOUND
        with speech.create(**SAY, **answer()) as response:
            next(response.iter_bytes(100))
        whole, left = recorded()
        assert (whole.usage, whole.status) == (SAID, "ok")
        assert (left.usage, left.status) == (SAID, "cancelled")

    @pytest.mark.parametrize("piecewise", [False, True])
    def test_a_stream_of_events_tells_its_tokens(
        self, client: openai.OpenAI, recorded: Recorded, piecewise: bool
    ) -> None:
        asked = {**SAY, "model": "gpt-4o-mini-tts", "stream_format": "sse", **answer()}
        if piecewise:
            with client.audio.speech.with_streaming_response.create(**asked) as response:
                assert b"speech.audio.done" in b"".join(response.iter_bytes(11))
        else:
            assert b"speech.audio.done" in client.audio.speech.create(**asked).read()
        assert [(event.usage, event.status) for event in recorded()] == [(SPOKEN, "ok")]

    def test_speech_that_was_refused_is_not_paid_for(
        self, client: openai.OpenAI, recorded: Recorded
    ) -> None:
        with pytest.raises(openai.BadRequestError):
            client.audio.speech.create(**SAY, **answer(fault="400"))
        assert [(event.usage, event.status) for event in recorded()] == [({}, "bad_request")]

    def test_no_text_tells_no_characters(self) -> None:
        assert SpeechReader.of({"input": 7}.get).read_json(b"ID3") == NOTHING


def test_a_moderation_is_a_call_that_uses_nothing(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    assert client.moderations.create(input="What does it cost?", **answer()).results
    (event,) = recorded()
    assert (event.operation, event.model) == ("moderation", "omni-moderation-latest")
    assert (event.usage, event.calls, event.status) == ({}, 1, "ok")
