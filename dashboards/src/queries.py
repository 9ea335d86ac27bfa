"""PromQL: what was spent and used, exactly.

What the ledgers count is recorded by ``prometheus/rules/ranges.yml`` under the ledger's id, in
series that never fall: a ledger that is gone stands at its last value, one that moved stays one.
So what a range holds is their value at its end less that at its start, two samples however long
the range; a series that is not there at the start began at 0, unless its ledger was first seen
later. ``increase()`` would extrapolate: off by a sixth where labels come and go.

Counters that are not recorded (few series each) are read as they were scraped, all samples of the
range: a counter that is new, or at a new address, then counts from its first value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from costmeter import names
from dashboards.src.variables import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmeter.names import Family

LATEST: Final = "ledger:cost_counter:latest"
FIRST: Final = "ledger:cost_counter:first"
SAMPLED: Final = "ledger:cost_counter:sampled"
WHOLE: Final = "ledger:cost_whole:latest"
WHOLE_SAMPLED: Final = "ledger:cost_whole:sampled"
SEEN: Final = "ledger:cost_seen:timestamp_seconds"
SEEN_SAMPLED: Final = "ledger:cost_seen:sampled"
RECORDED: Final = frozenset({
    names.SPEND.name,
    names.CREDIT.name,
    names.FAILED_SPEND.name,
    names.TOKENS.name,
    names.API_CALLS.name,
    names.API_RETRIES.name,
    f"{names.API_CALL_DURATION.name}_bucket",
    f"{names.TIME_TO_FIRST_TOKEN.name}_bucket",
    f"{names.REQUEST_COST.name}_sum",
    f"{names.REQUEST_COST.name}_count",
})  # fmt: skip
"""Values of the label ``family`` of what is recorded: samples of the ledgers' families."""
SUMMED: Final = frozenset({names.SPEND, names.TOKENS, names.API_CALLS})
"""What is recorded once more as a whole, whatever its component, type or status."""
REMEMBERED: Final = "75m"
"""How far back a recorded value is looked for: the rules bridge gaps of an hour."""
SPACED: Final = "3h"
"""The same for samples that are an hour apart."""
LONG: Final = "hdwy"
"""What those samples' label ``bars`` is."""
BRIDGED: Final = "6h"
"""How far back a scraped value is looked for at a range's start."""
TOP: Final = 8
"""How many values of a label a list shows."""
STACKED: Final = 6
"""How many values a chart tells apart: as many as have a colour of their own."""
REST: Final = "all others"
NOBODY: Final = "(none)"
"""Stands for a label that was not set."""
CREDIT: Final = "credit"
"""Stands among the components for money that came back."""
CHOICE: Final = "choice"
"""The label of a list's values where the list's own label is chosen."""
BY: Final = "$by"
"""The label that is chosen to split by."""


def series(family: Family, *matchers: str, name: str = "") -> str:
    """Return a selector of a family, narrowed by those of the dashboard's choices that it has.

    Where it is recorded, the selector is one of the record, for :func:`gained` and its like.

    Args:
        family: the family.
        matchers: more of them, such as ``status="ok"``.
        name: a sample's name where it is not the family's, as with histograms.
    """
    sample = name or family.name
    chosen = [f'family="{sample}"'] if sample in RECORDED else []
    chosen += ['job=~"$job"']
    chosen += [f'{label}=~"${label}"' for label in CHOSEN if label in family.labels]
    metric = LATEST if sample in RECORDED else sample
    return f"{metric}{{{', '.join([*chosen, *matchers])}}}"


def whole(family: Family, *matchers: str) -> str:
    """Return a selector of a family of :data:`SUMMED` as a whole: far fewer series than it has.

    What is paid by the call or the token is one; compute, storage and network stand beside it, each
    with its ``component``.
    """
    return series(family, *matchers).replace(LATEST, WHOLE)


CALLS: Final = whole(names.API_CALLS)
FAILED: Final = series(names.API_CALLS, 'status!="ok"')
TOKENS: Final = whole(names.TOKENS)
FAILED_SPEND: Final = series(names.FAILED_SPEND)
"""What failed calls cost, part of the spend."""
RETRIES: Final = series(names.API_RETRIES)
DURATIONS: Final = series(names.API_CALL_DURATION, name=f"{names.API_CALL_DURATION.name}_bucket")
WAITS: Final = series(names.TIME_TO_FIRST_TOKEN, name=f"{names.TIME_TO_FIRST_TOKEN.name}_bucket")
"""How long streams kept one waiting for the first chunk of their answer."""
PAID: Final = whole(names.SPEND, 'component!~"compute|storage|network"')
"""What is paid by the call or the token."""


def unnarrowed(family: Family) -> str:
    """Return a selector of a family that heeds no choice but the job."""
    return f'{family.name}{{job=~"$job"}}'


