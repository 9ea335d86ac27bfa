from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmeter.sidecar.otlp.decode import ERROR, SERVER, Span, from_json, from_protobuf
from costmeter.sidecar.otlp.names import USAGE, wanted
from costmeter.sidecar.otlp.usage import meter
from costmeter.usage import RecordedUsage, UsageEvent

RECORDED = Path(__file__).parents[2] / "responses" / "otlp"
NOW = 1_795_350_000_000_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}


def span(number: int = 1, parent: int = 0, *, of: dict[str, Any] = OPENAI, **fields: Any) -> Span:
    given_ = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "parent_id": f"{parent:016x}" if parent else "",
        "kind": 3,
        "start_ns": NOW - 2_000_000_000,
        "end_ns": NOW - 500_000_000,
        "status": 0,
        "attributes": {**of, **fields.pop("also", {})},
        "resource": {},
    }
    return Span(**given_ | fields)


def event(of: dict[str, Any], **fields: Any) -> UsageEvent:
    [identified] = meter([span(of=of, **fields)], NOW).events
    return identified.event


def test_the_export_of_the_python_sdk_is_one_call_and_one_failure() -> None:
    spans = from_protobuf((RECORDED / "python.bin").read_bytes(), wanted)
    metered = meter(spans, NOW)

    assert metered.problems == []
    assert [each.event for each in metered.events] == [
        UsageEvent(
            time_ns=1_795_339_801_050_000_000,
            operation="chat",
            provider="openai",
            model="gpt-4o-mini-2024-07-18",
            attributes={
                "endpoint": "/ask", "feature": "summarise", "service": "shop", "team": "search",
            },
            usage={
                "input_tokens": 1200, "cache_read_tokens": 1000,
                "output_tokens": 50, "reasoning_tokens": 20,
            },
            duration_ns=800_000_000,
        ),
        UsageEvent(
            time_ns=1_795_339_801_500_000_000,
            operation="chat",
            provider="openai",
            model="gpt-4o-mini-2024-07-18",
            attributes={"service": "shop", "team": "search"},
            usage={},
            duration_ns=300_000_000,
            status="rate_limited",
        ),
    ]  # fmt: skip


def test_the_export_of_a_node_service_is_one_call() -> None:
    [identified] = meter(from_json((RECORDED / "node.json").read_bytes(), wanted), NOW).events

    assert identified.event == UsageEvent(
        time_ns=1_795_339_802_500_000_000,
        operation="chat",
        provider="openai",
        model="gpt-4o-2024-08-06",
        attributes={"environment": "production", "service": "assistant", "tenant": "acme"},
        usage={"input_tokens": 900, "cache_read_tokens": 400, "output_tokens": 30},
        duration_ns=2_500_000_000,
    )


@pytest.mark.parametrize(
    ("attributes", "provider", "operation", "usage"),
    [
        (  # the conventions until 2025
            {
                "gen_ai.operation.name": "text_completion", "gen_ai.system": "az.ai.openai",
                "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 7,
                "gen_ai.usage.completion_tokens": 3,
            },
            "azure.ai.openai", "text_completion", {"input_tokens": 7, "output_tokens": 3},
        ),
        (  # OpenLLMetry
            {
                "llm.request.type": "chat", "gen_ai.system": "Anthropic",
                "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 70,
                "gen_ai.usage.cache_read_input_tokens": 40,
                "gen_ai.usage.cache_creation_input_tokens": 20,
                "gen_ai.usage.completion_tokens": 3,
            },
            "anthropic", "chat",
            {
                "input_tokens": 70, "cache_read_tokens": 40, "cache_write_tokens": 20,
                "output_tokens": 3,
            },
        ),
        (  # OpenInference
            {
                "openinference.span.kind": "LLM", "llm.system": "openai", "llm.provider": "azure",
                "llm.model_name": "m", "llm.token_count.prompt": 10,
                "llm.token_count.completion": 5, "llm.token_count.prompt_details.cache_read": 4,
                "llm.token_count.completion_details.reasoning": 2,
            },
            "azure.ai.openai", "chat",
            {
                "input_tokens": 10, "cache_read_tokens": 4, "output_tokens": 5,
                "reasoning_tokens": 2,
            },
        ),
        (
            {
                "openinference.span.kind": "EMBEDDING", "embedding.model_name": "m",
                "llm.token_count.prompt": 10,
            },
            "unknown", "embeddings", {"input_tokens": 10},
        ),
    ],
)  # fmt: skip
def test_older_names_are_understood(
    attributes: dict[str, Any], provider: str, operation: str, usage: dict[str, int]
) -> None:
    found = event(attributes)

    assert (found.provider, found.operation, found.model) == (provider, operation, "m")
    assert found.usage == usage


