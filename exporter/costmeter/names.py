"""Every metric and label that costmeter exposes: the one place where a name is spelled.

Prometheus conventions: base units (seconds, bytes, USD), ``_total`` for counters. Costs are kept as
integers of nano-dollars and durations as integers of nanoseconds; ``Family.scale`` is what divides
them on ``/metrics``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from costmeter.units import NANO

Kind = Literal["counter", "gauge", "histogram"]

DIMENSIONS: Final = ("provider", "model", "endpoint", "feature", "team")
"""What spend is attributed to; the configuration's ``labels`` are appended to them."""

COMPONENTS: Final = (
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "audio",
    "image",
    "tool",
    "request",
    "compute",
    "storage",
    "network",
)
"""Values of the label ``component``: what a cost was for. They add up to the whole."""

TOKEN_TYPES: Final = (
    "input",
    "cache_read",
    "cache_write",
    "input_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)
"""Values of the label ``type`` of tokens. They never overlap, so their sum is the sum."""

OVERFLOW: Final = "other"
"""The label value that stands for all values over a label's cap."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: its name on ``/metrics``, type, help text, labels and scale.

    ``extensible`` families get the configuration's own labels appended. ``buckets`` are upper
    bounds in the family's base unit.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    scale: int = 1
    extensible: bool = False
    buckets: tuple[float, ...] = ()


# -- What is spent and used: kept in the ledger, never reset -----------------------------------

SPEND: Final = Family(
    "cost_spend_usd_total",
    "counter",
    "Money spent in US dollars, by what it was for.",
    (*DIMENSIONS, "component"),
    scale=NANO,
    extensible=True,
)
CREDIT: Final = Family(
    "cost_credit_usd_total",
    "counter",
    "Money taken back in US dollars: corrections and refunds.",
    DIMENSIONS,
    scale=NANO,
    extensible=True,
)
FAILED_SPEND: Final = Family(
    "cost_failed_spend_usd_total",
    "counter",
    "Money spent in US dollars on calls that did not end well; part of cost_spend_usd_total.",
    DIMENSIONS,
    scale=NANO,
    extensible=True,
)
TOKENS: Final = Family(
    "cost_provider_tokens_total",
    "counter",
    "Tokens by type; types do not overlap.",
    (*DIMENSIONS, "type"),
    extensible=True,
)
API_CALLS: Final = Family(
    "cost_provider_api_calls_total",
    "counter",
    "Calls of a provider's API, by outcome.",
    (*DIMENSIONS, "status"),
    extensible=True,
)
API_RETRIES: Final = Family(
    "cost_provider_api_retries_total",
    "counter",
    "Attempts of calls that failed and that an SDK made again by itself, by kind of error (empty "
    "where not known): no calls. A provider may bill one that timed out, which nobody is told.",
    ("provider", "model", "status"),
)
API_CALL_DURATION: Final = Family(
    "cost_provider_api_call_duration_seconds",
    "histogram",
    "Duration of calls of a provider's API, in seconds.",
    ("provider", "model"),
    scale=NANO,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160),
)
TIME_TO_FIRST_TOKEN: Final = Family(
    "cost_provider_time_to_first_token_seconds",
    "histogram",
    "Time from the start of a call to the first chunk of its streamed answer, in seconds.",
    ("provider", "model"),
    scale=NANO,
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30),
)
REQUEST_COST: Final = Family(
    "cost_request_cost_usd",
    "histogram",
    "Cost of a request, in US dollars.",
    ("endpoint", "provider"),
    scale=NANO,
    buckets=(0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)
UNPRICED_EVENTS: Final = Family(
    "cost_unpriced_events_total",
    "counter",
    "Usage events without a price, by reason (no_price, no_usage): kept, and never counted as 0.",
    ("provider", "model", "reason"),
)
ESTIMATED_EVENTS: Final = Family(
    "cost_estimated_events_total",
    "counter",
    "Usage events whose tokens the application counted, where the provider reported none.",
    DIMENSIONS,
    extensible=True,
)

EVENTS_READ: Final = Family(
    "cost_events_read_total",
    "counter",
    "Usage events taken into the ledger, by source.",
    ("source",),
)
EVENTS_REJECTED: Final = Family(
    "cost_events_rejected_total", "counter", "Usage events refused, by reason.", ("reason",)
)
EVENTS_DROPPED: Final = Family(
    "cost_events_dropped_total",
    "counter",
    "Usage events that an application could not write to its journal.",
)
EVENTS_REDATED: Final = Family(
    "cost_events_redated_total",
    "counter",
    "Usage events from the future or from before the retention: counted at the time of reading.",
)
LABEL_OVERFLOW: Final = Family(
    "cost_label_overflow_total",
    "counter",
    "Usage events with a label value over the label's cap, counted under 'other'.",
    ("label",),
)
INSTRUMENTATION_ERRORS: Final = Family(
    "cost_instrumentation_errors_total",
    "counter",
    "Errors inside costmeter that an application was spared.",
)

LEDGER_FAMILIES: Final = (
    SPEND,
    CREDIT,
    FAILED_SPEND,
    TOKENS,
    API_CALLS,
    API_RETRIES,
    API_CALL_DURATION,
    TIME_TO_FIRST_TOKEN,
    REQUEST_COST,
    UNPRICED_EVENTS,
    ESTIMATED_EVENTS,
    EVENTS_READ,
    EVENTS_REJECTED,
    EVENTS_DROPPED,
    EVENTS_REDATED,
    LABEL_OVERFLOW,
    INSTRUMENTATION_ERRORS,
)

# -- Budgets ----------------------------------------------------------------------------------

ALL_SPEND: Final = "all"
"""The budget that always exists: everything; without a limit where the configuration sets none."""

BUDGET_SPEND: Final = Family(
    "cost_budget_spend_usd",
    "gauge",
    "Money spent in a budget's period as this ledger has it, in US dollars; only ever rises.",
    ("budget", "window", "period", "ledger"),
    scale=NANO,
)
BUDGET_CREDIT: Final = Family(
    "cost_budget_credit_usd",
    "gauge",
    "Money taken back in a budget's period as this ledger has it, in US dollars; only ever rises.",
    ("budget", "window", "period", "ledger"),
    scale=NANO,
)
BUDGET_PERIOD_START: Final = Family(
    "cost_budget_period_start_timestamp_seconds",
    "gauge",
    "Start of a budget's period, in seconds since 1970.",
    ("budget", "window", "period"),
)
BUDGET_PERIOD_END: Final = Family(
    "cost_budget_period_end_timestamp_seconds",
    "gauge",
    "End of a budget's period, in seconds since 1970.",
    ("budget", "window", "period"),
)

BUDGET_LIMIT: Final = Family(
    "cost_budget_limit_usd",
    "gauge",
    "Limit in force (soft or hard) of a budget's open period, what it inherited included, in US "
    "dollars.",
    ("budget", "window", "limit"),
    scale=NANO,
)
BUDGET_ROLLOVER: Final = Family(
    "cost_budget_rollover_usd",
    "gauge",
    "What a budget's open period inherited, in US dollars; its limits include it.",
    ("budget", "window"),
    scale=NANO,
)
BUDGET_THRESHOLD: Final = Family(
    "cost_budget_threshold_ratio",
    "gauge",
    "Share of a budget's soft limit at which to tell someone.",
    ("budget", "window", "threshold", "severity"),
)
BUDGET_INFO: Final = Family(
    "cost_budget_info",
    "gauge",
    "What else is known of a budget; always 1.",
    ("budget", "owner", "policy", "timezone"),
)

# -- The gate -----------------------------------------------------------------------------------

GATE_CHECKS: Final = Family(
    "cost_gate_checks_total",
    "counter",
    "Checks whether something may be spent, by the budget that decided and by outcome.",
    ("budget", "outcome"),
)
GATE_RESERVED: Final = Family(
    "cost_gate_reserved_usd",
    "gauge",
    "Money of a budget set aside for calls under way, in US dollars.",
    ("budget",),
    scale=NANO,
)
BUDGET_EMERGENCY: Final = Family(
    "cost_budget_emergency",
    "gauge",
    "1 where a budget is in emergency mode: put there, or by the share of it that is used.",
    ("budget",),
)

GATE_ELSEWHERE_AGE: Final = Family(
    "cost_gate_elsewhere_age_seconds",
    "gauge",
    "Age of what is known of the spend of other exporters; absent where there is no need to know, "
    "or nothing is known.",
)
GATE_ELSEWHERE_UNSEEN: Final = Family(
    "cost_gate_elsewhere_unseen_usd",
    "gauge",
    "What other exporters may have spent of a budget without being seen, at their rate, in US "
    "dollars.",
    ("budget",),
    scale=NANO,
)

# -- Resources --------------------------------------------------------------------------------

CPU_USAGE: Final = Family(
    "cost_cpu_usage_cores", "gauge", "CPU in use now, in cores.", ("resource",)
)
MEMORY_USAGE: Final = Family(
    "cost_memory_usage_bytes", "gauge", "Memory in use now, in bytes.", ("resource",)
)
CPU_LIMIT: Final = Family(
    "cost_cpu_limit_cores",
    "gauge",
    "CPU set aside, as configured or as the cgroup's limit has it, in cores; absent without one.",
    ("resource",),
)
MEMORY_LIMIT: Final = Family(
    "cost_memory_limit_bytes",
    "gauge",
    "Memory set aside, as configured or as the cgroup's limit has it, in bytes; absent without.",
    ("resource",),
)
CPU_PRICE: Final = Family(
    "cost_cpu_core_hour_price_usd",
    "gauge",
    "Price of one core for one hour, in US dollars.",
    ("resource",),
    scale=NANO,
)
MEMORY_PRICE: Final = Family(
    "cost_memory_gib_hour_price_usd",
    "gauge",
    "Price of one GiB of memory for one hour, in US dollars.",
    ("resource",),
    scale=NANO,
)
RESOURCE_UP: Final = Family(
    "cost_resource_up",
    "gauge",
    "1 where the watched process or container could be read at the last sample, 0 where not.",
    ("resource",),
)

# -- Prices and alert settings as metrics, for rules to join with --------------------------------

TOKEN_PRICE: Final = Family(
    "cost_token_price_usd",
    "gauge",
    "Price of one token in force now at the base tier, in US dollars, for models seen.",
    ("provider", "model", "type"),
)
SPIKE_MIN_EXCESS: Final = Family(
    "cost_spike_min_excess_usd",
    "gauge",
    "Spend of an hour beyond the usual, in US dollars, below which no spike is reported.",
    scale=NANO,
)

# -- About itself -------------------------------------------------------------------------------

BUILD_INFO: Final = Family(
    "cost_build_info", "gauge", "Version of costmeter; always 1.", ("version", "python")
)
LEDGER_INFO: Final = Family(
    "cost_ledger_info",
    "gauge",
    "The ledger's id and schema version; always 1.",
    ("ledger", "schema"),
)
LEDGER_CREATED: Final = Family(
    "cost_ledger_created_timestamp_seconds",
    "gauge",
    "When the ledger was made, with nothing in it, in seconds since 1970.",
    ("ledger",),
)
LEDGER_SIZE: Final = Family("cost_ledger_size_bytes", "gauge", "Size of the ledger, in bytes.")
JOURNAL_LAG_SECONDS: Final = Family(
    "cost_journal_lag_seconds",
    "gauge",
    "Age of the oldest event not yet in the ledger, in seconds.",
)
JOURNAL_LAG_BYTES: Final = Family(
    "cost_journal_lag_bytes", "gauge", "Bytes in the journal not yet in the ledger."
)
JOURNAL_WRITERS: Final = Family(
    "cost_journal_writers", "gauge", "Processes that hold a journal segment open."
)
CATALOGUE_INFO: Final = Family(
    "cost_price_catalogue_info",
    "gauge",
    "The price catalogue in use; always 1.",
    ("version", "origin"),
)
CATALOGUE_TIMESTAMP: Final = Family(
    "cost_price_catalogue_timestamp_seconds",
    "gauge",
    "When the prices in use were last confirmed, in seconds since 1970.",
)
CATALOGUE_REFRESHES: Final = Family(
    "cost_price_catalogue_refreshes_total", "counter", "Attempts to refresh prices.", ("outcome",)
)
COLLECTOR_DURATION: Final = Family(
    "cost_collector_duration_seconds", "gauge", "How long a collector took last.", ("collector",)
)
COLLECTOR_SUCCESS: Final = Family(
    "cost_collector_success", "gauge", "1 where a collector's last run succeeded.", ("collector",)
)
SCRAPES: Final = Family("cost_scrapes_total", "counter", "Scrapes of /metrics answered.")
SCRAPE_DURATION: Final = Family(
    "cost_scrape_duration_seconds", "gauge", "How long it took to draw /metrics last."
)
CONFIG_RELOAD_SUCCESS: Final = Family(
    "cost_config_last_reload_successful", "gauge", "1 where the last reload succeeded."
)
CONFIG_RELOAD_TIMESTAMP: Final = Family(
    "cost_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration was last loaded, in seconds since 1970.",
)
ALERTS_RECEIVED: Final = Family(
    "cost_alerts_received_total",
    "counter",
    "Alerts that Alertmanager told of, by what became of them: firing, resolved, repeated, "
    "truncated (left out of a notification), refused (whole notifications).",
    ("status", "severity"),
)

GAUGE_FAMILIES: Final = (
    BUDGET_SPEND, BUDGET_CREDIT, BUDGET_PERIOD_START, BUDGET_PERIOD_END,
    BUDGET_LIMIT, BUDGET_ROLLOVER, BUDGET_THRESHOLD, BUDGET_INFO,
    BUDGET_EMERGENCY, GATE_CHECKS, GATE_RESERVED, GATE_ELSEWHERE_AGE, GATE_ELSEWHERE_UNSEEN,
    CPU_USAGE, MEMORY_USAGE, CPU_LIMIT, MEMORY_LIMIT, CPU_PRICE, MEMORY_PRICE, RESOURCE_UP,
    TOKEN_PRICE, SPIKE_MIN_EXCESS,
    BUILD_INFO, LEDGER_INFO, LEDGER_CREATED, LEDGER_SIZE,
    JOURNAL_LAG_SECONDS, JOURNAL_LAG_BYTES, JOURNAL_WRITERS,
    CATALOGUE_INFO, CATALOGUE_TIMESTAMP, CATALOGUE_REFRESHES,
    COLLECTOR_DURATION, COLLECTOR_SUCCESS, SCRAPES, SCRAPE_DURATION,
    CONFIG_RELOAD_SUCCESS, CONFIG_RELOAD_TIMESTAMP, ALERTS_RECEIVED,
)  # fmt: skip
"""Families whose values the sidecar knows at scrape time, not the ledger."""

FAMILIES: Final = {family.name: family for family in (*LEDGER_FAMILIES, *GAUGE_FAMILIES)}
