"""The gate on a Unix socket in each journal: a question a line, an answer a line.

A thread of its own, without asyncio: a question takes a tenth of a millisecond, and many wait for
the answer with a request of a user. The kernel says which process asks, and when it is dead.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from costmeter.errors import CostmeterError
from costmeter.gate_protocol import MAX_LINE_BYTES, Ask, Cancel
from costmeter.sidecar.gate.gate import Gate
from costmeter.unix_socket import addressed

log = logging.getLogger(__name__)

_MODE: Final = 0o666
"""Who may enter the directory may ask: it is the one that usage is written to."""
_PAUSE_SECONDS: Final = 0.1
"""How long nobody is let in where no file descriptor is left for it."""
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)

_decode: Final = msgspec.json.Decoder(Ask | Cancel).decode
_encode: Final = msgspec.json.Encoder().encode


class GateSocket:
    """Listens, answers, and watches the processes that ask.

    Attributes:
        paths: where it listens.
    """

    def __init__(self, gate: Gate, paths: Sequence[Path]) -> None:
        """Listen; :meth:`start` begins to answer.

        Raises:
            CostmeterError: a path cannot be listened on.
        """
        self.paths = tuple(paths)
        self._gate = gate
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}  # process: its file descriptor
        self._wake, self._woken = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="costmeter-gate", daemon=True)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        try:
            for path in self.paths:
                listener = _listen(path)
                accept = partial(self._accept, listener)
                self._selector.register(listener, selectors.EVENT_READ, accept)
        except CostmeterError:
            self._close()
            raise

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; harmless where it has stopped."""
        if self._stopping:
            return
        self._stopping = True
        self._wake.send(b"\0")
        if self._thread.ident:
            self._thread.join()
        for path in self.paths:
            path.unlink(missing_ok=True)
        self._close()

    def abandon(self) -> None:
        """Close what a forked child has inherited: the sockets are its parent's."""
        self._close()

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                act: Callable[[], None] | None = key.data
                if act is not None:
                    act()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:  # gone already, or no file descriptor left
            log.warning("gate: a connection cannot be accepted: %s", error.strerror)
            time.sleep(_PAUSE_SECONDS)
            return
        try:
            owner = self.watch(_peer(connection))
        except ProcessLookupError:  # dead by now: there is nobody to answer
            connection.close()
            return
        connection.setblocking(False)
        received = bytearray()
        read = partial(self._read, connection, received, owner)
        self._selector.register(connection, selectors.EVENT_READ, read)

    def _read(self, connection: socket.socket, received: bytearray, owner: int | None) -> None:
        try:
            piece = connection.recv(MAX_LINE_BYTES)
            received += piece
            while (end := received.find(b"\n") + 1) > 0:
                line = bytes(received[:end])
                del received[:end]
                self._reply(connection, line, owner)
            ended = not piece or len(received) > MAX_LINE_BYTES
        except BlockingIOError:
            return
        except (OSError, msgspec.MsgspecError, RecursionError) as error:
            log.debug("gate: a connection is closed: %s", error)
            ended = True
        except Exception:  # one question must not close the gate to all others
            log.exception("gate: a question cannot be answered")
            ended = True
        if ended:
            self._selector.unregister(connection)
            connection.close()

    def _reply(self, connection: socket.socket, line: bytes, owner: int | None) -> None:
        match _decode(line):
            case Ask() as ask:
                answer = self._gate.ask(ask, owner)
                try:
                    _send(connection, _encode(answer) + b"\n")
                except OSError:  # who asked has given up, and will never know of it
                    self._gate.cancel(answer.reservation)
                    raise
            case Cancel(reservation):
                self._gate.cancel(reservation)

    def watch(self, process: int) -> int | None:
        """Return the process as the owner of reservations; None where its end will not be told.

        From the thread that answers, or before it begins.

        A process of another container is not seen from here unless they share their processes.

        Raises:
            ProcessLookupError: it is dead.
        """
        if not process:
            return None
        if process not in self._watched:
            try:
                descriptor = os.pidfd_open(process)
            except ProcessLookupError:
                raise
            except OSError:  # no such system call here: reservations end with their time
                return None
            self._watched[process] = descriptor
            bury = partial(self._bury, process, descriptor)
            self._selector.register(descriptor, selectors.EVENT_READ, bury)
        return process

    def _bury(self, process: int, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        del self._watched[process]
        self._gate.bury(process)

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
            else:
                key.fileobj.close()  # type: ignore[attr-defined]
        self._selector.close()
        self._wake.close()


def _listen(path: Path) -> socket.socket:
    """Return a socket that listens at a path; one that nobody listens at any more is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with addressed(path) as address:
            if path.is_socket():
                path.unlink()
            listener.bind(address)
        path.chmod(_MODE)
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise CostmeterError(f"gate {path}: cannot be listened on: {error.strerror}") from error
    return listener


def _send(connection: socket.socket, line: bytes) -> None:
    """Send an answer.

    Raises:
        OSError: the asker is gone, or does not read its answers.
    """
    try:
        sent = connection.send(line)
    except BlockingIOError:
        sent = 0
    if sent < len(line):
        raise BrokenPipeError("the asker does not read its answers")


def _peer(connection: socket.socket) -> int:
    """Return the process at the other end; 0 where it cannot be seen from here."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process: int = _CREDENTIALS.unpack(raw)[0]
    return process
