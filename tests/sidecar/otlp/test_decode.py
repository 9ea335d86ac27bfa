from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from costmeter.sidecar.otlp import decode as otlp_decode
from costmeter.sidecar.otlp.decode import (
    ERROR,
    SERVER,
    InvalidExportError,
    Span,
    from_json,
    from_protobuf,
)

RECORDED = Path(__file__).parents[2] / "responses" / "otlp"


def everything(_: str) -> bool:
    return True


def of_json(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> list[Span]:
    group = {"resource": resource, "scopeSpans": [{"spans": list(spans)}]}
    return list(from_json(json.dumps({"resourceSpans": [group]}).encode(), everything))


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def test_the_export_of_the_python_sdk_is_read() -> None:
    spans = list(from_protobuf((RECORDED / "python.bin").read_bytes(), everything))

    assert len(spans) == 6
    call = spans[0]
    assert call.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (call.span_id, call.parent_id) == ("00f067aa0ba902b4", "00f067aa0ba902b3")
    assert (call.end_ns - call.start_ns, call.status) == (800_000_000, 0)
    assert call.attributes["gen_ai.usage.input_tokens"] == 1200
    assert call.resource == {"service.name": "shop", "costmeter.team": "search"}
    assert [span.kind for span in spans].count(SERVER) == 1
    assert [span.status for span in spans].count(ERROR) == 1


def test_the_export_of_a_node_service_is_read() -> None:
    call, above = from_json((RECORDED / "node.json").read_bytes(), everything)

    assert call.trace_id == "5b8efff798038103d269b633813fc60c"
    assert (call.span_id, call.parent_id) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (call.start_ns, call.end_ns) == (1_795_339_800_000_000_000, 1_795_339_802_500_000_000)
    assert call.attributes["ai.usage.cachedInputTokens"] == 400  # a string in JSON
    assert call.attributes["gen_ai.usage.input_tokens"] == 900
    assert call.attributes["gen_ai.usage.output_tokens"] == 30
    assert call.resource["service.name"] == "assistant"
    assert (above.span_id, above.parent_id) == ("eee19b7ec3c1b173", "")


def test_attributes_that_nobody_wants_are_let_go_of() -> None:
    for decode, name in ((from_protobuf, "python.bin"), (from_json, "node.json")):
        spans = list(decode((RECORDED / name).read_bytes(), lambda key: key == "service.name"))
        assert all(span.attributes == {} for span in spans)
        assert all(span.resource.keys() == {"service.name"} for span in spans)


def test_lists_and_objects_are_no_values() -> None:
    [span] = of_json(
        {
            "attributes": [
                attribute("list", arrayValue={"values": [{"stringValue": "a"}]}),
                attribute("object", kvlistValue={"values": []}),
                attribute("empty"),
                {"key": "none"},
                attribute("bytes", bytesValue="AAAA"),
                attribute("false", boolValue=False),
                attribute("zero", intValue="0"),
                attribute("nothing", stringValue=""),
            ]
        }
    )

    assert span.attributes == {"false": False, "zero": 0, "nothing": ""}


def test_null_is_a_field_left_out() -> None:
    [span] = of_json(
        {"traceId": None, "kind": None, "status": None, "attributes": None, "endTimeUnixNano": None}
    )

    assert span == Span("", "", "", 0, 0, 0, 0, {}, {})
    assert list(from_json(b"{}", everything)) == []
    assert list(from_json(b'{"resourceSpans": [{"scopeSpans": null}]}', everything)) == []


def test_names_of_enums_are_understood() -> None:
    [span] = of_json({"kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR"}})

    assert (span.kind, span.status) == (SERVER, ERROR)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [1]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 1}]}]}]}',
        b'{"x": ' + b"[" * 100_000,
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "\xff"}]}]}]}',
    ],
)
def test_what_is_no_json_export_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidExportError):
        list(from_json(body, everything))


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b'{"resourceSpans": []}', b"\x0a" * 99])
def test_what_is_no_protobuf_export_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidExportError):
        list(from_protobuf(body, everything))


def test_what_protobuf_nests_without_end_is_refused() -> None:
    value = b""
    for _ in range(2000):
        value = b"\x2a" + _varint(len(value)) + value  # AnyValue.array_value
        value = b"\x0a" + _varint(len(value)) + value  # ArrayValue.values
    attribute_ = b"\x0a\x01k\x12" + _varint(len(value)) + value
    resource = b"\x0a" + _varint(len(attribute_)) + attribute_
    group = b"\x0a" + _varint(len(resource)) + resource
    body = b"\x0a" + _varint(len(group)) + group

    with pytest.raises(InvalidExportError):
        list(from_protobuf(body, everything))


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans": [{}, {}, {}]}',
        b'{"resourceSpans": [{"scopeSpans": [{}, {}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}',
    ],
)
def test_an_export_of_too_many_parts_is_refused(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_decode, "MAX_PARTS", 2)
    with pytest.raises(InvalidExportError, match="more than 2 resources, scopes and spans"):
        list(from_json(body, everything))
    binary = json_format.Parse(body, ExportTraceServiceRequest()).SerializeToString()
    with pytest.raises(InvalidExportError, match="more than 2 resources, scopes and spans"):
        list(from_protobuf(binary, everything))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decode in (from_protobuf, from_json):
        with contextlib.suppress(InvalidExportError):
            list(decode(body, everything))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_export_is_read_or_refused(data: st.DataObject) -> None:
    decode, name = data.draw(
        st.sampled_from([(from_protobuf, "python.bin"), (from_json, "node.json")])
    )
    body = bytearray((RECORDED / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(InvalidExportError):
        list(decode(bytes(body), everything))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
FIELDS = st.sampled_from(
    ["traceId", "spanId", "parentSpanId", "kind", "startTimeUnixNano", "endTimeUnixNano", "status"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, LEAVES | st.dictionaries(st.just("code"), LEAVES)))
def test_fields_of_any_type_are_read_or_refused(span: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidExportError):
        of_json(span)


def test_both_encodings_of_an_export_are_the_same() -> None:
    body = (RECORDED / "python.bin").read_bytes()
    spans = list(from_protobuf(body, everything))
    group = ExportTraceServiceRequest.FromString(body).resource_spans[0]

    assert spans == of_json(
        *(
            {
                "traceId": span.trace_id.hex().upper(),
                "spanId": span.span_id.hex(),
                "parentSpanId": span.parent_span_id.hex(),
                "kind": span.kind,
                "startTimeUnixNano": str(span.start_time_unix_nano),
                "endTimeUnixNano": str(span.end_time_unix_nano),
                "status": {"code": span.status.code},
                "attributes": [_as_json(each) for each in span.attributes],
            }
            for span in group.scope_spans[0].spans
        ),
        resource={"attributes": [_as_json(each) for each in group.resource.attributes]},
    )


def _as_json(attribute: Any) -> dict[str, Any]:
    value = attribute.value
    if value.HasField("int_value"):
        return {"key": attribute.key, "value": {"intValue": str(value.int_value)}}
    if value.HasField("string_value"):
        return {"key": attribute.key, "value": {"stringValue": value.string_value}}
    return {"key": attribute.key, "value": {"arrayValue": {}}}
