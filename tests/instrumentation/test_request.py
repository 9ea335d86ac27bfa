"""Requests to applications: which usage is part of which, and when one is over."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import flask
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

import costmeter
from costmeter.instrumentation.context import attribution
from costmeter.instrumentation.request import Request as OwnRequest
from costmeter.usage import UsageEvent
from tests.instrumentation.conftest import Recorded


def call(**attributes: str) -> None:
    costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1, **attributes)


class Told:
    """What was recorded: the request of each usage by a letter of its own, an end in brackets."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._letters: dict[str, str] = {"": "-"}

    def __call__(self) -> str:
        told = ""
        for payload in self._recorded.payloads():
            event = msgspec.json.decode(payload, type=UsageEvent)
            letters = self._letters
            letter = letters.setdefault(event.request, chr(ord("a") + len(letters) - 1))
            is_end = not (event.calls or event.usage)
            told += f"[{letter}]" if is_end else letter
        return told


@pytest.fixture
def told(recorded: Recorded) -> Told:
    return Told(recorded)


def serve(handler: Callable[[Request], Any], path: str = "/chat") -> TestClient:
    app = Starlette(routes=[Route(path, handler)])
    return TestClient(costmeter.ASGIMiddleware(app), raise_server_exceptions=False)


def test_usage_outside_of_a_request_names_none(told: Told):
    call()
    call(team="search")
    with costmeter.attribute(team="search"):
        call()
    assert told() == "---"


def test_usage_within_a_request_names_it_and_it_ends_once(told: Told):
    def chat(_: Request) -> PlainTextResponse:
        call()
        with costmeter.attribute(team="search"):
            call(feature="summarise")
        costmeter.record_tokens("openai", "gpt-4o-mini", 1, 1)
        return PlainTextResponse("")

    client = serve(chat)
    client.get("/chat")
    client.get("/chat")
    assert told() == "aaa[a]bbb[b]"
    assert attribution.get().request == ""


def test_a_request_without_usage_says_nothing(told: Told):
    serve(lambda _: PlainTextResponse("")).get("/chat")
    assert told() == ""


def test_a_request_that_fails_ends_too(told: Told):
    def chat(_: Request) -> PlainTextResponse:
        call()
        raise ZeroDivisionError

    assert serve(chat).get("/chat").status_code == 500
    assert told() == "a[a]"


def test_a_stream_and_what_runs_after_it_are_part_of_the_request(told: Told):
    async def chat(_: Request) -> StreamingResponse:
        async def parts() -> Any:
            call()
            yield b"a"
            call()

        return StreamingResponse(parts())

    assert serve(chat).get("/chat").content == b"a"
    assert told() == "aa[a]"


def test_a_mounted_application_is_part_of_the_same_request(told: Told):
    def chat(_: Request) -> PlainTextResponse:
        call()
        return PlainTextResponse("")

    inner = costmeter.ASGIMiddleware(Starlette(routes=[Route("/chat", chat)]), route=lambda _: "/x")
    TestClient(costmeter.ASGIMiddleware(Starlette(routes=[Mount("/v1", inner)]))).get("/v1/chat")
    assert told() == "a[a]"


def test_what_goes_on_after_the_end_is_on_its_own(told: Told):
    over = threading.Event()
    threads: list[threading.Thread] = []

    def chat(_: Request) -> PlainTextResponse:
        def work() -> None:
            over.wait()
            call()

        threads.append(threading.Thread(target=costmeter.bind(work)))
        threads[0].start()
        call()
        return PlainTextResponse("")

    serve(chat).get("/chat")
    over.set()
    threads[0].join()
    assert told() == "a[a]-"


async def test_requests_at_the_same_time_are_told_apart(told: Told):
    gate = asyncio.Barrier(2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        call()
        await gate.wait()
        call()
        await gate.wait()

    metered = costmeter.ASGIMiddleware(app)
    await asyncio.gather(*(metered({"type": "http", "path": "/"}, None, None) for _ in "12"))
    ends = told()
    assert sorted(ends[:4]) == ["a", "a", "b", "b"]
    assert {ends[4:7], ends[7:]} == {"[a]", "[b]"}


def test_a_wsgi_request_ends_with_its_body(told: Told):
    app = flask.Flask("test")
    app.wsgi_app = costmeter.WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/whole")
    def whole() -> str:
        call()
        return "whole"

    @app.get("/stream")
    def stream() -> Iterator[str]:
        call()
        yield "a"
        call()

    client = app.test_client()
    client.get("/whole").close()  # as every WSGI server does
    with client.get("/stream") as response:
        assert response.data == b"a"
    assert told() == "a[a]bb[b]"


def test_a_wsgi_application_that_raises_ends_its_request(told: Told):
    def app(environ: Any, start_response: Any) -> Any:
        call()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        costmeter.WSGIMiddleware(app)({}, lambda *_: None)
    assert told() == "a[a]"


def test_a_list_is_a_wsgi_body_after_which_nothing_runs(told: Told):
    def app(environ: Any, start_response: Any) -> Any:
        call()
        return [b"a"]

    assert costmeter.WSGIMiddleware(app)({}, lambda *_: None) == [b"a"]
    assert told() == "a[a]"


def test_a_forked_child_names_its_requests_otherwise():
    reading, writing = os.pipe()
    before = OwnRequest().id()
    child = os.fork()
    if not child:
        os.write(writing, OwnRequest().id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    childs, own = os.read(reading, 100).decode(), OwnRequest().id()
    # Both count on from the same number: the first half is what tells the processes apart.
    assert childs.partition("-")[2] == own.partition("-")[2]
    assert childs.partition("-")[0] != own.partition("-")[0] == before.partition("-")[0]
