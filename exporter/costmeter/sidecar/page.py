"""The landing page at ``/``: what is spent, how budgets stand, and how the exporter is.

One document without scripts and without anything from elsewhere. Whatever is put in is escaped,
unless this module wrote it as HTML.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from string import Template
from typing import Final
from zoneinfo import ZoneInfo

from costmeter.ledger.alerts import Alert
from costmeter.sidecar.view import BudgetPeriod, ModelSpend, Status
from costmeter.units import NANO, nano_to_usd

REFRESH_SECONDS: Final = 15
MAX_MODELS: Final = 50
"""Models that the table has; what the others cost stands in its last row."""
MAX_BUDGETS: Final = 50
"""Periods of budgets that are listed."""
MAX_ALERTS: Final = 20
"""Alerts that are listed, the latest."""
MAX_LISTED: Final = 10
"""Models without a price, or reasons of rejection, that are listed."""
LAG_SECONDS: Final = 60
PRICE_AGE_SECONDS: Final = 86_400
"""Lag of the journal and age of the prices that stand out, in seconds."""

_HERE: Final = Path(__file__)
_PAGE: Final = _HERE.with_suffix(".html").read_text("utf-8")
_STYLE: Final = _HERE.with_suffix(".css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def draw(status: Status) -> str:
    """Return the page."""
    decimals = _decimals(status)
    return _html(
        _PAGE,
        refresh=REFRESH_SECONDS,
        style=Html(_STYLE),
        state=status.state,
        problems=_problems(status.problems),
        today=_usd(status.today_nano_usd, decimals),
        today_exact=_exact(status.today_nano_usd),
        day=_long_date(status.day),
        month_spend=_usd(status.month_nano_usd, decimals),
        month_exact=_exact(status.month_nano_usd),
        month=_long_date(status.month),
        budgets=_budgets(status, decimals),
        models=_models(status, decimals),
        alerts=_alerts(status),
        facts=_join(_facts(status)),
        now=_local(status, status.now_ns),
        timezone=status.timezone,
        version=status.version,
        ledger=status.ledger,
    )


def _html(template: str, **values: object) -> Html:
    escaped = {
        name: value if isinstance(value, Html) else html.escape(str(value))
        for name, value in values.items()
    }
    return Html(Template(template).substitute(escaped))


def _join(parts: Iterator[Html]) -> Html:
    return Html("".join(parts))


def _problems(problems: Sequence[str]) -> Html:
    if not problems:
        return Html("")
    items = _join(_html("<li>$problem</li>", problem=problem) for problem in problems)
    return _html(
        '<section class="problems"><h2>Needs attention</h2><ul>$items</ul></section>', items=items
    )


def _budgets(status: Status, decimals: int) -> Html:
    if not status.budgets:
        return Html("")
    rows = _join(_budget(each, decimals) for each in status.budgets[:MAX_BUDGETS])
    more = len(status.budgets) - MAX_BUDGETS
    return _html(
        '<section aria-labelledby="budgets"><h2 id="budgets">Budgets</h2>'
        '<table><thead><tr><th scope="col">Budget</th><th scope="col">Period</th>'
        '<th scope="col">Spent</th><th scope="col">Soft limit</th><th scope="col">Hard limit</th>'
        '<th scope="col">Used</th><th scope="col" class="share"></th></tr></thead>'
        "<tbody>$rows</tbody></table>$more</section>",
        rows=rows,
        more=_html('<p class="none">and $more more</p>', more=more) if more > 0 else "",
    )


def _budget(each: BudgetPeriod, decimals: int) -> Html:
    used = each.spent_nano_usd / each.soft_nano_usd
    return _html(
        '<tr><th scope="row">$budget<span class="provider">$owner</span></th><td>$period</td>'
        '<td title="$spent_exact">$spent</td><td>$soft</td><td>$hard</td>'
        '<td class="$reached">$percent</td>$bar</tr>',
        budget=each.budget,
        owner=each.owner,
        period=each.period,
        spent=_usd(each.spent_nano_usd, decimals),
        spent_exact=_exact(each.spent_nano_usd),
        soft=_usd(each.soft_nano_usd, 2),
        hard="" if each.hard_nano_usd is None else _usd(each.hard_nano_usd, 2),
        percent=f"{used:.0%}",
        reached=each.reached,
        bar=_bar(used),
    )


def _models(status: Status, decimals: int) -> Html:
    if not status.models:
        return _html('<p class="none">Nothing was spent in $month yet.</p>',
                     month=_long_date(status.month))  # fmt: skip
    models = sorted(
        status.models, key=lambda each: (-each.month_nano_usd, each.provider, each.model)
    )
    shown, others = models[:MAX_MODELS], models[MAX_MODELS:]
    rows = [_row(each, status.month_nano_usd, decimals) for each in shown]
    if others:
        rest = ModelSpend(
            "", f"{len(others)} more",
            sum(each.today_nano_usd for each in others),
            sum(each.month_nano_usd for each in others),
        )  # fmt: skip
        rows.append(_row(rest, status.month_nano_usd, decimals))
    return _html(
        '<table><thead><tr><th scope="col">Model</th><th scope="col">Today</th>'
        '<th scope="col">This month</th><th scope="col">Share</th>'
        '<th scope="col" class="share"></th></tr></thead><tbody>$rows</tbody></table>',
        rows=_join(iter(rows)),
    )


def _row(spend: ModelSpend, whole_nano_usd: int, decimals: int) -> Html:
    share = spend.month_nano_usd / whole_nano_usd if whole_nano_usd > 0 else 0.0
    share = min(1.0, max(0.0, share))
    return _html(
        '<tr><th scope="row">$model<span class="provider">$provider</span></th>'
        '<td title="$today_exact">$today</td><td title="$month_exact">$month</td>'
        "<td>$percent</td>$bar</tr>",
        model=spend.model or "(no model)",
        provider=spend.provider,
        today=_usd(spend.today_nano_usd, decimals),
        today_exact=_exact(spend.today_nano_usd),
        month=_usd(spend.month_nano_usd, decimals),
        month_exact=_exact(spend.month_nano_usd),
        percent="<0.1%" if 0 < share < 0.001 else f"{share:.1%}",
        bar=_bar(share),
    )


def _bar(share: float) -> Html:
    """Return a cell with a bar for a share; what is below 0 or above 1 is drawn as that."""
    return _html(
        '<td class="share"><svg aria-hidden="true"><rect width="$width" height="100%" rx="4"/>'
        "</svg></td>",
        width=f"{min(1.0, max(0.0, share)):.2%}",
    )


def _alerts(status: Status) -> Html:
    if not status.alerts:
        return Html("")
    items = _join(
        _html(
            '<li><span class="alert $status">$status</span> $what'
            '<span class="when">$name, $since</span></li>',
            status=each.status,
            what=each.annotations.get("summary") or each.name or "(no name)",
            name=each.name or "(no name)",
            since=_since(status, each),
        )
        for each in status.alerts[:MAX_ALERTS]
    )
    return _html(
        '<section aria-labelledby="alerts"><h2 id="alerts">Alerts of the last day</h2>'
        '<ul class="alerts">$items</ul></section>',
        items=items,
    )


def _since(status: Status, alert: Alert) -> str:
    began = _local(status, alert.starts_ns)
    return (
        f"since {began}" if alert.ends_ns is None else f"{began} to {_local(status, alert.ends_ns)}"
    )


def _facts(status: Status) -> Iterator[Html]:
    lag = status.lag_seconds
    behind = "all read" if lag is None else f"{_span(lag)} behind ({_bytes(status.lag_bytes)})"
    yield _fact("Events in the ledger", f"{status.events:,} ({_bytes(status.ledger_bytes)})")
    yield _fact(
        "Journal",
        f"{_count(status.writers, 'writer')}, {behind}",
        attention=lag is not None and lag > LAG_SECONDS,
    )
    if status.catalogue is None:
        yield _fact("Prices", "not loaded", attention=True)
    else:
        age = (status.now_ns - status.catalogue.confirmed_ns) / NANO
        catalogue = f"{status.catalogue.version}, {status.catalogue.origin}"
        text = f"{catalogue}, confirmed {_span(age)} ago"
        yield _fact("Prices", text, attention=age > PRICE_AGE_SECONDS)
    if status.emergencies:
        yield _fact("Budgets in emergency", ", ".join(status.emergencies), attention=True)
    unpriced = {f"{each.provider}/{each.model}": each.events for each in status.unpriced}
    yield _counts("Events without a price", unpriced)
    yield _counts("Rejected events", status.rejected)
    dropped = f"{status.dropped:,}" if status.dropped else "none"
    yield _fact("Dropped by applications", dropped, attention=status.dropped > 0)


def _counts(name: str, counts: Mapping[str, int]) -> Html:
    some = sorted(((-count, what) for what, count in counts.items() if count))
    listed = [f"{what} ({-count:,})" for count, what in some[:MAX_LISTED]]
    if len(some) > MAX_LISTED:
        listed.append(f"and {len(some) - MAX_LISTED} more")
    return _fact(name, ", ".join(listed) or "none", attention=bool(some))


def _fact(name: str, value: str, *, attention: bool = False) -> Html:
    return _html(
        "<div><dt>$name</dt><dd$look>$value</dd></div>",
        name=name,
        value=value,
        look=Html(' class="attention"' if attention else ""),
    )


def _decimals(status: Status) -> int:
    """Return how many decimals all amounts are shown with, so that they line up."""
    return 4 if 0 < abs(status.month_nano_usd) < 10 * NANO else 2


def _usd(nano: int, decimals: int) -> str:
    least = 10 ** (9 - decimals)
    if 0 < nano < least:
        return f"<{_usd(least, decimals)}"
    sign = "\N{MINUS SIGN}" if nano < 0 else ""
    return f"{sign}${nano_to_usd(abs(nano)):,.{decimals}f}"


def _exact(nano: int) -> str:
    return f"{nano_to_usd(nano):,.9f} USD"


def _long_date(key: str) -> str:
    """Return ``2026-11-22`` as ``22 November 2026``, ``2026-11`` as ``November 2026``."""
    if len(key) == len("2026-11"):
        return f"{date.fromisoformat(f'{key}-01'):%B %Y}"
    day = date.fromisoformat(key)
    return f"{day.day} {day:%B %Y}"


def _local(status: Status, time_ns: int) -> str:
    instant = datetime.fromtimestamp(time_ns // NANO, UTC)
    return f"{instant.astimezone(ZoneInfo(status.timezone)):%Y-%m-%d %H:%M:%S %Z}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return _count(int(seconds // length), unit)
    return f"{max(0.0, seconds):.0f} s"


def _bytes(size: int) -> str:
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size} B"
