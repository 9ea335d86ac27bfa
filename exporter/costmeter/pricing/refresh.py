"""The published catalogue: fetched, kept in a file, read again after a restart."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import httpx2

from costmeter.errors import PricingError
from costmeter.pricing.catalogue import PACKAGE_VERSION

MAX_BYTES: Final = 32 << 20
"""Bytes of a published catalogue; ten times what it has."""

_log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A published file as it came.

    Attributes:
        url: where it came from.
        etag: the server's mark of this version, or empty.
        confirmed_ns: when it was last seen to be the published one, in nanoseconds since 1970.
        body: the file.
    """

    url: str
    etag: str
    confirmed_ns: int
    body: bytes


def fetch(url: str, etag: str, timeout_seconds: float) -> tuple[bytes | None, str]:
    """Fetch the published catalogue.

    Returns:
        The file and its mark; None and the mark given where the file still has that mark.

    Raises:
        PricingError: it cannot be had: no connection, no time, an error of the server, too long.
    """
    headers = {"If-None-Match": etag} if etag else {}
    try:
        with httpx2.stream("GET", url, headers=headers, timeout=timeout_seconds) as response:
            if response.status_code == httpx2.codes.NOT_MODIFIED and etag:
                return None, etag
            if response.status_code != httpx2.codes.OK:
                raise PricingError(f"{url} answers {response.status_code}")
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise PricingError(f"{url} sends more than {MAX_BYTES} bytes")
            return bytes(body), response.headers.get("etag", "")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise PricingError(f"{url}: {error or type(error).__name__}") from error


def keep(path: Path, published: Published) -> None:
    """Write a published file so that :func:`kept` finds it; a failure is logged, no more.

    The file appears whole or not at all.
    """
    header = published._asdict() | {"genai_prices": PACKAGE_VERSION}
    del header["body"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(json.dumps(header).encode() + b"\n" + published.body)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except OSError:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        _log.warning("prices are not kept over a restart: %s: %s", path, error.strerror)


def kept(path: Path, url: str) -> Published | None:
    """Return the file that was kept, or None where there is none to use.

    A file from another address or of another version of genai-prices is not used: a newer package
    may bring newer prices than were fetched before.
    """
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the kept prices cannot be read: %s: %s", path, error.strerror)
        return None
    try:
        header = json.loads(head)
        if header.pop("genai_prices") != PACKAGE_VERSION or header["url"] != url:
            return None
        etag, confirmed_ns = str(header["etag"]), int(header["confirmed_ns"])
    except (ValueError, TypeError, LookupError, AttributeError):
        _log.warning("the kept prices cannot be read: %s is not a file of costmeter's", path)
        return None
    return Published(url, etag, confirmed_ns, body)
