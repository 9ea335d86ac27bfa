"""``costmeter.instrument()``: meters the SDKs that the application uses, and stops it again."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from costmeter.errors import ConfigError
from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients import ALIASES, CLIENTS, Patch, Settings, client_of
from costmeter.instrumentation.clients import call as calls
from costmeter.instrumentation.clients.providers import Providers, overrides_from_environment
from costmeter.instrumentation.on_import import OnImport
from costmeter.instrumentation.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

_log = logging.getLogger("costmeter")
_lock = threading.RLock()
_on_import = OnImport()
_metered: dict[str, Sequence[Patch]] = {}
_settings = Settings()
_threads = Threads()


def instrument(
    *sdks: str,
    providers: Mapping[str, str] | None = None,
    stream_usage: bool | None = None,
    threads: bool | None = None,
    gate: bool | None = None,
) -> None:
    """Meter every call that the application makes through its providers' SDKs.

    No SDK is imported for it: one that the application imports later is metered from then on, and
    clients that exist already are metered too. To call it again is harmless, and changes the
    settings that are given. With ``COSTMETER_DISABLED=1`` in the environment nothing happens.

    Args:
        sdks: names of the SDKs to meter, as they are imported (``"openai"``, ``"boto3"``); all that
            are known where none is given.
        providers: provider by address, for servers that stand in for a provider, or that nothing
            is known of: ``{"http://127.0.0.1:8001": "openai"}``. An address is a host, a host and
            port, or the beginning of a URL. It wins over ``COSTMETER_PROVIDERS`` in the
            environment (``address=provider,address=provider``). A server that is named in neither
            and not known counts under its host.
        stream_usage: whether to ask for the usage of a stream where the application does not
            (``stream_options.include_usage`` of chat completions); the chunk that answers is kept
            from the application. True unless said otherwise; without it, such streams are counted
            but not their tokens, unless ``costmeter[tokens]`` is installed.
        threads: whether threads and tasks of a ``ThreadPoolExecutor`` are attributed as the code
            that starts them. True unless said otherwise; without it, see :func:`costmeter.bind`.
        gate: whether each call asks the gate before its request leaves, and is refused with a
            :class:`costmeter.BudgetExceededError` where a budget does not allow it. Unless said,
            it does where ``COSTMETER_GATE`` in the environment is set and is not ``off``.

    Raises:
        ConfigError: an SDK is not one of those that can be metered, or an address is none.
    """
    chosen = [ALIASES.get(sdk, sdk) for sdk in sdks]
    if unknown := [sdk for sdk in chosen if sdk not in CLIENTS]:
        allowed = ", ".join(sorted({*CLIENTS, *ALIASES} - {*ALIASES.values()}))
        raise ConfigError("instrument()", [f"{sdk!r} is not one of: {allowed}" for sdk in unknown])
    if os.environ.get("COSTMETER_DISABLED", "") not in ("", "0"):
        return
    with _lock:
        if stream_usage is not None:
            _settings.stream_usage = stream_usage
        if threads is not None:
            _threads.wanted = threads
        _threads.apply()
        _gate(wanted=gate)
        if providers is not None or not (_metered or _on_import.waiting):
            overrides, problems = overrides_from_environment()
            for problem in problems:
                _log.warning("costmeter: %s", problem)
            _settings.providers = Providers({**overrides, **(providers or {})})
        for sdk in chosen or CLIENTS:
            if sdk in _metered:
                continue
            if (module := sys.modules.get(sdk)) is not None:
                _meter_or_leave(sdk, module)
            else:
                _on_import.wait(sdk, functools.partial(_meter_or_leave, sdk))


def uninstrument(*sdks: str) -> None:
    """Stop metering: the SDKs get back the very methods they had. All of them where none is given.

    Calls that are under way are still recorded.
    """
    with _lock:
        if not sdks:
            _threads.take()
            _gate(wanted=False)
        for sdk in [ALIASES.get(sdk, sdk) for sdk in sdks] or CLIENTS:
            _on_import.forget(sdk)
            for patch in _metered.pop(sdk, ()):
                patch.take()


def _gate(*, wanted: bool | None) -> None:
    """Have calls ask the gate, or not; None leaves it as it is, or to the environment at first."""
    if wanted is None:
        named = os.environ.get("COSTMETER_GATE", "").strip() not in {"", "0", "off"}
        wanted = named or calls.gate is not None
    if wanted and calls.gate is None:
        from costmeter.instrumentation.gate_automatic import Gated  # noqa: PLC0415 - only where used

        calls.gate = Gated()
    elif not wanted:
        calls.gate = None


def _meter_or_leave(sdk: str, module: ModuleType) -> None:
    """Meter an imported SDK, or leave it alone where it is not made as it was."""
    boundary.attempt(_meter, sdk, module, default=None)


def _meter(sdk: str, module: ModuleType) -> None:
    try:
        patches = client_of(sdk).meter(module, _settings)
    except (LookupError, AttributeError) as error:
        version = getattr(module, "__version__", "of unknown version")
        _log.warning("costmeter does not meter %s %s: %s", sdk, version, error)
        return
    _metered[sdk] = patches  # first: what is put in must be taken out, whatever the next one does
    for patch in patches:
        patch.put()
