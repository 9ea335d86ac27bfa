"""Connections to the gate: over a Unix socket, and over HTTP."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from costmeter.errors import ConfigError
from costmeter.gate_protocol import MAX_LINE_BYTES, Answer, Ask, Cancel
from costmeter.journal import process
from costmeter.unix_socket import addressed

if TYPE_CHECKING:
    from http.client import HTTPConnection

ADDRESS: Final = "COSTMETER_GATE"
"""The environment variable that names the gate's address."""
TOKEN: Final = "COSTMETER_GATE_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable that has a bearer token for a gate over HTTP."""
TIMEOUT_SECONDS: Final = 0.25
"""How long a question waits for its answer, at most."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Answer).decode
_OK: Final = 200


class Line(Protocol):
    """A connection to the gate."""

    def ask(self, ask: Ask) -> Answer:
        """Return the answer; raises OSError, ValueError where there is none."""

    def cancel(self, cancel: Cancel) -> None:
        """End a reservation; raises OSError where that cannot be told."""

    def close(self) -> None:
        """Close it."""


class _UnixLine:
    """A connection to the Unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT_SECONDS)
        try:
            with addressed(path) as address:
                self._socket.connect(address)
        except BaseException:
            self._socket.close()
            raise

    def ask(self, ask: Ask) -> Answer:
        self._socket.sendall(_encode(ask) + b"\n")
        answer = self._socket.recv(MAX_LINE_BYTES)
        while not answer.endswith(b"\n"):
            piece = self._socket.recv(MAX_LINE_BYTES)
            if not piece or len(answer) > MAX_LINE_BYTES:
                raise ConnectionResetError("the gate hung up")
            answer += piece
        return _decode(answer)

    def cancel(self, cancel: Cancel) -> None:
        self._socket.sendall(_encode(cancel) + b"\n")

    def close(self) -> None:
        self._socket.close()


class _HttpLine:
    """A connection that is kept to ``POST /v1/gate``."""

    def __init__(self, url: str) -> None:
        from base64 import b64encode  # noqa: PLC0415 - only where it goes over HTTP
        from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415

        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection: HTTPConnection = kind(
            parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS
        )
        self._path = f"{parts.path.rstrip('/')}/v1/gate"
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
        elif token := os.environ.get(TOKEN, ""):
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, ask: Ask) -> Answer:
        return _decode(self._post(_encode(ask)))

    def cancel(self, cancel: Cancel) -> None:
        self._post(_encode(cancel))

    def _post(self, body: bytes) -> bytes:
        from http.client import HTTPException  # noqa: PLC0415

        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read(MAX_LINE_BYTES)
        except HTTPException as error:
            if isinstance(error, OSError):  # RemoteDisconnected
                raise
            raise ValueError(f"the gate does not speak HTTP: {error}") from error
        if response.status != _OK:
            raise ValueError(f"the gate answers {response.status}")
        return answer

    def close(self) -> None:
        self._connection.close()


def opener(address: str) -> Callable[[], Line]:
    """Return what connects to an address.

    Raises:
        ConfigError: it is none.
    """
    if address in {"", "on", "1"}:
        path = process.gate_socket(process.directory())
        return lambda: _UnixLine(path)
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return lambda: _UnixLine(Path(parts.path))
    if parts.scheme in {"http", "https"} and parts.hostname:
        return lambda: _HttpLine(address)
    allowed = "unix:///path, http://host:port, https://host:port, on or off"
    raise ConfigError(ADDRESS, [f"{parts.scheme or address!r} is not one of {allowed}"])
