"""Marks spans whose calls are metered here, so that the sidecar does not count them once more.

Where another instrumentation traces the same SDK, its span is the current one as a call begins. The
sidecar takes spans over OTLP, too, and passes those by that are marked.
"""

from __future__ import annotations

from contextvars import ContextVar
from sys import modules
from typing import Any, Final

OPENTELEMETRY: Final = "opentelemetry.sdk.trace"
"""The module without which no span is recorded; it is not imported for our sake."""
METERED: Final = "costmeter.metered"
"""The attribute that marks a span."""
kept: Final[ContextVar[dict[str, Any] | None]] = ContextVar("costmeter_kept", default=None)
"""What a library that makes its span only after a call keeps of the call that is on its way."""


def mark() -> None:
    """Mark the current span; one that is not recorded takes no attribute."""
    modules["opentelemetry.trace"].get_current_span().set_attribute(METERED, True)
    if (call := kept.get()) is not None:
        call[METERED] = True
        kept.set(None)
