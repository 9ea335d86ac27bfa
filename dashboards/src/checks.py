"""What makes figures late, short or doubtful: each check, and the alert that tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from costmeter import names
from dashboards.src import queries, units
from dashboards.src.panels import Levels

if TYPE_CHECKING:
    from costmeter.names import Family


@dataclass(frozen=True)
class Sidecars:
    """The sidecars that matchers choose, and selectors of what they tell about themselves."""

    matchers: str

    def of(self, family: Family, *more: str) -> str:
        """Return a selector of a family."""
        return f"{family.name}{{{', '.join([self.matchers, *more])}}}"

    @property
    def seen(self) -> str:
        """Those seen within a day."""
        return f"last_over_time({self.of(names.BUILD_INFO)}[1d])"

    @property
    def known(self) -> str:
        """Something where one of them was seen within a day: without one, nothing is known."""
        return f"count({self.seen})"

    def counted(self, family: Family, *more: str) -> str:
        """Return how many were counted in the chosen time; 0 only where a sidecar was seen."""
        gained = queries.gained(self.of(family, *more))
        return f"(sum({gained}) or vector(0)) and on () {self.known}"

    def such(self, vector: str) -> str:
        """Return of how many series something is true; 0 only where a sidecar was seen."""
        return f"(count({vector}) or vector(0)) and on () {self.known}"


ALL: Final = Sidecars('job=~"$job"')


@dataclass(frozen=True)
class Check:
    """Something that is not as it should be above a limit, and the alert that tells of it.

    The limits are those of the alerts in ``prometheus/rules``.
    """

    title: str
    text: str
    expr: str
    alert: str
    short: bool = False
    """Whether amounts are late or wrong meanwhile."""
    act: bool = False
    """Whether to act now rather than to look."""
    limit: float = 0
    unit: units.Unit = units.WHOLE

    @property
    def levels(self) -> Levels:
        """How it is coloured."""
        return Levels(
            look=None if self.act else self.limit,
            act=self.limit if self.act else None,
            above=True,
        )


def of(chosen: Sidecars) -> tuple[Check, ...]:
    """Return every check of the chosen sidecars."""
    return (
        Check(
            "Sidecars down",
            "Sidecars seen within a day that do not answer now: what they count comes later.",
            chosen.such(f"up{{{chosen.matchers}}} == 0 and on (job, instance) {chosen.seen}"),
            "CostExporterDown",
            short=True,
            act=True,
        ),
        Check(
            "Lag",
            "Age of the oldest event that is not in a ledger yet: spend is shown so much later.",
            f"max({chosen.of(names.JOURNAL_LAG_SECONDS)})",
            "CostJournalLagHigh",
            short=True,
            limit=300,
            unit=units.SECONDS,
        ),
        Check(
            "Events dropped",
            "Usage events that an application could not write to its journal in the chosen time:"
            " lost.",
            chosen.counted(names.EVENTS_DROPPED),
            "CostEventsDropped",
            short=True,
            act=True,
        ),
        Check(
            "Events rejected",
            "Usage events that were refused in the chosen time: they count nowhere.",
            chosen.counted(names.EVENTS_REJECTED),
            "CostEventsRejected",
            short=True,
        ),
        Check(
            "Not metered",
            "Times in the chosen time that costmeter failed inside an application, which went on.",
            chosen.counted(names.INSTRUMENTATION_ERRORS),
            "CostInstrumentationErrors",
            short=True,
        ),
        Check(
            "Without a price",
            "Usage events of the chosen time that no price was known for: kept, and missing from"
            " every amount until 'costmeter reprice' prices them.",
            chosen.counted(names.UNPRICED_EVENTS, 'reason="no_price"'),
            "CostUsageUnpriced",
            short=True,
        ),
        Check(
            "Without usage",
            "Calls of the chosen time that did not tell what they used: their cost is not known.",
            chosen.counted(names.UNPRICED_EVENTS, 'reason="no_usage"'),
            "CostUsageUnknown",
            short=True,
        ),
        Check(
            "Scraped twice",
            "Ledgers that reach Prometheus under two addresses or jobs: amounts count them once"
            " within a job, rates twice.",
            chosen.such(f"count by (ledger) ({ALL.of(names.LEDGER_INFO)}) > 1"),
            "CostLedgerScrapedTwice",
            short=True,
        ),
        Check(
            "Age of prices",
            "Since the prices in use were last confirmed: providers may have changed theirs since.",
            f"max(time() - {chosen.of(names.CATALOGUE_TIMESTAMP)})",
            "CostPricesStale",
            short=True,
            limit=7 * 86_400,
            unit=units.SECONDS,
        ),
        Check(
            "Redated",
            "Usage events of the chosen time that came from the future or from before the"
            " retention: counted in full, at the time of reading.",
            chosen.counted(names.EVENTS_REDATED),
            "CostEventsRedated",
        ),
        Check(
            "Over a label's cap",
            "Usage events of the chosen time with a label value over its cap, counted under"
            " 'other': amounts stay whole, the names are lost.",
            chosen.counted(names.LABEL_OVERFLOW),
            "CostLabelOverflow",
        ),
        Check(
            "Collectors failing",
            "Parts of sidecars whose last run failed: what they gather stands still.",
            chosen.such(f"{chosen.of(names.COLLECTOR_SUCCESS)} == 0"),
            "CostCollectorFailing",
        ),
        Check(
            "Reloads refused",
            "Sidecars whose changed configuration is not in force, because it was refused.",
            chosen.such(f"{chosen.of(names.CONFIG_RELOAD_SUCCESS)} == 0"),
            "CostConfigReloadFailed",
        ),
        Check(
            "Gate not asked",
            "Calls of the chosen time that passed or were refused without the gate's word, which"
            " could not be asked or could not tell. About: what came just before a restart of a"
            " sidecar may be missing.",
            _increased(chosen, names.GATE_CHECKS, 'outcome="unavailable"'),
            "CostGateUnavailable",
        ),
        Check(
            "Alerts lost",
            "Alerts of the chosen time that Alertmanager had for a sidecar and that did not get"
            " there: its page does not show them. About, as above.",
            _increased(chosen, names.ALERTS_RECEIVED, 'status=~"refused|truncated"'),
            "CostAlertsLost",
        ),
    )


def _increased(chosen: Sidecars, family: Family, matcher: str) -> str:
    """Return about how many were counted, of what begins anew with each start of a sidecar."""
    risen = f"sum(increase({chosen.of(family, matcher)}[$__range]))"
    return f"(round({risen}) or vector(0)) and on () {chosen.known}"
