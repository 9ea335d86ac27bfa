"""Calls of the real SDK inside requests to real ASGI applications, and the endpoint they count for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.testclient import TestClient

import costmeter
from costmeter.instrumentation.context import current
from tests.instrumentation.conftest import Client, Recorded


async def get(app: Any, path: str, *, method: str = "GET", host: str = "app") -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.request(method, path)


async def endpoint_of(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current()["endpoint"])


def endpoints(recorded: Recorded) -> list[str]:
    return [event.attributes.get("endpoint", "") for event in recorded()]


async def test_a_call_counts_for_the_template_of_its_route(provider: Client, recorded: Recorded):
    app = FastAPI()
    app.add_middleware(costmeter.ASGIMiddleware)

    @app.get("/users/{user}")
    async def user(user: int) -> str:
        return await provider.acall()

    assert (await get(app, "/users/17")).status_code == 200
    assert (await get(app, "/users/18")).status_code == 200
    assert endpoints(recorded) == ["/users/{user}"] * 2
    assert current() == {}


async def test_what_a_request_leaves_to_threads_tasks_and_background_counts_for_it(
    provider: Client, recorded: Recorded
):
    app = FastAPI()
    app.add_middleware(costmeter.ASGIMiddleware)

    @app.get("/sync/{n}")
    def synchronous(n: int, background: BackgroundTasks) -> str:
        background.add_task(provider.call)
        return provider.call()

    @app.get("/tasks/{n}")
    async def tasks(n: int) -> list[str]:
        return list(
            await asyncio.gather(
                asyncio.create_task(provider.acall()), asyncio.to_thread(provider.call)
            )
        )

    assert (await get(app, "/sync/1")).status_code == 200
    assert endpoints(recorded) == ["/sync/{n}"] * 2
    assert (await get(app, "/tasks/1")).status_code == 200
    assert endpoints(recorded) == ["/tasks/{n}"] * 2


async def test_a_stream_that_calls_while_it_is_sent_counts_for_its_request(
    provider: Client, recorded: Recorded
):
    app = FastAPI()
    app.add_middleware(costmeter.ASGIMiddleware)

    @app.get("/stream/{n}")
    async def stream(n: int) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for _ in range(n):
                yield await provider.acall()

        return StreamingResponse(parts())

    assert (await get(app, "/stream/2")).status_code == 200
    assert endpoints(recorded) == ["/stream/{n}"] * 2


async def test_concurrent_requests_are_kept_apart(provider: Client, recorded: Recorded):
    app = FastAPI()
    app.add_middleware(costmeter.ASGIMiddleware)

    @app.get("/a/{n}")
    @costmeter.track(feature="a")
    async def a(n: int) -> str:
        return await provider.acall()

    @app.get("/b/{n}")
    @costmeter.track(feature="b")
    async def b(n: int) -> str:
        return await provider.acall()

    await asyncio.gather(*(get(app, f"/{'ab'[n % 2]}/{n}") for n in range(20)))
    kept = sorted(tuple(sorted(event.attributes.items())) for event in recorded())
    assert kept == (
        [(("endpoint", "/a/{n}"), ("feature", "a"))] * 10
        + [(("endpoint", "/b/{n}"), ("feature", "b"))] * 10
    )


async def test_calls_of_a_middleware_before_and_after_routing_count_for_the_route(
    provider: Client, recorded: Recorded
):
    class Moderation(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            with costmeter.attribute(tenant="acme"):
                await provider.acall()
                response = await call_next(request)
                await provider.acall()
                return response

    async def user(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await provider.acall())

    app = Starlette(
        routes=[Route("/users/{id:int}", user)],
        middleware=[Middleware(costmeter.ASGIMiddleware), Middleware(Moderation)],
    )
    assert (await get(app, "/users/17")).status_code == 200
    expected = {"endpoint": "/users/{id}", "tenant": "acme"}
    assert [event.attributes for event in recorded()] == [expected] * 3


async def test_mounts_hosts_and_included_routers_are_part_of_the_template():
    inner = FastAPI()
    inner.add_api_route("/items/{item}", endpoint_of)
    router = APIRouter(prefix="/orders")
    router.add_api_route("/{order}", endpoint_of)
    nested = APIRouter(prefix="/shops/{shop}")
    nested.include_router(router)
    app = FastAPI()
    app.include_router(nested, prefix="/v1")
    app.mount("/tenants/{tenant}", inner)
    app.router.routes.append(Host("{sub}.shop", Starlette(routes=[Route("/w/{w}", endpoint_of)])))
    around = costmeter.ASGIMiddleware(app)

    assert (await get(around, "/v1/shops/7/orders/9")).text == "/v1/shops/{shop}/orders/{order}"
    assert (await get(around, "/tenants/acme/items/3")).text == "/tenants/{tenant}/items/{item}"
    assert (await get(around, "/w/3", host="a.shop")).text == "/w/{w}"


async def test_an_application_mounted_whole_counts_for_its_mount():
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(current()["endpoint"])(scope, receive, send)

    app = costmeter.ASGIMiddleware(Starlette(routes=[Mount("/files", app=other)]))
    assert (await get(app, "/files/of/17")).text == "/files"


async def test_a_middleware_that_copies_the_scope_does_not_hide_the_route():
    class Copying:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(dict(scope), receive, send)

    app = costmeter.ASGIMiddleware(Copying(Starlette(routes=[Route("/u/{u}", endpoint_of)])))
    assert (await get(app, "/u/1")).text == "/u/{u}"


async def test_a_path_without_a_route_is_unmatched_and_the_wrong_method_is_not():
    seen: list[str] = []

    class Watch:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(current()["endpoint"])
            await self.app(scope, receive, send)

    app = costmeter.ASGIMiddleware(Watch(Starlette(routes=[Route("/u/{u}", endpoint_of)])))
    assert (await get(app, "/etc/passwd")).status_code == 404
    assert (await get(app, "/u/1", method="DELETE")).status_code == 405
    assert seen == ["unmatched", "/u/{u}"]


async def test_another_framework_names_its_route_when_it_knows_it():
    seen: list[str] = []

    async def framework(scope: Any, receive: Any, send: Any) -> None:
        with costmeter.attribute(team="t"):
            seen.append(current()["endpoint"])
            scope["path_template"] = "/books/{isbn}"
            seen.append(current()["endpoint"])
        await PlainTextResponse("")(scope, receive, send)

    app = costmeter.ASGIMiddleware(framework, route=lambda scope: scope.get("path_template"))
    await get(app, "/books/1")
    await get(costmeter.ASGIMiddleware(framework, route=lambda scope: 1 / 0), "/books/1")
    assert seen == ["unmatched", "/books/{isbn}", "unmatched", "unmatched"]


async def test_a_route_that_cannot_be_found_out_costs_no_request(recorded: Recorded):
    app = costmeter.ASGIMiddleware(
        Starlette(routes=[Route("/", endpoint_of)]), route=lambda scope: scope["no such key"]
    )
    assert (await get(app, "/")).text == "unmatched"
    assert recorded.errors() >= 1


async def test_what_the_application_attributes_itself_wins():
    async def own(request: Request) -> PlainTextResponse:
        with costmeter.attribute(endpoint="/custom"):
            return PlainTextResponse(current()["endpoint"])

    app = costmeter.ASGIMiddleware(Starlette(routes=[Route("/u/{u}", own)]))
    with costmeter.attribute(team="around"):
        assert (await get(app, "/u/1")).text == "/custom"
        assert current() == {"team": "around"}


def test_websockets_are_requests_and_lifespans_are_not():
    app = FastAPI()
    app.add_middleware(costmeter.ASGIMiddleware)
    router = APIRouter(prefix="/rooms")

    @router.websocket("/{room}")
    async def room(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(current()["endpoint"])
        await socket.close()

    app.include_router(router)
    with TestClient(app) as client, client.websocket_connect("/rooms/7") as socket:
        assert socket.receive_text() == "/rooms/{room}"


async def test_an_error_of_the_application_passes_and_ends_the_attribution():
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await costmeter.ASGIMiddleware(broken)({"type": "http"}, None, None)
    assert current() == {}


async def test_instrument_alone_attributes_requests_of_fastapi(standin: str, recorded: Recorded):
    costmeter.instrument(providers={standin: "openai"})
    provider = Client(standin)
    inner = FastAPI()
    app = FastAPI()
    app.mount("/tenants/{tenant}", inner)
    app.add_middleware(costmeter.ASGIMiddleware)  # once more does no harm

    @inner.get("/users/{user}")
    async def user(user: int) -> str:
        return await provider.acall()

    assert (await get(app, "/tenants/acme/users/17")).status_code == 200
    costmeter.uninstrument()
    assert endpoints(recorded) == ["/tenants/{tenant}/users/{user}"]
    assert "__wrapped__" not in vars(Starlette.__call__)


async def test_a_route_that_is_said_wins_over_the_one_that_is_found():
    app = costmeter.ASGIMiddleware(
        costmeter.ASGIMiddleware(
            Starlette(routes=[Route("/u/{u}", endpoint_of)]), route=lambda scope: "/said"
        )
    )
    assert (await get(app, "/u/1")).text == "/said"
