"""Alertmanager's webhook, over a real pipeline."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.errors import LedgerError
from costmeter.ledger import alerts as kept
from costmeter.ledger import audit
from costmeter.sidecar import alerts
from costmeter.sidecar.alerts import parse
from costmeter.sidecar.batch import InvalidBatchError
from costmeter.sidecar.exporter import Exporter
from tests.sidecar.budgeting import Stack

SEARCH = {"name": "search", "match": {"team": "search"}, "month": {"soft_usd": "100"}}
HARD = "CostBudgetHardLimitExceeded"
FINGERPRINT = "a1b2c3d4e5f60718"
ZERO = "0001-01-01T00:00:00Z"
"""When an alert ends that fires, in Alertmanager's words."""


def alert(status: str = "firing", name: str = HARD, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    labels = {"alertname": name, "budget": "search", "window": "month", "severity": "critical"}
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "search is over its hard limit"},
        "startsAt": now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).isoformat(),
        "endsAt": ZERO if status == "firing" else now.isoformat(),
        "generatorURL": "http://prometheus/graph",
        "fingerprint": FINGERPRINT,
    } | changes


def notification(*told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "costmeter",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(told),
    } | changes


@pytest.fixture
def stack(budgeting: Stack) -> Stack:
    budgeting.settings |= {"budgets": [SEARCH], "alerts": {"emergency": [HARD]}}
    budgeting.start()
    return budgeting


