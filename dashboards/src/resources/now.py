"""What the watched processes and containers cost now, and what of that was never needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from costmeter import names
from dashboards.src import alerts, panels, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels

NOTHING: Final = "No resource is watched"
NO_LIMIT: Final = "Nothing is set aside"
CHOSEN: Final = '{resource=~"$resource"}'
COST: Final = f"resource:cost_usd_per_hour:sum{CHOSEN}"
IDLE: Final = f"resource:cost_idle_usd_per_hour:sum{CHOSEN}"
MONTH: Final = 730
"""Hours of a month."""
PRICED: Final = "At the configured prices by core and GiB."


@dataclass(frozen=True)
class Size:
    """What resources have so much of: use, limit and price, and the rule that says what idles."""

    title: str
    priced_by: str
    used: names.Family
    limit: names.Family
    price: names.Family
    idle: str
    unit: units.Unit


SIZES: Final = (
    Size(
        "CPU",
        "core",
        names.CPU_USAGE,
        names.CPU_LIMIT,
        names.CPU_PRICE,
        "resource:cost_cpu_idle_usd_per_hour:sum",
        units.CORES,
    ),
    Size(
        "Memory",
        "GiB",
        names.MEMORY_USAGE,
        names.MEMORY_LIMIT,
        names.MEMORY_PRICE,
        "resource:cost_memory_idle_usd_per_hour:sum",
        units.BYTES,
    ),
)


def of(family: names.Family) -> str:
    """Return a selector of a family, narrowed by the choice of resources."""
    return f'{family.name}{{job=~"$job", resource=~"$resource"}}'


def section() -> Section:
    """Return the section."""
    figures = _figures()
    return Section(
        "What is used, and what idles, by resource",
        [
            Line(3, [(8, figure) for figure in figures[:3]]),
            Line(3, [(8, figure) for figure in figures[3:]]),
            Line(7, [(24, _table())]),
            Line(7, [(12, _sizes(size)) for size in SIZES]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    down = f"count({of(names.RESOURCE_UP)} == 0)"
    known = f"count({of(names.RESOURCE_UP)})"
    return (
        panels.figure(
            "Cost of an hour, now",
            f"What is used now costs so much an hour. {PRICED}",
            f"sum({COST})",
            units.USD,
            nothing=NOTHING,
        ),
        panels.figure(
            "Cost of a day, at that",
            f"What is used now costs so much in 24 hours. {PRICED}",
            f"24 * sum({COST})",
            units.USD,
            nothing=NOTHING,
        ),
        panels.figure(
            "Cost of what idles, a month",
            "What is set aside and not used, on the mean of the chosen time, for a month of"
            f" {MONTH} hours. {PRICED}",
            f"{MONTH} * sum(avg_over_time({IDLE}[$__range]))",
            units.USD,
            nothing=NO_LIMIT,
        ),
        panels.figure(
            "Idle share",
            "Of the cost of what is set aside, the share that was not used, on the mean of the"
            " chosen time. What has no limit and no configured size is left out.",
            _idle_share(f"sum(avg_over_time({IDLE}[$__range]))"),
            units.SHARE,
            levels=Levels(look=0.7),
            nothing=NO_LIMIT,
        ),
        panels.figure(
            "Watched",
            "Processes, process trees and containers that costmeter watches.",
            f"count(count by (resource) ({of(names.RESOURCE_UP)}))",
            units.WHOLE,
            nothing=NOTHING,
        ),
        alerts.told_by(
            "CostResourceUnreadable",
            panels.figure(
                "Unreadable",
                "Resources that could not be read at the last sample: gone, or forbidden. Only what"
                " is allocated goes on being charged.",
                f"{down} or (vector(0) and on () {known})",
                units.WHOLE,
                levels=Levels(act=1),
                words={"0": "None"},
                nothing=NOTHING,
            ),
        ),
    )


def _idle_share(idle: str, by: str = "sum") -> str:
    used = f"avg_over_time({COST}[$__range]) and on (resource) {IDLE}"
    return f"{idle} / ({idle} + {by}({used}) > 0)"


def _table() -> Any:
    mean = f"sum by (resource) (avg_over_time({COST}[$__range]))"
    idle = f"sum by (resource) (avg_over_time({IDLE}[$__range]))"
    return panels.rows(
        "Each resource",
        "Means of the chosen time. Idle is what is set aside, by the cgroup's limit or as"
        " configured, and not used. What even the busiest moment of the chosen time left idle was"
        " never needed: look at a time that has seen a peak before setting less aside.",
        [
            Column("Cost of an hour", mean, units.USD_SMALL),
            Column("Cost of a day", f"24 * {mean}", units.USD),
            Column(
                "Idle share",
                _idle_share(idle, "sum by (resource) "),
                units.SHARE,
                bar=True,
                levels=Levels(look=0.7),
            ),
            Column("Idle, a month", f"{MONTH} * {idle}", units.USD),
            Column(
                "Never needed, a month",
                f"{MONTH} * sum by (resource) (min_over_time({IDLE}[$__range]))",
                units.USD,
            ),
            Column(
                "Readable",
                f"min by (resource) ({of(names.RESOURCE_UP)})",
                units.WHOLE,
                words={"1": "yes", "0": "no"},
            ),
        ],
        named={"resource": "Resource"},
        nothing=NOTHING,
    )


def _sizes(size: Size) -> Any:
    most = f"sum by (resource) (max_over_time({of(size.used)}[$__range]))"
    mean = f"sum by (resource) (avg_over_time({of(size.used)}[$__range]))"
    aside = f"sum by (resource) ({of(size.limit)})"
    idle = f"{MONTH} * sum by (resource) (avg_over_time({size.idle}{CHOSEN}[$__range]))"
    return panels.rows(
        f"{size.title} of each resource",
        f"{size.title} that was used in the chosen time, at most and on the mean, what is set"
        f" aside, the price by {size.priced_by} and hour, and what idles, a month.",
        [
            Column("At most", most, size.unit),
            Column("Mean", mean, size.unit),
            Column("Set aside", aside, size.unit),
            Column("Most of it", f"{most} / ({aside} > 0)", units.SHARE, bar=True),
            Column("Price", f"max by (resource) ({of(size.price)})", units.USD_SMALL),
            Column("Idle, a month", idle, units.USD),
        ],
        named={"resource": "Resource"},
        nothing=NOTHING,
    )