def test_the_newest_name_wins() -> None:
    found = event(OPENAI | {"gen_ai.usage.prompt_tokens": 5, "gen_ai.usage.input_tokens": 6})
    assert found.usage == {"input_tokens": 6}
    found = event(OPENAI | {"gen_ai.response.model": "gpt-4o-2024-08-06"})
    assert found.model == "gpt-4o-2024-08-06"


def test_cached_tokens_that_cannot_be_among_the_inputs_are_added() -> None:
    found = event(
        OPENAI
        | {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 100,
            "gen_ai.usage.cache_creation.input_tokens": 5,
            "gen_ai.usage.output_tokens": 1,
            "gen_ai.usage.reasoning.output_tokens": 9,
        }
    )

    assert found.usage["input_tokens"] == 115
    assert found.usage["output_tokens"] == 10


def test_a_call_without_usage_is_kept_as_such() -> None:
    assert event(OPENAI).usage == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"of": OPENAI | {"gen_ai.operation.name": "invoke_agent"}},
        {"of": OPENAI | {"gen_ai.operation.name": "execute_tool"}},
        {"of": OPENAI | {"gen_ai.operation.name": "invoke_workflow"}},
        {"of": {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 5}},
        {"of": {"http.route": "/"}},
        {"of": {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}},
        {"kind": SERVER},
        {"resource": {"telemetry.costmeter": 1}},
        {"resource": {"costmeter.metered": "1"}},
    ],
)
def test_what_is_no_call_of_a_model_does_not_count(fields: dict[str, Any]) -> None:
    assert meter([span(**fields)], NOW) == ([], [])


@pytest.mark.parametrize("mark", [True, "true", "1"])
def test_a_call_that_is_metered_in_its_process_is_only_known(mark: object) -> None:
    [identified] = meter([span(2, 1, also={"costmeter.metered": mark})], NOW).events
    assert identified.event is None
    assert len(identified.takes) == 2  # its own name and that of the span above


def test_a_mark_that_says_no_is_no_mark() -> None:
    assert event(OPENAI | {"costmeter.metered": False}).attributes == {}


@pytest.mark.parametrize(
    ("attributes", "failed", "status"),
    [
        ({}, False, "ok"),
        ({}, True, "error"),
        ({"error.type": "_OTHER"}, False, "error"),
        ({"error.type": "429"}, True, "rate_limited"),
        ({"error.type": "503"}, True, "server_error"),
        ({"error.type": "418"}, True, "bad_request"),
        ({"error.type": "openai.APITimeoutError"}, True, "timeout"),
        ({"error.type": "anthropic.RateLimitError"}, True, "rate_limited"),
        ({"error.type": "ThrottlingException"}, True, "rate_limited"),
        ({"error.type": "openai.APIConnectionError"}, True, "connection_error"),
        ({"error.type": "httpx.ConnectTimeout"}, True, "timeout"),
        ({"error.type": "ECONNABORTED"}, True, "connection_error"),
        ({"error.type": "asyncio.exceptions.CancelledError"}, True, "cancelled"),
        ({"error.type": "AbortError"}, True, "cancelled"),
        ({"error.type": "NotFoundError"}, True, "not_found"),
        ({"error.type": "InternalServerError"}, True, "server_error"),
        ({"http.response.status_code": 429}, True, "rate_limited"),
        ({"http.response.status_code": 200}, False, "ok"),
    ],
)
def test_a_failure_has_a_status(attributes: dict[str, Any], failed: bool, status: str) -> None:
    assert event(OPENAI | attributes, status=ERROR if failed else 0).status == status


