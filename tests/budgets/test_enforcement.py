"""What budgets say to a call: limits, policies, priorities and cheaper models."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.budgets.budget import Budget, Degrade
from costmeter.budgets.enforcement import Position, alternatives, in_emergency, rule, usd
from costmeter.budgets.period import period
from costmeter.units import NANO

NOON = 1_795_348_800 * NANO  # 2026-11-22 12:00 UTC
UTC = ZoneInfo("UTC")


def position(spent=0, reserved=0, soft=80, hard=100, policy="hard", window="day", **changes):
    """A budget's position; amounts in US dollars."""
    complete = changes.pop("complete", True)
    budget = Budget(
        changes.pop("name", "search"), changes.pop("zone", UTC), policy=policy, **changes
    )
    return Position(
        budget,
        period(window, NOON, budget.zone),
        int(spent * NANO),
        int(reserved * NANO),
        int(soft * NANO),
        None if hard is None else int(hard * NANO),
        complete,
    )


def ruled(positions, cost, critical=False, free=False):
    nano = None if cost is None else int(cost * NANO)
    return rule(positions, nano, critical=critical, free=free)


@pytest.mark.parametrize(
    ("spent", "reserved", "cost", "outcome"),
    [
        (0, 0, 79.99, "allowed"),
        (0, 0, 80, "warned"),  # reaching the soft limit counts as over it
        (70, 9, 1, "warned"),
        (99, 0, 0.99, "warned"),
        (99, 0, 1, "refused"),  # and so does reaching the hard one
        (90, 9, 1, "refused"),
        (100, 0, 0, "refused"),
        (0, 0, 100, "refused"),
    ],
)
def test_a_limit_that_would_be_reached_counts_as_exceeded(spent, reserved, cost, outcome):
    assert ruled([position(spent, reserved)], cost).outcome == outcome


@pytest.mark.parametrize(
    ("policy", "spent", "outcome"),
    [
        ("warn", 200, "allowed"),
        ("soft", 79, "allowed"),
        ("soft", 80, "warned"),
        ("soft", 200, "warned"),
        ("hard", 79, "allowed"),
        ("hard", 80, "warned"),
        ("hard", 100, "refused"),
    ],
)
def test_the_policy_says_what_a_limit_does(policy, spent, outcome):
    assert ruled([position(spent, policy=policy)], 0).outcome == outcome


def test_a_hard_policy_stops_at_hard_limits_only():
    assert ruled([position(500, hard=None)], 1).outcome == "warned"


def test_critical_passes_and_is_told_apart_only_where_it_would_have_been_refused():
    assert ruled([position(100)], 1, critical=True).outcome == "critical"
    assert ruled([position(85)], 1, critical=True).outcome == "warned"
    assert ruled([position(10)], 1, critical=True).outcome == "allowed"


def test_what_costs_nothing_is_never_in_a_limits_way():
    assert ruled([position(500)], 0, free=True).outcome == "allowed"


def test_a_cost_that_nobody_knows_is_not_taken_for_nothing():
    assert ruled([position(10)], None).outcome == "warned"
    assert ruled([position(100)], None).outcome == "refused"
    assert ruled([position(10, policy="warn")], None).outcome == "allowed"
    assert ruled([], None).outcome == "allowed"


def test_the_refusal_names_the_period_that_ends_last():
    day, month = position(100), position(300, hard=300, window="month")
    ruling = ruled([month, day], 1)
    assert ruling.position is month
    assert ruling.reason == (
        "budget search, month 2026-11: 300.00 USD spent, 1.00 more asked for, of a hard limit of "
        "300.00; until 2026-12-01T00:00:00+00:00"
    )


def test_a_reason_tells_what_is_reserved_and_when_it_resets_in_the_budgets_zone():
    warned = ruled([position(79.5, 0.25, zone=ZoneInfo("Asia/Kathmandu"))], 0.2500001)
    assert warned.reason == (
        "budget search, day 2026-11-22: 79.50 USD spent, 0.25 reserved, 0.2500001 more asked for, "
        "of a soft limit of 80.00; until 2026-11-23T00:00:00+05:45"
    )


def test_where_nothing_decides_the_budget_used_up_the_most_is_told():
    day, month = position(40, name="day"), position(10, name="month", window="month")
    assert ruled([month, day], 1).position is day


