"""Reads fields of response bodies: mappings (decoded JSON) or objects with the same fields.

Reading never raises for what a body holds. What is odd is named, without showing what could be
private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmeter.usage import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Mapping


def fields_of(thing: object) -> Mapping[str, Any] | None:
    """Return the fields of a mapping or of a model, unknown ones of a newer API included."""
    if thing is None or isinstance(thing, dict):
        return thing
    own: dict[str, Any] | None = getattr(thing, "__dict__", None)
    if isinstance(own, dict) and (extra := getattr(thing, "__pydantic_extra__", None)):
        return {**extra, **own}
    return own if isinstance(own, dict) else None


def count_of(name: str, value: object, odd: list[str]) -> int:
    """Return a count of tokens or pieces; 0 where there is none, or what stands there is odd."""
    if type(value) is int and 0 <= value <= MAX_QUANTITY:
        return value
    if type(value) is float and value.is_integer() and 0 <= value <= MAX_QUANTITY:
        return int(value)
    if value is not None:
        odd.append(f"{name} {_shown(value)}, which is no count of tokens")
    return 0


def text_of(value: object) -> str:
    """Return a text; empty for anything else."""
    return value if isinstance(value, str) else ""


def _shown(value: object) -> str:
    """Return a value as a message may show it: numbers only, for anything else could be private."""
    return str(value) if isinstance(value, int | float) else f"of type {type(value).__name__}"
