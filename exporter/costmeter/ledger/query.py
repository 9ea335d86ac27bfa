"""What was spent: by label and calendar window, in any time zone. Reads only.

Each call opens the ledger for itself and sees it as of one instant, beside the sidecar that writes.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from costmeter.errors import LedgerError
from costmeter.ledger import events, money
from costmeter.ledger.calendar import WINDOWS, periods, quarter_at, zone
from costmeter.ledger.events import PricedEvent
from costmeter.ledger.file import connect_readonly
from costmeter.ledger.money import Group, Money
from costmeter.ledger.schema import COST_COLUMNS
from costmeter.names import DIMENSIONS
from costmeter.units import quarter

COMPONENT: Final = "component"
"""What a cost was for: can be asked for beside windows and labels."""

_TOTALS: Final = ("spend - credit", "calls_ok + calls_failed", "tokens")
_BY_COMPONENT: Final = {"": "-credit", **COST_COLUMNS}

_QUARTERS_AT_ONCE: Final = 96
"""Quarters that SQLite adds up at once: it has to sort them, and a few sort faster than many."""

_decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


class SpendRow(NamedTuple):
    """What was spent in a group.

    Attributes:
        key: the group: a value for each of ``by``, empty for spend without such a label. Credit
            has no component.
        cost_nano_usd: spend less credit, in nano-dollars.
        calls: calls of providers' APIs, failed ones included; None where components are asked
            for, since a call has several.
        tokens: tokens of all types; None likewise.
    """

    key: tuple[str, ...]
    cost_nano_usd: int
    calls: int | None
    tokens: int | None


class Caveats(NamedTuple):
    """What is to be known of figures.

    Attributes:
        unpriced: events that have no price yet, so that what they cost is in none of the figures.
        estimated: events whose tokens the application counted, since the provider told none.
    """

    unpriced: int
    estimated: int


def spend(
    path: Path,
    *,
    by: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    timezone: str = "UTC",
    where: Mapping[str, str] | None = None,
) -> list[SpendRow]:
    """Return what was spent by group: windows in order of time, within them the dearest first.

    Args:
        path: the ledger.
        by: windows (``hour``, ``day``, ``week``, ``month``), labels and ``component``, any number.
        start: the first instant that counts, on a quarter of an hour; None for all there is. A
            time without a zone is one of ``timezone``.
        end: the first instant that does not count any more; None for all there is.
        timezone: IANA name of the time zone whose calendar counts.
        where: values that labels must have; an empty one asks for spend without the label.

    Raises:
        LedgerError: the ledger cannot be read, a label or a time zone does not exist, or a time is
            not on a quarter of an hour.
    """
    where = where or {}
    local = zone(timezone)
    first = None if start is None else quarter_at("start", start, local)
    after = None if end is None else quarter_at("end", end, local)
    windows = [name for name in by if name in WINDOWS]
    components = _components(by, where)
    columns = tuple(components.values()) or _TOTALS
    groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(_TOTALS))
    with reading(path) as connection:
        accounts = _accounts(connection, by, where)
        for period, quarters in periods(_quarters(connection, first, after), windows, local):
            for account, *amounts in _sums(connection, quarters, columns):
                if account not in accounts:
                    continue
                named = accounts[account] | period
                for component, values in _parts(components, amounts):
                    named[COMPONENT] = component
                    group = groups[tuple(named.get(name, "") for name in by)]
                    for index, value in enumerate(values):
                        group[index] += value
    rows = [
        SpendRow(key, cost, None, None) if components else SpendRow(key, cost, calls, tokens)
        for key, (cost, calls, tokens) in groups.items()
        if cost or calls or tokens
    ]
    times = [index for index, name in enumerate(by) if name in WINDOWS]
    return sorted(
        rows, key=lambda row: ([row.key[index] for index in times], -row.cost_nano_usd, row.key)
    )


def money_by_quarter(
    path: Path, start_ns: int, group: Callable[[Mapping[str, str]], Group]
) -> tuple[dict[Group, Money], int]:
    """Return money from an instant on by group, and when the ledger was made (nanoseconds).

    Args:
        path: the ledger.
        start_ns: the first instant that matters, in nanoseconds since 1970.
        group: says by its labels which group an account belongs to.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(path) as connection:
        made = connection.execute("SELECT value FROM meta WHERE name = 'created_ns'").fetchone()
        return money.by_quarter(connection, start_ns, group), int(made[0]) if made else 0


