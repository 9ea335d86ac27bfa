"""What other threads have the pipeline's do."""

import pytest

from costmeter.sidecar.asked import Asked


def test_actions_are_done_in_order_and_each_gets_its_own_outcome() -> None:
    asked, order = Asked(), []
    first = asked.put(lambda: order.append("first") or 1)
    failed = asked.put(lambda: 1 // 0)
    last = asked.put(lambda: order.append("last") or 3)
    assert not first.done()
    asked.carry_out()
    assert (first.result(0), last.result(0), order) == (1, 3, ["first", "last"])
    with pytest.raises(ZeroDivisionError):
        failed.result(0)


def test_an_action_that_nobody_waits_for_any_more_is_not_done() -> None:
    asked, done = Asked(), []
    asked.put(lambda: done.append(1)).cancel()
    asked.carry_out()
    assert done == []


def test_what_waits_and_what_comes_later_can_be_turned_away() -> None:
    asked = Asked()
    waiting = asked.put(lambda: 1)
    asked.put(lambda: 2).cancel()
    asked.close(OSError("it ended"))
    for each in (waiting, asked.put(lambda: 3)):
        with pytest.raises(OSError, match="it ended"):
            each.result(0)
    asked.carry_out()
