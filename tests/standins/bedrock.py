"""A stand-in for Amazon Bedrock that answers what a test tells it, in AWS's own wire format.

Streams are framed as AWS frames them: lengths and their checksum, headers, payload, checksum.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EVENT_STREAM = "application/vnd.amazon.eventstream"
_STRING = 7


@dataclass
class Answer:
    """One answer to a request.

    Attributes:
        body: the bytes of a body.
        frames: the frames of a stream, in place of a body.
        status: the status code.
        headers: what is sent beside the usual headers.
        breaks: whether the connection is closed before the end.
        hangs: whether the end never comes.
    """

    body: bytes = b""
    frames: Sequence[bytes] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False
    hangs: bool = False


class Bedrock:
    """What the stand-in is to answer, and what it was asked."""

    def __init__(self, url: str) -> None:
        """Take the address that it is reached at."""
        self.url = url
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.answers: list[Answer] = []
        self.over = threading.Event()

    def answer(self, body: bytes = b"", **fields: Any) -> None:
        """Answer the next request with this; the last answer stands for all that follow."""
        self.answers.append(Answer(body, **fields))

    def refuse(self, code: str, status: int) -> None:
        """Answer the next request with an error."""
        headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/"}
        self.answer(b'{"message": "No."}', status=status, headers=headers)


def event(kind: str, payload: bytes) -> bytes:
    """Return the frame of an event."""
    return _frame(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"},
        payload,
    )


def exception(kind: str) -> bytes:
    """Return the frame of an exception."""
    headers = {":exception-type": kind, ":content-type": "application/json"}
    return _frame({**headers, ":message-type": "exception"}, b'{"message": "No."}')


def converse_frames(lines: bytes) -> list[bytes]:
    """Return the frames of a stream of ``ConverseStream``, an object by its event a line."""
    return [
        event(kind, json.dumps(payload).encode())
        for line in lines.splitlines()
        for kind, payload in json.loads(line).items()
    ]


def chunk_frames(lines: bytes) -> list[bytes]:
    """Return the frames of a stream of ``InvokeModelWithResponseStream``, a chunk a line."""
    return [
        event("chunk", json.dumps({"bytes": base64.b64encode(line).decode()}).encode())
        for line in lines.splitlines()
    ]


@contextmanager
def serving_bedrock() -> Iterator[Bedrock]:
    """Serve on a free port of 127.0.0.1, and yield the stand-in."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bedrock = bedrock = Bedrock(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield bedrock
    finally:
        bedrock.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers who hang up: that is what they are here for."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        bedrock: Bedrock = self.server.bedrock  # type: ignore[attr-defined]
        bedrock.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        bedrock.paths.append(self.path)
        answers = bedrock.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = answer.breaks or answer.hangs
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.frames is not None:
            self._stream(answer)
        else:
            self._body(answer)
        if answer.hangs:
            self.wfile.flush()
            bedrock.over.wait(30)

    def _body(self, answer: Answer) -> None:
        if "content-type" not in answer.headers:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        cut = answer.breaks or answer.hangs
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)

    def _stream(self, answer: Answer) -> None:
        self.send_header("content-type", EVENT_STREAM)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for frame in answer.frames or ():
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if not (answer.breaks or answer.hangs):
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, http.server's name
        """Say nothing."""


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    packed = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name.encode(), _STRING, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))
