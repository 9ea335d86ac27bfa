"""The exporter's families in a registry of prometheus_client."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from costmeter.errors import ConfigError
from costmeter.names import FAMILIES
from costmeter.sidecar.engine import Handle, attach
from costmeter.sidecar.exporter import Exporter

log = logging.getLogger("costmeter")


class RegistryOutlet(Collector):
    """Yields what ``/metrics`` of the exporter would show: it is read from that very text.

    So a new series is 0 here first, too. It has been seen once all of it was collected, which is as
    much as a registry can know of its scrapers.

    Attributes:
        url: empty: the application knows where it shows its registry.
    """

    url = ""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Take the registry; it is entered once there is something to show."""
        self._registry = registry
        self._exporter: Exporter | None = None
        self._registered = False
        self._told = False

    def open(self, exporter: Exporter) -> None:
        """Show an exporter's metrics.

        Raises:
            ConfigError: the registry has one of the families already.
        """
        if not self._registered:
            try:
                self._registry.register(self)
            except ValueError as error:
                raise ConfigError("register()", [str(error)]) from error
            self._registered = True
        self._exporter = exporter

    def close(self) -> None:
        """Leave the registry."""
        self._exporter = None
        if self._registered:
            self._registered = False
            self._registry.unregister(self)

    def abandon(self) -> None:
        """Show nothing: the parent does."""
        self._exporter = None

    def describe(self) -> list[Metric]:
        """Return the families without samples, by which a registry tells doubles."""
        return [
            Metric(family.name.removesuffix("_total"), family.help, family.kind)
            for family in FAMILIES.values()
        ]

    def collect(self) -> Iterator[Metric]:
        """Yield the families as they are now; none where that fails."""
        exporter = self._exporter
        if exporter is None:
            return
        began_ns = time.monotonic_ns()
        try:
            text = b"".join(exporter.exposition.draw(False, exporter.gauges())).decode()
            families = list(text_string_to_metric_families(text))
        except Exception:  # the application's own metrics must not go with ours
            if not self._told:
                self._told = True
                log.exception("costmeter's metrics are missing; this is said once")
            return
        yield from families
        exporter.scraped(began_ns)


def register(registry: CollectorRegistry | None, config: str | os.PathLike[str] | None) -> Handle:
    """Enter a registry; see :func:`costmeter.register`."""
    target = REGISTRY if registry is None else registry
    return attach(target, lambda _: RegistryOutlet(target), config)
