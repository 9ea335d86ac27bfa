"""The decorator that attributes all usage of a function."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any, TypeVar, cast

from costmeter.instrumentation.context import Inside, attribute, attribution

_F = TypeVar("_F", bound=Callable[..., Any])


def track(**attributes: object) -> Callable[[_F], _F]:
    """Attribute the usage recorded in a function, and in all that it calls.

    ``@costmeter.track(feature="summarise", team="search")`` works on functions, coroutine
    functions, generators and asynchronous generators, and leaves signature and kind as they are. An
    inner attribution wins over an outer one. The attribution of a generator holds while the
    generator runs, not while its caller handles what it yielded.

    Args:
        **attributes: as for :func:`costmeter.attribute`.
    """
    scope = attribute(**attributes)

    def decorate(function: _F) -> _F:
        if isinstance(function, (staticmethod, classmethod)):
            return cast("_F", type(function)(decorate(function.__func__)))
        return cast("_F", _kind_of(function)(function, scope))

    return decorate


def _kind_of(function: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    if inspect.isasyncgenfunction(function):
        return _track_async_generator
    if inspect.isgeneratorfunction(function):
        return _track_generator
    if inspect.iscoroutinefunction(function):
        return _track_coroutine
    return _track_function


def _track_function(function: Callable[..., Any], scope: attribute) -> Callable[..., Any]:
    @wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        with scope:
            return function(*args, **kwargs)

    return tracked


def _track_coroutine(function: Callable[..., Any], scope: attribute) -> Callable[..., Any]:
    @wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        async with scope:
            return await function(*args, **kwargs)

    return tracked


def _inside(scope: attribute) -> Inside:
    with scope:
        return Inside(attribution.get())


def _track_generator(
    function: Callable[..., Generator[Any, Any, Any]], scope: attribute
) -> Callable[..., Generator[Any, Any, Any]]:
    @wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inside = _inside(scope)
        generator = function(*args, **kwargs)
        step: Callable[[Any], Any] = generator.send
        value: Any = None
        while True:
            try:
                with inside:
                    produced = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = generator.send, (yield produced)
            except GeneratorExit:
                with inside:
                    generator.close()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller: passed on
                step, value = generator.throw, error

    return tracked


def _track_async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], scope: attribute
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inside = _inside(scope)
        generator = function(*args, **kwargs)
        step: Callable[[Any], Any] = generator.asend
        value: Any = None
        while True:
            try:
                with inside:
                    produced = await step(value)
            except StopAsyncIteration:
                return
            try:
                step, value = generator.asend, (yield produced)
            except GeneratorExit:
                with inside:
                    await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller: passed on
                step, value = generator.athrow, error

    return tracked
