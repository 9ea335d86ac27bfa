"""A stand-in for OpenAI's WebSockets: sessions kept as files of ``tests/responses/openai_sockets``.

A line of such a file is an event, a blank one waits for a message of the client. Which one is spoken
is told by the header ``x-standin-body``, or else by the path. A message ``drop`` breaks the
connection, which ends with the file; ``x-standin-fault`` refuses it with an HTTP status.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.standins.answering import RESPONSES

_BY_PATH = {
    "/v1/realtime": "realtime.jsonl",
    "/v1/responses": "responses.jsonl",
    "/v1/live/sessions": "live.jsonl",
}


def speak(connection: ServerConnection) -> None:
    """Speak a session to its end."""
    asked = connection.request
    assert asked is not None
    path = asked.path.partition("?")[0]
    name = asked.headers.get("x-standin-body") or _BY_PATH.get(path, "live.jsonl")
    with suppress(ConnectionClosed):
        for line in (RESPONSES / "openai_sockets" / name).read_text().splitlines():
            if line:
                connection.send(line)
            elif "drop" in str(connection.recv()):
                connection.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving_sockets(asked: list[str] | None = None) -> Iterator[str]:
    """Serve the stand-in, and yield its address.

    Args:
        asked: takes the paths that connections are opened to.
    """

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        if asked is not None:
            asked.append(request.path)
        if fault := request.headers.get("x-standin-fault"):
            return connection.respond(HTTPStatus(int(fault)), "as asked")
        return None

    with serve(speak, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.shutdown()
        thread.join(5)
