"""Attributes requests to Starlette and FastAPI applications to their routes.

An application of either passes ``Starlette.__call__`` for every request: that is where the
attribution is put in force, before any middleware.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from costmeter.instrumentation.asgi import attributed
from costmeter.instrumentation.clients.method import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings


def meter(module: ModuleType, settings: Settings) -> Sequence[Method]:  # noqa: ARG001
    """Return the patch of ``starlette.applications``.

    Raises:
        LookupError: an application is not called as known here.
    """
    return (Method(module.Starlette, "__call__", None, None, None, replacement=_answering),)


def _answering(method: Method) -> Callable[..., Any]:
    @functools.wraps(method.original)
    async def answer(app: Any, scope: Any, receive: Any, send: Any) -> None:
        if method.on:
            with attributed(app, scope):
                await method.original(app, scope, receive, send)
        else:
            await method.original(app, scope, receive, send)

    return answer
