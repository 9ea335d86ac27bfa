"""What the recording functions make of their arguments."""

from __future__ import annotations

import decimal
import fractions
import inspect
import logging
import os

import msgspec
import pytest

import costmeter
from costmeter.instrumentation import record
from costmeter.instrumentation.reserved import Reserved, reserved
from costmeter.usage import USAGE_KEYS, UsageEvent

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch):
    monkeypatch.setattr(record, "time_ns", lambda: 1_795_262_400 * SECOND)


def test_a_call_becomes_an_event(recorded):
    with costmeter.attribute(team="search"):
        costmeter.record_llm(
            provider="openai",
            model="gpt-4o-mini",
            input_tokens=1200,
            cache_read_tokens=1000,
            output_tokens=50,
            reasoning_tokens=20,
            duration_seconds=0.8,
            service_tier="batch",
        )
    assert recorded() == [
        UsageEvent(
            time_ns=1_795_262_400 * SECOND,
            operation="chat",
            provider="openai",
            model="gpt-4o-mini",
            attributes={"team": "search"},
            usage={
                "input_tokens": 1200,
                "cache_read_tokens": 1000,
                "output_tokens": 50,
                "reasoning_tokens": 20,
            },
            duration_ns=800_000_000,
            service_tier="batch",
        )
    ]


def test_a_call_with_every_argument_becomes_an_event(recorded):
    with costmeter.attribute(team="search", feature="answers"):
        costmeter.record_llm(
            provider="anthropic",
            model="claude",
            operation="generate_content",
            input_tokens=1,
            cache_read_tokens=2,
            cache_write_tokens=3,
            cache_write_1h_tokens=4,
            input_audio_tokens=5,
            cache_audio_read_tokens=6,
            input_image_tokens=7,
            output_tokens=8,
            reasoning_tokens=9,
            output_audio_tokens=10,
            output_image_tokens=11,
            images=12,
            web_searches=13,
            input_audio_seconds=14,
            input_characters=15,
            search_units=16,
            output_video_seconds=17,
            file_searches=18,
            container_sessions=19,
            training_tokens=20,
            input_pages=21,
            annotated_pages=22,
            classifications=23,
            cached_token_seconds=24,
            text_units=25,
            duration_seconds=1.5,
            status="timeout",
            service_tier="flex",
            cost_usd="0.1",
            estimated=True,
            feature="titles",
            tenant="acme",
        )
    assert recorded() == [
        UsageEvent(
            time_ns=1_795_262_400 * SECOND,
            operation="generate_content",
            provider="anthropic",
            model="claude",
            attributes={"team": "search", "feature": "titles", "tenant": "acme"},
            usage={
                "input_tokens": 1,
                "cache_read_tokens": 2,
                "cache_write_tokens": 3,
                "cache_write_1h_tokens": 4,
                "input_audio_tokens": 5,
                "cache_audio_read_tokens": 6,
                "input_image_tokens": 7,
                "output_tokens": 8,
                "reasoning_tokens": 9,
                "output_audio_tokens": 10,
                "output_image_tokens": 11,
                "images": 12,
                "web_searches": 13,
                "input_audio_seconds": 14,
                "input_characters": 15,
                "search_units": 16,
                "output_video_seconds": 17,
                "file_searches": 18,
                "container_sessions": 19,
                "training_tokens": 20,
                "input_pages": 21,
                "annotated_pages": 22,
                "classifications": 23,
                "cached_token_seconds": 24,
                "text_units": 25,
            },
            duration_ns=1_500_000_000,
            status="timeout",
            service_tier="flex",
            cost_nano_usd=100_000_000,
            estimated=True,
        )
    ]


def test_a_request_counts_its_cost_and_no_call(recorded):
    costmeter.record_request(endpoint="/v1/chat", provider="openai", cost_usd=0.001, team="search")
    [event] = recorded()
    assert event.operation == "request"
    assert event.attributes == {"team": "search", "endpoint": "/v1/chat"}
    assert (event.calls, event.requests, event.cost_nano_usd) == (0, 1, 1_000_000)
    assert (event.model, event.usage) == ("", {})


