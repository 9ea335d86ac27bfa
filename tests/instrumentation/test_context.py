"""Whom usage is attributed to, through blocks, threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import costmeter
from costmeter.instrumentation.context import OUTERMOST, attribution, current


def encoded() -> dict[str, str]:
    return json.loads(bytes(attribution.get().encoded))


def test_attributes_hold_for_a_block_and_an_inner_one_wins():
    assert current() == {}
    with costmeter.attribute(feature="search", team="core"):
        with costmeter.attribute(feature="rank", tenant="acme"):
            assert current() == {"feature": "rank", "team": "core", "tenant": "acme"}
            assert encoded() == current()
        assert current() == {"feature": "search", "team": "core"}
    assert current() == {}


def test_they_are_encoded_once_for_each_way_in(monkeypatch):
    with costmeter.attribute(feature="a"):
        first = attribution.get()
    with costmeter.attribute(feature="a"):
        assert attribution.get() is first


def test_an_error_in_the_block_ends_the_attribution():
    with pytest.raises(LookupError), costmeter.attribute(feature="a"):
        raise LookupError
    assert current() == {}


async def test_a_block_may_be_asynchronous():
    async with costmeter.attribute(feature="a"):
        assert current() == {"feature": "a"}
    assert current() == {}


def test_a_block_may_be_used_again_and_within_itself():
    block = costmeter.attribute(feature="a")
    for _ in range(2):
        with block, costmeter.attribute(team="t"), block:
            assert current() == {"feature": "a", "team": "t"}
            with block:
                pass
            assert current() == {"feature": "a", "team": "t"}
        assert current() == {}


def test_threads_share_a_block_and_not_its_state():
    block = costmeter.attribute(feature="a")
    entered, left = threading.Event(), threading.Event()

    def other() -> dict[str, str]:
        with block:
            entered.set()
            left.wait()
            return current()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(other)
        entered.wait()
        assert current() == {}  # the other thread's block is its own
        with block:
            pass
        left.set()
        assert future.result() == {"feature": "a"}


async def test_tasks_inherit_attributes_and_keep_their_own():
    together = asyncio.Barrier(3)

    async def task(feature: str) -> dict[str, str]:
        with costmeter.attribute(feature=feature):
            await together.wait()
            return current()

    with costmeter.attribute(team="core"):
        found = await asyncio.gather(*(task(name) for name in "abc"))
        assert current() == {"team": "core"}
    assert found == [{"team": "core", "feature": name} for name in "abc"]


async def test_threads_started_by_asyncio_inherit_attributes():
    with costmeter.attribute(team="core"):
        assert await asyncio.to_thread(current) == {"team": "core"}


def test_a_block_left_in_another_context_changes_nothing_there():
    """As when the garbage collector closes a generator."""
    block = costmeter.attribute(feature="a")
    contextvars.copy_context().run(block.__enter__)
    with costmeter.attribute(team="core"):
        block.__exit__(None, None, None)
        assert current() == {"team": "core"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (True, "True"),
        ("", ""),
        ("x" * 300, "x" * 256),
        ("half \ud800 a pair", "half ? a pair"),
        (b"raw", "b'raw'"),
    ],
)
def test_values_become_text_within_the_limit(value, text):
    with costmeter.attribute(tenant=value):
        assert current() == {"tenant": text}
        assert encoded() == {"tenant": text}


def test_none_leaves_a_name_out():
    with costmeter.attribute(feature="a"), costmeter.attribute(feature=None, team="t"):
        assert current() == {"feature": "a", "team": "t"}


def test_names_are_cut_to_the_limit():
    with costmeter.attribute(**{"n" * 200: "v", "\ud800": "v"}):
        assert current() == {"n" * 128: "v", "?": "v"}


def test_a_value_that_cannot_be_text_is_left_out_and_counted(recorded):
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no")

    with costmeter.attribute(tenant=Silent(), team="t"):
        assert current() == {"team": "t"}
    assert recorded.errors() == 1


def test_more_attributes_than_an_event_may_have_are_left_out_and_counted(recorded, caplog):
    thirty = {f"a{number}": number for number in range(30)}
    with costmeter.attribute(**thirty), costmeter.attribute(b0=0, b1=1, b2=2):
        assert set(current()) == {*thirty, "b0", "b1"}
        with costmeter.attribute(a0="new"):
            assert current()["a0"] == "new"
    assert "'b2'" in caplog.records[0].message
    assert recorded.errors() == 1


def test_ever_new_values_do_not_fill_the_memory():
    for number in range(10_000):
        with costmeter.attribute(tenant=number):
            pass
    assert len(OUTERMOST._inner) <= 128
