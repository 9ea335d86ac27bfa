"""Attributes what a request to an ASGI application uses to its route.

The routes of Starlette and FastAPI are asked which of them a request belongs to, in their own
terms (``matches``), when the first call is made in it. What routing leaves in the scope would not
do: a route there does not know the mounts and routers around it, a middleware may have made a copy,
and before routing there is nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from costmeter.instrumentation.context import attribution
from costmeter.instrumentation.endpoint import UNMATCHED, Endpoint

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

_SEEN: Final = "costmeter"
"""Key of a scope that has an endpoint."""


class ASGIMiddleware:
    """Attributes all usage within a request to its endpoint, the template of its route.

    ``/users/{id}``, never ``/users/17``; mounts and included routers are part of it; requests that
    no route was made for have the endpoint ``unmatched``. It counts for what the request calls in
    its tasks, in its threads (see :func:`costmeter.instrument`), in a response that is sent as a
    stream and in background tasks; WebSockets are requests, too. An inner ``endpoint``, by
    :func:`costmeter.attribute`, wins.

    ``instrument()`` does it for Starlette and FastAPI by itself. Elsewhere, or without it:
    ``app.add_middleware(costmeter.ASGIMiddleware)``, or ``ASGIMiddleware(app)`` around anything.
    """

    def __init__(self, app: App, *, route: Callable[[Scope], str | None] | None = None) -> None:
        """Wrap an application.

        Args:
            app: the application, or the next middleware.
            route: returns the template of a scope's route, for frameworks other than Starlette's
                kind; None while it is not known.
        """
        self.app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        with attributed(self.app, scope, self._route):
            await self.app(scope, receive, send)


@contextmanager
def attributed(
    app: object, scope: Scope, route: Callable[[Scope], str | None] | None = None
) -> Iterator[None]:
    """Attribute what is used in a block to the endpoint of a request, if it is one.

    A request keeps the endpoint that it has: what is mounted in an application knows only its part.
    ``route``, as for :class:`ASGIMiddleware`, wins.
    """
    if scope["type"] not in ("http", "websocket") or (route is None and _SEEN in scope):
        yield
        return
    if route is None:
        asked = dict(scope)  # before mounts change its paths
        endpoint = Endpoint(lambda: template_of(app, asked))
        scope[_SEEN] = True
    else:
        endpoint = Endpoint(lambda: route(scope))
    token = attribution.set(endpoint.attribution())
    try:
        yield
    finally:
        attribution.reset(token)
        endpoint.end()


def template_of(app: object, scope: Scope) -> str:
    """Return the template of the route that an application has for a scope.

    Args:
        app: an application with ``routes`` of Starlette's kind, or a middleware around one that
            calls it ``app``.
        scope: as it reaches the application.
    """
    while not hasattr(app, "routes"):
        app = getattr(app, "app", None)
        if app is None:
            return UNMATCHED
    return _template_among(app.routes, scope)


def _template_among(routes: Iterable[Any], scope: Scope) -> str:
    """Return the template of the first route that fits, its method too if there is such a one."""
    partial: tuple[Any, Scope] | None = None
    for route in routes:
        match, inner = route.matches(scope)
        if match.name == "FULL":
            return _within(route, {**scope, **inner})
        if match.name == "PARTIAL" and partial is None:
            partial = route, inner
    return UNMATCHED if partial is None else _within(partial[0], {**scope, **partial[1]})


def _within(route: Any, scope: Scope) -> str:
    """Return the template of a route that fits, with those below it if it has any."""
    if hasattr(route, "effective_route_contexts"):  # a router included in a FastAPI application
        flatten = sys.modules["fastapi.routing"].iter_route_contexts
        return _template_among(flatten([route]), scope)
    if not hasattr(route, "routes"):
        return str(getattr(route, "path_format", None) or getattr(route, "path", UNMATCHED))
    prefix = str(getattr(route, "path", None) or "")  # a host has none
    if not route.routes:  # something else is mounted there
        return prefix or "/"
    template = _template_among(route.routes, scope)
    return UNMATCHED if template == UNMATCHED else prefix + template
