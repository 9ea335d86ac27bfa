"""What Google and AWS bill that is no tokens, at the prices of our own data."""

from __future__ import annotations

import pytest

from costmeter.clock import SYSTEM_CLOCK
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig

AT_NS = 1_795_305_600 * 10**9
"""2026-11-22."""


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(PricesConfig(), clock=SYSTEM_CLOCK)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "usage", "component", "nano_usd"),
    [
        ("gcp.vertex_ai", "imagen-4.0-ultra-generate-001", "", {"images": 2}, "image", 120_000_000),
        ("gcp.gemini", "imagen-4.0-fast-generate-001", "", {"images": 1}, "image", 20_000_000),
        ("gcp.vertex_ai", "veo-3.1-generate-001", "", {"output_video_seconds": 8}, "image", 3_200_000_000),
        ("gcp.gemini", "veo-3.1-generate-preview", "4k", {"output_video_seconds": 8}, "image", 4_800_000_000),
        ("gcp.vertex_ai", "veo-3.1-generate-001", "1080p", {"output_video_seconds": 1}, "image", 400_000_000),
        ("gcp.vertex_ai", "veo-3.1-fast-generate-001", "1080p", {"output_video_seconds": 5}, "image", 600_000_000),
        ("aws.bedrock", "amazon.nova-canvas-v1:0", "premium 2048", {"images": 1}, "image", 80_000_000),
        ("aws.bedrock", "us.stability.stable-image-inpaint-v1:0", "", {"images": 1}, "image", 70_000_000),
        ("aws.bedrock", "amazon.titan-image-generator-v2:0", "512", {"images": 1}, "image", 8_000_000),
        ("aws.bedrock", "amazon.nova-reel-v1:1", "", {"output_video_seconds": 6}, "image", 480_000_000),
        ("aws.bedrock", "luma.ray-v2:0", "540p", {"output_video_seconds": 5}, "image", 3_750_000_000),
        ("aws.bedrock", "guardrail-denied-topics", "", {"text_units": 1000}, "tool", 150_000_000),
        ("aws.bedrock", "guardrail-automated-reasoning", "", {"text_units": 1}, "tool", 170_000),
        ("aws.bedrock", "cohere.rerank-v3-5:0", "", {"search_units": 3}, "request", 6_000_000),
        ("aws.bedrock", "us.cohere.embed-v4:0", "", {"input_tokens": 1000}, "input", 120_000),
        # 43,130 tokens for an hour, at a dollar for a million of them
        ("gcp.gemini", "gemini-2.5-flash-cache-storage", "", {"cached_token_seconds": 43_130 * 3600}, "storage", 43_130_000),
        # 100,000 tokens for 5 minutes, at 4.50 dollars for a million tokens and an hour
        ("gcp.vertex_ai", "gemini-2.5-pro-cache-storage", "", {"cached_token_seconds": 100_000 * 300}, "storage", 37_500_000),
    ],
)  # fmt: skip
def test_a_piece_costs_what_the_provider_publishes(
    book: PriceBook,
    provider: str,
    model: str,
    tier: str,
    usage: dict[str, int],
    component: str,
    nano_usd: int,
) -> None:
    charge = book.charge(provider, model, tier, usage, AT_NS)
    assert charge is not None
    assert dict(charge.components) == {component: nano_usd}


@pytest.mark.parametrize(
    ("model", "tier", "usage"),
    [
        ("veo-3.1-generate-001", "silent", {"output_video_seconds": 8}),
        ("veo-3.1-generate-001", "8k", {"output_video_seconds": 8}),
        ("imagen-3.0-generate-002", "upscale", {"images": 1}),
        ("imagen-3.0-capability-001", "", {"images": 1}),
        ("gemini-2.5-flash-training", "", {"training_tokens": 1000}),
        ("gemini-9-flash-cache-storage", "", {"cached_token_seconds": 1000}),
        ("gemini-embedding-2", "video", {"input_tokens": 258, "input_image_tokens": 258}),
    ],
)
def test_what_nobody_publishes_is_unpriced(
    book: PriceBook, model: str, tier: str, usage: dict[str, int]
) -> None:
    assert book.charge("gcp.vertex_ai", model, tier, usage, AT_NS) is None


def test_a_call_of_a_guardrail_is_free_beside_what_it_looks_through(book: PriceBook) -> None:
    charge = book.charge("aws.bedrock", "guardrail", "", {}, AT_NS)
    assert charge is not None
    assert charge.nano_usd == 0
    content = {"text_units": 2, "images": 1}
    looked = book.charge("aws.bedrock", "guardrail-content-filters", "", content, AT_NS)
    assert looked is not None
    assert dict(looked.components) == {"image": 750_000, "tool": 300_000}
