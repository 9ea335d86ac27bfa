"""Reads requests of httpx that are forms: they are read only as they are sent."""

from __future__ import annotations

from typing import Any


def is_form(request: Any) -> bool:
    """Return whether a request is a form, which has fields in the place of a content."""
    return hasattr(request.stream, "fields")


def form_value(request: Any, name: str) -> object:
    """Return the value of a field of a form; None where it has none of that name."""
    return next((field.value for field in request.stream.fields if field.name == name), None)
