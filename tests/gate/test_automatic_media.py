"""Instrumented calls of the real SDKs reserve what their requests tell beside text."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import anthropic
import cohere
import groq
import openai
import pytest
from google import genai
from google.genai import _common
from google.oauth2.credentials import Credentials
from mistralai.client import Mistral

import costmeter
from costmeter import BudgetExceededError
from tests.examples.serving import serving
from tests.gate.stack import HARD, Stack
from tests.instrumentation.clients.bedrock.asking import client_of
from tests.standins import anthropic as anthropic_standin
from tests.standins import cohere as cohere_standin
from tests.standins import google_genai as google_standin
from tests.standins import groq as groq_standin
from tests.standins import mistral as mistral_standin
from tests.standins import openai_begun, openai_media
from tests.standins.bedrock import serving_bedrock

pytestmark = pytest.mark.filterwarnings("ignore:The .* API is :DeprecationWarning")

PROMPT = "x" * 300
# Retired models, whose prices are over, and a container, which has none in the catalogue.
PRICES = [
    {"provider": "openai", "model": "dall-e-3", "usd_per_image": 0.04,
     "service_tiers": {"hd 1024x1792": 3}},
    {"provider": "openai", "model": "sora-2-pro", "usd_per_video_second": 0.30,
     "service_tiers": {"1792x1024": 1.5}},
    {"provider": "openai", "model": "container", "usd_per_container_session": 0.03},
    {"provider": "groq", "model": "playai-tts", "usd_per_million_characters": 50},
]  # fmt: skip


def ask_openai(url: str, ask: Callable[[Any], object]) -> None:
    with openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:
        ask(client)


def ask_cohere(url: str, ask: Callable[[Any], object]) -> None:
    with cohere.ClientV2(api_key="k", base_url=url) as client:
        ask(client)


def ask_anthropic(url: str, ask: Callable[[Any], object]) -> None:
    with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
        ask(client)


def ask_groq(url: str, ask: Callable[[Any], object]) -> None:
    with groq.Groq(api_key="k", base_url=url, max_retries=0) as client:
        ask(client)


def ask_vertex(url: str, ask: Callable[[Any], object]) -> None:
    with (
        warnings.catch_warnings(),
        genai.Client(
            vertexai=True,
            project="acme",
            location="europe-west1",
            credentials=Credentials(token="token"),  # type: ignore[no-untyped-call]
            http_options={"base_url": url},
        ) as client,
    ):
        warnings.simplefilter("ignore", _common.ExperimentalWarning)
        ask(client)


def ask_mistral(url: str, ask: Callable[[Any], object]) -> None:
    with Mistral(api_key="k", server_url=url) as client:
        ask(client)


class Sdk(NamedTuple):
    """An SDK, whom it asks, what stands for that, and how a client of it is used."""

    name: str
    provider: str
    standin: Callable[[], Any]
    ask: Callable[[str, Callable[[Any], object]], None]


OPENAI = Sdk("openai", "openai", openai_media.create_app, ask_openai)
BEGUN = OPENAI._replace(standin=openai_begun.create_app)
GROQ = Sdk("groq", "groq", groq_standin.create_app, ask_groq)
VERTEX = Sdk("google.genai", "gcp.vertex_ai", google_standin.create_app, ask_vertex)
MISTRAL = Sdk("mistralai", "mistral_ai", mistral_standin.create_app, ask_mistral)
COHERE = Sdk("cohere", "cohere", cohere_standin.create_app, ask_cohere)
ANTHROPIC = Sdk("anthropic", "anthropic", anthropic_standin.create_app, ask_anthropic)
DOCUMENT = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
FORMAT = {"type": "json_schema", "json_schema": {"name": "cents", "schema": {}}}


def draw(client: Any, model: str, **more: Any) -> object:
    return client.images.generate(prompt=PROMPT, model=model, **more)


def film(client: Any, **more: Any) -> object:
    return client.videos.create(prompt=PROMPT, model="sora-2-pro", **more)


def paint(client: Any, **config: Any) -> object:
    model = "imagen-4.0-generate-001"
    return client.models.generate_images(model=model, prompt=PROMPT, config=config)


def veo(client: Any, **config: Any) -> object:
    model = "veo-3.1-generate-001"
    return client.models.generate_videos(model=model, source={"prompt": PROMPT}, config=config)


def read(client: Any, **more: Any) -> object:
    return client.ocr.process(model="mistral-ocr-2505", document=DOCUMENT, **more)


REQUESTS: dict[str, tuple[Sdk, Callable[[Any], object], int]] = {
    # 0.04 USD a picture
    "picture": (OPENAI, partial(draw, model="dall-e-3"), 40_000_000),
    # 3 of them, each at three times the price
    "pictures in high definition": (
        OPENAI, partial(draw, model="dall-e-3", n=3, quality="hd", size="1024x1792"), 360_000_000
    ),
    # 2,500 characters at 15 USD a million
    "speech": (
        OPENAI,
        lambda client: client.audio.speech.create(model="tts-1", voice="nova", input="c" * 2500),
        37_500_000,
    ),
    # 4 seconds at 0.30 USD, where none are named
    "film": (BEGUN, film, 1_200_000_000),
    # 12 seconds at one and a half times that
    "larger film": (BEGUN, partial(film, seconds="12", size="1792x1024"), 5_400_000_000),
    "container": (BEGUN, lambda client: client.containers.create(name="python"), 30_000_000),
    # 2,000 characters at 50 USD a million
    "speech by Groq": (
        GROQ,
        lambda client: client.audio.speech.create(
            model="playai-tts", voice="Fritz-PlayAI", input="c" * 2000
        ),
        100_000_000,
    ),
    # 4 pictures at 0.04 USD, where no number is named
    "pictures by Imagen": (VERTEX, paint, 160_000_000),
    "three by Imagen": (VERTEX, partial(paint, number_of_images=3), 120_000_000),
    # 8 seconds at 0.40 USD, where none are named
    "film by Veo": (VERTEX, veo, 3_200_000_000),
    # 2 films of 6 seconds at one and a half times that
    "films by Veo": (
        VERTEX,
        partial(veo, number_of_videos=2, duration_seconds=6, resolution="4k"),
        7_200_000_000,
    ),
    # 0, 2, 3 and 4 at 1 USD a thousand
    "pages": (MISTRAL, partial(read, pages="0,2-4"), 4_000_000),
    "listed pages": (MISTRAL, partial(read, pages=[0, 7]), 2_000_000),
    # 101 documents: 2 search units at 0.002 USD
    "ranking": (
        COHERE,
        lambda client: client.rerank(model="rerank-v3.5", query="q", documents=["d"] * 101),
        4_000_000,
    ),
    # 2,500 characters at 16 USD a million
    "speech by Mistral": (
        MISTRAL,
        lambda client: client.audio.speech.complete(
            model="voxtral-mini-tts-2603", input="c" * 2500, voice_id="nova"
        ),
        40_000_000,
    ),
}  # fmt: skip


@pytest.fixture
def gated(stack: Stack, request: Any) -> Iterator[Callable[[Callable[[Any], object]], None]]:
    """What makes a call with a metered SDK for the team whose budget is limited."""
    sdk: Sdk = request.param
    stack.settings["prices"] = {"refresh": "off", "models": PRICES}
    stack.settings["budgets"] = [HARD]
    stack.start()
    with serving(sdk.standin()) as url:
        costmeter.instrument(sdk.name, providers={url: sdk.provider}, gate=True)
        with costmeter.attribute(team="search"):
            yield partial(sdk.ask, url)
        costmeter.uninstrument()


@pytest.mark.parametrize(
    ("gated", "request_of", "nano"), REQUESTS.values(), ids=REQUESTS, indirect=["gated"]
)
def test_a_request_reserves_what_it_asks_for(
    stack: Stack, gated: Any, request_of: Callable[[Any], object], nano: int
) -> None:
    asked = stack.listen()
    gated(request_of)
    ((_, answer, reserved),) = asked
    assert (answer.outcome, reserved) == ("allowed", nano)


@pytest.mark.parametrize("gated", [VERTEX], indirect=True)
def test_films_that_are_asked_for_at_once_pass_no_limit(stack: Stack, gated: Any) -> None:
    for _ in range(3):
        gated(veo)
    assert stack.reserved() == 9_600_000_000  # of 10 USD
    with pytest.raises(BudgetExceededError):
        gated(veo)


@pytest.mark.parametrize("gated", [OPENAI], indirect=True)
@pytest.mark.parametrize(
    ("quality", "tokens"), [("low", 408), ("medium", 1756), ("high", 7024), ("auto", 7024)]
)
def test_pictures_that_are_billed_by_tokens_reserve_the_most_of_their_quality(
    stack: Stack, gated: Any, quality: str, tokens: int
) -> None:
    asked = stack.listen()
    gated(partial(draw, model="gpt-image-1", n=2, quality=quality))
    ((question, _, reserved),) = asked
    text = question.usage["input_tokens"]
    assert 100 <= text <= 120
    assert reserved == text * 5000 + 2 * tokens * 40_000  # 5 and 40 USD a million


@pytest.mark.parametrize("gated", [ANTHROPIC], indirect=True)
def test_searches_are_reserved_beside_the_tokens(stack: Stack, gated: Any) -> None:
    asked = stack.listen()
    gated(
        lambda client: client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=1000,
            messages=[{"role": "user", "content": PROMPT}],
            tools=[
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
                {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 7},
            ],
        )
    )
    ((question, _, reserved),) = asked
    # 1 and 5 USD a million, 0.01 USD a search; what is fetched is read for nothing but its tokens
    assert reserved == question.usage["input_tokens"] * 1000 + 1000 * 5000 + 5 * 10_000_000


@pytest.mark.parametrize("gated", [MISTRAL], indirect=True)
def test_pages_that_are_annotated_are_told_apart_and_those_not_listed_not_told(
    stack: Stack, gated: Any
) -> None:
    asked = stack.listen()
    gated(partial(read, pages=[0, 1], document_annotation_format=FORMAT))
    gated(read)
    pages = ("input_pages", "annotated_pages")
    assert [{key: of.usage[key] for key in pages if key in of.usage} for of, *_ in asked] == [
        {"annotated_pages": 2},
        {},
    ]


@pytest.mark.parametrize("gated", [OPENAI], indirect=True)
def test_speech_that_is_billed_by_tokens_is_told_both_ways(stack: Stack, gated: Any) -> None:
    asked = stack.listen()
    gated(
        lambda client: client.audio.speech.create(
            model="gpt-4o-mini-tts", voice="nova", input="c" * 300
        )
    )
    ((question, _, reserved),) = asked
    assert question.usage["input_characters"] == 300
    # 0.60 and 12 USD a million; 1,024 tokens are assumed
    assert reserved == question.usage["input_tokens"] * 600 + 1024 * 12_000


@pytest.mark.parametrize(
    ("operation", "given", "nano"),
    [
        # 3 pictures at 0.04 USD
        (
            "invoke_model",
            {
                "modelId": "amazon.nova-canvas-v1:0",
                "body": json.dumps({"imageGenerationConfig": {"numberOfImages": 3}}),
            },
            120_000_000,
        ),
        # 12 seconds at 0.08 USD
        (
            "start_async_invoke",
            {
                "modelId": "amazon.nova-reel-v1:0",
                "modelInput": {"videoGenerationConfig": {"durationSeconds": 12}},
                "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://films"}},
            },
            960_000_000,
        ),
        # 101 documents: 2 search units at 0.001 USD
        (
            "invoke_model",
            {
                "modelId": "amazon.rerank-v1:0",
                "body": json.dumps({"query": "q", "documents": ["d"] * 101}),
            },
            2_000_000,
        ),
    ],
    ids=["pictures", "film", "ranking"],
)
def test_so_does_one_of_bedrocks(
    stack: Stack, operation: str, given: dict[str, Any], nano: int
) -> None:
    stack.start()
    asked = stack.listen()
    with serving_bedrock() as server, costmeter.attribute(team="search"):
        server.answer(b'{"invocationArn": "arn:aws:bedrock:us-east-1:1:async-invoke/1"}')
        costmeter.instrument("boto3", providers={server.url: "aws.bedrock"}, gate=True)
        client = client_of(server.url)
        getattr(client, operation)(**given)
        client.close()
        costmeter.uninstrument()
    ((_, answer, reserved),) = asked
    assert (answer.outcome, reserved) == ("allowed", nano)
