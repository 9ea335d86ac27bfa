"""A batch of usage events as ``POST /v1/events`` takes it: read, and checked field by field.

The body is ``{"source": "worker-3", "sequence": 12, "events": […]}``. An event is an object with
the field names of :class:`~costmeter.usage.UsageEvent`, where ``time`` (RFC 3339), ``cost_usd``,
``duration_seconds`` and ``first_chunk_seconds`` may stand for ``time_ns``, ``cost_nano_usd``,
``duration_ns`` and ``first_chunk_ns``, or the array that a journal holds. Only ``provider`` is
required: an event without a time happened now, and one without an operation is a ``chat``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from costmeter.errors import UsageError
from costmeter.units import NANO
from costmeter.usage import (
    MAX_ATTRIBUTES,
    MAX_COST_NANO_USD,
    MAX_DURATION_NS,
    MAX_EVENT_BYTES,
    MAX_NAME_LENGTH,
    MAX_QUANTITY,
    MAX_VALUE_LENGTH,
    USAGE_KEYS,
    UsageEvent,
)

MAX_PROBLEMS: Final = 100
"""Problems of a batch that are told; of more, only that there are more."""
MAX_INTEGER: Final = 2**63 - 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode  # a float would round money

Check = Callable[[Any, str], Any]
"""Takes a field's value and path, returns the value as UsageEvent has it or raises
:class:`InvalidBatchError`."""


class InvalidBatchError(UsageError):
    """A batch has problems; ``problems`` lists them, each with the path of its field."""

    def __init__(self, problems: Sequence[str], events: int = 1) -> None:
        """Take the problems, and how many events the batch would have had."""
        self.problems = tuple(problems)
        self.events = events
        super().__init__("; ".join(self.problems))


class SubmittedBatch(NamedTuple):
    """A valid batch."""

    source: str
    sequence: int
    events: list[UsageEvent]


def parse(body: bytes, *, max_events: int, now_ns: int) -> SubmittedBatch:
    """Read a batch.

    Args:
        body: JSON.
        max_events: how many events a batch may have.
        now_ns: the time of events that tell none, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidBatchError: the batch has problems.
    """
    try:
        document = _decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidBatchError([f"the body is no JSON: {error}"]) from None
    except InvalidOperation:
        raise InvalidBatchError(["the body: a number in it is out of range"]) from None
    if not isinstance(document, dict):
        raise InvalidBatchError([f"the body: {_shown(document)} is not an object"])
    given = document.get("events")
    events = given if isinstance(given, list) else []
    problems: list[str] = []
    values = _check(document, _BATCH_FIELDS, "", problems)
    problems += [f"{name}: missing" for name in _BATCH_FIELDS if name not in document]
    if len(events) > max_events:
        problems.append(f"events: {len(events)} are more than {max_events}")
    else:
        parsed = []
        for index, event in enumerate(events):
            parsed.append(_event(event, f"events[{index}]", now_ns, problems))
            if len(problems) > MAX_PROBLEMS:
                break
    if problems:
        told = problems[:MAX_PROBLEMS]
        if len(problems) > MAX_PROBLEMS:
            told.append("and more")
        raise InvalidBatchError(told, max(1, len(events)))
    return SubmittedBatch(
        values["source"], values["sequence"], [event for event in parsed if event]
    )


def _event(given: object, path: str, now_ns: int, problems: list[str]) -> UsageEvent | None:
    before = len(problems)
    if isinstance(given, list):
        given = dict(zip(UsageEvent.__struct_fields__, given, strict=False))
    if not isinstance(given, dict):
        problems.append(f"{path}: {_shown(given)} is neither an object nor an array")
        return None
    values: dict[str, Any] = {
        "time_ns": now_ns,
        "operation": "chat",
        "model": "",
        "attributes": {},
        "usage": {},
    }
    for name, value in _check(given, _EVENT_FIELDS, f"{path}.", problems).items():
        field = _STANDS_FOR.get(name, name)
        if field != name and field in given:
            problems.append(f"{path}.{name}: given together with {field}")
        values[field] = value
    if "provider" not in given:
        problems.append(f"{path}.provider: missing")
    if len(problems) > before:
        return None
    event = UsageEvent(**values)
    size = len(msgspec.json.encode(event))
    if size > MAX_EVENT_BYTES:
        problems.append(f"{path}: {size} bytes are more than {MAX_EVENT_BYTES}")
    return event


def _check(
    given: Mapping[str, Any], fields: Mapping[str, Check], prefix: str, problems: list[str]
) -> dict[str, Any]:
    """Return the values that are right; append what is wrong with the others."""
    values = {}
    for name, value in given.items():
        path = prefix + name[:MAX_NAME_LENGTH]
        if check := fields.get(name):
            try:
                values[name] = check(value, path)
            except InvalidBatchError as error:
                problems += error.problems
        else:
            problems.append(f"{path}: unknown field")
    return values


def _refuse(path: str, value: object, reason: str) -> InvalidBatchError:
    return InvalidBatchError([f"{path}: {_shown(value)} {reason}"])


def _shown(value: object) -> str:
    """Return a value as JSON has it, shortened; of what is nested, only what it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _text(longest: int, *, empty: bool = True) -> Check:
    def check(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise _refuse(path, value, "is not a string")
        if not empty and not value:
            raise InvalidBatchError([f"{path}: is empty"])
        if len(value) > longest:
            raise _refuse(path, value, f"has {len(value)} characters, {longest} are allowed")
        return value

    return check


def _integer(least: int, most: int) -> Check:
    def check(value: Any, path: str) -> int:
        if type(value) is not int:  # a bool is no number here
            raise _refuse(path, value, "is not a whole number")
        return int(_bounded(value, path, least, most))

    return check


def _bounded(value: Any, path: str, least: int, most: int) -> Any:
    if value < least:
        raise _refuse(path, value, f"is not {least} or more")
    if value > most:
        raise _refuse(path, value, f"is not {most} or less")
    return value


def _decimal(least: int, most: int) -> Check:
    """Check a number, or a number as a string; return its billionths, rounded half to even."""

    def check(value: Any, path: str) -> int:
        number = _finite(value)
        if number is None:
            raise _refuse(path, value, "is not a number")
        _bounded(number, path, least, most)  # before it is multiplied: it could be 1e999999
        return round(number * NANO)

    return check


def _finite(value: Any) -> Decimal | None:
    if type(value) not in {int, Decimal, str} or len(str(value)) > 64:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _nullable(check: Check) -> Check:
    return lambda value, path: None if value is None else check(value, path)


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _refuse(path, value, "is not true or false")
    return value


def _time(value: Any, path: str) -> int:
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        time = None
    if time is None or time.tzinfo is None:
        reason = "is not a time with its zone, such as 2026-11-22T09:30:00Z (RFC 3339)"
        raise _refuse(path, value, reason)
    microseconds = (time - _EPOCH) // timedelta(microseconds=1)
    return int(_bounded(microseconds, path, 0, MAX_INTEGER // 1000)) * 1000


def _each(kind: str, limit: int, key: Check, value: Check) -> Check:
    """Check an object with names of our sender's choice."""

    def check(given: Any, path: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise _refuse(path, given, "is not an object")
        if len(given) > limit:
            raise InvalidBatchError([f"{path}: {len(given)} {kind} are more than {limit}"])
        problems: list[str] = []
        for name, entry in given.items():
            entry_path = f"{path}.{name[:MAX_NAME_LENGTH]}"
            try:
                key(name, entry_path)
                value(entry, entry_path)
            except InvalidBatchError as error:
                problems += error.problems
        if problems:
            raise InvalidBatchError(problems)
        return given

    return check


def _usage_key(name: str, path: str) -> None:
    if name not in USAGE_KEYS:
        raise InvalidBatchError([f"{path}: unknown; known are {', '.join(USAGE_KEYS)}"])


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise _refuse(path, value, "is not an array")
    if not value:
        raise InvalidBatchError([f"{path}: is empty"])
    return value


_quantity: Final = _integer(0, MAX_QUANTITY)
_name: Final = _text(MAX_NAME_LENGTH)
_value: Final = _text(MAX_VALUE_LENGTH)

_BATCH_FIELDS: Final[dict[str, Check]] = {
    "source": _text(MAX_NAME_LENGTH, empty=False),
    "sequence": _integer(0, MAX_INTEGER),
    "events": _list,
}
_EVENT_FIELDS: Final[dict[str, Check]] = {
    "time_ns": _integer(0, MAX_INTEGER),
    "time": _time,
    "operation": _text(MAX_NAME_LENGTH, empty=False),
    "provider": _text(MAX_NAME_LENGTH, empty=False),
    "model": _value,
    "attributes": _each("attributes", MAX_ATTRIBUTES, _text(MAX_NAME_LENGTH, empty=False), _value),
    "usage": _each("kinds", len(USAGE_KEYS), _usage_key, _quantity),
    "calls": _quantity,
    "requests": _quantity,
    "duration_ns": _integer(0, MAX_DURATION_NS),
    "duration_seconds": _decimal(0, MAX_DURATION_NS // NANO),
    "status": _text(MAX_NAME_LENGTH, empty=False),
    "service_tier": _name,
    "cost_nano_usd": _nullable(_integer(-MAX_COST_NANO_USD, MAX_COST_NANO_USD)),
    "cost_usd": _nullable(_decimal(-MAX_COST_NANO_USD // NANO, MAX_COST_NANO_USD // NANO)),
    "estimated": _boolean,
    "request": _name,
    "reservation": _name,
    "identity": _value,
    "first_chunk_ns": _integer(0, MAX_DURATION_NS),
    "first_chunk_seconds": _decimal(0, MAX_DURATION_NS // NANO),
    "retries": _quantity,
}
_STANDS_FOR: Final = {
    "time": "time_ns",
    "duration_seconds": "duration_ns",
    "first_chunk_seconds": "first_chunk_ns",
    "cost_usd": "cost_nano_usd",
}
