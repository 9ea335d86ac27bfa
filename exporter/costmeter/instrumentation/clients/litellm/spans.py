"""Marks the spans of litellm's own OpenTelemetry callback, which are made once a call is over.

By then no span is the current one that could be marked as the call begins. What litellm keeps of a
call on its way is: it is noted there that the call was metered, and the span gets the mark from it.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.spans import METERED, OPENTELEMETRY, kept
from costmeter.instrumentation.on_import import OnImport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_CALLBACK: Final = "litellm.integrations.opentelemetry"
_LOGGING: Final = "litellm.litellm_core_utils.litellm_logging"


class Spans:
    """Two replaced methods, once litellm's callback is imported."""

    def __init__(self) -> None:
        """Replace nothing yet."""
        self._on_import = OnImport()
        self._methods: list[Method] = []

    def put(self) -> None:
        """Replace them, now or once the callback is imported."""
        self._on_import.now_or_then(_CALLBACK, self._put)

    def take(self) -> None:
        """Leave litellm as it was."""
        self._on_import.forget(_CALLBACK)
        for method in self._methods:
            method.take()

    def _put(self, module: ModuleType) -> None:
        self._methods = [
            Method(module.OpenTelemetry, "set_attributes", None, {}, None, replacement=_marking),
            Method(sys.modules[_LOGGING].Logging, "pre_call", "", "", replacement=_keeping),
        ]
        for method in self._methods:
            method.put()


def _keeping(method: Method) -> Callable[..., Any]:
    """Replace ``Logging.pre_call``, which comes right before a request to a provider."""

    @functools.wraps(method.original)
    def pre_call(logging: Any, *args: Any, **named: Any) -> Any:
        if method.on and OPENTELEMETRY in sys.modules:  # else nothing takes it from there
            kept.set(getattr(logging, "model_call_details", None))
        return method.original(logging, *args, **named)

    return pre_call


def _marking(method: Method) -> Callable[..., Any]:
    """Replace ``OpenTelemetry.set_attributes``; what litellm's cache answers is no call at all."""

    @functools.wraps(method.original)
    def set_attributes(callback: Any, span: Any, kwargs: Any, *args: Any, **named: Any) -> Any:
        if kwargs.get(METERED) or kwargs.get("cache_hit"):
            span.set_attribute(METERED, True)
        return method.original(callback, span, kwargs, *args, **named)

    return set_attributes
