"""Calls of the real SDK inside requests to Flask applications, and the endpoint they count for."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.util import FileWrapper

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as Caller

import costmeter
from costmeter.instrumentation.context import current
from tests.instrumentation.conftest import Client, Recorded


def make(**rules: Any) -> flask.Flask:
    app = flask.Flask("test")
    app.wsgi_app = costmeter.WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    return app


def endpoints(recorded: Recorded) -> list[str]:
    return [event.attributes.get("endpoint", "") for event in recorded()]


def test_a_call_counts_for_the_rule_of_its_route(provider: Client, recorded: Recorded):
    app = make()

    @app.get("/users/<int:user>")
    @costmeter.track(feature="users")
    def user(user: int) -> str:
        return provider.call()

    assert app.test_client().get("/users/17").status_code == 200
    assert app.test_client().get("/users/18").status_code == 200
    expected = {"endpoint": "/users/<int:user>", "feature": "users"}
    assert [event.attributes for event in recorded()] == [expected] * 2
    assert current() == {}


def test_a_stream_counts_for_its_request_though_flask_has_forgotten_it(
    provider: Client, recorded: Recorded
):
    app = make()

    @app.get("/stream/<int:n>")
    def stream(n: int) -> flask.Response:
        def parts() -> Iterator[str]:
            with costmeter.attribute(feature="parts"):
                for _ in range(n):
                    yield provider.call()

        response = flask.Response(parts())
        response.call_on_close(provider.call)
        return response

    answer = app.test_client().get("/stream/2", buffered=False)
    body = iter(answer.response)
    next(body)
    assert current() == {}  # between two parts the server is about its own things
    answer.close()
    assert [event.attributes for event in recorded()] == [
        {"endpoint": "/stream/<int:n>", "feature": "parts"},
        {"endpoint": "/stream/<int:n>"},
    ]


def test_a_thread_that_outlives_its_request_counts_for_it(provider: Client, recorded: Recorded):
    app = make()
    answered = threading.Event()
    threads: list[threading.Thread] = []

    @app.post("/jobs/<job>")
    def start(job: str) -> str:
        def work() -> None:
            answered.wait()
            provider.call()

        threads.append(threading.Thread(target=costmeter.bind(work)))
        threads[0].start()
        return "accepted"

    assert app.test_client().post("/jobs/9").text == "accepted"
    answered.set()
    threads[0].join()
    assert endpoints(recorded) == ["/jobs/<job>"]


def test_blueprints_are_part_of_the_rule_and_what_no_rule_fits_is_unmatched(
    provider: Client, recorded: Recorded
):
    app = make()
    shop = flask.Blueprint("shop", "shop", url_prefix="/shops/<shop>")
    shop.add_url_rule("/orders/<order>", view_func=lambda shop, order: provider.call())
    app.register_blueprint(shop)
    app.register_error_handler(404, lambda error: provider.call())

    app.test_client().get("/shops/7/orders/8")
    app.test_client().get("/etc/passwd")
    assert endpoints(recorded) == ["/shops/<shop>/orders/<order>", "unmatched"]


def test_it_may_stand_around_other_middleware(provider: Client, recorded: Recorded):
    app = flask.Flask("test")
    app.add_url_rule("/u/<u>", view_func=lambda u: provider.call())
    around = costmeter.WSGIMiddleware(DispatcherMiddleware(flask.Flask("root"), {"/api": app}))
    assert Caller(around).get("/api/u/1").status_code == 200
    assert endpoints(recorded) == ["/u/<u>"]


def test_another_framework_names_its_route():
    seen: list[str] = []

    def framework(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(current()["endpoint"])
        environ["framework.route"] = "/books/{isbn}"
        seen.append(current()["endpoint"])
        start_response("200 OK", [])
        return [b"done"]

    app = costmeter.WSGIMiddleware(framework, route=lambda environ: environ.get("framework.route"))
    assert Caller(app).get("/books/1").data == b"done"
    assert seen == ["unmatched", "/books/{isbn}"]


def test_a_file_reaches_the_server_as_it_is():
    sent = FileWrapper(io.BytesIO(b"file"))
    app = costmeter.WSGIMiddleware(lambda environ, start_response: sent)
    assert app({"wsgi.file_wrapper": FileWrapper}, None) is sent


def test_a_body_of_one_piece_reaches_the_server_as_it_is():
    app = costmeter.WSGIMiddleware(lambda environ, start_response: [b"all"])
    assert app({}, None) == [b"all"]


def test_an_error_of_the_application_passes_and_ends_the_attribution():
    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise LookupError

    with pytest.raises(LookupError):
        costmeter.WSGIMiddleware(broken)({}, None)
    assert current() == {}


def test_instrument_alone_attributes_requests_of_flask(standin: str, recorded: Recorded):
    app = flask.Flask("before")
    costmeter.instrument(providers={standin: "openai"})
    app.add_url_rule("/u/<u>", view_func=lambda u: Client(standin).call())
    assert app.test_client().get("/u/1").status_code == 200
    costmeter.uninstrument()
    assert endpoints(recorded) == ["/u/<u>"]
    assert "__wrapped__" not in vars(flask.Flask.wsgi_app)
