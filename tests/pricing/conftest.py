"""Fixtures of the tests of pricing."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.pricing.published import Publisher, StillClock


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.asked.append(self.headers.get("If-None-Match", ""))
            publisher.held.wait(60)
            same = publisher.etag and publisher.asked[-1] == publisher.etag
            body = b"" if same else publisher.body
            self.send_response(304 if same else publisher.status)
            if publisher.etag:
                self.send_header("ETag", publisher.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        publisher.url = f"http://127.0.0.1:{server.server_address[1]}/data.json"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield publisher
        publisher.held.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def clock() -> StillClock:
    return StillClock(1_795_348_800 * 10**9)  # 2026-11-22T12:00:00Z