async def post(stack: Stack, *told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    async with stack.client("alertmanager") as http:
        answer = await http.post("/v1/alerts", json=notification(*told, **changes))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_an_alert_is_news_once_however_often_it_is_told(stack: Stack) -> None:
    told = [
        await post(stack, each)
        for each in (alert(), alert(), alert("resolved"), alert("resolved"), alert(), alert())
    ]
    assert [each["news"] for each in told] == [1, 0, 1, 0, 1, 0]
    assert [each["repeated"] for each in told] == [0, 1, 0, 1, 0, 1]
    async with stack.client() as http:
        (found,) = (await http.get("/v1/alerts")).json()["alerts"]
    assert (found["status"], found["ends"]) == ("firing", None)
    assert found["labels"]["alertname"] == HARD
    assert found["annotations"] == {"summary": "search is over its hard limit"}


async def test_alerts_outlive_a_restart_and_are_no_news_after_it(stack: Stack) -> None:
    await post(stack, alert())
    stack.restart()
    assert await post(stack, alert()) == {"news": 0, "repeated": 1}


async def test_alerts_of_one_name_are_told_apart_by_fingerprint_and_begin(stack: Stack) -> None:
    earlier = (datetime.now(UTC) - timedelta(days=90)).isoformat()
    told = await post(
        stack, alert(), alert(fingerprint="0" * 16), alert("resolved", startsAt=earlier)
    )
    assert told == {"news": 3, "repeated": 0}


async def test_what_was_received_is_counted(stack: Stack) -> None:
    await post(stack, alert(), alert(fingerprint="0", labels={"severity": "purple"}))
    await post(stack, alert("resolved"), alert(fingerprint="0"), truncatedAlerts=7)
    async with stack.client("alertmanager") as http:
        await http.post("/v1/alerts", json={})
    assert {key: n for key, n in stack.pipelines[-1].alerts.counts.items() if n} == {
        ("firing", "critical"): 1,
        ("firing", "other"): 1,
        ("resolved", "critical"): 1,
        ("repeated", ""): 1,
        ("truncated", ""): 7,
        ("refused", ""): 1,
    }
    body = b"".join(Exporter(stack.pipelines[-1]).exposition.draw(False)).decode()
    assert "cost_events_rejected_total" in body
    assert 'reason="invalid"} 0' in body  # those are events, not notifications


async def test_every_series_of_alerts_is_there_from_the_start(stack: Stack) -> None:
    exporter = Exporter(stack.pipelines[-1])
    body = b"".join(exporter.exposition.draw(False, exporter.gauges())).decode()
    lines = [line for line in body.splitlines() if line.startswith("cost_alerts_received_total")]
    assert len(lines) == 2 * 4 + 3
    assert 'cost_alerts_received_total{status="firing",severity="critical"} 0' in lines
    assert 'cost_alerts_received_total{status="refused"} 0' in lines


async def test_an_alert_puts_its_budget_in_emergency_until_it_resolves(stack: Stack) -> None:
    emergencies = stack.pipelines[-1].emergencies
    await post(stack, alert())
    assert emergencies.active("search")
    assert not emergencies.active("all")
    (until_ns,) = emergencies.reasons("search").values()
    now = datetime.now(UTC)
    next_month = (now.replace(day=1) + timedelta(days=31)).replace(day=1).date()
    assert until_ns == datetime(*next_month.timetuple()[:3], tzinfo=UTC).timestamp() * 10**9
    assert stack.restart().emergencies.active("search")
    await post(stack, alert("resolved"))
    assert not stack.pipelines[-1].emergencies.active("search")
    trail = audit.trail(stack.ledger, limit=9)
    assert [(each.source, each.who, each.subject) for each in trail] == [
        ("file", "", "limits"),
        ("alert", "alertmanager", "emergency"),
        ("alert", "alertmanager", "emergency"),
    ]
    assert trail[1].after == {"until_ns": {f"{HARD} {FINGERPRINT}": until_ns}}


async def test_the_page_shows_alerts_and_the_budgets_in_emergency(stack: Stack) -> None:
    await post(stack, alert())
    async with stack.client() as http:
        text = (await http.get("/")).text
    assert '<span class="alert firing">firing</span> search is over its hard limit' in text
    assert '<dt>Budgets in emergency</dt><dd class="attention">search</dd>' in text


async def test_what_somebody_ended_by_hand_a_repeat_does_not_begin_again(stack: Stack) -> None:
    await post(stack, alert())
    async with stack.client("finance") as http:
        await http.delete("/v1/emergencies/search")
    await post(stack, alert())
    assert not stack.pipelines[-1].emergencies.active("search")


@pytest.mark.parametrize(
    "other",
    [
        alert(name="CostBudgetThresholdReached"),
        alert(labels={"alertname": HARD}),
        alert(labels={"alertname": HARD, "budget": "unknown", "window": "month"}),
        alert(startsAt="2026-01-31T23:59:59Z"),  # its period is long over
    ],
    ids=["another alert", "no budget", "an unknown budget", "a period gone by"],
)
async def test_other_alerts_put_no_budget_in_emergency(stack: Stack, other: Any) -> None:
    assert await post(stack, other) == {"news": 1, "repeated": 0}
    assert not stack.pipelines[-1].emergencies.active("search")


async def test_an_alert_without_a_window_holds_for_the_day(stack: Stack) -> None:
    now = datetime.now(UTC)
    labels = {"alertname": HARD, "budget": "search"}
    await post(stack, alert(labels=labels, startsAt=now.isoformat()))
    (until_ns,) = stack.pipelines[-1].emergencies.reasons("search").values()
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    assert until_ns == midnight.timestamp() * 10**9


async def test_what_the_ledger_cannot_take_is_asked_for_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(audit, "append", fail)
    async with stack.client("alertmanager") as http:
        answer = await http.post("/v1/alerts", json=notification(alert()))
    assert answer.status_code == 503  # which has Alertmanager try again
    assert not stack.pipelines[-1].emergencies.active("search")
    monkeypatch.undo()
    assert await post(stack, alert()) == {"news": 1, "repeated": 0}
    assert stack.pipelines[-1].emergencies.active("search")


async def test_old_alerts_are_forgotten_with_the_events(stack: Stack) -> None:
    before = time.time_ns()
    await post(stack, alert("resolved"))
    pipeline = stack.pipelines[-1]
    pipeline.between_commits(lambda: pipeline.alerts.prune(before)).result()
    assert len(kept.recent(stack.ledger, 0, limit=9)) == 1
    pipeline.between_commits(lambda: pipeline.alerts.prune(time.time_ns())).result()
    assert kept.recent(stack.ledger, 0, limit=9) == []


async def test_no_more_than_a_bounded_number_of_alerts_is_kept(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_ALERTS", 2)
    for digit in "123":
        await post(stack, alert(fingerprint=digit))
    pipeline = stack.pipelines[-1]
    pipeline.between_commits(lambda: pipeline.alerts.prune(0)).result()
    assert {each.fingerprint for each in kept.recent(stack.ledger, 0, limit=9)} == {"2", "3"}


async def test_recent_alerts_are_those_that_fire_and_those_heard_of_lately(stack: Stack) -> None:
    await post(stack, alert(), alert("resolved", fingerprint="0"))
    later = time.time_ns()
    await post(stack, alert("resolved", fingerprint="1"))
    fingerprints = {each.fingerprint for each in kept.recent(stack.ledger, later, limit=9)}
    assert fingerprints == {FINGERPRINT, "1"}


# -- what is no notification -------------------------------------------------------------------


def problems(body: object) -> tuple[str, ...]:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(InvalidBatchError) as raised:
        parse(content, now_ns=1)
    return raised.value.problems


def test_all_problems_are_told_at_once() -> None:
    wrong = {
        "status": "pending",
        "labels": {"alertname": 5, "": "x"},
        "annotations": {"summary": "x" * 8193},
        "startsAt": "2026-11-22T09:30:00",
        "fingerprint": "../../etc",
    }
    assert problems(notification(wrong, version="3", truncatedAlerts=-1)) == (
        "version: '3': Input should be '4'",
        "truncatedAlerts: -1: Input should be greater than or equal to 0",
        "alerts[0].status: 'pending': Input should be 'firing' or 'resolved'",
        "alerts[0].labels.alertname: 5: Input should be a valid string",
        "alerts[0].labels..[key]: '': String should have at least 1 character",
        "alerts[0].annotations.summary: String should have at most 8192 characters",
        "alerts[0].startsAt: '2026-11-22T09:30:00': Input should have timezone info",
        "alerts[0].fingerprint: '../../etc': String should match pattern '^[0-9a-f]{1,32}$'",
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"version": "\\ud800"}']
)
def test_what_is_no_json_is_told(body: bytes) -> None:
    (problem,) = problems(body)
    assert "Invalid JSON: " in problem


def test_sizes_are_bounded() -> None:
    many = {f"label{number}": "x" for number in range(65)}
    assert "at most 64 items" in problems(notification(alert(labels=many)))[0]
    assert "at most 1000 items" in problems(notification(*[alert()] * 1001))[0]
    assert len(problems(notification(*[{}] * 900))) == 101
    assert (
        "between 1970 and 2262" in problems(notification(alert(startsAt="2300-01-01T00:00:00Z")))[0]
    )


def test_what_newer_versions_add_is_no_error() -> None:
    (found,), truncated = parse(
        msgspec.json.encode(notification(alert() | {"new": 1}, newer={}, truncatedAlerts=3)),
        now_ns=9,
    )
    assert (found.fingerprint, found.received_ns, truncated) == (FINGERPRINT, 9, 3)


def test_times_are_taken_to_the_microsecond() -> None:
    (found,), _ = parse(
        msgspec.json.encode(
            notification(
                alert(
                    "resolved",
                    startsAt="2026-11-22T10:30:00.123456789+01:00",
                    endsAt="2026-11-22T09:30:01Z",
                )
            )
        ),
        now_ns=9,
    )
    at = 1_795_339_800  # 2026-11-22T09:30:00Z
    assert (found.starts_ns, found.ends_ns) == (at * 10**9 + 123_456_000, (at + 1) * 10**9)


def test_a_resolved_alert_without_an_end_has_ended_when_it_is_told() -> None:
    body = msgspec.json.encode(notification(alert("resolved", endsAt=ZERO)))
    (found,), _ = parse(body, now_ns=9)
    assert found.ends_ns == 9


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
broken_alert = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | anything,
        "labels": st.dictionaries(st.text(), st.text()) | anything,
        "annotations": anything,
        "startsAt": st.datetimes().map(str) | st.just("2026-11-22T09:30:00Z") | anything,
        "endsAt": st.datetimes(timezones=st.just(UTC)).map(str) | anything,
        "fingerprint": st.text("0123456789abcdef", min_size=1) | anything,
    },
)
broken = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just("4") | anything,
        "truncatedAlerts": anything,
        "alerts": st.lists(broken_alert, max_size=3) | anything,
    },
)


@given(broken | anything)
def test_whatever_is_posted_is_taken_or_refused_in_words(body: object) -> None:
    try:
        found, truncated = parse(msgspec.json.encode(body), now_ns=9)
    except InvalidBatchError as error:
        told = error.problems
    else:
        told = ("none",)
        assert 0 <= truncated <= 1_000_000
        assert all(0 <= each.starts_ns < 2**63 for each in found)
        assert all(each.ends_ns is None or 0 <= each.ends_ns < 2**63 for each in found)
    assert all(told)


@given(st.binary(max_size=200))
def test_whatever_bytes_are_posted_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(InvalidBatchError):
        parse(body, now_ns=9)


async def test_limits_of_the_body_answer_as_those_of_events_do(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MAX_BODY_BYTES", 100)
    async with stack.client("alertmanager") as http:
        large = await http.post("/v1/alerts", json=notification(alert()))
        text = await http.post("/v1/alerts", content=b"x", headers={"content-type": "text/plain"})
    async with stack.client() as http:
        stranger = await http.post("/v1/alerts", json=notification(alert()))
    assert (large.status_code, text.status_code, stranger.status_code) == (413, 415, 401)
