"""The gate with all that belongs to it: its socket, and what is known of other exporters."""

from __future__ import annotations

import logging

from costmeter.budgets.enforcement import IsEmergency
from costmeter.clock import Clock
from costmeter.errors import CostmeterError
from costmeter.ledger.store import Ledger
from costmeter.sidecar.gate.elsewhere import Elsewhere
from costmeter.sidecar.gate.gate import Books, Gate
from costmeter.sidecar.gate.over_socket import GateSocket

log = logging.getLogger(__name__)


class Gatehouse:
    """Opens and closes the gate.

    Attributes:
        gate: what applications ask before they spend.
        elsewhere: what exporters with other ledgers spend of the same budgets.
    """

    def __init__(
        self, books: Books, is_emergency: IsEmergency, *, ledger: Ledger, clock: Clock
    ) -> None:
        """Build it, with what was reserved before; :meth:`open` lets the first one in.

        Args:
            books: budgets, prices and configuration in force.
            is_emergency: says which budgets were put in emergency mode.
            ledger: has the reservations, and an id.
            clock: what tells the time.

        Raises:
            LedgerError: it cannot be read.
        """
        self._books = books
        self._socket: GateSocket | None = None
        self.elsewhere = Elsewhere(lambda: books.config.prometheus, ledger.id, clock)
        self.gate = Gate(books, is_emergency, clock=clock, others=self.elsewhere)
        self._owners = self.gate.resume(ledger.reservations())

    def open(self) -> str:
        """Begin to answer; return what keeps it from doing so, empty where nothing does."""
        self.elsewhere.start()
        try:
            self._socket = GateSocket(self.gate, self._books.config.gate_sockets)
        except CostmeterError as error:
            log.error("%s; it can be asked over HTTP only", error)  # noqa: TRY400 - no bug of ours
            return str(error)
        for process in self._owners:
            try:
                self._socket.watch(process)
            except ProcessLookupError:
                self.gate.bury(process)
        self._socket.start()
        return ""

    def close(self) -> None:
        """Answer no more; harmless where it is closed."""
        self.elsewhere.stop()
        if self._socket is not None:
            self._socket.stop()

    def abandon(self) -> None:
        """Leave everything to the parent process: for a forked child."""
        if self._socket is not None:
            self._socket.abandon()
