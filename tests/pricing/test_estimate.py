"""What a request would cost."""

from decimal import Decimal

import pytest

from costmeter.errors import PricingError
from costmeter.pricing.book import PriceBook
from costmeter.pricing.estimate import estimate, estimate_async
from costmeter.pricing.schema import PricesConfig
from tests.pricing.published import Publisher, StillClock


@pytest.fixture
def book(clock: StillClock) -> PriceBook:
    return PriceBook(PricesConfig.model_validate({"refresh": "off"}), clock=clock)


# Requirement D6: gpt-4o-mini at 0.15 and 0.60, Claude Sonnet at 3 and 15 US dollars per million.
@pytest.mark.parametrize(
    ("provider", "model", "input_usd", "output_usd"),
    [
        ("openai", "gpt-4o-mini", "0.15", "0.6"),
        ("anthropic", "claude-sonnet-4-0", "3", "15"),
    ],
)
def test_a_million_tokens_cost_their_price(
    book: PriceBook,
    clock: StillClock,
    provider: str,
    model: str,
    input_usd: str,
    output_usd: str,
) -> None:
    usage = {"input_tokens": 10**6, "output_tokens": 10**6}
    found = estimate(book, provider, model, usage, at_ns=clock.now)
    assert found.usd == {"input": Decimal(input_usd), "output": Decimal(output_usd)}
    assert found.total_usd == Decimal(input_usd) + Decimal(output_usd)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "usage", "message"),
    [
        ("openai", "gpt-4o-mni", "", {"input_tokens": 1}, "no price; did you mean gpt-4o-mini"),
        ("openai", "zzz", "", {"input_tokens": 1}, "openai/zzz has no price$"),
        ("nobody", "m", "", {"input_tokens": 1}, "provider 'nobody' has no prices"),
        ("openai", "gpt-4o", "scale", {"input_tokens": 1}, "in the service tier 'scale'"),
        (
            "voyage",
            "voyage-4",
            "",
            {"input_tokens": 1, "output_tokens": 2, "images": 0},
            "voyageai/voyage-4 has no price for some of input_tokens, output_tokens",
        ),
    ],
)
def test_what_has_no_price_is_an_error_that_says_what(
    book: PriceBook,
    clock: StillClock,
    provider: str,
    model: str,
    tier: str,
    usage: dict[str, int],
    message: str,
) -> None:
    with pytest.raises(PricingError, match=message):
        estimate(book, provider, model, usage, service_tier=tier, at_ns=clock.now)


async def test_asynchronously_prices_that_are_due_are_fetched_first(
    publisher: Publisher, clock: StillClock
) -> None:
    publisher.publish(2.35)
    config = PricesConfig.model_validate({"url": publisher.url})
    book = PriceBook(config, clock=clock)
    usage = {"input_tokens": 10**6}
    found = await estimate_async(book, "openai", "gpt-4o", usage, at_ns=clock.now)
    assert found.total_usd == Decimal("2.35")
    await estimate_async(book, "openai", "gpt-4o", usage, at_ns=clock.now)
    assert len(publisher.asked) == 1


async def test_asynchronously_prices_out_of_reach_are_no_error(clock: StillClock) -> None:
    book = PriceBook(
        PricesConfig.model_validate({"url": "http://127.0.0.1:1/", "timeout": "1s"}), clock=clock
    )
    found = await estimate_async(book, "openai", "gpt-4o", {"input_tokens": 10**6}, at_ns=clock.now)
    assert found.total_usd == Decimal("2.5")
