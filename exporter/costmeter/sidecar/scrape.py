"""``GET /metrics``: the format and the encoding that a scraper asks for, and the answer."""

from __future__ import annotations

import asyncio
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from costmeter.sidecar.view import PipelineView

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

_PIECE_BYTES: Final = 1 << 18
"""Bytes that are handed to the socket, or to zlib, at a time."""
_GZIP_LEVEL: Final = 1  # 6 takes three times as long and saves a tenth
_GZIP_THREADS: Final = min(4, os.cpu_count() or 1)
_GZIP_HEADER: Final = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # deflate; made fast, at no time, anywhere


class MetricsEndpoint:
    """Answers a scrape, and tells the pipeline once the scraper got all of it."""

    def __init__(self, pipeline: PipelineView) -> None:
        """Draw a pipeline's exposition and gauges."""
        self._pipeline = pipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        gzip = accepts_gzip(request.headers.get("accept-encoding", ""))
        began_ns = time.monotonic_ns()
        body = await run_in_threadpool(self._draw, openmetrics, gzip)
        headers = {
            "content-type": OPENMETRICS if openmetrics else TEXT,
            "content-length": str(sum(map(len, body))),
            "vary": "accept, accept-encoding",
        }
        if gzip:
            headers["content-encoding"] = "gzip"
        raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        gone = asyncio.create_task(_disconnection(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": raw_headers})
            for piece in body if request.method == "GET" else ():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            complete = request.method == "GET" and not gone.done()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
        if complete:
            self._pipeline.scraped(began_ns)

    def _draw(self, openmetrics: bool, gzip: bool) -> list[bytes]:
        chunks = self._pipeline.exposition.draw(openmetrics, self._pipeline.gauges())
        pieces = list(_pieces(chunks)) or [b""]
        return [_compressed(pieces)] if gzip else pieces


def prefers_openmetrics(accept: str) -> bool:
    """Return whether a scraper would rather have OpenMetrics 1.0.0 than Prometheus text.

    Of two formats with the same weight the first is taken; whoever names neither gets text.
    """
    for media_type, parameters in _by_weight(accept):
        version = parameters.get("version", "")
        if media_type == "application/openmetrics-text" and version in {"", "1.0.0"}:
            return True
        if media_type in {"text/plain", "text/*", "*/*"}:
            return False
    return False


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip."""
    return any(coding in {"gzip", "*"} for coding, _ in _by_weight(accept_encoding))


def _by_weight(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return a header's alternatives with their parameters, the best first, refused ones left out.

    Source: RFC 9110, 12.4.2.
    """
    weighed = []
    for alternative in header.lower().split(","):
        name, *rest = (part.strip() for part in alternative.split(";"))
        parameters = {key.strip(): value.strip(' "') for key, _, value in _split(rest)}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if name and weight > 0:
            weighed.append((weight, name, parameters))
    weighed.sort(key=lambda each: -each[0])
    return [(name, parameters) for _, name, parameters in weighed]


def _split(parameters: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    return (parameter.partition("=") for parameter in parameters)


def _pieces(chunks: list[bytes]) -> Iterator[bytes]:
    """Join chunks to pieces that are worth a system call."""
    size, begin = 0, 0
    for end, chunk in enumerate(chunks, start=1):
        size += len(chunk)
        if size >= _PIECE_BYTES or end == len(chunks):
            yield b"".join(chunks[begin:end])
            size, begin = 0, end


def _compressed(pieces: list[bytes]) -> bytes:
    """Return the pieces as one gzip stream.

    zlib lets other threads run, so the pieces are deflated side by side. Each but the last is ended
    on a byte's boundary, so that joined they are what one thread would have made.

    Source: RFC 1951, 3.2 and RFC 1952, 2.3.
    """
    last = len(pieces) - 1
    with ThreadPoolExecutor(min(_GZIP_THREADS, len(pieces))) as threads:
        deflated = threads.map(lambda at: _deflate(pieces[at], last=at == last), range(len(pieces)))
        checksum = length = 0
        for piece in pieces:
            checksum = zlib.crc32(piece, checksum)
            length += len(piece)
        trailer = struct.pack("<II", checksum, length & 0xFFFF_FFFF)
        return b"".join((_GZIP_HEADER, *deflated, trailer))


def _deflate(piece: bytes, *, last: bool) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=-zlib.MAX_WBITS)
    return compressor.compress(piece) + compressor.flush(
        zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH
    )


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
