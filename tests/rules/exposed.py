"""A stand-in for the sidecar that exposes families of names.py with values set by a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from costmeter.names import Family

Values = dict[Family, dict[tuple[str, ...], float]]
"""For each family, values by the values of its labels."""


class Exposed(Collector):
    """What is on ``/metrics``; ``values`` may be changed at any time."""

    def __init__(self, values: Mapping[Family, Mapping[tuple[str, ...], float]]) -> None:
        """Take the first values."""
        self.values = {family: dict(samples) for family, samples in values.items()}

    def collect(self) -> Iterator[Metric]:
        """Return the families as prometheus_client draws them."""
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        for family, samples in self.values.items():
            name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
            metric = kinds[family.kind](name, family.help, labels=family.labels)
            for labels, value in samples.items():
                metric.add_metric(labels, value)
            yield metric

    @contextmanager
    def served(self) -> Iterator[int]:
        """Serve it on the port that the ``with`` is given."""
        registry = CollectorRegistry()
        registry.register(self)
        server, thread = start_http_server(0, "127.0.0.1", registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
