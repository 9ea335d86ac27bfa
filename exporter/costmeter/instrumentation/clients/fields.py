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
    own: Any
    try:
        own, extra = thing.__dict__, thing.__pydantic_extra__  # type: ignore[attr-defined]
    except AttributeError:  # no model of pydantic's
        own, extra = getattr(thing, "__dict__", None), None
    return {**extra, **own} if extra else own


def counts_of(
    told: Mapping[str, Any], keys: Mapping[str, str], odd: list[str], most: int = MAX_QUANTITY
) -> dict[str, int]:
    """Return the counts that stand under known names, by their keys; zeros are left out.

    Args:
        told: fields of a body.
        keys: keys by the names that are known.
        odd: takes what is odd, in words.
        most: how many there are of what these are parts of.
    """
    counts: dict[str, int] = {}
    for name, key in keys.items():
        if value := told.get(name):
            if type(value) is not int or not 0 < value <= most:
                count = count_of(name, value, odd)
                if count > most:
                    odd.append(f"{name} {count}, more than the {most} that it is a part of")
                if not (value := min(count, most)):
                    continue
            counts[key] = value
    return counts


def count_of(name: str, value: object, odd: list[str]) -> int:
    """Return a count of tokens or pieces; 0 where there is none, or what stands there is odd."""
    if value is None:
        return 0
    if type(value) is int and 0 <= value <= MAX_QUANTITY:
        return value
    if type(value) is float and value.is_integer() and 0 <= value <= MAX_QUANTITY:
        return int(value)
    odd.append(f"{name} {_shown(value)}, which is no count of tokens")
    return 0


def text_of(value: object) -> str:
    """Return a text; empty for anything else."""
    return value if isinstance(value, str) else ""


def _shown(value: object) -> str:
    """Return a value as a message may show it: numbers only, for anything else could be private."""
    return str(value) if isinstance(value, int | float) else f"of type {type(value).__name__}"
