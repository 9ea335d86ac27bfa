from __future__ import annotations

import pytest

from costmeter.sidecar import taken
from costmeter.sidecar.taken import Taken

SECOND = 10**9


def test_a_name_is_taken_for_an_hour() -> None:
    names = Taken({})
    assert names.take(["a"], 0) == {"event:a": 0}
    names.take(["b"], 1)

    assert ("a" in names, "c" in names) == (True, False)
    assert names.forget(3600 * SECOND) == []
    assert names.forget(3600 * SECOND + 1) == ["event:a"]
    assert ("a" in names, "b" in names) == (False, True)


def test_a_name_that_is_taken_again_stays_for_longer() -> None:
    names = Taken({})
    names.take(["a"], 0)
    names.take(["a"], 10 * SECOND)

    assert names.forget(3605 * SECOND) == []


def test_names_come_back_from_the_ledger_oldest_first() -> None:
    names = Taken({"event:young": 9 * SECOND, "http:worker": 5, "event:old": SECOND})

    assert "worker" not in names
    assert names.forget(3602 * SECOND) == ["event:old"]
    assert "young" in names


def test_of_too_many_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken, "MAX_NAMES", 2)
    names = Taken({})
    names.take(["a", "b", "c"], 0)

    assert names.forget(0) == ["event:a"]
