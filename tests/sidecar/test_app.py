from __future__ import annotations

import asyncio
import gzip
import socket

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from costmeter import names
from costmeter.sidecar.app import SECURITY_HEADERS, create_app
from costmeter.sidecar.exposition import Gauges
from costmeter.sidecar.web import WebConfig
from tests.sidecar.server import FakePipeline, client_of, serving

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.8,"
    "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.fixture
def pipeline() -> FakePipeline:
    pipeline = FakePipeline()
    for series in range(5000):
        labels = {"provider": "openai", "model": f"model-{series}", "endpoint": "/v1/chat"}
        pipeline.exposition.add(series, "cost_spend_usd_total", labels, series * 10**9)
    pipeline.drawn = [Gauges(names.SCRAPES, [((), 7)])]
    return pipeline


def client(pipeline: FakePipeline):
    return client_of(create_app(pipeline, WebConfig()))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS_3, OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/json", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("text/plain,application/openmetrics-text", TEXT),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("application/openmetrics-text;q=nonsense", TEXT),
        (";;,,q=1", TEXT),
    ],
)
async def test_the_format_is_the_one_that_the_scraper_prefers(
    pipeline: FakePipeline, accept: str, content_type: str
) -> None:
    async with client(pipeline) as http:
        answer = await http.get("/metrics", headers={"accept": accept})

    assert answer.headers["content-type"] == content_type
    assert answer.text.endswith("# EOF\n") == (content_type == OPENMETRICS)
    assert answer.headers["vary"] == "accept, accept-encoding"


@pytest.mark.parametrize(
    ("accept_encoding", "encoded"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("GZIP", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("br, zstd", False),
        ("", False),
    ],
)
async def test_gzip_is_used_where_it_is_accepted(
    pipeline: FakePipeline, accept_encoding: str, encoded: bool
) -> None:
    async with (
        client(pipeline) as http,
        http.stream("GET", "/metrics", headers={"accept-encoding": accept_encoding}) as answer,
    ):
        raw = b"".join([piece async for piece in answer.aiter_raw()])

    assert (answer.headers.get("content-encoding") == "gzip") == encoded
    assert int(answer.headers["content-length"]) == len(raw)
    body = gzip.decompress(raw) if encoded else raw
    families = {family.name: family for family in parse_text(body.decode())}
    assert sum(s.value for s in families["cost_spend_usd"].samples) == 5000 * 4999 / 2
    assert families["cost_scrapes"].samples[0].value == 7


async def test_a_real_server_sends_the_whole_body_and_the_scrape_is_noted(
    pipeline: FakePipeline,
) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address, httpx2.AsyncClient() as http:
        for _ in range(2):  # the connection is kept alive
            answer = await http.get(f"http://{address}/metrics", headers={"accept": PROMETHEUS_3})

    families = {family.name: family for family in parse_openmetrics(answer.text)}
    assert len(families["cost_spend_usd"].samples) == 5000
    assert pipeline.scrapes == 2
    assert "server" not in answer.headers


async def test_a_scrape_that_was_broken_off_does_not_count(pipeline: FakePipeline) -> None:
    for series in range(5000, 40_000):  # more than the sockets' buffers take
        labels = {"provider": "openai", "model": f"model-{series}", "endpoint": "/v1/chat" * 30}
        pipeline.exposition.add(series, "cost_spend_usd_total", labels, 1)
    ended = asyncio.Event()
    app = create_app(pipeline, WebConfig())

    async def watched(scope, receive, send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            ended.set()

    async with serving(watched) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        writer.transport.abort()
        await ended.wait()

    assert pipeline.scrapes == 0


async def test_head_has_the_headers_only_and_is_no_scrape(pipeline: FakePipeline) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address, httpx2.AsyncClient() as http:
        answer = await http.head(f"http://{address}/metrics")
        body = await http.get(f"http://{address}/metrics", headers={"accept-encoding": "identity"})

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == TEXT
    assert body.headers["content-length"] == str(len(body.content))
    assert pipeline.scrapes == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("DELETE", "/", {"GET", "HEAD"}),
        ("GET", "/-/reload", {"POST"}),
        ("GET", "/v1/events", {"POST"}),
    ],
)
async def test_other_methods_are_refused(
    pipeline: FakePipeline, method: str, path: str, allowed: set[str]
) -> None:
    async with client(pipeline) as http:
        answer = await http.request(method, path)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_an_unknown_path_is_answered_in_plain_text(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        answer = await http.get("/wp-login.php")

    assert (answer.status_code, answer.text) == (404, "Not Found")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_exporter_is_healthy_in_every_state_and_ready_in_one(
    pipeline: FakePipeline,
) -> None:
    answers = {}
    async with client(pipeline) as http:
        for state in ("starting", "ready", "draining"):
            pipeline.state = state
            healthy, ready = await http.get("/-/healthy"), await http.get("/-/ready")
            answers[state] = (healthy.status_code, ready.status_code, ready.text)

    assert answers == {
        "starting": (200, 503, "starting\n"),
        "ready": (200, 200, "ready\n"),
        "draining": (200, 503, "draining\n"),
    }


async def test_metrics_are_answered_while_draining(pipeline: FakePipeline) -> None:
    pipeline.state = "draining"
    async with client(pipeline) as http:
        assert (await http.get("/metrics")).status_code == 200


async def test_a_reload_tells_what_is_wrong(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        good = await http.post("/-/reload")
        pipeline.problems = ["costmeter.yml: listen: 5 is no address", "prices: none"]
        bad = await http.post("/-/reload")

    assert (good.status_code, good.text) == (200, "reloaded\n")
    assert bad.status_code == 500
    assert bad.text == "costmeter.yml: listen: 5 is no address\nprices: none\n"


@pytest.mark.parametrize("path", ["/-/reload", "/v1/events"])
async def test_a_page_of_another_site_cannot_post(pipeline: FakePipeline, path: str) -> None:
    async with client(pipeline) as http:
        refused = await http.post(path, headers={"sec-fetch-site": "cross-site"})
        own = await http.post("/-/reload", headers={"sec-fetch-site": "same-origin"})

    assert (refused.status_code, own.status_code) == (403, 200)
    assert pipeline.submitted == []


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/nowhere"])
async def test_every_answer_has_the_security_headers(pipeline: FakePipeline, path: str) -> None:
    async with client(pipeline) as http:
        answer = await http.get(path)

    assert SECURITY_HEADERS.items() <= dict(answer.headers).items()


async def test_an_error_of_ours_tells_nothing_of_the_inside(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        answer = await http.get("/")  # the fake has no status

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


async def test_two_scrapers_at_once_both_get_everything(pipeline: FakePipeline) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address, httpx2.AsyncClient() as http:
        url = f"http://{address}/metrics"
        answers = await asyncio.gather(
            http.get(url), http.get(url, headers={"accept": PROMETHEUS_3}), http.get(url)
        )

    assert [len(answer.text.splitlines()) for answer in answers] == [
        5005,
        5006,
        5005,
    ]  # with four lines of headers, and one gauge
    assert pipeline.scrapes == 3


async def test_a_client_that_speaks_no_http_does_no_harm(pipeline: FakePipeline) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address, httpx2.AsyncClient() as http:
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"\x16\x03\x01\x00\xff\x00\r\n\r\n")
        assert (await http.get(f"http://{address}/-/healthy")).status_code == 200
