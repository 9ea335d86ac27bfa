"""The body of an OTLP/HTTP export of traces, protobuf or JSON, to spans.

Of a span only what usage is made of is kept: attributes that nobody asked for, prompts and answers
among them, are let go of here.

Source: https://opentelemetry.io/docs/specs/otlp/ and, for JSON,
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from costmeter.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

Scalar = str | bool | int | float
Wanted = Callable[[str], bool]
"""Says of an attribute's name whether it is to be kept."""

SERVER: Final = 2
"""Span kind of who answers a call, not of who makes it."""
ERROR: Final = 2
"""Status code of a span that failed."""


MAX_PARTS: Final = 100_000
"""Resources, scopes and spans of an export: more than fit into a body unless they are empty."""


class InvalidExportError(UsageError):
    """A body is no export of traces."""


class Span(NamedTuple):
    """What is kept of a span.

    Attributes:
        trace_id: 32 hexadecimal digits as sent, not checked.
        span_id: 16 hexadecimal digits as sent, not checked.
        parent_id: likewise; empty where it has no parent.
        kind: OTLP's number, :data:`SERVER` and others.
        start_ns: nanoseconds since 1970-01-01 UTC.
        end_ns: likewise.
        status: OTLP's number, :data:`ERROR` and others.
        attributes: those of its attributes that are wanted and no list or object.
        resource: likewise those of what produced the span, shared by its spans.
    """

    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, Scalar]
    resource: dict[str, Scalar]


def from_protobuf(body: bytes, wanted: Wanted) -> Iterator[Span]:
    """Return the spans of an ``ExportTraceServiceRequest``.

    Raises:
        InvalidExportError: it is none.
    """
    # Here, so that an exporter that gets no traces does not wait for protobuf.
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    try:
        export = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise InvalidExportError("the body is no ExportTraceServiceRequest in protobuf") from None
    _check_size(export.resource_spans)
    return (
        Span(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code,
            _of_protobuf(span.attributes, wanted),
            resource,
        )
        for group in export.resource_spans
        for resource in (_of_protobuf(group.resource.attributes, wanted),)
        for scope in group.scope_spans
        for span in scope.spans
    )


def _of_protobuf(attributes: Iterable[KeyValue], wanted: Wanted) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for attribute in attributes:
        if wanted(attribute.key):
            kind = attribute.value.WhichOneof("value")
            if kind in {"string_value", "bool_value", "int_value", "double_value"}:
                found[attribute.key] = getattr(attribute.value, kind)
    return found


def _check_size(groups: Sequence[Any]) -> None:
    """Refuse an export, in either encoding, that is cheap to send and dear to look through."""
    parts = len(groups)
    if parts <= MAX_PARTS:
        scopes = [group.scope_spans or () for group in groups]
        parts += sum(map(len, scopes))
        if parts <= MAX_PARTS:
            parts += sum(len(scope.spans or ()) for group in scopes for scope in group)
    if parts > MAX_PARTS:
        raise InvalidExportError(f"more than {MAX_PARTS} resources, scopes and spans")


Number = int | float | str | None
"""A number of proto3's JSON: 64-bit integers are strings, which may be numbers in what is read."""


class _Struct(msgspec.Struct, rename="camel", gc=False):
    """A message: fields that are not named here are skipped, and ``null`` is a field left out."""


class _Value(_Struct):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number = None
    double_value: Number = None


class _Attribute(_Struct):
    key: str | None = None
    value: _Value | None = None


class _Status(_Struct):
    code: Number = None


class _Span(_Struct):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    kind: Number = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[_Attribute] | None = None
    status: _Status | None = None


class _Resource(_Struct):
    attributes: list[_Attribute] | None = None


class _Scope(_Struct):
    spans: list[_Span] | None = None


class _Group(_Struct):
    resource: _Resource | None = None
    scope_spans: list[_Scope] | None = None


class _Export(_Struct):
    resource_spans: list[_Group] | None = None


_decode: Final = msgspec.json.Decoder(_Export).decode


def from_json(body: bytes, wanted: Wanted) -> Iterator[Span]:
    """Return the spans of an export in JSON.

    Raises:
        InvalidExportError: it is none.
    """
    try:
        export = _decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidExportError(f"the body is no export of traces in JSON: {error}") from None
    except UnicodeDecodeError:
        raise InvalidExportError("the body is no UTF-8") from None
    _check_size(export.resource_spans or ())
    return _spans(export, wanted)


def _spans(export: _Export, wanted: Wanted) -> Iterator[Span]:
    for group in export.resource_spans or ():
        resource = _of_json(group.resource.attributes if group.resource else None, wanted)
        for scope in group.scope_spans or ():
            for span in scope.spans or ():
                yield Span(
                    (span.trace_id or "").lower(),
                    (span.span_id or "").lower(),
                    (span.parent_span_id or "").lower(),
                    _enum(span.kind, {"SPAN_KIND_SERVER": SERVER}),
                    _integer(span.start_time_unix_nano),
                    _integer(span.end_time_unix_nano),
                    _enum(span.status.code if span.status else None, {"STATUS_CODE_ERROR": ERROR}),
                    _of_json(span.attributes, wanted),
                    resource,
                )


def _of_json(attributes: list[_Attribute] | None, wanted: Wanted) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for attribute in attributes or ():
        key, value = attribute.key, attribute.value
        if key is not None and value is not None and wanted(key):
            scalar: Any = value.string_value
            if scalar is None:
                scalar = value.bool_value
            if scalar is None:
                # What is no number stays as it is, for who reads it to refuse.
                scalar = _number(
                    value.int_value if value.double_value is None else value.double_value
                )
            if scalar is not None:
                found[key] = scalar
    return found


def _number(value: Number) -> Number:
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            return value
    return value


def _integer(value: Number) -> int:
    """Return a time; 0, which is no time, for what is none."""
    number = _number(value)
    return number if isinstance(number, int) else 0


def _enum(value: Number, names: Mapping[str, int]) -> int:
    """Return an enum's number; its name is no OTLP, but clear."""
    return names.get(value, 0) if isinstance(value, str) else _integer(value)
