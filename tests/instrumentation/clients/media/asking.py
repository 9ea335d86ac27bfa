"""What tests of images and audio ask the stand-in for."""

from __future__ import annotations

from typing import Any


def answer(body: str = "", fault: str = "") -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a body and a fault."""
    named = {"x-standin-body": body} if body else {}
    return {"extra_headers": {"x-standin-fault": fault, **named}}
