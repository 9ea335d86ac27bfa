"""How often something may be done."""

from __future__ import annotations

from costmeter.sidecar.rate import MAX_KEYS, TokenBuckets
from tests.budgets.ticking import Ticking

SECOND = 10**9


def test_a_bucket_fills_at_its_rate_up_to_its_size() -> None:
    clock = Ticking(0)
    buckets = TokenBuckets(2, 3, clock=clock)

    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    clock.now = SECOND // 4
    assert buckets.take("a") == 0.25
    clock.now = SECOND // 2
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now = 1000 * SECOND
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_to_ask_how_long_to_wait_takes_nothing() -> None:
    clock = Ticking(0)
    buckets = TokenBuckets(2, 1, clock=clock)

    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == 0
    assert [buckets.wait("a") for _ in range(3)] == [0.5, 0.5, 0.5]
    clock.now = SECOND // 2
    assert buckets.wait("a") == 0


def test_no_more_than_a_bounded_number_of_keys_is_remembered() -> None:
    buckets = TokenBuckets(1, 1, clock=Ticking(0))
    for number in range(MAX_KEYS + 1):
        buckets.take(str(number))

    assert buckets.take("1") == 1
    assert buckets.take("0") == 0  # forgotten
