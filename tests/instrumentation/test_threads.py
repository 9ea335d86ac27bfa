"""Attribution in threads, thread pools and other processes."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import inspect
import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

import costmeter
from costmeter.instrumentation.context import attribution, current
from costmeter.instrumentation.endpoint import Endpoint
from costmeter.instrumentation.threads import Threads
from tests.instrumentation.conftest import Client, Recorded

START, SUBMIT = threading.Thread.start, ThreadPoolExecutor.submit


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    threads.put()
    yield threads
    threads.take()
    assert threading.Thread.start is START
    assert ThreadPoolExecutor.submit is SUBMIT


def tell(answers: Any) -> None:
    """Say for whom it runs."""
    answers.put(current())


def in_thread(kind: type[threading.Thread] = threading.Thread) -> dict[str, str]:
    seen: list[dict[str, str]] = []
    thread = kind(target=lambda: seen.append(current()))
    thread.start()
    thread.join()
    return seen[0]


def test_instrument_carries_attribution_into_threads_and_uninstrument_ends_it(
    provider: Client, recorded: Recorded
):
    with costmeter.attribute(feature="a"), ThreadPoolExecutor(2) as pool:
        done = [pool.submit(provider.call) for _ in range(3)]
        thread = threading.Thread(target=provider.call)
        thread.start()
        thread.join()
    for future in done:
        assert future.result()
    assert [event.attributes for event in recorded()] == [{"feature": "a"}] * 4
    costmeter.uninstrument()
    with costmeter.attribute(feature="a"):
        assert in_thread() == {}
    assert threading.Thread.start is START


def test_an_application_may_keep_its_threads_as_they_are():
    costmeter.instrument(threads=False)
    assert threading.Thread.start is START
    costmeter.instrument()  # what was said stays
    assert threading.Thread.start is START
    costmeter.instrument(threads=True)
    assert threading.Thread.start is not START
    costmeter.uninstrument()
    assert threading.Thread.start is START


def test_a_thread_has_the_attribution_it_was_started_under(threads: Threads):
    assert in_thread() == {}
    with costmeter.attribute(feature="a"):
        assert in_thread() == {"feature": "a"}


def test_a_kind_of_thread_with_its_own_run_has_it_too(threads: Threads):
    seen: list[dict[str, str]] = []

    class Own(threading.Thread):
        def run(self) -> None:
            seen.append(current())

    with costmeter.attribute(feature="a"):
        own = Own()
        own.start()
        own.join()
        timer = threading.Timer(0, lambda: seen.append(current()))
        timer.start()
        timer.join()
    assert seen == [{"feature": "a"}] * 2
    assert "run" not in vars(own)


def test_a_thread_that_cannot_be_started_fails_as_ever(threads: Threads):
    with costmeter.attribute(feature="a"):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert "run" not in vars(thread)


def test_the_threads_of_a_pool_belong_to_nobody(threads: Threads):
    with ThreadPoolExecutor(1) as pool:
        with costmeter.attribute(feature="a"):
            assert pool.submit(current).result() == {"feature": "a"}
        assert pool.submit(current).result() == {}
        with costmeter.attribute(feature="b"):
            assert list(pool.map(lambda _: current(), range(2))) == [{"feature": "b"}] * 2


async def test_an_event_loop_s_executor_has_it_too(threads: Threads):
    with costmeter.attribute(feature="a"):
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, current) == {"feature": "a"}
        assert await asyncio.to_thread(current) == {"feature": "a"}
    assert await loop.run_in_executor(None, current) == {}


def test_nothing_but_the_attribution_is_carried(threads: Threads):
    variable = contextvars.ContextVar("other", default="none")
    with decimal.localcontext(prec=5), costmeter.attribute(feature="a"):
        variable.set("set")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(variable.get).result() == "none"
            assert pool.submit(lambda: decimal.getcontext().prec).result() != 5


def test_a_thread_started_in_an_empty_context_begins_with_nothing(threads: Threads):
    with costmeter.attribute(feature="a"):
        assert contextvars.Context().run(in_thread) == {}


def test_an_error_of_a_task_is_the_task_s(threads: Threads):
    with costmeter.attribute(feature="a"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
        pool.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            pool.submit(int)


def test_the_signatures_stay(threads: Threads):
    assert inspect.signature(threading.Thread.start) == inspect.signature(START)
    assert inspect.signature(ThreadPoolExecutor.submit) == inspect.signature(SUBMIT)


def test_a_wrapper_put_on_top_is_left_and_passes_everything_on(monkeypatch: pytest.MonkeyPatch):
    threads = Threads()
    threads.put()
    ours = threading.Thread.start

    def theirs(thread: threading.Thread) -> None:
        ours(thread)

    monkeypatch.setattr(threading.Thread, "start", theirs)
    threads.take()
    with costmeter.attribute(feature="a"):
        assert in_thread() == {}
    monkeypatch.undo()
    threading.Thread.start = START  # type: ignore[method-assign]


def test_a_bound_function_runs_for_whom_it_was_bound():
    with costmeter.attribute(feature="a"):
        bound = costmeter.bind(current)
    with costmeter.attribute(feature="b"):
        assert bound() == {"feature": "a"}
        assert current() == {"feature": "b"}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_bound_function_goes_to_another_process(method: str):
    with costmeter.attribute(feature="a", tenant="acme"):
        bound = costmeter.bind(current)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(bound).result() == {"feature": "a", "tenant": "acme"}


@pytest.mark.parametrize(
    ("method", "told"), [("fork", {"feature": "a"}), ("spawn", {}), ("forkserver", {})]
)
def test_a_process_is_attributed_by_itself_only_where_it_is_forked(
    method: str, told: dict[str, str]
):
    context: Any = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    with costmeter.attribute(feature="a"):
        process = context.Process(target=tell, args=(answers,))
        process.start()
    assert answers.get() == told
    process.join()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_with_a_bound_target_is_attributed_as_who_starts_it(method: str):
    context: Any = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    with costmeter.attribute(feature="a"):
        process = context.Process(target=costmeter.bind(tell), args=(answers,))
        process.start()
    assert answers.get() == {"feature": "a"}
    process.join()


def test_a_bound_function_of_a_request_takes_its_endpoint_along():
    with costmeter.attribute(team="t"):
        request = Endpoint(lambda: "/u/{u}").attribution()
    context = contextvars.copy_context()
    context.run(attribution.set, request)
    bound = context.run(costmeter.bind, current)
    assert bound() == {"endpoint": "/u/{u}", "team": "t"}
    assert pickle.loads(pickle.dumps(bound))() == {"endpoint": "/u/{u}", "team": "t"}