def test_the_service_tier_that_served_is_told() -> None:
    assert event(OPENAI | {"openai.response.service_tier": "flex"}).service_tier == "flex"
    assert event(OPENAI | {"gen_ai.openai.response.service_tier": "default"}).service_tier == ""


def test_a_call_is_for_what_its_span_or_else_its_resource_says() -> None:
    found = event(
        OPENAI
        | {
            "http.route": "/a",
            "costmeter.endpoint": "/b",
            "feature": "ask",
            "costmeter.tenant": 7,
            "costmeter.beta": True,
            "costmeter.": "nameless",
            "costmeter.long": "x" * 300,
        },
        resource={"costmeter.tenant": "other", "team": "search", "service.name": ""},
    )

    assert found.attributes == {
        "beta": "true", "endpoint": "/b", "feature": "ask", "long": "x" * 256, "team": "search",
        "tenant": "7",
    }  # fmt: skip


def test_no_more_attributes_than_an_event_may_have_are_taken() -> None:
    many = {f"costmeter.a{number:02}": "x" for number in range(100)}
    assert list(event(OPENAI | many).attributes) == [f"a{number:02}" for number in range(32)]


@pytest.mark.parametrize("value", [-1, "12", True, 1.5, float("nan"), 10**12 + 1])
def test_a_span_whose_count_is_none_is_refused(value: Any) -> None:
    metered = meter([span(also={"gen_ai.usage.input_tokens": value}), span(2)], NOW)

    assert len(metered.events) == 1
    [problem] = metered.problems
    assert problem.startswith(f"span {1:016x}: gen_ai.usage.input_tokens: '{value}' is not a whole")


def test_an_event_that_is_too_large_is_refused() -> None:
    large = {f"costmeter.{number}" + "n" * 120: "😀" * 256 for number in range(32)}
    assert "16384 bytes" in meter([span(also=large)], NOW).problems[0]


@pytest.mark.parametrize(
    ("name", "told", "nanoseconds"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.25, 250_000_000),
        ("gen_ai.response.time_to_first_token", 2, 2_000_000_000),
        ("ai.response.msToFirstChunk", 312.5, 312_500_000),
        ("gen_ai.response.time_to_first_chunk", -1, 0),
        ("gen_ai.response.time_to_first_chunk", float("nan"), 0),
        ("gen_ai.response.time_to_first_chunk", 1e300, 0),
        ("gen_ai.response.time_to_first_chunk", "0.25", 0),
    ],
)
def test_the_time_to_the_first_chunk_is_taken_where_a_span_tells_it(
    name: str, told: object, nanoseconds: int
) -> None:
    assert wanted(name)
    assert event(OPENAI | {name: told}).first_chunk_ns == nanoseconds


@pytest.mark.parametrize(
    "ids", [{"trace_id": ""}, {"trace_id": "0" * 32}, {"span_id": "0" * 16}, {"span_id": "xyz"}]
)
def test_a_span_without_an_identity_is_refused(ids: dict[str, str]) -> None:
    metered = meter([span(**ids)], NOW)
    assert (metered.events, len(metered.problems)) == ([], 1)
    assert meter([span(of={}, **ids)], NOW) == ([], [])


def test_times_that_are_none_are_now_and_no_duration() -> None:
    found = event(OPENAI, start_ns=0, end_ns=0)
    assert (found.time_ns, found.duration_ns) == (NOW, 0)
    found = event(OPENAI, start_ns=NOW, end_ns=NOW - 1)
    assert (found.time_ns, found.duration_ns) == (NOW - 1, 0)
    assert event(OPENAI, end_ns=2**64 - 1).time_ns == NOW


