"""What tests ask the stand-in for Google for."""

from __future__ import annotations

from typing import Any


def asking(config: dict[str, Any] | None = None, **headers: str) -> Any:
    """Return a configuration that asks the stand-in for an answer, a tier or a fault."""
    asked = {f"x-standin-{name}": value for name, value in headers.items()}
    return {**(config or {}), "http_options": {"headers": asked}}