def test_an_api_call_counts_a_call_and_costs_nothing(recorded):
    costmeter.record_api_call("openai", "gpt-4o", status="rate_limited")
    [event] = recorded()
    assert (event.operation, event.status) == ("api_call", "rate_limited")
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 0, 0)


def test_tokens_count_tokens_only(recorded):
    costmeter.record_tokens(provider="openai", model="gpt-4o", input_tokens=7, output_tokens=5)
    [event] = recorded()
    assert event.operation == "tokens"
    assert event.usage == {"input_tokens": 7, "output_tokens": 5}
    assert (event.calls, event.requests, event.cost_nano_usd) == (0, 0, 0)


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        (0.1, 100_000_000),
        (3, 3 * SECOND),
        (decimal.Decimal("0.0000000015"), 2),
        (decimal.Decimal("0.0000000025"), 2),  # half to even
        ("1e-9", 1),
        (0, 0),
    ],
)
def test_a_cost_is_exact_to_the_nano_dollar(usd, nano, recorded):
    costmeter.record_request("/", "openai", usd)
    assert recorded()[0].cost_nano_usd == nano


class Whole:
    """An integer of somebody else's, like numpy's."""

    def __index__(self) -> int:
        return 42


@pytest.mark.parametrize("count", [42, Whole(), 42.0, decimal.Decimal(42), fractions.Fraction(42)])
@pytest.mark.parametrize("key", ["input_tokens", "output_audio_tokens"])
def test_whole_numbers_of_any_kind_are_counts(key, count, recorded, caplog):
    costmeter.record_llm("openai", "gpt-4o", **{key: count})
    assert recorded()[0].usage[key] == 42
    assert not caplog.records


@pytest.mark.parametrize("key", ["input_tokens", "reasoning_tokens", "images"])
def test_a_count_of_none_is_a_count_that_was_not_told(key, recorded, caplog):
    costmeter.record_llm("openai", "gpt-4o", **{"output_tokens": 3, key: None})
    [event] = recorded()
    assert {key: count for key, count in event.usage.items() if count} == {"output_tokens": 3}
    assert not caplog.records


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_tokens": -1},
        {"images": 10**12 + 1},
        {"output_tokens": 1.5},
        {"images": "many"},
        {"web_searches": object},
        {"cost_usd": float("nan")},
        {"cost_usd": -0.01},
        {"cost_usd": 10**7},
        {"cost_usd": "a lot"},
        {"provider": ""},
        {"provider": None},
    ],
    ids=str,
)
def test_what_money_depends_on_and_makes_no_sense_costs_its_event(wrong, recorded, caplog):
    costmeter.record_llm(**{"provider": "openai", "model": "gpt-4o", **wrong})
    costmeter.record_llm(**{"provider": "openai", "model": "gpt-4o", **wrong})
    assert recorded() == []
    assert recorded.errors() == 2
    [told] = caplog.records
    assert told.levelno == logging.WARNING
    assert next(iter(wrong)) in told.message


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "long", None, 10**9], ids=str)
def test_a_duration_that_makes_no_sense_is_left_out(seconds, recorded, caplog):
    costmeter.record_llm("openai", "gpt-4o", input_tokens=5, duration_seconds=seconds)
    [event] = recorded()
    assert event.duration_ns == 0
    assert event.usage["input_tokens"] == 5
    assert len(caplog.records) == recorded.errors() == 1


@pytest.mark.parametrize("seconds", [2, 2.0, decimal.Decimal(2), fractions.Fraction(2)], ids=repr)
def test_a_duration_may_be_any_number(seconds, recorded):
    costmeter.record_llm("openai", "gpt-4o", duration_seconds=seconds)
    assert recorded()[0].duration_ns == 2 * SECOND


def test_an_unknown_model_is_recorded_all_the_same(recorded):
    costmeter.record_llm("openai", None, input_tokens=5)
    assert recorded()[0].model == ""


