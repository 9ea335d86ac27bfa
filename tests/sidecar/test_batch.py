from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.sidecar.batch import InvalidBatchError, SubmittedBatch, parse
from costmeter.usage import UsageEvent

NOW = 1_795_350_000_000_000_000


def read(body: Any, *, max_events: int = 10) -> SubmittedBatch:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return parse(encoded, max_events=max_events, now_ns=NOW)


def problems(body: Any, **options: Any) -> list[str]:
    with pytest.raises(InvalidBatchError) as caught:
        read(body, **options)
    return list(caught.value.problems)


def batch(*events: Any) -> dict[str, Any]:
    return {"source": "worker-3", "sequence": 12, "events": list(events)}


def field_problems(**fields: Any) -> list[str]:
    return problems(batch({"provider": "openai", **fields}))


def test_an_object_names_the_fields_and_may_use_units_for_people() -> None:
    event = {
        "time": "2026-11-22T10:30:00.25+01:00",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "attributes": {"feature": "summarise", "team": "search"},
        "usage": {"input_tokens": 1200, "cache_read_tokens": 1000, "output_tokens": 50},
        "duration_seconds": 0.8,
        "status": "ok",
        "service_tier": "batch",
        "cost_usd": "0.0015",
        "estimated": True,
        "first_chunk_seconds": 0.25,
        "retries": 2,
    }

    assert read(batch(event)) == SubmittedBatch(
        "worker-3",
        12,
        [
            UsageEvent(
                # 22 November 2026 is day 20,779 since 1970: 20,779 x 86,400 s and 9:30 h
                time_ns=(20_779 * 86_400 + 9 * 3600 + 30 * 60) * 10**9 + 250_000_000,
                operation="chat",
                provider="openai",
                model="gpt-4o-mini",
                attributes={"feature": "summarise", "team": "search"},
                usage={"input_tokens": 1200, "cache_read_tokens": 1000, "output_tokens": 50},
                calls=1,
                requests=1,
                duration_ns=800_000_000,
                status="ok",
                service_tier="batch",
                cost_nano_usd=1_500_000,
                estimated=True,
                first_chunk_ns=250_000_000,
                retries=2,
            )
        ],
    )


def test_only_the_provider_is_required_and_the_time_is_now() -> None:
    [event] = read(batch({"provider": "groq"})).events

    assert event == UsageEvent(NOW, "chat", "groq", "", {}, {})


def test_an_array_is_the_journals_own_form_and_may_be_of_a_newer_version() -> None:
    event = UsageEvent(5, "chat", "openai", "gpt-4.1", {"team": "a"}, {"output_tokens": 1})
    array = msgspec.to_builtins(event)

    assert read(batch(array, [*array, "a field of tomorrow"])).events == [event, event]


@pytest.mark.parametrize(
    ("cost", "nano"),
    [
        ("0.000000001", 1),
        (0.1, 100_000_000),
        (1000, 1_000_000_000_000),
        ("-2.5", -2_500_000_000),
        ("0.0000000025", 2),  # half to even
        (1_000_000, 10**15),
        (None, None),
    ],
)
def test_a_cost_is_exact_to_the_nano_dollar(cost: object, nano: int | None) -> None:
    [event] = read(batch({"provider": "openai", "cost_usd": cost})).events

    assert event.cost_nano_usd == nano


