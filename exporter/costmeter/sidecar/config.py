"""``costmeter.yml``: its shape, and reading it with every problem told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from costmeter.budgets import schema as budgets_schema
from costmeter.budgets.schema import BudgetConfig
from costmeter.errors import ConfigError, JournalError
from costmeter.journal.process import gate_socket
from costmeter.ledger.labels import label_caps
from costmeter.names import DIMENSIONS
from costmeter.pricing.schema import PricesConfig
from costmeter.schema import Duration, Lasting, Section, Zone
from costmeter.sidecar.rights import AccessConfig
from costmeter.units import NANO
from costmeter.workloads.schema import ResourceConfig

_RESERVED_LABELS: Final = frozenset(
    {"component", "type", "status", "reason", "le", "quantile", "ledger", "budget", "window",
     "period", "job", "instance"}
)  # fmt: skip
"""Labels that families of ours or Prometheus itself set."""
MAX_BUDGETS: Final = 1000
_SHOWN_CHARACTERS: Final = 60
"""A wrong value is shown with its problem up to this length; a whole section is not."""


def _split_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) <= 65_535):
        raise ValueError("an address is written host:port, such as 127.0.0.1:9464 or [::1]:9464")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


Address = Annotated[str, AfterValidator(_split_address)]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=64)]


class LabelConfig(Section):
    """A label of the metrics: how many of its values are told apart, the rest being ``other``."""

    max_values: Annotated[int, Field(ge=1, le=100_000)] = 100


class EventsConfig(Section):
    """Single events in the ledger: whether priced ones are kept, and for how long."""

    keep: bool = True
    retention: Lasting = timedelta(days=90)

    @property
    def retention_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.retention.total_seconds() * NANO)


class IntakeConfig(Section):
    """Limits of ``POST /v1/events`` and ``/v1/traces``.

    Bytes of a body (of traces, whose spans may carry prompts), events of a batch, requests a second
    of one address.
    """

    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 28)] = 1 << 20
    max_traces_body_bytes: Annotated[int, Field(ge=1024, le=1 << 28)] = 1 << 23
    max_events: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    requests_per_second: Annotated[float, Field(gt=0)] = 20
    burst: Annotated[int, Field(ge=1)] = 40


def _http(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL begins with http:// or https:// and a host")
    return value


class PrometheusConfig(Section):
    """Prometheus, or what answers its queries, for budgets that several exporters share.

    Attributes:
        url: its address, with a path where it has one, and user and password where it wants them.
        poll_interval: how often it is asked.
        max_age: how old what it knows of the other exporters may be.
    """

    url: Annotated[str, AfterValidator(_http)]
    poll_interval: Lasting = timedelta(seconds=15)
    max_age: Lasting = timedelta(minutes=5)

    @field_validator("max_age")
    @classmethod
    def _outlasts_a_poll(cls, max_age: timedelta, info: ValidationInfo) -> timedelta:
        poll_interval = info.data.get("poll_interval")
        if poll_interval is not None and max_age <= poll_interval:
            raise ValueError(f"is not longer than poll_interval, {poll_interval}")
        return max_age


class GateConfig(Section):
    """The gate, which applications ask before they spend.

    Attributes:
        socket: the Unix socket that it listens on; by default ``gate.sock`` in each journal.
        reservation_ttl: how long money stays set aside for a call that nothing is heard of.
        assumed_output_tokens: tokens of an answer whose request sets no maximum.
    """

    socket: Path | None = None
    reservation_ttl: Lasting = timedelta(minutes=10)
    assumed_output_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 1024


class AlertsConfig(Section):
    """What static alert rules join with, and what follows of alerts.

    Attributes:
        spike_min_excess_usd: spend of an hour beyond the usual below which no spike is told.
        emergency: alerts, by name, that put the budget of their label in emergency.
    """

    spike_min_excess_usd: Annotated[Decimal, Field(ge=0, le=10**9)] = Decimal(1)
    emergency: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()


class Config(Section):
    """The whole configuration of the exporter.

    Attributes:
        journal: directories that applications write their usage to.
        ledger: the database file.
        listen: address of the HTTP server.
        timezone: zone of the days, weeks and months of reports and of budgets that name none.
        scrape_interval: how often Prometheus scrapes; a new series stays 0 for as long.
        drain_timeout: how long a stopping exporter waits for its last scrape, at most.
        labels: labels beside the built-in ones, and changed caps of those.
        budgets: what may be spent.
        access: who may do what over HTTP.
    """

    journal: Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        Path("/var/lib/costmeter/journal"),
    )
    ledger: Path = Path("/var/lib/costmeter/ledger.db")
    listen: Address = "127.0.0.1:9464"
    timezone: Zone = ZoneInfo("UTC")
    scrape_interval: Lasting = timedelta(seconds=15)
    drain_timeout: Duration = timedelta(seconds=45)
    labels: dict[LabelName, LabelConfig] = Field(default_factory=dict)
    events: EventsConfig = EventsConfig()
    prices: PricesConfig = PricesConfig()
    resources: tuple[ResourceConfig, ...] = ()
    budgets: Annotated[tuple[BudgetConfig, ...], Field(max_length=MAX_BUDGETS)] = ()
    intake: IntakeConfig = IntakeConfig()
    gate: GateConfig = GateConfig()
    prometheus: PrometheusConfig | None = None
    alerts: AlertsConfig = AlertsConfig()
    access: AccessConfig = AccessConfig()

    @field_validator("labels")
    @classmethod
    def _no_reserved_label(cls, labels: dict[str, LabelConfig]) -> dict[str, LabelConfig]:
        taken = sorted(_RESERVED_LABELS & labels.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)}: set by costmeter or Prometheus, choose another")
        return labels

    @field_validator("resources")
    @classmethod
    def _names_are_unique(cls, resources: tuple[ResourceConfig, ...]) -> tuple[ResourceConfig, ...]:
        names = Counter(resource.name for resource in resources)
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise ValueError(f"more than one resource is named {', '.join(twice)}")
        return resources

    @field_validator("budgets", mode="wrap")
    @classmethod
    def _budgets_agree(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> tuple[BudgetConfig, ...]:
        """Tell what is wrong between budgets together with what is wrong within them."""
        labels = info.data.get("labels")
        known = None if labels is None else label_caps(dict.fromkeys(labels, 0))
        found = list(budgets_schema.conflicts(value, known))
        budgets: tuple[BudgetConfig, ...] = ()
        try:
            budgets = handler(value)
        except ValidationError as error:
            found = [*budgets_schema.restated(error), *found]
        if found:
            raise ValidationError.from_exception_data("budgets", found)
        return budgets

    @property
    def label_caps(self) -> dict[str, int]:
        """How many values each label may have, in the order in which labels are drawn."""
        return label_caps({name: label.max_values for name, label in self.labels.items()})

    def make_journals(self) -> None:
        """Make the journals' directories where there are none.

        Raises:
            JournalError: one cannot be made.
        """
        for path in self.journal:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"journal {path}: cannot be made: {error.strerror}"
                raise JournalError(message) from error

    def fixed_to(self, changed: Config) -> Iterator[str]:
        """Yield what is other in a changed configuration and takes a restart."""
        for name in ("journal", "ledger", "listen", "timezone", "scrape_interval"):
            if getattr(changed, name) != getattr(self, name):
                yield f"{name}: a change needs a restart"
        if changed.gate_sockets != self.gate_sockets:
            yield "gate.socket: a change needs a restart"
        if changed.extra_labels != self.extra_labels:
            yield "labels: adding or removing a label needs a restart"

    @property
    def extra_labels(self) -> tuple[str, ...]:
        """The labels that the configuration adds to the built-in ones."""
        return tuple(name for name in self.labels if name not in DIMENSIONS)

    @property
    def gate_sockets(self) -> tuple[Path, ...]:
        """Where the gate listens."""
        return (self.gate.socket,) if self.gate.socket else tuple(map(gate_socket, self.journal))

    @property
    def kept_prices(self) -> PricesConfig:
        """The section ``prices``; fetched prices are kept beside the ledger where it names none."""
        kept = self.prices.cache_file or self.ledger.with_name("prices.json")
        return self.prices.model_copy(update={"cache_file": kept})


def load(path: Path | None, **overrides: object) -> Config:
    """Read a configuration.

    Args:
        path: the YAML file; None takes all defaults.
        overrides: values that go before the file's (command line, environment); None is no value.

    Raises:
        ConfigError: the file cannot be read or has problems: all of them, each with its path.
    """
    source = "costmeter.yml" if path is None else str(path)
    document = {} if path is None else read(path)
    document |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(source, problems(error)) from None


def problems(error: ValidationError) -> list[str]:
    """Return each problem of a failed validation as ``path: value is wrong because``."""
    found = []
    for problem in error.errors(include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        value = problem["input"]
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        elif not isinstance(value, dict | list | tuple):
            shown = str(value) if isinstance(value, Decimal | timedelta) else repr(value)
            if len(shown) <= _SHOWN_CHARACTERS:
                message = f"{shown}: {message}"
        found.append(f"{_path(problem['loc'])}: {message}")
    return found


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".") or "(top level)"


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, for which a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; an empty file is an empty one.

    Raises:
        ConfigError: it cannot be read, is no YAML, gives a key twice or is no mapping.
    """
    try:
        document = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 a SafeLoader
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"is no YAML: {error}"]) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise ConfigError(str(path), [f"(top level): a mapping is expected, not a {kind}"])
    return document
