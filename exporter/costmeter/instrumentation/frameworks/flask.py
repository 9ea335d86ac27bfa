"""Attributes requests to Flask applications to their rules: ``wsgi_app``, within our middleware."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.wsgi import WSGIMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings


def meter(module: ModuleType, settings: Settings) -> Sequence[Method]:  # noqa: ARG001
    """Return the patch of Flask.

    Raises:
        LookupError: an application is not called as known here.
    """
    return (Method(module.Flask, "wsgi_app", None, None, replacement=_answering),)


def _answering(method: Method) -> Callable[..., Any]:
    @functools.wraps(method.original)
    def answer(app: Any, environ: Any, start_response: Any) -> Any:
        if not method.on:
            return method.original(app, environ, start_response)
        answering = functools.partial(method.original, app)
        return WSGIMiddleware(answering)(environ, start_response)

    return answer
