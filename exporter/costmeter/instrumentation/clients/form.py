"""Reads requests of httpx that are forms: they have no content until they are sent."""

from __future__ import annotations

from typing import Any


def is_form(request: Any) -> bool:
    """Return whether something is a request with a form."""
    return hasattr(getattr(request, "stream", None), "fields")


def form_values(request: Any) -> dict[str, object]:
    """Return the values of a form by the names of its fields; files are passed over."""
    fields = request.stream.fields
    return {field.name: field.value for field in fields if hasattr(field, "value")}
