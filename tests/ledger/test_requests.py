"""Requests of applications that make several calls."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from costmeter.ledger import requests
from costmeter.ledger.accounting import Accountant
from costmeter.ledger.batch import Batch
from costmeter.ledger.labels import label_caps
from costmeter.ledger.requests import LAPSE_NS, Ended, OpenRequest, OpenRequests, Part
from costmeter.ledger.store import Ledger
from costmeter.pricing.prices import Prices
from costmeter.pricing.tariff import Priced, Tariff, Unpriced
from costmeter.units import NANO
from costmeter.usage import UsageEvent

NOON = 1_795_348_800 * NANO
CHAT = Part("/v1/chat", "openai")


class FixedClock:
    def __init__(self) -> None:
        self.ns = NOON

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


class Books:
    """An accountant over a ledger in a file; a token costs 1,000 nano-dollars."""

    def __init__(self, path: Path) -> None:
        self.clock = FixedClock()
        self.ledger = Ledger.open(path, clock=self.clock)
        self.priced = True
        self.accountant = self.new_accountant()

    def new_accountant(self) -> Accountant:
        accountant = Accountant(
            self.ledger.intern,
            self.tariff,
            label_caps({}),
            clock=self.clock,
            retention_ns=90 * 86_400 * NANO,
        )
        accountant.resume(self.ledger.open_requests())
        return accountant

    def tariff(self, provider: str, model: str, tier: str, time_ns: int) -> Tariff:
        prices = Prices(tokens={"input": Decimal(1), "output": Decimal(1)})
        return Priced(prices, "list") if self.priced else Unpriced()

    def call(self, request: str, tokens: int, provider: str = "openai") -> None:
        """Add a call of so many tokens, each of 1,000 nano-dollars."""
        self.add(
            UsageEvent(
                time_ns=NOON,
                operation="chat",
                provider=provider,
                model="m",
                attributes={"endpoint": "/v1/chat"},
                usage={"input_tokens": tokens},
                request=request,
            )
        )

    def end(self, request: str) -> None:
        self.add(UsageEvent(NOON, "request", "", "", {}, {}, calls=0, requests=1, request=request))

    def add(self, event: UsageEvent) -> None:
        assert self.accountant.add(msgspec.json.encode(event))

    def commit(self) -> Batch:
        batch = self.accountant.take()
        self.ledger.commit(batch)
        return batch

    def observed(self, provider: str = "openai") -> tuple[int, int, int]:
        """Return the histogram's count, sum, and count up to 0.01 USD, as they are committed."""
        self.commit()
        totals = {
            (series.family, series.labels.get("le", "")): series.total
            for series in self.ledger.series()
            if series.labels.get("endpoint") == "/v1/chat"
            and series.labels["provider"] == provider
            and series.family.startswith("cost_request_cost_usd")
        }
        name = "cost_request_cost_usd"
        return (
            totals.get((f"{name}_count", ""), 0),
            totals.get((f"{name}_sum", ""), 0),
            totals.get((f"{name}_bucket", "0.01"), 0),
        )


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path / "ledger.db")
    yield books
    books.ledger.close()


def test_all_calls_of_a_request_are_one_observation_of_their_sum(books: Books) -> None:
    # 6,000 and 7,000 tokens are 0.006 and 0.007 USD: each is below 0.01 USD, together they are not.
    books.call("r1", 6000)
    books.call("r1", 7000)
    books.end("r1")
    assert books.observed() == (1, 13_000_000, 0)


def test_money_is_in_the_sum_before_the_request_ends(books: Books) -> None:
    books.call("r1", 6000)
    assert books.observed() == (0, 6_000_000, 0)
    books.end("r1")
    assert books.observed() == (1, 6_000_000, 1)


def test_requests_side_by_side_are_told_apart(books: Books) -> None:
    books.call("r1", 6000)
    books.call("r2", 1000)
    books.call("r1", 7000)
    books.end("r2")
    assert books.observed() == (1, 14_000_000, 1)
    books.end("r1")
    assert books.observed() == (2, 14_000_000, 1)