def gained(selector: str, window: str = "$__range", ago: str = "", at: str = "") -> str:
    """Return by how much series rose within the ``window`` that ends now, to be summed.

    Recorded series stand in it with their end, and once more with their start, negative: their sum
    is what they rose, those that are new included, at the cost of reading no value twice.

    Args:
        selector: counters, by :func:`series` or :func:`unnarrowed`.
        window: a duration.
        ago: how long before now the window ends.
        at: an ``@`` modifier for charts, whose last step begins a bar: what has come since counts.
    """
    end = f" offset {ago}" if ago else ""
    if _is_recorded(selector):
        now = f"last_over_time({selector}[{REMEMBERED}]{at}{end})"
        if at:
            now = f"(last_over_time({selector}[{REMEMBERED}]{at} offset -$__interval) or {now})"
        then = f"last_over_time({selector}[{REMEMBERED}]{at} offset {ago}{window})"
        found = f"last_over_time({_first(selector)}[{REMEMBERED}]{at}{end})"
        if selector.startswith(WHOLE):
            found = f"sum without (component, type, status) ({found})"
        kept = f"last_over_time({SEEN}[{REMEMBERED}]{at}{end})"
        return f"({now} or {_less(f'({then} or {found})', kept)})"
    return (
        f"(last_over_time({selector}[{window}]{at}{end})"
        f" - (last_over_time({selector}[{BRIDGED}]{at} offset {ago}{window})"
        f" or min_over_time({selector}[{window}]{at}{end})))"
    )


def gained_ahead(selector: str, window: str = "$__interval", label: str = "") -> str:
    """Return by how much counters rose within the ``window`` that begins now.

    For bars: each stands where its time begins, and the last holds what has come so far. Recorded
    series are read at the coarseness that suits the width of a bar, and summed by ledger and by a
    ``label`` where one is told apart, before anything else is done at each of many steps. That
    loses nothing: all series of a ledger are found together and let go together. Most of a long bar
    may still be to come: its end is looked for in all of it.
    """
    if _is_recorded(selector):
        by_ledger = f"sum by (job, ledger{f', {label}' if label else ''})"
        sampled = selector.replace(LATEST, SAMPLED).replace(WHOLE, WHOLE_SAMPLED)
        then = f"{by_ledger} ({_by_the_end(sampled, window)})"
        now = f"{by_ledger} (last_over_time({_for_bars(sampled)}[{SPACED}]))"
        found = f"{by_ledger} (last_over_time({_first(selector)}[{REMEMBERED}] @ end()))"
        kept = _by_the_end(f'{SEEN_SAMPLED}{{job=~"$job"}}', window)
        return f"({then} or {_less(f'({now} or {found})', f'({kept})')})"
    return (
        f"(last_over_time({selector}[{window}] offset -{window})"
        f" - (last_over_time({selector}[{BRIDGED}])"
        f" or min_over_time({selector}[{window}] offset -{window})))"
    )


def spend(ago: str = "") -> str:
    """Return money spent within the range less what came back, by series: see :func:`gained`.

    Credit gets a ``component`` of its own, so that both can stand in one vector and every sum of it
    is net.
    """
    return _net(gained(whole(names.SPEND), ago=ago), ago)


def spend_by_component() -> str:
    """Return the same by series that tell all components apart."""
    return _net(gained(series(names.SPEND)))


def spend_ahead(label: str) -> str:
    """Return money spent within the interval that begins now less what came back, by a label."""
    spent = gained_ahead(whole(names.SPEND), label=label)
    back = gained_ahead(series(names.CREDIT), label=label)
    return f"({spent} or {_as_component(back)})"


def saved() -> str:
    """Return what caches of providers saved within the range, at the prices of now.

    What was read from them at the price of input less their own; what was written to them for more
    than input takes away from it. What has no such price is left out.
    """
    types, plainly = 'type=~"cache_read|cache_write"', 'type="input"'
    used = f"sum by (provider, model, type) ({gained(series(names.TOKENS, types))})"
    paid = f"max by (provider, model, type) ({series(names.TOKEN_PRICE, types)})"
    plain = f"max by (provider, model) ({series(names.TOKEN_PRICE, plainly)})"
    less = f"({plain} - on (provider, model) group_right () {paid})"
    return f"{used} * on (provider, model, type) {less}"


def total(vector: str) -> str:
    """Return the sum of a vector; 0 where there is nothing to add up."""
    return f"sum({vector}) or vector(0)"


def by(label: str | Sequence[str], vector: str) -> str:
    """Return a vector summed by a label, or by several."""
    return _named(label, f"sum by ({_listed(label)}) ({vector})")


def ratio(label: str | Sequence[str], part: str, whole: str) -> str:
    """Return one vector by another, both summed by labels; nothing where the whole is 0."""
    listed = _listed(label)
    return _named(label, f"sum by ({listed}) ({part}) / (sum by ({listed}) ({whole}) > 0)")


def quantile(q: float, label: str, buckets: str) -> str:
    """Return a quantile by a label, from buckets that rose; nothing where none did."""
    risen = f"sum by ({label}, le) ({buckets})"
    return _named(label, f"histogram_quantile({q}, {risen}) >= 0")


