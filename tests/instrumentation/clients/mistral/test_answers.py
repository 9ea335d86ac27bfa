"""Pages, sound, conversations and batches of Mistral, by the real SDK against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral, errors

import costmeter
from costmeter.gate_protocol import Ask
from costmeter.instrumentation import boundary, gate_automatic
from costmeter.instrumentation.clients import call
from costmeter.instrumentation.clients.mistral import answers as mistral_answers
from costmeter.instrumentation.clients.mistral import batch as mistral_batch
from costmeter.instrumentation.gate_client import UNAVAILABLE
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.answering import RESPONSES
from tests.standins.mistral import create_app

READ: dict[str, Any] = {
    "model": "mistral-ocr-latest",
    "document": {"type": "document_url", "document_url": "https://example.com/prices.pdf"},
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "kind", "schema": {"type": "object"}}}
SAY: dict[str, Any] = {"model": "voxtral-mini-tts-2603", "input": "Für 5 € mehr"}
SAID = {"input_characters": 12}
HEAR: dict[str, Any] = {
    "model": "voxtral-mini-latest",
    "file": {"file_name": "talk.mp3", "content": b"ID3"},
}


def asking(fault: str = "", body: str = "") -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a fault or a body."""
    asked = {"x-standin-fault": fault, "x-standin-body": body}
    return {"http_headers": {name: value for name, value in asked.items() if value}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def client(server: str, recorded: Recorded) -> Iterator[Mistral]:
    costmeter.instrument("mistralai.client", providers={server: "mistral_ai"})
    with Mistral(api_key="key", server_url=server, timeout_ms=500) as client:
        yield client
    costmeter.uninstrument()


class TestPages:
    @pytest.mark.parametrize("asked", ["bbox_annotation_format", "document_annotation_format"])
    def test_those_of_which_annotations_are_asked_for_are_annotated(
        self, client: Mistral, recorded: Recorded, asked: str
    ) -> None:
        client.ocr.process(**READ, **{asked: FORMAT})
        client.ocr.process(**READ, **{asked: None})
        assert [event.usage for event in recorded()] == [{"annotated_pages": 2}, {"input_pages": 2}]

    @pytest.mark.parametrize(
        ("body", "usage"),
        [
            (b'{"usage_info": {"pages_processed": 3}}', {"input_pages": 3}),
            (
                b'{"usage_info": {"pages_processed": 3}, "document_annotation": "{}"}',
                {"annotated_pages": 3},
            ),
            (b'{"usage_info": {"pages_processed": 0}}', None),
            (b'{"usage_info": {"pages_processed": -1}}', None),
            (b'{"usage_info": 7}', None),
            (b'{"pages": 7}', None),
            (b"<html>", None),
        ],
    )
    def test_an_answer_tells_how_many_they_are(
        self, body: bytes, usage: dict[str, int] | None
    ) -> None:
        assert mistral_answers.read_pages(body).usage == usage


class TestSound:
    @pytest.mark.parametrize(
        ("fault", "status"),
        [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")],
    )
    def test_speech_that_breaks_off_is_paid_for_and_a_transcription_tells_nothing(
        self, client: Mistral, recorded: Recorded, fault: str, status: str
    ) -> None:
        for stream in (
            client.audio.speech.complete(**SAY, stream=True, **asking(fault)),
            client.audio.transcriptions.stream(**HEAR, **asking(fault)),
        ):
            try:
                list(stream)
            except httpx2.TransportError:
                assert fault != "truncate"
        speech, transcription = recorded()
        assert (speech.usage, speech.status) == (SAID, status)
        assert (transcription.usage, transcription.status) == ({}, status)

    def test_speech_that_is_refused_is_not_paid_for(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        with pytest.raises(errors.MistralError):
            client.audio.speech.complete(**SAY, **asking("400"))
        assert [(event.usage, event.status) for event in recorded()] == [({}, "bad_request")]

    def test_a_refused_transcription_counts_for_the_model_that_its_form_names(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        with pytest.raises(errors.MistralError):
            client.audio.transcriptions.complete(**HEAR, **asking("429"))
        (event,) = recorded()
        assert (event.model, event.status) == ("voxtral-mini-latest", "rate_limited")

    def test_a_transcription_that_tells_no_length_counts_by_its_tokens(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        client.audio.transcriptions.complete(
            **HEAR, **asking(body="transcription_without_seconds.json")
        )
        assert [event.usage for event in recorded()] == [{"input_tokens": 4, "output_tokens": 6}]

    def test_a_form_tells_the_gate_its_texts_and_is_no_error(
        self, client: Mistral, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Ask] = []
        noted: list[str] = []
        monkeypatch.setattr(gate_automatic, "answer", lambda ask: asked.append(ask) or UNAVAILABLE)
        monkeypatch.setattr(boundary, "note", noted.append)
        monkeypatch.setattr(call, "gate", gate_automatic.Gated())
        client.audio.transcriptions.complete(**HEAR, language="en")
        assert noted == []
        # "voxtral-mini-latest", "en" and "false", for stream and for diarize, in threes
        assert [(ask.model, ask.usage) for ask in asked] == [
            ("voxtral-mini-latest", {"input_tokens": 11})
        ]

    def test_no_text_tells_no_characters(self) -> None:
        reader = mistral_answers.speech(mistral_answers.Asked())
        assert reader.read_json(b"{}").usage is None


class TestConversations:
    def test_a_connector_counts_beside_the_model_for_whom_it_worked(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        with costmeter.attribute(feature="news"):
            client.beta.conversations.start(inputs="What does it cost?", model="mistral-medium")
        model, connector = recorded()
        assert (model.calls, model.requests) == (1, 1)
        assert (connector.calls, connector.requests) == (0, 0)
        assert connector.attributes == model.attributes == {"feature": "news"}

    def test_one_that_fails_on_its_way_names_its_model_and_the_error(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        body = asking(body="conversation_stream_failed.sse")
        with client.beta.conversations.append_stream(
            conversation_id="conv_1", inputs="And now?", **body
        ) as stream:
            list(stream)
        (event,) = recorded()
        assert (event.model, event.usage) == ("mistral-medium-2604", {})
        assert event.status == "rate_limited"

    def test_one_that_breaks_off_before_anything_is_told_is_counted(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        stream = client.beta.conversations.start_stream(inputs="one", **asking("truncate"))
        list(stream)
        assert [(event.status, event.usage) for event in recorded()] == [("incomplete", {})]


def test_a_response_that_is_read_at_once_has_no_first_chunk(
    client: Mistral, recorded: Recorded
) -> None:
    asked: dict[str, Any] = {"model": "mistral-small-latest", "input": "one"}
    client.responses.create(**asked)
    list(client.responses.create(**asked, stream=True))
    whole, streamed = recorded()
    assert whole.first_chunk_ns == 0
    assert 0 < streamed.first_chunk_ns <= streamed.duration_ns


class TestBatches:
    def test_each_result_is_known_by_its_file_and_its_name(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        download = client.files.download(file_id="batch_output")
        assert recorded() == []
        with costmeter.attribute(feature="reading"):
            download.read()
        events = recorded()
        assert {event.service_tier for event in events} == {"batch"}
        assert {event.provider for event in events} == {"mistral_ai"}
        assert {event.attributes.get("feature") for event in events} == {None}
        assert [event.identity for event in events] == [
            *(f"mistral_ai/batch_output/request-{number}" for number in range(1, 8)),
            "mistral_ai/batch_output/request-7#0",
            "mistral_ai/batch_output/request-8",
            "mistral_ai/batch_output/request-9",
        ]

    def test_a_request_that_failed_is_a_call_and_one_that_was_never_made_is_none(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        client.files.download(file_id="batch_errors").read()
        assert [(event.status, event.identity, event.usage) for event in recorded()] == [
            ("bad_request", "mistral_ai/batch_errors/request-10", {})
        ]

    def test_results_that_come_with_the_batch_are_known_by_it(
        self, client: Mistral, recorded: Recorded
    ) -> None:
        client.batch.jobs.get(job_id="batch_job")
        assert recorded() == []
        client.batch.jobs.get(job_id="batch_job_inline", inline=True)
        assert [event.identity for event in recorded()] == [
            "mistral_ai/job_1/request-1",
            "mistral_ai/job_1/request-2",
        ]

    def test_they_can_be_read_whatever_the_gate_says(
        self, client: Mistral, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Closed:
            def admit(self, *_: object, **__: object) -> None:
                raise AssertionError("asked for what costs nothing")

        monkeypatch.setattr(call, "gate", Closed())
        client.files.download(file_id="batch_output").read()
        client.batch.jobs.get(job_id="batch_job_inline", inline=True)
        assert len(recorded()) == 12

    @pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"custom_id": 7}', b'{"id": "a"}'])
    def test_a_line_of_something_else_is_no_result(self, line: bytes) -> None:
        assert mistral_batch.read_line(line) is None

    def test_a_line_without_a_name_is_known_by_its_number(self) -> None:
        line = (RESPONSES / "mistral/batch_output.jsonl").read_bytes().splitlines()[0]
        result = mistral_batch.read_line(line.replace(b'"request-1"', b"null"))
        assert result is not None
        assert result.name == "batch-cd0da3ab-1-377e2e82"
