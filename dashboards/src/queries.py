"""PromQL: what was spent and used, exactly.

Counters of the ledger start at 0, are shown as 0 first and never reset, so what a range holds is
the value at its end less the value at its start. ``increase()`` would extrapolate: off by a sixth
where labels come and go. Three cases need care, and :func:`gained` has them all:

- a ledger that is gone by the end of the range counts with its last value;
- a gap at the start (a restart, a failed scrape) is bridged with the last value before it;
- a series that is new in the range, or a ledger at a new address, counts from its first value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from costmeter import names
from dashboards.src.variables import CHOSEN

if TYPE_CHECKING:
    from costmeter.names import Family

BRIDGED: Final = "6h"
"""The longest gap at a range's start that is bridged; the recording rules remember as long."""
TOP: Final = 8
"""How many values of a label a list shows."""
STACKED: Final = 6
"""How many values a chart tells apart: as many as have a colour of their own."""
REST: Final = "all others"
NOBODY: Final = "(none)"
"""Stands for a label that was not set."""
CREDIT: Final = "credit"
"""Stands among the components for money that came back."""
BY: Final = "$by"
"""The label that is chosen to split by."""


def series(family: Family, *matchers: str, name: str = "") -> str:
    """Return a selector of a family, narrowed by those of the dashboard's choices that it has.

    Args:
        family: the family.
        matchers: more of them, such as ``status="ok"``.
        name: a sample's name where it is not the family's, as with histograms.
    """
    chosen = ['job=~"$job"']
    chosen += [f'{label}=~"${label}"' for label in CHOSEN if label in family.labels]
    return f"{name or family.name}{{{', '.join([*chosen, *matchers])}}}"


CALLS: Final = series(names.API_CALLS)
FAILED: Final = series(names.API_CALLS, 'status!="ok"')
TOKENS: Final = series(names.TOKENS)
PAID: Final = series(names.SPEND, 'component!~"compute|storage|network"')
"""What is paid by the call or the token."""


def unnarrowed(family: Family) -> str:
    """Return a selector of a family that heeds no choice but the job."""
    return f'{family.name}{{job=~"$job"}}'


def gained(selector: str, window: str = "$__range", ago: str = "") -> str:
    """Return by how much each series rose within the ``window`` that ends now.

    Args:
        selector: counters of the ledger.
        window: a duration.
        ago: how long before now the window ends.
    """
    end = f" offset {ago}" if ago else ""
    return (
        f"(last_over_time({selector}[{window}]{end})"
        f" - (last_over_time({selector}[{BRIDGED}] offset {ago}{window})"
        f" or min_over_time({selector}[{window}]{end})))"
    )


def gained_ahead(selector: str, window: str = "$__interval") -> str:
    """Return by how much each series rose within the ``window`` that begins now.

    For bars: each stands where its time begins, and the last holds what has come so far.
    """
    return (
        f"(last_over_time({selector}[{window}] offset -{window})"
        f" - (last_over_time({selector}[{BRIDGED}])"
        f" or min_over_time({selector}[{window}] offset -{window})))"
    )


def spend(ago: str = "") -> str:
    """Return money spent within the range less what came back, by series: see :func:`gained`.

    Spend has a ``component`` and credit gets one of its own, so that both can stand in one vector
    and every sum of it is net.
    """
    spent, back = (gained(series(family), ago=ago) for family in (names.SPEND, names.CREDIT))
    return f"({spent} or {_as_component(back)})"


def spend_ahead() -> str:
    """Return money spent within the interval that begins now less what came back, by series."""
    spent, back = (gained_ahead(series(family)) for family in (names.SPEND, names.CREDIT))
    return f"({spent} or {_as_component(back)})"


def total(vector: str) -> str:
    """Return the sum of a vector; 0 where there is nothing to add up."""
    return f"sum({vector}) or vector(0)"


def by(label: str, vector: str) -> str:
    """Return a vector summed by a label."""
    return _named(label, f"sum by ({label}) ({vector})")


def ratio(label: str, part: str, whole: str) -> str:
    """Return one vector by another, both summed by a label; nothing where the whole is 0."""
    return _named(label, f"sum by ({label}) ({part}) / (sum by ({label}) ({whole}) > 0)")


def largest(label: str, vector: str) -> str:
    """Return the largest sums by a label."""
    return _named(label, f"topk({TOP}, sum by ({label}) ({vector}))")


def largest_over_time(label: str, vector: str) -> tuple[str, str]:
    """Return the sums by a label that rose most within the range, and the sum of all others.

    What ranks is the same at all times, or a value would be now among the largest and now among
    the rest. It only ranks, so it may be cheap: the last values less those at the start.
    """
    spent = series(names.SPEND)
    end = f"sum by ({label}) (last_over_time({spent}[$__range] @ end()))"
    start = f"sum by ({label}) ({spent} @ end() offset $__range)"
    ranks = f"topk({STACKED}, {end} - ({start} or {end} * 0))"
    sums = f"sum by ({label}) ({vector})"
    others = f"sum({sums} unless on ({label}) {ranks})"
    return _named(label, f"{sums} and on ({label}) {ranks}"), f"{others} or vector(0)"


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
    then = f"last_over_time({unnarrowed(names.SPEND)}[{BRIDGED}] offset {ago}$__range)"
    return f"({comparison}) and on () count({then})"


def otherwise(vector: str, label: str, text: str, known: str) -> str:
    """Return a vector, or where it is empty and that is known a single 0 whose label says so."""
    none = f'label_replace(vector(0), "{label}", "{text}", "", "")'
    return f"{vector} or on () ({none} and on () {known})"


def _named(label: str, vector: str) -> str:
    """Return a vector that says so where a label was not set."""
    return f'label_replace({vector}, "{label}", "{NOBODY}", "{label}", "")'


def _at(when: str, vector: str) -> str:
    """Return a vector that can stand beside another one of the same labels."""
    return f'label_replace({vector}, "when", "{when}", "", "")'


def _as_component(credit: str) -> str:
    return f'label_replace(-{credit}, "component", "{CREDIT}", "", "")'
