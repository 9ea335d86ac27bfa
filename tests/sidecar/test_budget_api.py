"""Budgets over HTTP, over a real pipeline."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger import audit
from tests.sidecar.budgeting import Stack
from tests.waiting import until

SEARCH = {"match": {"team": "search"}, "month": {"soft_usd": 100, "hard_usd": 150.5}}
AS_KEPT = {
    "name": "search",
    "match": {"team": "search"},
    "month": {"soft_usd": "100", "hard_usd": "150.5"},
}
CHAT = {"name": "chat", "match": {"team": "chat"}, "month": {"soft_usd": "10"}}


async def test_a_budget_that_is_made_is_in_force_at_once_with_what_was_spent(
    budgeting: Stack,
) -> None:
    budgeting.start()
    budgeting.spend(3, "search")
    budgeting.spend(4, "chat")
    until(lambda: budgeting.spent("all") == 7)
    async with budgeting.client("finance") as http:
        made = await http.put("/v1/budgets/search", json=SEARCH)
        assert budgeting.spent("search") == 3
        again = await http.put("/v1/budgets/search", json=SEARCH)
        changed = await http.put(
            "/v1/budgets/search", json=SEARCH | {"match": {"team": "[cs]*"}, "name": "search"}
        )
        assert budgeting.spent("search") == 7
        budgeting.spend(1, "chat")
        until(lambda: budgeting.spent("search") == 8)
        removed = await http.delete("/v1/budgets/search")
        assert budgeting.spent("search") is None
        gone = await http.delete("/v1/budgets/search")

    assert [answer.status_code for answer in (made, again, changed, removed, gone)] == [
        201, 200, 200, 204, 404
    ]  # fmt: skip
    assert made.json() == {"name": "search", "source": "api", "emergency": {}, "budget": AS_KEPT}
    assert made.headers["etag"] == again.headers["etag"] != changed.headers["etag"]
    assert gone.json() == {"errors": ["'search': no such budget"]}


async def test_no_cent_is_lost_or_counted_twice_while_budgets_change(budgeting: Stack) -> None:
    budgeting.start()
    done = threading.Event()

    def spend() -> None:
        for _ in range(2000):
            budgeting.spend(1, "search")
        done.set()

    async with budgeting.client("finance") as http:
        assert (await http.put("/v1/budgets/search", json=SEARCH)).status_code == 201
        threading.Thread(target=spend).start()
        soft = 100
        while not done.is_set():
            soft += 1
            body = SEARCH | {"month": {"soft_usd": soft}}
            assert (await http.put("/v1/budgets/search", json=body)).status_code == 200
    until(lambda: budgeting.spent("all") == 2000)
    assert budgeting.spent("search") == 2000


async def test_budgets_of_the_api_outlive_restart_and_reload(budgeting: Stack) -> None:
    budgeting.settings["budgets"] = [CHAT]
    pipeline = budgeting.start()
    async with budgeting.client("finance") as http:
        await http.put("/v1/budgets/search", json=SEARCH)
    assert pipeline.reload() == []
    assert budgeting.spent("search") == 0
    budgeting.restart()
    async with budgeting.client() as http:
        listed = (await http.get("/v1/budgets")).json()
        one = await http.get("/v1/budgets/search")

    found = {each["name"]: (each["source"], each["budget"]) for each in listed["budgets"]}
    assert found == {
        "all": ("built-in", {"name": "all"}),
        "search": ("api", AS_KEPT),
        "chat": ("file", CHAT),
    }
    assert listed["problems"] == []
    assert one.json()["budget"] == AS_KEPT
    assert budgeting.spent("search") == 0


async def test_a_budget_of_the_file_is_changed_there_only(budgeting: Stack) -> None:
    budgeting.settings["budgets"] = [CHAT]
    budgeting.start()
    async with budgeting.client("finance") as http:
        answers = [
            await http.put("/v1/budgets/chat", json={"month": {"soft_usd": 1}}),
            await http.delete("/v1/budgets/chat"),
        ]

    for answer in answers:
        assert answer.status_code == 409
        assert answer.json() == {"errors": ["'chat' is a budget of costmeter.yml: change it there"]}


async def test_a_budget_of_both_is_an_error_at_a_reload_and_the_files_after_a_restart(
    budgeting: Stack,
) -> None:
    pipeline = budgeting.start()
    both = (
        "'chat' is a budget of costmeter.yml and one that was made over the API: rename one, or "
        "remove the latter ('costmeter budget remove chat')"
    )
    async with budgeting.client("finance") as http:
        await http.put("/v1/budgets/chat", json={"month": {"soft_usd": 99}})
    budgeting.settings["budgets"] = [CHAT]
    assert pipeline.reload() == [both]
    pipeline = budgeting.restart()
    async with budgeting.client("finance") as http:
        listed = (await http.get("/v1/budgets")).json()
        removed = await http.delete("/v1/budgets/chat")
        cured = (await http.get("/v1/budgets")).json()

    assert listed["problems"] == [both]
    assert {each["name"]: each["source"] for each in listed["budgets"]}["chat"] == "file"
    assert removed.status_code == 204
    assert cured["problems"] == []
    assert pipeline.reload() == []


async def test_a_budget_that_fits_no_more_is_told_of_and_not_in_force(budgeting: Stack) -> None:
    budgeting.settings["labels"] = {"tenant": {}}
    budgeting.start()
    async with budgeting.client("finance") as http:
        body = {"match": {"tenant": "acme"}, "day": {"soft_usd": 1}}
        assert (await http.put("/v1/budgets/acme", json=body)).status_code == 201
    del budgeting.settings["labels"]
    budgeting.restart()
    async with budgeting.client() as http:
        problems = (await http.get("/v1/budgets")).json()["problems"]

    assert problems == [
        "budget 'acme', made over the API: match.tenant: no such label, there are provider, model, "
        "endpoint, feature, team"
    ]
    assert budgeting.spent("acme") is None


async def test_all_problems_of_a_budget_are_told_at_once(budgeting: Stack) -> None:
    budgeting.start()
    body = {
        "match": {"teem": "search"},
        "timezone": "Mars/Olympus",
        "thresholds": [1.0, 0.5],
        "month": {"soft_usd": 100, "hard_usd": 50.25},
        "day": {"soft_usd": -0.5},
        "colour": "blue",
    }
    async with budgeting.client("finance") as http:
        answer = await http.put("/v1/budgets/search", json=body)

    assert answer.status_code == 400
    assert sorted(answer.json()["errors"]) == [
        "colour: unknown key",
        "day.soft_usd: -0.5: Input should be greater than 0",
        "match.teem: no such label, there are provider, model, endpoint, feature, team",
        "month.hard_usd: 50.25: is below soft_usd 100",
        "thresholds: thresholds rise from one to the next",
        "timezone: 'Mars/Olympus': a time zone has a name of the IANA database, such as Europe/Berlin or UTC",
    ]


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("a", {"name": "b", "day": {"soft_usd": 1}}, "name: 'b' is not 'a'"),
        ("", {"day": {"soft_usd": 1}}, "name: '': String should have at least 1 character"),
        ("a", {}, "needs limits for a day, week or month"),
        ("a", [], "Input should be a valid dictionary or instance of BudgetConfig"),
        ("a", {"day": {"soft_usd": 0.1234567891}}, "day.soft_usd: 0.1234567891: Decimal input should have no more than 9 decimal places"),
        ("a", {"day": {"soft_usd": 1e300}}, "day.soft_usd: 1E+300: Input should be less than or equal to 1000000000"),
    ],
)  # fmt: skip
async def test_what_is_no_budget_is_refused(
    budgeting: Stack, name: str, body: Any, problem: str
) -> None:
    budgeting.start()
    async with budgeting.client("finance") as http:
        answer = await http.put(f"/v1/budgets/{name}", json=body)

    assert (answer.status_code, answer.json()) == (400, {"errors": [problem]})


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"day": {"soft_usd": 1e99999999999999999999}}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * 70_000, "application/json", 413),
    ],
)
async def test_a_body_that_is_not_right_is_refused(
    budgeting: Stack, content: bytes, media_type: str, status: int
) -> None:
    budgeting.start()
    async with budgeting.client("finance") as http:
        answer = await http.put(
            "/v1/budgets/a", content=content, headers={"content-type": media_type}
        )

    assert answer.status_code == status
    assert len(answer.json()["errors"]) == 1


async def test_who_changes_what_was_changed_meanwhile_is_told(budgeting: Stack) -> None:
    budgeting.start()
    url = "/v1/budgets/search"
    async with budgeting.client("finance") as http:
        first = await http.put(url, json=SEARCH, headers={"if-none-match": "*"})
        taken = await http.put(url, json=SEARCH, headers={"if-none-match": "*"})
        old = {"if-match": first.headers["etag"]}
        second = await http.put(url, json=SEARCH | {"policy": "soft"}, headers=old)
        late = await http.put(url, json=SEARCH | {"policy": "hard"}, headers=old)
        too_late = await http.delete(url, headers=old)
        known = await http.delete(url, headers={"if-match": f'"x", {second.headers["etag"]}'})
        absent = await http.put(url, json=SEARCH, headers={"if-match": "*"})

    answers = (first, taken, second, late, too_late, known, absent)
    assert [answer.status_code for answer in answers] == [201, 412, 200, 412, 412, 204, 412]
    assert late.json() == {"errors": ["'search' was changed meanwhile: read it again"]}


async def test_every_change_is_in_the_trail_with_who_before_and_after(budgeting: Stack) -> None:
    budgeting.settings["budgets"] = [CHAT]
    pipeline = budgeting.start()
    cheaper = CHAT | {"month": {"soft_usd": "5"}}
    async with budgeting.client("finance") as http:
        await http.put("/v1/budgets/search", json=SEARCH)
        await http.put("/v1/budgets/search", json=SEARCH)  # changes nothing
        await http.put("/v1/emergencies/search")
        await http.put("/v1/emergencies/search")
        await http.delete("/v1/emergencies/search")
        budgeting.settings["budgets"] = [cheaper]
        assert pipeline.reload() == []
        assert pipeline.reload() == []
        await http.delete("/v1/budgets/search")
        budgeting.settings["budgets"] = []
        budgeting.restart()  # the file may change while nothing runs
        changes = (await http.get("/v1/audit?since=1h")).json()["changes"]
        of_chat = (await http.get("/v1/audit?budget=chat")).json()["changes"]

    by_hand = {"until_ns": {"by hand": None}}
    found = [tuple(each.values())[1:] for each in changes]
    assert found == [
        ("file", "", "chat", "limits", None, CHAT),
        ("api", "finance", "search", "limits", None, AS_KEPT),
        ("api", "finance", "search", "emergency", None, by_hand),
        ("api", "finance", "search", "emergency", by_hand, None),
        ("file", "", "chat", "limits", CHAT, cheaper),
        ("api", "finance", "search", "limits", AS_KEPT, None),
        ("file", "", "chat", "limits", cheaper, None),
    ]
    assert of_chat == [each for each in changes if each["budget"] == "chat"]


async def test_an_emergency_by_hand_lasts_until_it_is_ended(budgeting: Stack) -> None:
    budgeting.settings["budgets"] = [CHAT]
    budgeting.start()
    async with budgeting.client("finance") as http:
        begun = await http.put("/v1/emergencies/chat")
        unknown = await http.put("/v1/emergencies/nothing")
    pipeline = budgeting.restart()
    assert pipeline.emergencies.active("chat")
    async with budgeting.client("finance") as http:
        ended = await http.delete("/v1/emergencies/chat")

    assert (begun.status_code, begun.json()["emergency"]) == (200, {"by hand": None})
    assert (unknown.status_code, unknown.json()) == (404, {"errors": ["'nothing': no such budget"]})
    assert (ended.status_code, ended.json()["emergency"]) == (200, {})
    assert not pipeline.emergencies.active("chat")


async def test_an_emergency_goes_with_its_budget(budgeting: Stack) -> None:
    pipeline = budgeting.start()
    async with budgeting.client("finance") as http:
        for _ in range(2):
            await http.put("/v1/budgets/search", json=SEARCH)
            assert not pipeline.emergencies.active("search")
            await http.put("/v1/emergencies/search")
            assert (await http.delete("/v1/budgets/search")).status_code == 204


@pytest.mark.parametrize("token", ["", "alertmanager"])
async def test_who_may_not_change_budgets_changes_nothing(budgeting: Stack, token: str) -> None:
    budgeting.start()
    async with budgeting.client(token) as http:
        answers = [
            await http.put("/v1/budgets/search", json=SEARCH),
            await http.delete("/v1/budgets/search"),
            await http.put("/v1/emergencies/all"),
            await http.delete("/v1/emergencies/all"),
        ]

    assert {answer.status_code for answer in answers} == {403 if token else 401}
    assert audit.trail(budgeting.ledger, limit=9) == []
    assert budgeting.spent("search") is None


async def test_a_change_that_the_ledger_cannot_take_changes_nothing(
    budgeting: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = budgeting.start()

    def fail(*_: object) -> None:
        raise LedgerError("the disk is full, and its path is /secret")

    monkeypatch.setattr(audit, "append", fail)
    async with budgeting.client("finance") as http:
        answers = [
            await http.put("/v1/budgets/search", json=SEARCH),
            await http.put("/v1/emergencies/all"),
        ]
        monkeypatch.undo()
        again = await http.put("/v1/budgets/search", json=SEARCH)

    for answer in answers:
        assert answer.status_code == 503
        assert answer.json() == {"errors": ["cannot be done now; try again"]}
        assert answer.headers["retry-after"] == "5"
    assert not pipeline.emergencies.active("all")
    assert again.status_code == 201


@pytest.mark.parametrize("since", ["yesterday", "-1h", "101y", "99999999999999y", "1h1"])
async def test_a_length_of_time_that_is_none_is_refused(budgeting: Stack, since: str) -> None:
    budgeting.start()
    async with budgeting.client() as http:
        answer = await http.get("/v1/audit", params={"since": since})

    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith(f"since: '{since}' is not a length of time")
