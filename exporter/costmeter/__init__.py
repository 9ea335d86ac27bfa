"""costmeter tells what every AI request, model, feature and team costs, live and to the cent.

What an application uses is here, and imported when it is first asked for::

    import costmeter

    costmeter.instrument()


    @costmeter.track(feature="summarise", team="search")
    async def summarise(text: str) -> str: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costmeter import gate
    from costmeter.errors import BudgetExceededError
    from costmeter.instrumentation.asgi import ASGIMiddleware
    from costmeter.instrumentation.context import attribute
    from costmeter.instrumentation.instrument import instrument, uninstrument
    from costmeter.instrumentation.record import (
        record_api_call,
        record_llm,
        record_request,
        record_tokens,
    )
    from costmeter.instrumentation.threads import bind
    from costmeter.instrumentation.track import track
    from costmeter.instrumentation.wsgi import WSGIMiddleware
    from costmeter.sidecar.embedded import register, start_exporter

__version__ = "0.1.0"

__all__ = [
    "ASGIMiddleware",
    "BudgetExceededError",
    "WSGIMiddleware",
    "attribute",
    "bind",
    "gate",
    "instrument",
    "record_api_call",
    "record_llm",
    "record_request",
    "record_tokens",
    "register",
    "start_exporter",
    "track",
    "uninstrument",
]

_HOMES = {  # modules, relative to costmeter.instrumentation
    "ASGIMiddleware": "asgi",
    "BudgetExceededError": ".errors",
    "WSGIMiddleware": "wsgi",
    "attribute": "context",
    "bind": "threads",
    "instrument": "instrument",
    "record_api_call": "record",
    "record_llm": "record",
    "record_request": "record",
    "record_tokens": "record",
    "register": ".sidecar.embedded",
    "start_exporter": ".sidecar.embedded",
    "track": "track",
    "uninstrument": "instrument",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    from importlib import import_module  # noqa: PLC0415 - keeps 'import costmeter' light

    if name == "gate":
        return import_module("costmeter.gate")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'costmeter' has no attribute {name!r}")
    value = getattr(import_module(f".{home}", "costmeter.instrumentation"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