# -- Once -----------------------------------------------------------------------------------------


def counted(*batches: list[Span]) -> list[str]:
    """Count exports one after the other, as the pipeline does; return the models that count."""
    taken: set[str] = set()
    models = []
    for batch in batches:
        for each in meter(batch, NOW).events:
            if not taken.intersection(each.known_by):
                taken.update(each.takes)
                models += [each.event.model] if each.event else []
    return models


def named(model: str, response: str = "") -> dict[str, Any]:
    also: dict[str, Any] = {"gen_ai.request.model": model}
    return also | ({"gen_ai.response.id": response} if response else {})


def test_of_nested_calls_the_innermost_counts_in_any_order() -> None:
    outer, between = span(1, also=named("outer")), span(2, 1, of={})
    inner = span(3, 2, also=named("inner"))

    assert counted([inner, between, outer]) == ["inner"]
    assert counted([outer, between, inner]) == ["inner"]


def test_nor_does_what_stands_above_a_call_that_is_metered_in_its_process() -> None:
    marked = span(2, 1, also={"costmeter.metered": True})
    assert counted([marked, span(1)]) == []


def test_nor_does_what_stands_right_above_it_or_tells_its_response_and_is_exported_later() -> None:
    marked = span(9, 5, also={"costmeter.metered": True, "gen_ai.response.id": "r1"})
    assert (
        counted([marked], [span(5, also=named("above"))], [span(1, also=named("far", "r1"))]) == []
    )
    assert counted([marked], [span(4, also=named("another", "r2"))]) == ["another"]


def test_calls_side_by_side_below_another_all_count() -> None:
    above = span(1, also=named("above"))
    assert counted([span(2, 1, also=named("a")), span(3, 1, also=named("b")), above]) == ["a", "b"]
    assert counted([span(2, 1, also=named("a"))], [span(3, 1, also=named("b"))]) == ["a", "b"]


def test_a_span_right_above_that_is_exported_later_does_not_count() -> None:
    assert counted([span(2, 1, also=named("inner"))], [span(1, also=named("outer"))]) == ["inner"]


def test_a_response_counts_once_in_a_trace() -> None:
    inner, outer = span(9, 5, also=named("inner", "r1")), span(1, also=named("outer", "r1"))

    assert counted([inner], [outer]) == ["inner"]
    assert counted([inner], [outer._replace(trace_id="f" * 32)]) == ["inner", "outer"]
    assert counted([inner], [span(1, also=named("outer", "r2"))]) == ["inner", "outer"]


def test_an_export_that_is_sent_again_does_not_count() -> None:
    batch = [span(1, also=named("a")), span(2, also=named("b", "r1")), span(3, 2, of={})]

    assert counted(batch, batch) == ["a", "b"]
    assert counted(batch, [*reversed(batch), span(4, also=named("c"))]) == ["a", "b", "c"]


def test_spans_in_a_ring_do_not_hang() -> None:
    assert counted([span(1, 2), span(2, 1), span(3, 3), span(4)]) == ["gpt-4o"]


SCALARS = st.text(max_size=20) | st.booleans() | st.integers() | st.floats()
NAMES = st.sampled_from(
    [*OPENAI, *(name for names in USAGE.values() for name in names), "error.type", "costmeter.x"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(NAMES, SCALARS, max_size=8),
    st.dictionaries(NAMES, SCALARS, max_size=3),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_what_is_made_of_any_attributes_can_be_accounted(
    attributes: dict[str, Any], resource: dict[str, Any], start: int, end: int
) -> None:
    spans = [span(also=attributes, resource=resource, start_ns=start, end_ns=end)]
    for each in meter(spans, NOW).events:
        msgspec.json.decode(msgspec.json.encode(each.event), type=RecordedUsage)
