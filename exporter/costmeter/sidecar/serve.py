"""Running the exporter: the server, the signals, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from costmeter.errors import ConfigError, CostmeterError
from costmeter.sidecar.access import MAY
from costmeter.sidecar.app import create_app
from costmeter.sidecar.config import Config, IntakeConfig
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.pipeline import Pipeline
from costmeter.sidecar.rights import AccessConfig
from costmeter.sidecar.web import WebConfig

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.1


class Server(uvicorn.Server):
    """Uvicorn, which leaves signals to whoever runs it: to drain first, or to an application."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(load: Callable[[], Config], web: WebConfig) -> None:
    """Run the exporter until it is told to stop.

    SIGTERM and SIGINT drain: HTTP batches are refused, the journals are read to their end, and
    ``/metrics`` stays until it was scraped, at most ``drain_timeout``. A second signal ends the
    wait. SIGHUP reads the configuration again.

    Args:
        load: reads the configuration, now and at each reload.
        web: TLS and authentication.

    Raises:
        ConfigError: the configuration is wrong, or the address cannot be listened on.
        LedgerError: the ledger cannot be used.
        CostmeterError: the exporter ended without having been told to.
    """
    config = load()
    with listen(config.listen) as listener:
        pipeline = Pipeline(config, load)
        collect_garbage_rarely()
        try:
            pipeline.start()
            asyncio.run(_serve(pipeline, web, listener))
        finally:
            pipeline.stop()


def collect_garbage_rarely() -> None:
    """Let the collector of cycles look seldom: events make none, and come by the ten thousand.

    What is loaded by now stays for good, so no collection walks it again. Without this, a sixth of
    the pipeline's time is the collector's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


async def _serve(pipeline: Pipeline, web: WebConfig, listener: socket.socket) -> None:
    server = new_server(Exporter(pipeline), web, intake=pipeline.config.intake, access_log=False)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    stops = 0

    def on_stop() -> None:
        nonlocal stops
        stops += 1
        stop.set()
        if stops > 1:
            server.should_exit = True

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, _reload, pipeline))
    announce(listener, web, pipeline.config.access)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not (stop.is_set() or serving.done()) and pipeline.alive:
        await asyncio.sleep(_POLL_SECONDS)
    if stop.is_set():
        await _drain(pipeline, server)
    server.should_exit = True
    await serving
    if not stop.is_set():
        raise CostmeterError("the exporter ended by itself; what it had not committed stays unread")


def new_server(
    exporter: Exporter, web: WebConfig, *, intake: IntakeConfig, access_log: bool
) -> Server:
    """Return the web server of a pipeline.

    Args:
        exporter: what it serves.
        web: TLS and authentication.
        intake: limits of what it takes.
        access_log: whether to leave uvicorn's access log as it is; False turns it off for the
            whole process.
    """
    return Server(
        uvicorn.Config(
            create_app(exporter, web, intake=intake),
            lifespan="off",
            log_config=None,
            access_log=access_log,
            server_header=False,
            proxy_headers=False,  # or whoever is on this machine could be any address, and no limit
            timeout_graceful_shutdown=5,
            **web.uvicorn_options(),
        )
    )


async def _drain(pipeline: Pipeline, server: Server) -> None:
    timeout = pipeline.config.drain_timeout.total_seconds()
    log.info("stopping: waiting for the last scrape, at most %g s", timeout)
    pipeline.drain()
    deadline = time.monotonic() + timeout
    while not (pipeline.drained or server.should_exit) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)


def listen(address: str) -> socket.socket:
    """Return a socket that listens on an address, written ``host:port``.

    Raises:
        ConfigError: it cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, int(port)), family=family, backlog=128)
    except OSError as error:
        problem = f"listen: {address!r}: cannot be listened on: {error.strerror or error}"
        raise ConfigError("costmeter", [problem]) from error
    # Accepted sockets inherit it; asyncio sets it on sockets that it made itself only, and without
    # it the end of an answer waits for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket, web: WebConfig) -> str:
    """Return the address of a server, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if web.tls else 'http'}://{shown}:{port}"


def announce(listener: socket.socket, web: WebConfig, access: AccessConfig) -> None:
    """Log the address, and warnings: rights of nobody, and what anyone on the network may do."""
    url = url_of(listener, web)
    log.info("listening on %s", url)
    for unknown in access.unknown(web.users):
        log.warning("%s; 'costmeter check' tells with --config and --web.config.file", unknown)
    may = ", ".join(what for right, what in MAY.items() if access.holders(right) is None)
    if may and not (listener.getsockname()[0] in {"127.0.0.1", "::1"} or web.authenticates):
        log.warning(
            "%s is open to the network: anyone who reaches it may %s; see 'access' in "
            "costmeter.yml and --web.config.file",
            url,
            may,
        )


def _reload(pipeline: Pipeline) -> None:
    for problem in pipeline.reload():
        log.error("reload: %s", problem)