def unpriced(path: Path) -> dict[tuple[str, str], int]:
    """Return how many kept events wait for a price, by provider and model.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(path) as connection:
        return {
            (provider, model): count
            for provider, model, count in connection.execute(
                "SELECT provider, model, count(*) FROM unpriced GROUP BY provider, model"
            )
        }


def caveats(
    path: Path,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    timezone: str = "UTC",
    where: Mapping[str, str] | None = None,
) -> Caveats:
    """Return what is to be known of figures of :func:`spend`; for the arguments see there.

    Raises:
        LedgerError: as for :func:`spend`.
    """
    where = {name: value for name, value in (where or {}).items() if name != COMPONENT}
    local = zone(timezone)
    first = None if start is None else quarter_at("start", start, local)
    after = None if end is None else quarter_at("end", end, local)
    with reading(path) as connection:
        accounts = _accounts(connection, (), where)
        quarters = _quarters(connection, first, after)
        counted = sum(
            count
            for account, count in _sums(connection, quarters, ("estimated",))
            if account in accounts
        )
        waiting = sum(
            (first is None or first <= quarter(each.time_ns))
            and (after is None or quarter(each.time_ns) < after)
            and events.has_labels(each, where)
            for each in events.unpriced(connection)
        )
    return Caveats(waiting, counted)


def dearest(path: Path, limit: int, start_ns: int, end_ns: int) -> list[PricedEvent]:
    """Return the most expensive of the events that are kept, dearest first.

    Args:
        path: the ledger.
        limit: how many to return at most.
        start_ns: the first instant that counts, in nanoseconds since 1970.
        end_ns: the first that does not any more.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(path) as connection:
        return events.dearest(connection, limit, start_ns, end_ns)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger as of one instant.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with closing(connect_readonly(path)) as connection:
        try:
            connection.execute("BEGIN")
            yield connection
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise LedgerError(f"{path}: {error}") from error


def _components(by: Sequence[str], where: Mapping[str, str]) -> dict[str, str]:
    """Return what costs were for and the SQL for it; nothing where that is not asked for."""
    if COMPONENT not in by and COMPONENT not in where:
        return {}
    wanted = where.get(COMPONENT)
    if wanted is None:
        return _BY_COMPONENT
    if wanted not in _BY_COMPONENT:
        raise LedgerError(f"component: {wanted!r} is none of {', '.join(COST_COLUMNS)}")
    return {wanted: _BY_COMPONENT[wanted]}


def _parts(
    components: Mapping[str, str], amounts: Sequence[int]
) -> Iterable[tuple[str, Sequence[int]]]:
    """Split a row into cost, calls and tokens, or into cost by component."""
    if not components:
        return [("", amounts)]
    return [(name, [cost]) for name, cost in zip(components, amounts, strict=True)]


def _accounts(
    connection: sqlite3.Connection, by: Sequence[str], where: Mapping[str, str]
) -> dict[int, dict[str, str]]:
    """Return the labels of the accounts that are asked for, by their id."""
    accounts = {
        account: _decode_labels(labels)
        for account, labels in connection.execute("SELECT id, labels FROM account")
    }
    labels = dict.fromkeys((*DIMENSIONS, *sorted(set().union(*accounts.values()))))
    for name in by:
        if name not in labels and name not in WINDOWS and name != COMPONENT:
            allowed = ", ".join((*WINDOWS, *labels, COMPONENT))
            raise LedgerError(f"by: {name!r} is none of {allowed}")
    for name in where:
        if name not in labels and name != COMPONENT:
            raise LedgerError(f"where: {name!r} is none of {', '.join((*labels, COMPONENT))}")
    wanted = {name: value for name, value in where.items() if name != COMPONENT}
    return {
        account: labels
        for account, labels in accounts.items()
        if all(labels.get(name, "") == value for name, value in wanted.items())
    }


def _quarters(connection: sqlite3.Connection, first: int | None, after: int | None) -> range:
    """Return the quarters that are asked for, from the first to the last that there are."""
    earliest, latest = connection.execute(
        "SELECT (SELECT min(quarter) FROM quarter_sum), (SELECT max(quarter) FROM quarter_sum)"
    ).fetchone()
    if earliest is None:
        return range(0)
    return range(
        earliest if first is None else max(first, earliest),
        latest + 1 if after is None else min(after, latest + 1),
    )


def _sums(
    connection: sqlite3.Connection, quarters: range, columns: Sequence[str]
) -> Iterator[tuple[int, ...]]:
    """Yield sums by account, an account several times: its id and the columns' sums."""
    sums = ", ".join(f"sum({column})" for column in columns)
    statement = (
        f"SELECT account, {sums} FROM quarter_sum "  # noqa: S608 the names are our own
        "WHERE quarter >= ? AND quarter < ? GROUP BY account"
    )
    for first in range(quarters.start, quarters.stop, _QUARTERS_AT_ONCE):
        after = min(first + _QUARTERS_AT_ONCE, quarters.stop)
        yield from connection.execute(statement, (first, after))
