"""The exporter inside an application: for one process that has no sidecar beside it.

Nothing is imported before it is asked for: an application without the packages that the exporter
needs goes on importing costmeter.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from costmeter.sidecar.engine import Handle


def start_exporter(
    port: int = 9464,
    *,
    host: str = "127.0.0.1",
    config: str | os.PathLike[str] | None = None,
) -> Handle:
    """Run the exporter in the background of this process, and serve ``/metrics``.

    Of all processes that share a ledger the first serves; the others write the journal, and one of
    them takes over when it ends. So does no forked child by itself. Where anything is wrong (the
    configuration, the port, the ledger), it is logged once and tried again; the application goes
    on. It ends with the process: what the journal holds by then is in the ledger.

    Args:
        port: to listen on; 0 takes a free one.
        host: to listen on.
        config: ``costmeter.yml``; by default that of ``COSTMETER_CONFIG``, or none. The variables
            ``COSTMETER_JOURNAL``, ``COSTMETER_LEDGER`` and ``COSTMETER_WEB_CONFIG_FILE`` hold, too.

    Returns:
        A handle with ``stop()``. The same again for the same ledger and address.

    Raises:
        ImportError: ``costmeter[exporter]`` is not installed.
    """
    try:
        from costmeter.sidecar import http_outlet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _not_installed("start_exporter", "exporter", error) from error
    return http_outlet.serve(host, port, config)


def register(
    registry: CollectorRegistry | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
) -> Handle:
    """Add costmeter's families to a registry of prometheus_client, for an own ``/metrics``.

    The exporter runs in the background as with :func:`start_exporter`, but for its server. A
    process that does not have the ledger adds nothing to its registry.

    Args:
        registry: prometheus_client's ``REGISTRY`` where none is given.
        config: as for :func:`start_exporter`.

    Returns:
        A handle with ``stop()``. The same again for the same ledger and registry.

    Raises:
        ImportError: ``costmeter[exporter,prometheus]`` is not installed.
    """
    try:
        from costmeter.sidecar import registry_outlet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _not_installed("register", "exporter,prometheus", error) from error
    return registry_outlet.register(registry, config)


def _not_installed(function: str, extras: str, error: ModuleNotFoundError) -> ImportError:
    return ImportError(
        f"costmeter.{function}() needs more packages ({error}): pip install 'costmeter[{extras}]'",
        name=error.name,
    )
