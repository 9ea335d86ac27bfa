"""OpenAI's images by the real SDK against a stand-in over real sockets, read from the journal."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest

from costmeter.clock import SYSTEM_CLOCK
from costmeter.instrumentation.clients.openai.images import ImageReader
from costmeter.instrumentation.clients.reading import Reading
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.media.asking import answer
from tests.standins.answering import RESPONSES

DRAW: dict[str, Any] = {"model": "gpt-image-1.5", "prompt": "A coin"}
PICTURE = ("coin.png", b"\x89PNG", "image/png")
DRAWN = {
    "input_tokens": 373,
    "input_image_tokens": 323,
    "output_tokens": 2256,
    "output_image_tokens": 2112,
}
STREAMED = {"input_tokens": 50, "output_tokens": 1056, "output_image_tokens": 1056}


def test_pictures_count_by_their_tokens(client: openai.OpenAI, recorded: Recorded) -> None:
    answered = client.images.generate(**DRAW, n=2, **answer())
    assert answered.data is not None
    assert len(answered.data) == 2
    (event,) = recorded()
    assert (event.operation, event.provider) == ("image_generation", "openai")
    assert (event.model, event.usage, event.service_tier) == ("gpt-image-1.5", DRAWN, "")
    assert (event.calls, event.status) == (1, "ok")


async def test_so_do_those_of_asyncio(async_client: openai.AsyncOpenAI, recorded: Recorded) -> None:
    await async_client.images.generate(**DRAW, **answer())
    await async_client.images.edit(**DRAW, image=PICTURE, **answer())
    assert [event.usage for event in recorded()] == [DRAWN, DRAWN]


def test_an_edit_is_sent_as_a_form_and_counts_all_the_same(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    client.images.edit(**DRAW, image=PICTURE, **answer())
    assert [(event.model, event.usage) for event in recorded()] == [("gpt-image-1.5", DRAWN)]


def test_a_raw_response_counts_and_so_does_one_read_piece_by_piece(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    raw = client.images.with_raw_response.generate(**DRAW, **answer())
    assert raw.parse().created == 1_795_262_400
    with client.images.with_streaming_response.generate(**DRAW, **answer()) as response:
        assert b"b64_json" in b"".join(response.iter_bytes(50))
    assert [(event.usage, event.status) for event in recorded()] == [(DRAWN, "ok"), (DRAWN, "ok")]


def test_a_stream_counts_what_its_last_event_tells(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    kinds = [event.type for event in client.images.generate(**DRAW, stream=True, **answer())]
    assert kinds == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    edits = client.images.edit(**DRAW, image=PICTURE, stream=True, **answer())
    assert [event.type for event in edits][-1] == "image_edit.completed"
    made, edited = recorded()
    assert (made.usage, made.status) == (STREAMED, "ok")  # what is written are pictures
    assert edited.usage == {**STREAMED, "input_tokens": 373, "input_image_tokens": 323}


async def test_a_stream_of_asyncio_counts_too(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    events = await async_client.images.generate(**DRAW, stream=True, **answer())
    assert [event.type async for event in events][-1] == "image_generation.completed"
    assert [event.usage for event in recorded()] == [STREAMED]


@pytest.mark.parametrize(
    ("fault", "status"), [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")]
)
def test_a_stream_that_breaks_off_is_counted_by_how_it_did(
    client: openai.OpenAI, recorded: Recorded, fault: str, status: str
) -> None:
    events = client.images.generate(**DRAW, stream=True, **answer(fault=fault))
    with suppress(openai.APIError, httpx2.TransportError):
        assert len(list(events)) == 2
    assert [(event.usage, event.status) for event in recorded()] == [({}, status)]


def test_a_stream_that_the_caller_leaves_is_cancelled(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with client.images.generate(**DRAW, stream=True, **answer()) as events:
        next(events)
    assert [event.status for event in recorded()] == ["cancelled"]


def test_an_error_inside_a_stream_is_counted(client: openai.OpenAI, recorded: Recorded) -> None:
    with pytest.raises(openai.APIError):
        list(client.images.generate(**DRAW, stream=True, **answer("image_stream_failed.sse")))
    assert [(event.usage, event.status) for event in recorded()] == [({}, "server_error")]


def test_an_error_is_counted_by_its_kind(client: openai.OpenAI, recorded: Recorded) -> None:
    with pytest.raises(openai.RateLimitError):
        client.images.generate(**DRAW, **answer(fault="429"))
    assert [(event.usage, event.status) for event in recorded()] == [({}, "rate_limited")]


@pytest.mark.parametrize(
    ("asked", "tier", "usd"),
    [
        ({"model": "dall-e-3"}, "", "0.08"),
        ({"model": "dall-e-3", "quality": "auto", "size": "1024x1024"}, "", "0.08"),
        ({"model": "dall-e-3", "quality": "hd"}, "hd 1024x1024", "0.16"),
        ({"model": "dall-e-3", "size": "1792x1024"}, "standard 1792x1024", "0.16"),
        ({"model": "dall-e-3", "quality": "hd", "size": "1024x1792"}, "hd 1024x1792", "0.24"),
        ({"model": "dall-e-2", "size": "256x256"}, "standard 256x256", "0.032"),
        ({"model": "dall-e-3", "size": "640x480"}, "standard 640x480", None),
    ],
)
def test_pictures_by_the_piece_cost_what_their_quality_and_size_do(
    client: openai.OpenAI, recorded: Recorded, asked: dict[str, str], tier: str, usd: str | None
) -> None:
    client.images.generate(prompt="A coin", **asked, **answer("images_by_the_piece.json"))  # type: ignore[arg-type]
    (event,) = recorded()
    assert (event.usage, event.service_tier) == ({"images": 2}, tier)
    before_they_were_retired = 1_750_000_000 * 10**9
    charge = PriceBook(PricesConfig(), clock=SYSTEM_CLOCK).charge(
        event.provider, event.model, event.service_tier, event.usage, before_they_were_retired
    )
    assert (charge and charge.nano_usd) == (usd and Decimal(usd) * 10**9)


def test_variations_are_pictures_too(client: openai.OpenAI, recorded: Recorded) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        client.images.create_variation(image=PICTURE, model="dall-e-2", size="512x512")
    (event,) = recorded()
    assert (event.usage, event.service_tier) == ({"images": 2}, "standard 512x512")


def test_who_wrote_a_picture_down_as_svg_has_an_event_of_its_own(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    client.images.generate(**DRAW, output_format="svg", **answer("images_svg.json"))
    picture, author = recorded()
    assert picture.usage == {"input_tokens": 50, "output_tokens": 272, "output_image_tokens": 272}
    assert (author.model, author.calls, author.requests) == ("gpt-6-astra", 0, 0)
    assert author.usage == {
        "input_tokens": 900,
        "output_tokens": 4000,
        "reasoning_tokens": 1500,
    }


@pytest.mark.parametrize(
    "body", [b"[]", b"nothing", b'{"data": 7}', b'{"usage": 7}', b'{"svg_usage": "x"}', b"{}"]
)
def test_an_odd_body_tells_nothing_and_raises_nothing(body: bytes) -> None:
    assert not ImageReader("").read_json(body).usage


def test_a_parsed_body_tells_what_an_unparsed_one_does() -> None:
    body = (RESPONSES / "openai_media/images.json").read_bytes()
    parsed = openai.types.ImagesResponse.model_validate_json(body)
    assert ImageReader("").read(parsed) == ImageReader("").read_json(body) == Reading(DRAWN)
