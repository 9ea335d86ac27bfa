"""The web server's paths: metrics, landing page, probes, reload and intake."""

from __future__ import annotations

from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from costmeter.sidecar import page
from costmeter.sidecar.access import Authentication, needs
from costmeter.sidecar.alerts import AlertsEndpoint
from costmeter.sidecar.budget_api import BudgetEndpoints
from costmeter.sidecar.config import IntakeConfig
from costmeter.sidecar.gate.over_http import GateEndpoint
from costmeter.sidecar.intake import EventsEndpoint
from costmeter.sidecar.otlp.receiver import TracesEndpoint
from costmeter.sidecar.rights import AccessConfig, Right
from costmeter.sidecar.scrape import MetricsEndpoint
from costmeter.sidecar.view import PipelineView
from costmeter.sidecar.web import WebConfig

SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
}
"""Headers of every answer. What an answer sets itself goes before them, and before both goes what
the web configuration sets."""


def create_app(
    pipeline: PipelineView, web: WebConfig, *, intake: IntakeConfig | None = None
) -> Starlette:
    """Return the exporter's web application.

    Args:
        pipeline: what is exposed, and where events go.
        web: authentication and headers; both hold for every path, probes included.
        intake: limits of ``POST /v1/events`` and ``/v1/traces``.
    """
    endpoints, budgets = _Endpoints(pipeline), BudgetEndpoints(pipeline)
    limits = intake or IntakeConfig()

    def access() -> AccessConfig:
        return pipeline.access

    def route(method: str, path: str, endpoint: Any, right: Right) -> Route:
        return Route(path, endpoint, methods=[method], middleware=needs(right, web, access))

    return Starlette(
        routes=[
            Route("/-/healthy", endpoints.healthy, methods=["GET"]),
            Route("/-/ready", endpoints.ready, methods=["GET"]),
            route("POST", "/-/reload", endpoints.reload, "reload"),
            route("GET", "/", endpoints.page, "read"),
            route("GET", "/metrics", MetricsEndpoint(pipeline), "read"),
            route("POST", "/v1/events", EventsEndpoint(pipeline, limits), "write_usage"),
            route("POST", "/v1/traces", TracesEndpoint(pipeline, limits), "write_usage"),
            route("POST", "/v1/gate", GateEndpoint(pipeline), "write_usage"),
            route("POST", "/v1/alerts", AlertsEndpoint(pipeline, limits), "alerts"),
            route("GET", "/v1/alerts", budgets.alerts, "read"),
            route("GET", "/v1/audit", budgets.audit, "read"),
            route("GET", "/v1/budgets", budgets.all, "read"),
            route("GET", "/v1/budgets/{name:path}", budgets.one, "read"),
            route("PUT", "/v1/budgets/{name:path}", budgets.put, "budgets"),
            route("DELETE", "/v1/budgets/{name:path}", budgets.remove, "budgets"),
            route("PUT", "/v1/emergencies/{name:path}", budgets.begin, "budgets"),
            route("DELETE", "/v1/emergencies/{name:path}", budgets.end, "budgets"),
        ],
        middleware=[
            Middleware(_HeadersMiddleware, web=web),
            Middleware(_SameSiteMiddleware),
            Middleware(Authentication, web=web, access=access),
        ],
    )


class _Endpoints:
    def __init__(self, pipeline: PipelineView) -> None:
        self._pipeline = pipeline

    async def page(self, _: Request) -> Response:
        status = await run_in_threadpool(self._pipeline.status)
        headers = {"content-security-policy": page.CONTENT_SECURITY_POLICY}
        return HTMLResponse(page.draw(status), headers=headers)

    async def healthy(self, _: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(self, _: Request) -> Response:
        state = self._pipeline.state
        return PlainTextResponse(f"{state}\n", 200 if state == "ready" else 503)

    async def reload(self, _: Request) -> Response:
        problems = await run_in_threadpool(self._pipeline.reload)
        if problems:
            return PlainTextResponse("".join(f"{problem}\n" for problem in problems), 500)
        return PlainTextResponse("reloaded\n")


class _HeadersMiddleware:
    """Sets the security headers of every answer."""

    def __init__(self, app: ASGIApp, web: WebConfig) -> None:
        self._app = app
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.update(self._web.headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _SameSiteMiddleware:
    """Refuses what a page of another site has a browser post here.

    Source: Fetch Metadata Request Headers, https://www.w3.org/TR/fetch-metadata/.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            site = Headers(scope=scope).get("sec-fetch-site", "none")
            if site not in {"none", "same-origin"}:
                response = PlainTextResponse("Posted from another site\n", 403)
                return await response(scope, receive, send)
        return await self._app(scope, receive, send)
