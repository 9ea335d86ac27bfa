"""What Google bills that is no tokens, at the prices of our own data."""

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
        ("gemini-2.5-flash", "", {"training_tokens": 1000}),
        ("gemini-9-flash-cache-storage", "", {"cached_token_seconds": 1000}),
    ],
)
def test_what_nobody_publishes_is_unpriced(
    book: PriceBook, model: str, tier: str, usage: dict[str, int]
) -> None:
    assert book.charge("gcp.vertex_ai", model, tier, usage, AT_NS) is None
