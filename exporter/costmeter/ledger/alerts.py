"""Alerts that Alertmanager told of: each once, from when it began to when it ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from costmeter.clock import rfc3339
from costmeter.ledger.query import reading

MAX_ALERTS: Final = 100_000
"""How many are kept at most, the latest."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


class Alert(NamedTuple):
    """An alert, as last told of.

    Attributes:
        fingerprint: Alertmanager's name for its labels, in hexadecimal digits.
        starts_ns: when it began, in nanoseconds since 1970-01-01 UTC.
        ends_ns: when it ended; None while it fires.
        received_ns: when it was last told of.
        labels: its labels, ``alertname`` among them.
        annotations: its texts by name: ``summary``, ``description``, …
    """

    fingerprint: str
    starts_ns: int
    ends_ns: int | None
    received_ns: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def status(self) -> str:
        """``firing`` or ``resolved``, in Alertmanager's words."""
        return "firing" if self.ends_ns is None else "resolved"

    @property
    def name(self) -> str:
        """The label ``alertname``; empty where there is none."""
        return self.labels.get("alertname", "")

    @property
    def document(self) -> dict[str, object]:
        """The alert as JSON has it."""
        return {
            "status": self.status,
            "labels": self.labels,
            "annotations": self.annotations,
            "starts": rfc3339(self.starts_ns),
            "ends": None if self.ends_ns is None else rfc3339(self.ends_ns),
            "received": rfc3339(self.received_ns),
            "fingerprint": self.fingerprint,
        }


def take(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> list[Alert]:
    """Keep alerts; return those that are news, not the repeats of what is kept.

    Alertmanager tells of the same alert again and again. It is news where it was not known (by
    fingerprint and begin), has ended, or fires again after its end.
    """
    news = []
    for alert in alerts:
        kept = connection.execute(
            "SELECT ends_ns IS NULL FROM alert WHERE fingerprint = ? AND starts_ns = ?",
            (alert.fingerprint, alert.starts_ns),
        ).fetchone()
        if kept is None or bool(kept[0]) != (alert.ends_ns is None):
            news.append(alert)
            connection.execute(
                "REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?)",
                (*alert[:4], _encode(alert.labels).decode(), _encode(alert.annotations).decode()),
            )
        else:
            connection.execute(
                "UPDATE alert SET received_ns = ? WHERE fingerprint = ? AND starts_ns = ?",
                (alert.received_ns, alert.fingerprint, alert.starts_ns),
            )
    return news


def prune(connection: sqlite3.Connection, before_ns: int) -> None:
    """Delete alerts that were last told of before an instant, and those over the maximum."""
    connection.execute("DELETE FROM alert WHERE received_ns < ?", (before_ns,))
    connection.execute(
        "DELETE FROM alert WHERE received_ns < (SELECT received_ns FROM alert "
        "ORDER BY received_ns DESC LIMIT 1 OFFSET ?)",
        (MAX_ALERTS - 1,),
    )


def recent(path: Path, since_ns: int, *, limit: int) -> list[Alert]:
    """Return the alerts that fire, and those that were told of since an instant, latest first.

    Args:
        path: the ledger.
        since_ns: the instant, in nanoseconds since 1970.
        limit: how many to return at most.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT fingerprint, starts_ns, ends_ns, received_ns, labels, annotations FROM alert "
            "WHERE ends_ns IS NULL OR received_ns >= ? "
            "ORDER BY starts_ns DESC, fingerprint LIMIT ?",
            (since_ns, limit),
        )
        return [Alert._make((*row[:4], _decode(row[4]), _decode(row[5]))) for row in rows]
