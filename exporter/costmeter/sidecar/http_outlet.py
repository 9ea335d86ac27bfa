"""The exporter's web server in a thread of an application."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path

from costmeter.sidecar.config import Config
from costmeter.sidecar.engine import END_SECONDS, Handle, attach
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.serve import Server, announce, listen, new_server, url_of
from costmeter.sidecar.web import WebConfig


class HttpOutlet:
    """The exporter's web server in a thread.

    Attributes:
        url: where it listens, empty while it does not.
    """

    def __init__(self, config: Config, web: WebConfig) -> None:
        """Take the configuration, and TLS and authentication."""
        self._config = config
        self._web = web
        self._listener: socket.socket | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def open(self, exporter: Exporter) -> None:
        """Serve, unless it does already.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        self.close()
        self._listener = listener = listen(self._config.listen)
        # uvicorn would turn its access log off for the whole process, the application's included.
        self._server = server = new_server(
            exporter, self._web, intake=self._config.intake, access_log=True
        )
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])),
            name="costmeter-server",
            daemon=True,
        )
        self._thread.start()
        self.url = url_of(listener, self._web)
        announce(listener, self._web, self._config.access)

    def close(self) -> None:
        """Answer what is under way, and listen no more."""
        self.url = ""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(END_SECONDS)
        if self._listener is not None:
            self._listener.close()
        self._listener = self._server = self._thread = None

    def abandon(self) -> None:
        """Close the child's share of the socket, or nobody else could ever listen there."""
        self.url = ""
        if self._listener is not None:
            self._listener.close()


def serve(host: str, port: int, config: str | os.PathLike[str] | None) -> Handle:
    """Begin to serve ``/metrics``; see :func:`costmeter.start_exporter`."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def outlet(settings: Config) -> HttpOutlet:
        path = os.environ.get("COSTMETER_WEB_CONFIG_FILE")
        return HttpOutlet(settings, WebConfig(Path(path) if path else None))

    return attach(address, outlet, config, listen=address)