def test_a_request_is_one_observation_for_each_provider_it_used(books: Books) -> None:
    books.call("r1", 1000)
    books.call("r1", 2000, provider="anthropic")
    books.call("r1", 3000, provider="anthropic")
    books.end("r1")
    assert books.observed() == (1, 1_000_000, 1)
    assert books.observed("anthropic") == (1, 5_000_000, 1)


def test_a_request_without_calls_is_not_observed(books: Books) -> None:
    books.end("r1")
    assert books.commit().is_empty


def test_tokens_whose_cost_is_recorded_elsewhere_make_no_observation(books: Books) -> None:
    tokens = UsageEvent(
        time_ns=NOON, operation="tokens", provider="openai", model="m",
        attributes={"endpoint": "/v1/chat"}, usage={"input_tokens": 1},
        calls=0, requests=0, cost_nano_usd=0, request="r1",
    )  # fmt: skip
    books.add(tokens)
    books.end("r1")
    assert books.observed() == (0, 0, 0)


def test_what_another_model_cost_within_a_call_is_part_of_the_request(books: Books) -> None:
    books.call("r1", 1000)
    advisor = UsageEvent(
        time_ns=NOON, operation="chat", provider="openai", model="advisor",
        attributes={"endpoint": "/v1/chat"}, usage={"input_tokens": 2000},
        calls=0, requests=0, request="r1",
    )  # fmt: skip
    books.add(advisor)
    books.end("r1")
    assert books.observed() == (1, 3_000_000, 1)


def test_its_end_is_not_kept_as_an_event(books: Books) -> None:
    books.call("r1", 1000)
    books.end("r1")
    assert len(books.accountant.take().events) == 1


def test_a_call_that_comes_after_the_end_is_no_lost_money(books: Books) -> None:
    books.call("r1", 1000)
    books.end("r1")
    books.call("r1", 2000)
    assert books.observed() == (1, 3_000_000, 1)
    books.clock.ns += LAPSE_NS + 1
    books.commit()  # tells the accountant what time it is
    assert books.observed() == (2, 3_000_000, 2)


def test_a_restart_between_two_calls_loses_nothing(books: Books) -> None:
    books.call("r1", 6000)
    books.call("r1", 1000, provider="anthropic")
    books.commit()
    books.accountant = books.new_accountant()
    books.call("r1", 7000)
    books.end("r1")
    assert books.observed() == (1, 13_000_000, 0)
    assert books.observed("anthropic") == (1, 1_000_000, 1)
    assert books.ledger.open_requests() == []


def test_the_ledger_holds_what_requests_under_way_have_cost(books: Books) -> None:
    books.call("r1", 6000)
    books.commit()
    books.call("r1", 1000)
    books.commit()
    assert books.ledger.open_requests() == [OpenRequest("r1", CHAT, NOON, 7_000_000)]


def test_a_request_whose_worker_died_is_observed_after_an_hour(books: Books) -> None:
    books.call("r1", 6000)
    books.commit()
    books.clock.ns += LAPSE_NS
    books.commit()
    assert books.observed() == (0, 6_000_000, 0)
    books.clock.ns += 1
    books.commit()
    assert books.observed() == (1, 6_000_000, 1)
    assert books.ledger.open_requests() == []


def test_a_part_that_is_priced_later_is_added_to_the_sum(books: Books) -> None:
    books.priced = False
    books.call("r1", 6000)
    (kept,) = books.accountant.take().events
    books.priced = True
    assert books.accountant.correct(kept.payload, NOON) is not None
    assert books.observed() == (0, 6_000_000, 0)


def test_beyond_the_most_the_first_are_taken_for_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_OPEN", 2)
    held = OpenRequests()
    for number in (1, 2, 3):
        held.add(f"r{number}", CHAT, number, NOON)
    assert list(held.lapse(NOON)) == [Ended(CHAT, 1)]
    assert held.end("r1") == []
    assert held.end("r3") == [Ended(CHAT, 3)]
