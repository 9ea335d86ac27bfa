"""What requests cost, against amounts worked out by hand from published prices."""

from datetime import UTC, datetime
from typing import Any

import pytest

from costmeter.clock import SYSTEM_CLOCK
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig
from tests.pricing.worked_out import CASES, TODAY, Case


def nanoseconds(at: str) -> int:
    return int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(PricesConfig(), clock=SYSTEM_CLOCK)


def name(case: Any) -> str:
    return f"{case.provider}/{case.model}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_request_costs_what_the_provider_publishes(book: PriceBook, case: Case) -> None:
    charge = book.charge(case.provider, case.model, case.tier, case.usage, nanoseconds(case.at))
    assert charge is not None
    assert dict(charge.components) == case.costs
    assert charge.nano_usd == sum(case.costs.values())


def test_pictures_of_a_size_or_quality_that_nobody_knows_are_unpriced(book: PriceBook) -> None:
    at = nanoseconds("2025-06-01T12:00")
    assert book.charge("openai", "dall-e-3", "hd 640x480", {"images": 1}, at) is None
    assert (
        book.charge("openai", "dall-e-3", "hd 1024x1024", {"images": 1}, nanoseconds(TODAY)) is None
    )


def test_the_cases_cover_the_providers_and_models_that_they_must() -> None:
    assert len({(case.provider, case.model) for case in CASES}) >= 25
    assert len({case.provider for case in CASES}) >= 8
