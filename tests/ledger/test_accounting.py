"""From an event to its sums."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from costmeter.ledger.accounting import FUTURE_NS, Accountant
from costmeter.ledger.batch import Batch
from costmeter.ledger.labels import label_caps
from costmeter.pricing.prices import Prices
from costmeter.pricing.tariff import Priced, Tariff, Unpriced
from costmeter.units import NANO
from costmeter.usage import UsageEvent

NOON = 1_795_348_800 * NANO  # 2026-11-22T12:00:00Z, the start of a quarter of an hour
QUARTER = 1_994_832  # NOON / 900 s
DAY = 86_400 * NANO


class FixedClock:
    def now_ns(self) -> int:
        return NOON

    def monotonic_ns(self) -> int:
        return 0


class Books:
    """An accountant with a ledger of names only, and prices of 150 and 600 nano-dollars."""

    def __init__(self, **caps: int) -> None:
        self.names: list[tuple[str, dict[str, str]]] = []
        self.prices = {"gpt-4o-mini"}
        self.accountant = Accountant(
            self.intern,
            self.tariff,
            label_caps(caps),
            clock=FixedClock(),
            retention_ns=90 * DAY,
        )

    def intern(self, family: str, labels: Mapping[str, str]) -> int:
        key = (family, {name: value for name, value in labels.items() if value})
        if key not in self.names:
            self.names.append(key)
        return self.names.index(key)

    def tariff(self, provider: str, model: str, tier: str, time_ns: int) -> Tariff:
        if model not in self.prices:
            return Unpriced()
        tokens = {"input": Decimal("0.15"), "output": Decimal("0.60")}
        return Priced(Prices(tokens=tokens), f"list:{model}")

    def add(self, **changes: Any) -> bool:
        return self.accountant.add(msgspec.json.encode(event(**changes)))

    def sums(self, batch: Batch, family: str) -> dict[tuple[str, ...], dict[int, int]]:
        """Return a family's sums by the values of its labels, in order of the labels' names."""
        return {
            tuple(value for _, value in sorted(self.names[series][1].items())): quarters
            for series, quarters in batch.sums.items()
            if self.names[series][0] == family
        }


def event(**changes: Any) -> UsageEvent:
    fields: dict[str, Any] = {
        "time_ns": NOON,
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "attributes": {"team": "search"},
        "usage": {"input_tokens": 1000, "output_tokens": 50},
    }
    return UsageEvent(**fields | changes)


@pytest.fixture
def books() -> Books:
    return Books()


def test_cost_is_added_by_component_tokens_by_type_and_calls_by_status(books: Books) -> None:
    assert books.add()
    assert books.add()
    batch = books.accountant.take()
    # 1,000 x 150 = 150,000 and 50 x 600 = 30,000 nano-dollars, twice.
    assert books.sums(batch, "cost_spend_usd_total") == {
        ("input", "gpt-4o-mini", "openai", "search"): {QUARTER: 300_000},
        ("output", "gpt-4o-mini", "openai", "search"): {QUARTER: 60_000},
    }
    assert books.sums(batch, "cost_provider_tokens_total") == {
        ("gpt-4o-mini", "openai", "search", "input"): {QUARTER: 2000},
        ("gpt-4o-mini", "openai", "search", "output"): {QUARTER: 100},
    }
    assert books.sums(batch, "cost_provider_api_calls_total") == {
        ("gpt-4o-mini", "openai", "ok", "search"): {QUARTER: 2},
    }


def test_what_failed_calls_cost_is_counted_once_more_by_itself(books: Books) -> None:
    assert books.add()
    assert books.add(status="timeout")
    assert books.add(status="rate_limited", usage={})
    batch = books.accountant.take()
    # 1,000 x 150 and 50 x 600 nano-dollars, of the one that timed out
    assert books.sums(batch, "cost_failed_spend_usd_total") == {
        ("gpt-4o-mini", "openai", "search"): {QUARTER: 180_000},
    }
    assert books.sums(batch, "cost_spend_usd_total") == {
        ("input", "gpt-4o-mini", "openai", "search"): {QUARTER: 300_000},
        ("output", "gpt-4o-mini", "openai", "search"): {QUARTER: 60_000},
    }
    assert not books.sums(books.accountant.take(), "cost_failed_spend_usd_total")


def test_cached_and_reasoning_tokens_are_counted_once(books: Books) -> None:
    usage = {
        "input_tokens": 1000,
        "cache_read_tokens": 800,
        "output_tokens": 50,
        "reasoning_tokens": 20,
    }
    books.add(usage=usage)
    tokens = books.sums(books.accountant.take(), "cost_provider_tokens_total")
    assert {key[-1]: quarters[QUARTER] for key, quarters in tokens.items()} == {
        "input": 200,
        "cache_read": 800,
        "output": 30,
        "reasoning": 20,
    }


def test_both_lifetimes_of_a_cache_write_are_one_type_of_token(books: Books) -> None:
    books.add(usage={"input_tokens": 1000, "cache_write_tokens": 700, "cache_write_1h_tokens": 300})
    tokens = books.sums(books.accountant.take(), "cost_provider_tokens_total")
    assert {key[-1]: quarters[QUARTER] for key, quarters in tokens.items()} == {
        "input": 300,
        "cache_write": 700,
    }


def test_each_quarter_of_an_hour_has_its_own_sum(books: Books) -> None:
    for time_ns in (NOON, NOON - 1, NOON + 900 * NANO, NOON):
        books.add(time_ns=time_ns)
    calls = books.sums(books.accountant.take(), "cost_provider_api_calls_total")
    assert list(calls.values()) == [{QUARTER: 2, QUARTER - 1: 1, QUARTER + 1: 1}]


def test_the_time_to_the_first_token_is_observed_where_it_is_known(books: Books) -> None:
    assert books.add(first_chunk_ns=NANO // 4)
    assert books.add(first_chunk_ns=2 * NANO)
    assert books.add(first_chunk_ns=0)
    family = "cost_provider_time_to_first_token_seconds"
    batch = books.accountant.take()
    buckets = books.sums(batch, f"{family}_bucket")
    # a quarter of a second is at most 0.3 s, and two seconds are at most 2.5 s
    assert buckets["0.3", "gpt-4o-mini", "openai"] == {0: 1}
    assert buckets["2.5", "gpt-4o-mini", "openai"] == {0: 2}
    assert ("0.2", "gpt-4o-mini", "openai") not in buckets
    assert books.sums(batch, f"{family}_count") == {("gpt-4o-mini", "openai"): {0: 2}}


def test_attempts_that_were_made_again_are_counted_by_kind_and_are_neither_calls_nor_requests(
    books: Books,
) -> None:
    again: dict[str, Any] = {"calls": 0, "requests": 0, "usage": {}, "retries": 1}
    for status in ("rate_limited", "rate_limited", "timeout"):
        assert books.add(**again, status=status)
    assert books.add(retries=3)
    batch = books.accountant.take()
    assert books.sums(batch, "cost_provider_api_retries_total") == {
        ("gpt-4o-mini", "openai", "rate_limited"): {0: 2},
        ("gpt-4o-mini", "openai", "timeout"): {0: 1},
        ("gpt-4o-mini", "openai"): {0: 3},  # those before a call: nobody says why
    }
    calls = books.sums(batch, "cost_provider_api_calls_total")
    assert list(calls.values()) == [{QUARTER: 1}]
    requests = books.sums(batch, "cost_request_cost_usd_count")
    assert list(requests.values()) == [{0: 1}]
    # what timed out may be billed, and nobody tells
    assert books.sums(batch, "cost_unpriced_events_total") == {
        ("gpt-4o-mini", "openai", "no_usage"): {QUARTER: 1}
    }


def test_a_histogram_is_kept_cumulative(books: Books) -> None:
    books.add(attributes={"endpoint": "/chat"})  # 180,000 nano-dollars = 0.00018 USD
    books.add(attributes={"endpoint": "/chat"}, cost_nano_usd=2 * NANO)
    batch = books.accountant.take()
    buckets = {
        key[1]: sum(quarters.values())
        for key, quarters in books.sums(batch, "cost_request_cost_usd_bucket").items()
    }
    assert buckets == {
        "0.0005": 1, "0.001": 1, "0.005": 1, "0.01": 1, "0.05": 1, "0.1": 1, "0.5": 1, "1.0": 1,
        "5.0": 2, "10.0": 2, "+Inf": 2,
    }  # fmt: skip
    assert books.sums(batch, "cost_request_cost_usd_sum") == {
        ("/chat", "openai"): {0: 2 * NANO + 180_000}
    }
    assert books.sums(batch, "cost_request_cost_usd_count") == {("/chat", "openai"): {0: 2}}
    # All buckets exist from the start, so that each is seen at 0 before it counts.
    assert (
        "cost_request_cost_usd_bucket",
        {"endpoint": "/chat", "provider": "openai", "le": "1e-05"},
    ) in books.names


@pytest.mark.parametrize(
    "usage",
    [
        # In the order in which applications record it, and in another: the short way and the long.
        {
            "input_tokens": 1000,
            "cache_read_tokens": 800,
            "output_tokens": 50,
            "reasoning_tokens": 20,
        },
        {
            "output_tokens": 50,
            "reasoning_tokens": 20,
            "input_tokens": 1000,
            "cache_read_tokens": 800,
        },
    ],
)
def test_both_ways_of_adding_up_text_agree(books: Books, usage: dict[str, int]) -> None:
    books.add(usage=usage)
    batch = books.accountant.take()
    spend = books.sums(batch, "cost_spend_usd_total")
    # No price of their own: cached tokens cost what input costs, reasoning what output costs.
    assert {key[0]: quarters[QUARTER] for key, quarters in spend.items()} == {
        "input": 200 * 150, "cache_read": 800 * 150, "output": 30 * 600, "reasoning": 20 * 600,
    }  # fmt: skip
    assert [(row.cost_nano_usd, row.price) for row in batch.events] == [
        (180_000, "list:gpt-4o-mini")
    ]
    assert (
        sum(sum(q.values()) for q in books.sums(batch, "cost_request_cost_usd_sum").values())
        == 180_000
    )


def test_contradictory_usage_is_read_as_the_sum_of_its_parts(books: Books) -> None:
    books.add(
        usage={
            "input_tokens": 100,
            "cache_read_tokens": 300,
            "output_tokens": 0,
            "reasoning_tokens": 0,
        }
    )
    tokens = books.sums(books.accountant.take(), "cost_provider_tokens_total")
    assert {key[-1]: quarters[QUARTER] for key, quarters in tokens.items()} == {"cache_read": 300}


def test_what_was_taken_is_not_taken_again(books: Books) -> None:
    books.add()
    books.accountant.take()
    assert books.accountant.take() == Batch()


def test_a_known_cost_is_taken_as_it_is_and_a_negative_one_is_a_credit(books: Books) -> None:
    books.add(model="", usage={}, cost_nano_usd=1_000_000, calls=0)
    books.add(model="", usage={}, cost_nano_usd=-400_000, calls=0, requests=0)
    books.add(model="cpu", operation="compute", usage={}, cost_nano_usd=31, calls=0, requests=0)
    batch = books.accountant.take()
    assert books.sums(batch, "cost_spend_usd_total") == {
        ("request", "openai", "search"): {QUARTER: 1_000_000},
        ("compute", "cpu", "openai", "search"): {QUARTER: 31},
    }
    assert books.sums(batch, "cost_credit_usd_total") == {("openai", "search"): {QUARTER: 400_000}}
    assert books.sums(batch, "cost_provider_api_calls_total") == {}


def test_unknown_is_not_zero(books: Books) -> None:
    books.add(model="gpt-99")
    batch = books.accountant.take()
    assert books.sums(batch, "cost_unpriced_events_total") == {
        ("gpt-99", "openai", "no_price"): {QUARTER: 1}
    }
    assert books.sums(batch, "cost_spend_usd_total") == {}
    assert books.sums(batch, "cost_request_cost_usd_count") == {}
    assert [(row.time_ns, row.cost_nano_usd) for row in batch.events] == [(NOON, None)]
    assert sum(q[QUARTER] for q in books.sums(batch, "cost_provider_tokens_total").values()) == 1050


@pytest.mark.parametrize("status", ["ok", "incomplete", "cancelled", "timeout"])
@pytest.mark.parametrize("usage", [{}, {"input_tokens": 0, "output_tokens": 0}])
def test_a_call_that_reports_no_usage_is_unpriced_rather_than_free(
    books: Books, status: str, usage: dict[str, int]
) -> None:
    books.add(usage=usage, status=status)
    batch = books.accountant.take()
    assert books.sums(batch, "cost_unpriced_events_total") == {
        ("gpt-4o-mini", "openai", "no_usage"): {QUARTER: 1}
    }


def test_an_event_that_was_counted_rather_than_reported_is_told_of(books: Books) -> None:
    books.add(estimated=True)
    books.add()
    batch = books.accountant.take()
    assert books.sums(batch, "cost_estimated_events_total") == {
        ("gpt-4o-mini", "openai", "search"): {QUARTER: 1}
    }


@pytest.mark.parametrize("usage", [{}, {"input_tokens": 0, "output_tokens": 0}])
def test_a_failed_call_without_usage_costs_nothing(books: Books, usage: dict[str, int]) -> None:
    books.add(usage=usage, status="rate_limited", model="gpt-99")
    batch = books.accountant.take()
    assert books.sums(batch, "cost_provider_api_calls_total") == {
        ("gpt-99", "openai", "rate_limited", "search"): {QUARTER: 1}
    }
    assert books.sums(batch, "cost_unpriced_events_total") == {}
    assert [row.cost_nano_usd for row in batch.events] == [0]


def test_values_over_a_labels_cap_become_other_and_totals_stay_exact() -> None:
    books = Books(team=2)
    for team in ("a", "b", "c", "d", "a"):
        books.add(attributes={"team": team})
    batch = books.accountant.take()
    calls = books.sums(batch, "cost_provider_api_calls_total")
    assert {key[-1]: quarters[QUARTER] for key, quarters in calls.items()} == {
        "a": 2,
        "b": 1,
        "other": 2,
    }
    assert books.sums(batch, "cost_label_overflow_total") == {("team",): {0: 2}}


def test_values_that_the_ledger_knows_keep_their_place_within_the_cap() -> None:
    books = Books(team=1)
    books.accountant.know([{"team": "old"}, {"team": "other"}])
    books.add(attributes={"team": "new"})
    books.add(attributes={"team": "old"})
    calls = books.sums(books.accountant.take(), "cost_provider_api_calls_total")
    assert {key[-1] for key in calls} == {"other", "old"}


def test_attributes_that_are_no_labels_stay_in_the_event_only(books: Books) -> None:
    books.add(attributes={"team": "search", "user": "u-1"})
    batch = books.accountant.take()
    assert all("user" not in labels for _, labels in books.names)
    assert b'"user":"u-1"' in batch.events[0].payload


def test_a_configured_label_becomes_one() -> None:
    books = Books(tenant=10)
    books.add(attributes={"tenant": "acme"})
    assert (
        "cost_provider_api_calls_total",
        {"provider": "openai", "model": "gpt-4o-mini", "tenant": "acme", "status": "ok"},
    ) in [books.names[series] for series in books.accountant.take().sums]


def test_a_batch_tells_which_reservations_its_events_settle(books: Books) -> None:
    books.add(reservation="a-1")
    books.add()
    books.add(reservation="a-2", usage={}, status="timeout")
    assert books.accountant.take().settled == ["a-1", "a-2"]
    books.add()
    assert books.accountant.take().settled == []


@pytest.mark.parametrize("time_ns", [NOON + FUTURE_NS + 1, NOON - 90 * DAY - 1, 0])
def test_an_event_from_out_of_time_counts_now(books: Books, time_ns: int) -> None:
    books.add(time_ns=time_ns)
    batch = books.accountant.take()
    assert list(books.sums(batch, "cost_provider_api_calls_total").values()) == [{QUARTER: 1}]
    assert books.sums(batch, "cost_events_redated_total") == {(): {0: 1}}
    assert batch.events[0].time_ns == NOON


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"{}",
        b"[]",
        b'[1,"chat","openai","m",[],{}]',
        b'[1,"chat","openai","m",{"team":1},{}]',
        b'[1,"chat","openai","m",{},{"input_tokens":-1}]',
        b'[1,"chat","openai","m",{},{"input_tokens":1.5}]',
        b'[1,"chat","openai","m",{},{"input_tokens":1000000000001}]',
        b'[-1,"chat","openai","m",{},{}]',
        b'[1,"chat","openai","m",{},{},1,1,0,"ok","",1e300]',
        b"[" * 5000,
        msgspec.json.encode(event(attributes={f"a{n}": "x" for n in range(33)})),
    ],
)
def test_a_malformed_event_is_refused_and_counted(books: Books, payload: bytes) -> None:
    assert not books.accountant.add(payload)
    batch = books.accountant.take()
    assert books.sums(batch, "cost_events_rejected_total") == {("malformed",): {0: 1}}
    assert (len(batch.sums), batch.events) == (1, [])


def test_an_event_that_is_too_large_is_refused_unread(books: Books) -> None:
    assert not books.add(attributes={"team": "x" * 20_000})
    assert books.sums(books.accountant.take(), "cost_events_rejected_total") == {
        ("too_large",): {0: 1}
    }


def test_an_overlong_label_is_cut_rather_than_the_money_lost(books: Books) -> None:
    books.add(attributes={"team": "x" * 300})
    books.accountant.take()
    assert {labels["team"] for _, labels in books.names if "team" in labels} == {"x" * 256}


def test_fields_that_a_newer_application_appends_do_no_harm(books: Books) -> None:
    fields = msgspec.json.decode(msgspec.json.encode(event()))
    assert books.accountant.add(msgspec.json.encode([*fields, "something new"]))


def test_a_correction_adds_the_cost_to_the_events_own_quarter_and_nothing_else(
    books: Books,
) -> None:
    books.add(model="gpt-99", time_ns=NOON - DAY)
    stored = books.accountant.take().events[0]
    assert books.accountant.correct(stored.payload, stored.time_ns) is None

    books.prices.add("gpt-99")
    charge = books.accountant.correct(stored.payload, stored.time_ns)
    batch = books.accountant.take()

    assert charge is not None
    assert charge.nano_usd == 180_000
    assert books.sums(batch, "cost_spend_usd_total") == {
        ("input", "gpt-99", "openai", "search"): {QUARTER - 96: 150_000},
        ("output", "gpt-99", "openai", "search"): {QUARTER - 96: 30_000},
    }
    assert books.sums(batch, "cost_request_cost_usd_count") == {("openai",): {0: 1}}
    assert books.sums(batch, "cost_provider_tokens_total") == {}
    assert books.sums(batch, "cost_provider_api_calls_total") == {}
    assert batch.events == []