def test_no_service_tier_is_the_usual_one(recorded):
    costmeter.record_llm("openai", "gpt-4o", input_tokens=5, service_tier=None)
    assert recorded()[0].service_tier == ""


def test_names_that_are_too_long_are_cut(recorded):
    costmeter.record_llm("p" * 500, "m" * 500, cost_usd=1, status="s" * 500)
    [event] = recorded()
    assert (event.provider, event.model, event.status) == ("p" * 128, "m" * 256, "s" * 128)


def test_text_that_cannot_be_stored_is_replaced(recorded):
    costmeter.record_llm("openai", "gpt\ud800", input_tokens=1)
    assert recorded()[0].model == "gpt?"


def test_a_missing_argument_is_an_error_as_with_any_function():
    with pytest.raises(TypeError, match="provider"):
        costmeter.record_llm(model="gpt-4o")


def test_something_that_defies_every_rule_is_only_counted(recorded):
    class Hostile:
        def __or__(self, other):
            raise RuntimeError("no")

        __ror__ = __or__

        def __bool__(self):
            raise RuntimeError("no")

    costmeter.record_llm("openai", "gpt-4o", input_tokens=Hostile())
    assert recorded() == []
    assert recorded.errors() == 1


def test_a_clock_that_steps_back_is_written_down_as_it_is(recorded, monkeypatch):
    costmeter.record_llm("openai", "gpt-4o", duration_seconds=1.0)
    monkeypatch.setattr(record, "time_ns", lambda: 1_000 * SECOND)
    costmeter.record_llm("openai", "gpt-4o", duration_seconds=1.0)
    events = recorded()
    assert [event.time_ns for event in events] == [1_795_262_400 * SECOND, 1_000 * SECOND]
    assert [event.duration_ns for event in events] == [SECOND, SECOND]


def test_an_event_made_elsewhere_is_written_as_it_is(recorded):
    event = UsageEvent(1, "chat", "openai", "gpt-4o", {"team": "a"}, {"input_tokens": 1})
    record.write(event)
    assert recorded() == [event]


@pytest.mark.parametrize("disabled", ["1", "true"])
def test_nothing_is_recorded_where_that_is_disabled(disabled, recorded, monkeypatch):
    monkeypatch.setenv("COSTMETER_DISABLED", disabled)
    costmeter.record_llm("openai", "gpt-4o", input_tokens=1)
    costmeter.record_llm("openai", "gpt-4o", input_tokens=-1)
    assert os.listdir(recorded.directory) == []  # noqa: PTH208


def test_the_host_goes_on_where_the_journal_is_gone(recorded, monkeypatch, caplog):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(recorded.directory / "nowhere"))
    for _ in range(100):
        costmeter.record_llm("openai", "gpt-4o", input_tokens=1)
    assert len(caplog.records) == 1


def test_fields_that_nothing_is_told_in_are_left_out_at_the_end(recorded):
    """The hand-made arrays have the first fields of UsageEvent, in its order."""
    costmeter.record_llm("openai", "gpt-4o", input_tokens=1)
    costmeter.record_llm("openai", "gpt-4o", images=1)
    most, care = map(msgspec.json.decode, recorded.payloads())
    fields = UsageEvent.__struct_fields__
    assert (fields[len(most) - 1], fields[len(care) - 1]) == ("service_tier", "reservation")


def test_a_call_is_recorded_at_once_with_the_first_parameters_of_all(recorded):
    at_once = dict(inspect.signature(costmeter.record_llm, follow_wrapped=False).parameters)
    assert at_once.popitem()[0] == "more"
    every = inspect.signature(costmeter.record_llm).parameters
    assert list(at_once.values()) == list(every.values())[: len(at_once)]
    assert set(USAGE_KEYS) <= set(every)


def test_a_count_that_only_care_understands_takes_the_reservation_along(recorded):
    reserved.set(Reserved("r1"))
    costmeter.record_llm("openai", "gpt-4o", input_tokens=Whole())
    costmeter.record_llm("openai", "gpt-4o", input_tokens=1)
    assert [event.reservation for event in recorded()] == ["r1", ""]