def test_spend_that_is_not_wholly_known_neither_allows_nor_hides_a_refusal():
    assert ruled([position(10, complete=False)], 1).outcome == "unavailable"
    assert ruled([position(100, complete=False)], 1).outcome == "refused"
    assert ruled([position(10, complete=False)], 1, critical=True).outcome == "allowed"
    assert ruled([position(10, policy="soft", complete=False)], 1).outcome == "allowed"


MODELS = Degrade(
    0.8, {"gpt-4o": "gpt-4o-mini", "gpt-4o-mini": "gpt-4.1-nano", "claude-opus-*": "h"}
)


def never(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("spent", "model", "expected"),
    [
        (79.99, "gpt-4o", []),
        (80, "gpt-4o", ["gpt-4o-mini"]),
        (80, "claude-opus-4-1", ["h"]),
        (80, "unknown", []),
        (95, "gpt-4o", ["gpt-4.1-nano"]),  # to the end of the chain
        (95, "gpt-4.1-nano", []),
    ],
)
def test_a_cheaper_model_is_wanted_from_a_share_of_the_soft_limit_on(spent, model, expected):
    at = position(spent, soft=100, degrade=MODELS)
    assert alternatives([at], model, never, automatic=False) == expected


def test_an_emergency_has_models_of_its_own():
    degrade = Degrade(0.8, {"gpt-4o": "gpt-4o-mini"}, ("llama3.2", "gpt-4.1-nano"))
    calm, hot = position(10, degrade=degrade), position(76, degrade=degrade)
    assert alternatives([calm], "gpt-4o", never, automatic=False) == []
    assert alternatives([hot], "gpt-4o", never, automatic=False) == ["llama3.2", "gpt-4.1-nano"]
    declared = alternatives([calm], "gpt-4o", lambda name: name == "search", automatic=False)
    assert declared == ["llama3.2", "gpt-4.1-nano"]


def test_an_emergency_begins_at_95_percent_unless_said_otherwise():
    assert not in_emergency(position(94.9, soft=100), never)
    assert in_emergency(position(90, 5, soft=100), never)
    assert in_emergency(position(50, soft=100, emergency_ratio=0.5), never)
    assert in_emergency(position(0), lambda name: True)


def test_budgets_that_do_not_switch_by_themselves_are_left_out_of_automatic_switching():
    advice = Degrade(0.8, {"gpt-4o": "gpt-4o-mini"}, automatic=False)
    at = position(90, degrade=advice, soft=100)
    assert alternatives([at], "gpt-4o", never, automatic=True) == []
    assert alternatives([at], "gpt-4o", never, automatic=False) == ["gpt-4o-mini"]


def test_models_that_replace_each_other_in_a_circle_come_to_an_end():
    circle = Degrade(0.8, {"a": "b", "b": "c", "c": "b"})
    assert alternatives([position(99, soft=100, degrade=circle)], "a", never, automatic=False)


def test_money_is_written_with_two_decimals_or_as_many_as_there_are():
    assert [usd(n) for n in (0, NANO, 1_500_000_000, 1, 12_345_678_900)] == [
        "0.00", "1.00", "1.50", "0.000000001", "12.3456789",
    ]  # fmt: skip


nanos = st.integers(0, 10**12)


@given(spent=nanos, reserved=nanos, cost=nanos, soft=st.integers(1, 10**12), more=nanos)
def test_what_is_allowed_stays_below_the_hard_limit(spent, reserved, cost, soft, more):
    hard = soft + more
    day = period("day", NOON, UTC)
    at = Position(Budget("b", UTC, policy="hard"), day, spent, reserved, soft, hard)
    outcome = rule([at], cost, critical=False, free=False).outcome
    assert (outcome == "refused") == (spent + reserved + cost >= hard)
    if outcome == "allowed":
        assert spent + reserved + cost < soft


@given(
    spent=st.integers(-(10**9), 10**12),
    cost=nanos,
    policies=st.lists(st.sampled_from(["warn", "soft", "hard"]), max_size=4),
    free=st.booleans(),
)
def test_critical_is_never_refused_and_never_unavailable(spent, cost, policies, free):
    day = period("day", NOON, UTC)
    positions = [
        Position(Budget("b", UTC, policy=policy), day, spent, 0, 10, 20, complete=False)
        for policy in policies
    ]
    assert rule(positions, cost, critical=True, free=free).outcome not in {"refused", "unavailable"}