def largest(label: str, vector: str) -> str:
    """Return the largest sums by a label; where it is a choice, under :data:`CHOICE` instead."""
    found = _named(label, f"topk({TOP}, sum by ({label}) ({vector}))")
    if label.startswith("$"):
        found = f'sum by ({CHOICE}) (label_join({found}, "{CHOICE}", "", "{label}"))'
    return f"sort_desc({found})"


def largest_over_time(label: str, vector: str) -> tuple[str, str]:
    """Return the sums by a label on whose values most was spent, and the sum of all others."""
    sums = f"sum by ({label}) ({vector})"
    others = f"sum({sums} unless on ({label}) {_dearest(label)})"
    return _named(label, f"{sums} and on ({label}) {_dearest(label)}"), f"{others} or vector(0)"


def ratio_over_time(label: str, part: str, whole: str, shown: str = "") -> str:
    """Return one vector by another, by a label, of the values ``shown``.

    By default those on which most was spent.
    """
    share = f"sum by ({label}) ({part}) / (sum by ({label}) ({whole}) > 0)"
    return _named(label, f"{share} and on ({label}) {shown or _dearest(label)}")


def change(label: str, ago: str) -> str:
    """Return spend of the range less spend of the same hours ``ago``, by a label.

    What is in only one of the two counts as 0 in the other; see also :func:`where_metered`.
    """
    both = f"{_at('now', spend())} or {_at('then', f'-{spend(ago=ago)}')}"
    return where_metered(by(label, both), ago)


def where_metered(comparison: str, ago: str) -> str:
    """Return a comparison with the same hours ``ago`` if anything was metered when they began.

    Otherwise nothing: unknown is not zero, and a part of those hours is not all of them.
    """
    seen = 'ledger:cost_seen:timestamp_seconds{job=~"$job"}'
    return f"({comparison}) and on () count({seen} offset {ago}$__range)"


def otherwise(vector: str, label: str, text: str, known: str) -> str:
    """Return a vector, or where it is empty and that is known a single 0 whose label says so."""
    none = f'label_replace(vector(0), "{label}", "{text}", "", "")'
    # not "or on ()": VictoriaMetrics fills the gaps of what was compared and found wanting
    return f"{vector} or (({none} unless on () ({vector})) and on () {known})"


def _dearest(label: str) -> str:
    """Return the values of a label on which most was spent within the range.

    The same at all times, or one would be now among the dearest and now among the rest.
    """
    spent = gained(whole(names.SPEND), at=" @ end()")
    return f"topk({STACKED}, sum by ({label}) ({spent}))"


def busiest(label: str) -> str:
    """Return the values of a label called most within the range: the same at all times."""
    called = gained(CALLS, at=" @ end()")
    return f"topk({STACKED}, sum by ({label}) ({called}))"


def _for_bars(sampled: str, *more: str) -> str:
    """Return samples as coarse as suits the width of a bar."""
    return "".join((sampled[:-1], ', bars=~".*[$__interval].*"', *more, "}"))


def _by_the_end(sampled: str, window: str) -> str:
    """Return the last samples by the end of a bar, of a long one also where that is far ahead."""
    end = f"offset -{window}"
    some, long = _for_bars(sampled), _for_bars(sampled, f', bars="{LONG}"')
    return f"last_over_time({some}[{SPACED}] {end}) or last_over_time({long}[{window}] {end})"


def _less(start: str, kept: str) -> str:
    """Return what to take off the end: the start, of ledgers that are not let go by then."""
    return f'label_replace(-({start} and on (job, ledger) {kept}), "at", "start", "", "")'


def _net(spent: str, ago: str = "") -> str:
    return f"({spent} or {_as_component(gained(series(names.CREDIT), ago=ago))})"


def _is_recorded(selector: str) -> bool:
    return selector.startswith((LATEST, WHOLE))


def _first(selector: str) -> str:
    return selector.replace(LATEST, FIRST).replace(WHOLE, FIRST)


def _listed(label: str | Sequence[str]) -> str:
    return label if isinstance(label, str) else ", ".join(label)


def _named(label: str | Sequence[str], vector: str) -> str:
    """Return a vector, summed by labels, that says so where one of them was not set.

    A label that is replaced by itself and is not there is misread by VictoriaMetrics: so by a copy.
    """
    for each in (label,) if isinstance(label, str) else label:
        copied = f'label_join({vector}, "was", "", "{each}")'
        vector = f'label_replace({copied}, "{each}", "{NOBODY}", "was", "")'
    return f"sum by ({_listed(label)}) ({vector})"


def _at(when: str, vector: str) -> str:
    """Return a vector that can stand beside another one of the same labels."""
    return f'label_replace({vector}, "when", "{when}", "", "")'


def _as_component(credit: str) -> str:
    return f'label_replace(-{credit}, "component", "{CREDIT}", "", "")'