def test_a_number_in_json_is_read_as_it_is_written() -> None:
    body = b'{"source":"a","sequence":0,"events":[{"provider":"x","cost_usd":123456.123456789}]}'

    assert read(body).events[0].cost_nano_usd == 123_456_123_456_789


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"calls": -5}, "calls: -5 is not 0 or more"),
        ({"calls": True}, "calls: true is not a whole number"),
        ({"calls": 1.5}, "calls: 1.5 is not a whole number"),
        ({"calls": "1"}, "calls: \"1\" is not a whole number"),
        ({"requests": 10**12 + 1}, "requests: 1000000000001 is not 1000000000000 or less"),
        ({"usage": {"input_tokens": -5}}, "usage.input_tokens: -5 is not 0 or more"),
        ({"usage": []}, "usage: an array is not an object"),
        ({"attributes": {"team": 5}}, "attributes.team: 5 is not a string"),
        ({"attributes": {"": "x"}}, "attributes.: is empty"),
        (
            {"attributes": {f"a{index}": "x" for index in range(33)}},
            "attributes: 33 attributes are more than 32",
        ),
        (
            {"model": "m" * 257},
            f'model: "{"m" * 38}… has 257 characters, 256 are allowed',
        ),
        ({"provider": ""}, "provider: is empty"),
        ({"provider": None}, "provider: null is not a string"),
        ({"status": ""}, "status: is empty"),
        ({"estimated": 1}, "estimated: 1 is not true or false"),
        ({"time_ns": 2**63}, "time_ns: 9223372036854775808 is not 9223372036854775807 or less"),
        ({"cost_usd": "lots"}, "cost_usd: \"lots\" is not a number"),
        ({"cost_usd": "NaN"}, "cost_usd: \"NaN\" is not a number"),
        ({"cost_usd": "1e999999"}, "cost_usd: 1E+999999 is not 1000000 or less"),
        ({"cost_usd": 1_000_001}, "cost_usd: 1000001 is not 1000000 or less"),
        ({"cost_nano_usd": -(10**15) - 1},
         "cost_nano_usd: -1000000000000001 is not -1000000000000000 or more"),
        ({"cost_usd": True}, "cost_usd: true is not a number"),
        ({"duration_seconds": -0.5}, "duration_seconds: -0.5 is not 0 or more"),
        ({"tokens": 5}, "tokens: unknown field"),
        ({"cost_usd": 1, "cost_nano_usd": 5}, "cost_usd: given together with cost_nano_usd"),
        ({"time": "2026-11-22T10:30:00Z", "time_ns": 5}, "time: given together with time_ns"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_field_is_told_with_its_path(
    fields: dict[str, Any], problem: str
) -> None:
    assert field_problems(**fields) == [f"events[0].{problem}"]


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-11-22", "2026-11-22T10:30:00", "", 5, None, "1969-12-31T23:59:59Z"]
)
def test_a_time_has_a_zone_and_is_after_1970(time: object) -> None:
    [problem] = field_problems(time=time)

    assert problem.startswith("events[0].time: ")


def test_an_unknown_kind_of_usage_names_those_that_are_known() -> None:
    [problem] = field_problems(usage={"prompt_tokens": 5})

    assert problem.startswith("events[0].usage.prompt_tokens: unknown; known are input_tokens, ")


def test_all_problems_are_told_at_once() -> None:
    body = {
        "source": "",
        "events": [
            {"provider": "openai", "usage": {"input_tokens": -1, "output_tokens": "x"}},
            {"provider": "openai"},
            {"calls": -1, "colour": "red"},
            "event",
        ],
        "extra": 1,
    }

    assert problems(body) == [
        "source: is empty",
        "extra: unknown field",
        "sequence: missing",
        "events[0].usage.input_tokens: -1 is not 0 or more",
        'events[0].usage.output_tokens: "x" is not a whole number',
        "events[2].calls: -1 is not 0 or more",
        "events[2].colour: unknown field",
        "events[2].provider: missing",
        'events[3]: "event" is neither an object nor an array',
    ]


def test_no_more_than_a_hundred_problems_are_told() -> None:
    told = problems(batch(*[{}] * 500), max_events=500)

    assert len(told) == 101
    assert told[99:] == ["events[99].provider: missing", "and more"]


def test_a_batch_has_events_and_not_too_many() -> None:
    assert problems(batch()) == ["events: is empty"]
    assert problems(batch(*[{"provider": "x"}] * 11)) == ["events: 11 are more than 10"]
    assert len(read(batch(*[{"provider": "x"}] * 10)).events) == 10
    assert problems({"source": "a", "sequence": 1, "events": {}}) == [
        "events: an object is not an array"
    ]


def test_the_number_of_events_that_a_bad_batch_would_have_had_is_known() -> None:
    with pytest.raises(InvalidBatchError) as caught:
        read(batch({}, {"provider": "openai"}, {}))

    assert caught.value.events == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'"\\ud800"',
        b"[" * 5000,
        b"NaN",
        b"1e99999999999999999999",
        b"1" * 5000,
        b"[]",
        b"5",
        b"null",
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    [problem] = problems(body)

    assert problem.startswith("the body")


def test_an_event_that_the_journal_would_not_take_is_refused() -> None:
    attributes = {f"{index:03}" + "ä" * 120: "ß" * 256 for index in range(32)}

    [problem] = field_problems(attributes=attributes)
    assert problem.startswith("events[0]: ")
    assert problem.endswith(" bytes are more than 16384")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
field_names = st.sampled_from(
    [*UsageEvent.__struct_fields__, "time", "cost_usd", "duration_seconds", "x"]
)


@given(
    event=json_values
    | st.dictionaries(field_names, json_values)
    | st.lists(json_values, min_size=6, max_size=len(UsageEvent.__struct_fields__) + 1)
)
def test_whatever_comes_in_becomes_a_valid_event_or_a_problem(event: Any) -> None:
    body = msgspec.json.encode(batch(event))
    try:
        [taken] = read(body).events
    except InvalidBatchError:
        return
    assert msgspec.json.decode(msgspec.json.encode(taken), type=UsageEvent) == taken
