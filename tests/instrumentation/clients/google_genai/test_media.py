"""Pictures by the piece and films by the second, though no answer tells a usage."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import _common, errors, types

import costmeter
from costmeter.instrumentation.clients import begun
from costmeter.instrumentation.clients.google_genai.media import FilmReader, ImageReader
from costmeter.instrumentation.clients.reading import NO_JSON
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.instrumentation.clients.google_genai.asking import asking
from tests.standins.google_genai import RESPONSES

IMAGEN = {"model": "imagen-4.0-generate-001", "prompt": "a cent"}
VEO = {"model": "veo-3.1-generate-001", "source": {"prompt": "a cent"}}
OPERATION = (
    "projects/acme/locations/europe-west1/publishers/google"
    "/models/veo-3.1-generate-001/operations/5d8a-11"
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The SDK warns at the first call of a process that pictures are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", _common.ExperimentalWarning)
        yield


def film(client: genai.Client, **config: Any) -> Any:
    """Ask for a film, and return the operation that makes it."""
    return client.models.generate_videos(**VEO, config=config)


def test_pictures_that_were_made_count_and_those_held_back_do_not(
    vertex: genai.Client, recorded: Recorded
) -> None:
    vertex.models.generate_images(**IMAGEN)
    (event,) = recorded()
    assert (event.operation, event.provider) == ("image_generation", "gcp.vertex_ai")
    assert (event.model, event.usage) == ("imagen-4.0-generate-001", {"images": 2})
    assert (event.status, event.service_tier, event.identity) == ("ok", "", "")
    assert 0 < event.duration_ns < 60 * 10**9


def test_pictures_that_were_all_held_back_cost_nothing() -> None:
    body = '{"predictions": [{"raiFilteredReason": "No."}]}'
    reading = ImageReader({}).read(body)
    assert (reading.usage, reading.status) == (None, "bad_request")
    assert ImageReader({}).read("{}").status == "bad_request"
    assert ImageReader({}).read("<html>") == NO_JSON


def test_a_picture_that_is_made_larger_has_a_price_of_its_own(
    vertex: genai.Client, recorded: Recorded
) -> None:
    picture = types.Image(image_bytes=b"picture", mime_type="image/png")
    vertex.models.upscale_image(model="imagen-3.0-generate-002", image=picture, upscale_factor="x2")
    assert [(one.usage, one.service_tier) for one in recorded()] == [({"images": 2}, "upscale")]


def test_a_picture_that_is_refused_is_a_call_that_failed(
    vertex: genai.Client, recorded: Recorded
) -> None:
    with pytest.raises(errors.ClientError):
        vertex.models.generate_images(**IMAGEN, config=asking(fault="429"))
    assert [(one.status, one.usage) for one in recorded()] == [("rate_limited", {})]


def test_a_film_counts_its_seconds_when_it_is_made_for_who_asked_for_it(
    vertex: genai.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="trailer"):
        operation = film(vertex, duration_seconds=6, resolution="4k", generate_audio=True)
    assert recorded() == []
    finished = vertex.operations.get(operation)
    vertex.operations.get(operation)
    assert finished.done
    first, again = recorded()
    assert (first.operation, first.provider) == ("video_generation", "gcp.vertex_ai")
    assert (first.model, first.usage) == ("veo-3.1-generate-001", {"output_video_seconds": 12})
    assert (first.service_tier, first.attributes) == ("4k", {"feature": "trailer"})
    assert first.identity == again.identity == f"gcp.vertex_ai/{OPERATION}"
    assert first.usage == again.usage


def test_a_film_that_is_asked_for_again_and_by_another_process_costs_once(
    vertex: genai.Client, recorded: Recorded, tmp_path: Path
) -> None:
    operation = film(vertex, duration_seconds=6)
    vertex.operations.get(operation)
    vertex.operations.get(operation)
    first = recorded()
    begun.forget()  # as another process, which did not ask for it
    vertex.operations.get(operation)
    again = recorded()
    assert (len(first), len(again)) == (2, 1)
    # Two films of six seconds at 0.40 dollars.
    assert spent(tmp_path / "ledger.db", first, again) == 4_800_000_000


@pytest.mark.parametrize(
    ("config", "tier", "seconds"),
    [
        ({}, "", 16),  # two of eight seconds, where nothing is said
        ({"resolution": "720p", "duration_seconds": 4}, "", 8),
        ({"resolution": "1080p"}, "1080p", 16),
        ({"generate_audio": False}, "silent", 16),
        ({"resolution": "1080p", "generate_audio": False}, "1080p silent", 16),
    ],
)
def test_what_makes_a_second_dearer_is_its_service_tier(
    vertex: genai.Client, recorded: Recorded, config: dict[str, Any], tier: str, seconds: int
) -> None:
    vertex.operations.get(film(vertex, **config))
    (event,) = recorded()
    assert (event.service_tier, event.usage) == (tier, {"output_video_seconds": seconds})


def test_a_film_that_another_process_asked_for_is_a_call_of_unknown_length(
    vertex: genai.Client, recorded: Recorded
) -> None:
    vertex.operations.get(types.GenerateVideosOperation(name=OPERATION))
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == ("veo-3.1-generate-001", {}, "ok")


def test_a_film_that_is_refused_is_a_call_that_failed(
    vertex: genai.Client, recorded: Recorded
) -> None:
    with pytest.raises(errors.ClientError):
        film(vertex, http_options={"headers": {"x-standin-fault": "400"}})
    assert [(one.status, one.model) for one in recorded()] == [
        ("bad_request", "veo-3.1-generate-001")
    ]


def told(answer: str) -> Any:
    """Return what a film's operation tells."""
    return FilmReader("gcp.gemini").read((RESPONSES / answer).read_text())


def test_the_gemini_apis_films_are_read_too() -> None:
    start = told("film_begun.json")
    assert (start.over, start.model) == (False, "veo-3.1-generate-preview")
    asked = {"seconds": 8, "tier": ""}
    begun.Beginning("video_generation", "gcp.gemini", "veo", asked=asked).end("ok", lambda: start)
    reading = told("film.json")
    begun.forget()
    assert (reading.over, reading.usage) == (True, {"output_video_seconds": 8})


@pytest.mark.parametrize(
    ("answer", "status"),
    [("film_filtered.json", "bad_request"), ("film_failed.json", "server_error")],
)
def test_a_film_that_was_not_made_is_a_call_that_failed(answer: str, status: str) -> None:
    reading = told(answer)
    assert (reading.over, reading.usage, reading.status) == (True, None, status)


def test_an_operation_that_cannot_be_read_is_said_to_be_odd() -> None:
    assert FilmReader("gcp.gemini").read("<html>") == NO_JSON
