"""The decorator, on everything that can be called."""

from __future__ import annotations

import functools
import gc
import inspect

import pytest

import costmeter
from costmeter.instrumentation.context import current


def test_a_function_is_tracked_and_returns_as_before():
    @costmeter.track(feature="f", team="t", endpoint="/e", task=7)
    def work(a: int, *, b: int = 2) -> tuple[int, int, dict[str, str]]:
        """Do it."""
        return a, b, current()

    assert work(1, b=3) == (1, 3, {"feature": "f", "team": "t", "endpoint": "/e", "task": "7"})
    assert current() == {}
    assert (work.__name__, work.__doc__) == ("work", "Do it.")
    assert list(inspect.signature(work).parameters) == ["a", "b"]


def test_an_inner_function_wins_over_an_outer_one():
    @costmeter.track(feature="inner")
    def inner() -> dict[str, str]:
        return current()

    @costmeter.track(feature="outer", team="t")
    def outer() -> list[dict[str, str]]:
        return [current(), inner(), current()]

    here = {"feature": "outer", "team": "t"}
    assert outer() == [here, {"feature": "inner", "team": "t"}, here]


def test_recursion_is_tracked():
    @costmeter.track(feature="f")
    def down(depth: int) -> int:
        assert current() == {"feature": "f"}
        return depth if depth == 0 else down(depth - 1)

    assert down(100) == 0
    assert current() == {}


def test_an_error_passes_and_ends_the_attribution():
    @costmeter.track(feature="f")
    def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fail()
    assert current() == {}


async def test_a_coroutine_is_tracked_while_it_runs():
    @costmeter.track(feature="f")
    async def work(value: int) -> tuple[int, dict[str, str]]:
        return value, current()

    assert inspect.iscoroutinefunction(work)
    coroutine = work(5)
    assert current() == {}
    assert await coroutine == (5, {"feature": "f"})
    assert current() == {}


def test_a_generator_is_tracked_while_it_runs_and_its_caller_is_not():
    @costmeter.track(feature="f")
    def count() -> object:
        for number in range(3):
            received = yield number, current()
            assert received is None
        return "done"

    assert inspect.isgeneratorfunction(count)
    seen = []
    with costmeter.attribute(team="t"):
        for number, inside in count():
            seen.append(number)
            assert inside == {"team": "t", "feature": "f"}
            assert current() == {"team": "t"}
    assert seen == [0, 1, 2]


def test_a_generator_receives_errors_and_returns_through_the_decorator():
    @costmeter.track(feature="f")
    def talk() -> object:
        heard = []
        try:
            while len(heard) < 2:
                try:
                    heard.append((yield len(heard)))
                except LookupError:
                    heard.append("error")
            return heard
        finally:
            assert current() == {"feature": "f"}

    generator = talk()
    assert next(generator) == 0
    assert generator.send("hello") == 1
    with pytest.raises(StopIteration) as stop:
        generator.throw(LookupError)
    assert stop.value.value == ["hello", "error"]

    def outer() -> object:
        return (yield from talk())

    delegating = outer()
    next(delegating)
    delegating.send(1)
    with pytest.raises(StopIteration) as stop:
        delegating.send(2)
    assert stop.value.value == [1, 2]


def test_an_error_of_a_generator_reaches_the_caller():
    @costmeter.track(feature="f")
    def fail() -> object:
        yield 1
        raise LookupError("mine")

    generator = fail()
    next(generator)
    with pytest.raises(LookupError, match="mine"):
        next(generator)
    assert current() == {}


def test_a_generator_that_is_closed_cleans_up_under_its_attribution():
    cleaned = []

    @costmeter.track(feature="f")
    def count() -> object:
        try:
            yield 1
        finally:
            cleaned.append(current())

    generator = count()
    next(generator)
    generator.close()
    abandoned = count()
    next(abandoned)
    del abandoned
    gc.collect()
    assert cleaned == [{"feature": "f"}] * 2
    assert current() == {}


def test_a_block_inside_a_generator_stays_inside_across_its_steps():
    @costmeter.track(feature="f")
    def steps() -> object:
        with costmeter.attribute(task="x"):
            yield current()
            yield current()
        yield current()

    seen = []
    for inside in steps():
        seen.append(inside)
        assert current() == {}
    assert seen == [{"feature": "f", "task": "x"}] * 2 + [{"feature": "f"}]


def test_generators_may_take_turns():
    @costmeter.track(feature="a")
    def one() -> object:
        while True:
            yield current()

    @costmeter.track(feature="b")
    def other() -> object:
        while True:
            yield current()

    first, second = one(), other()
    for _ in range(3):
        assert next(first) == {"feature": "a"}
        assert next(second) == {"feature": "b"}
        assert current() == {}


async def test_an_asynchronous_generator_is_tracked_while_it_runs_and_its_caller_is_not():
    @costmeter.track(feature="f")
    async def count() -> object:
        for number in range(3):
            yield number, current()

    assert inspect.isasyncgenfunction(count)
    seen = []
    async for number, inside in count():
        seen.append(number)
        assert inside == {"feature": "f"}
        assert current() == {}
    assert seen == [0, 1, 2]


async def test_an_asynchronous_generator_receives_values_and_errors_and_is_closed():
    closed = []

    @costmeter.track(feature="f")
    async def talk() -> object:
        heard: list[object] = []
        try:
            while True:
                try:
                    heard.append((yield list(heard)))
                except LookupError:
                    heard.append("error")
        finally:
            closed.append(current())

    generator = talk()
    assert await generator.asend(None) == []
    assert await generator.asend("hello") == ["hello"]
    assert await generator.athrow(LookupError) == ["hello", "error"]
    await generator.aclose()
    assert closed == [{"feature": "f"}]
    assert current() == {}


def test_methods_of_every_kind_are_tracked():
    class Service:
        @costmeter.track(feature="method")
        def method(self) -> dict[str, str]:
            return current()

        @costmeter.track(feature="class")
        @classmethod
        def of_class(cls) -> dict[str, str]:
            return current()

        @staticmethod
        @costmeter.track(feature="static")
        def static() -> dict[str, str]:
            return current()

        @costmeter.track(feature="static")
        @staticmethod
        async def other_static() -> dict[str, str]:
            return current()

    assert Service().method() == {"feature": "method"}
    assert Service.of_class() == {"feature": "class"}
    assert Service.static() == {"feature": "static"}
    assert inspect.iscoroutinefunction(Service.other_static)


async def test_a_partial_of_a_coroutine_function_is_one():
    async def work(value: int) -> dict[str, str]:
        return current()

    tracked = costmeter.track(feature="f")(functools.partial(work, 1))
    assert await tracked() == {"feature": "f"}
