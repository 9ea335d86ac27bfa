"""The body of a request: a stranger's, so its kind, its size and the time it takes are bounded."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from starlette.requests import ClientDisconnect, Request

from costmeter.errors import CostmeterError

BODY_SECONDS: Final = 30.0
"""How long a client may take to send a body."""


class RefusedError(CostmeterError):
    """A request is refused before what it brings is looked at."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        """Take the HTTP status, a sentence, and after how many seconds to try again."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def media_type_of(request: Request) -> str:
    """Return the media type of a body, without parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(
    request: Request, most: int, *, media_types: tuple[str, ...] = ("application/json",)
) -> bytes:
    """Return a body, inflated where it is gzip'd.

    Args:
        request: whose.
        most: bytes that it may have, as it comes and inflated.
        media_types: what it may be.

    Raises:
        RefusedError: it is none of these, too large, too slow or not whole.
    """
    if media_type_of(request) not in media_types:
        raise RefusedError(415, f"content-type: must be {' or '.join(media_types)}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise RefusedError(415, "content-encoding: must be gzip or identity")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, most, gzip=encoding == "gzip")
    except TimeoutError:
        raise RefusedError(408, f"the body took more than {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise RefusedError(400, "the body is not whole") from None
    except zlib.error:
        raise RefusedError(400, "the body is no gzip") from None


async def _read(request: Request, most: int, *, gzip: bool) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    body = bytearray()
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        body += inflater.decompress(chunk, most + 1 - len(body)) if gzip else chunk
        if max(received, len(body)) > most:
            raise RefusedError(413, f"the body has more than {most} bytes")
    if gzip and (not inflater.eof or inflater.unused_data):
        raise RefusedError(400, "the body is not one whole gzip stream")
    return bytes(body)
