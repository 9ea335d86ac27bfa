"""Attributes what a request to a WSGI application uses to its route."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from costmeter.instrumentation.context import Inside
from costmeter.instrumentation.endpoint import Endpoint

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


class WSGIMiddleware:
    """Attributes all usage within a request to its endpoint, the rule of its route.

    ``/users/<int:id>``, never ``/users/17``; requests that no rule was made for have the endpoint
    ``unmatched``. It counts for what the request calls, in its threads too (see
    :func:`costmeter.instrument`), and while its response is sent as a stream. An inner
    ``endpoint``, by :func:`costmeter.attribute`, wins.

    ``instrument()`` does it for Flask by itself. Elsewhere, or without it:
    ``app.wsgi_app = costmeter.WSGIMiddleware(app.wsgi_app)`` for Flask.
    """

    def __init__(self, app: App, *, route: Callable[[Environ], str | None] | None = None) -> None:
        """Wrap an application.

        Args:
            app: the application, or the next middleware.
            route: returns the template of a request's route, for frameworks other than Flask; None
                while it is not known. It is asked when usage is recorded, and at the latest when
                the response starts.
        """
        self.app = app
        self._route = route or rule_of

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        endpoint = Endpoint(lambda: self._route(environ))

        def start(*args: Any, **named: Any) -> Any:
            endpoint.settle()  # Flask forgets its request before a stream is sent
            return start_response(*args, **named)

        inside = Inside(endpoint.attribution())
        try:
            with inside:
                body = self.app(environ, start)
        except BaseException:
            endpoint.end()
            raise
        whole = isinstance(body, list | tuple)
        if whole or isinstance(body, environ.get("wsgi.file_wrapper", ())):
            endpoint.end()
            return body  # nothing of the application's runs any more; a server may send a file
        return _Body(body, inside, endpoint)


class _Body:
    """A response whose parts are made, and whose end is handled, inside its request."""

    def __init__(self, body: Iterable[bytes], inside: Inside, endpoint: Endpoint) -> None:
        self._body = body
        self._inside = inside
        self._endpoint = endpoint
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._inside:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        """End the response: the application's own clean-up may make calls as well."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                with self._inside:
                    close()
        finally:
            self._endpoint.end()


def rule_of(environ: Environ) -> str | None:
    """Return the rule of a Flask request; None before it is routed, and where there is none."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return None if rule is None else str(rule.rule)
