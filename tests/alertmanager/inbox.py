"""Where alerts arrive in tests: a mail server, and an HTTP server for webhooks and Slack."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.rules.stack import free_port


class Mailbox:
    """A mail server that keeps what it is given; it wants the login costmeter / s3cret."""

    def __init__(self) -> None:
        """Choose a port."""
        self.messages: list[EmailMessage] = []
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            authenticator=self._login,
            auth_exclude_mechanism=["LOGIN"],  # asks in words that Alertmanager does not expect
            auth_require_tls=False,
        )
        self.smarthost = f"127.0.0.1:{self._controller.port}"

    def _login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        granted = data == LoginPassword(b"costmeter", b"s3cret")
        return AuthResult(success=granted, handled=granted)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if not session.authenticated:
            return "530 Authentication required"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append(message)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """Return what was sent to an address."""
        return [message for message in self.messages if message["To"] == address]

    def __enter__(self) -> Self:
        """Start."""
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._controller.stop()


class Hooks:
    """An HTTP server that keeps what is posted, by path."""

    def __init__(self) -> None:
        """Bind a port."""
        self.posted: dict[str, list[Any]] = defaultdict(list)
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted[self.path].append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")  # Slack's answer

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def summaries(self, path: str) -> list[tuple[str, list[str]]]:
        """Return what a webhook was told: each notification's status and its alerts' summaries."""
        return [
            (each["status"], sorted(alert["annotations"]["summary"] for alert in each["alerts"]))
            for each in self.posted[path]
        ]

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
