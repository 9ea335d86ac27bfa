"""What the sidecar reserves, and when that ends: a real pipeline, ledger and journal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from costmeter.clock import SYSTEM_CLOCK
from costmeter.ledger.reservations import Reservation
from costmeter.sidecar.gate.gate import Gate
from costmeter.units import NANO
from tests.gate.stack import HARD, Stack, ask
from tests.waiting import until


def test_what_is_reserved_counts_against_the_limit_until_its_event_is_in_the_ledger(stack: Stack):
    stack.start()
    first = stack.ask(6)
    assert (first.outcome, first.spent_nano_usd, first.reserved_nano_usd) == ("allowed", 0, 0)
    assert stack.reserved() == 6 * NANO
    assert stack.ask(4).outcome == "refused"  # 6 + 4 reach 10

    stack.spend("2", reservation=first.reservation)
    assert stack.reserved() == 0
    second = stack.ask(4)
    assert (second.outcome, second.spent_nano_usd) == ("allowed", 2 * NANO)


def test_money_is_never_neither_reserved_nor_spent(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    pipeline = stack.start()
    answer = stack.ask(6)
    seen = []
    settle = pipeline.gate.settle

    def look(reservations, read_ns):
        if answer.reservation in reservations:
            seen.append((stack.spent(), stack.reserved()))
        settle(reservations, read_ns)

    monkeypatch.setattr(pipeline.gate, "settle", look)
    stack.spend("6", reservation=answer.reservation)
    assert seen == [(6 * NANO, 6 * NANO)]
    assert stack.reserved() == 0


def test_a_refusal_reserves_nothing_and_says_all_there_is_to_say(stack: Stack):
    stack.start()
    stack.spend("9.5")
    answer = stack.ask("0.5")
    assert answer.outcome == "refused"
    assert answer.reservation == ""
    assert (answer.budget, answer.window) == ("search", "day")
    assert (answer.spent_nano_usd, answer.limit_nano_usd) == (9_500_000_000, 10 * NANO)
    assert answer.reason.startswith("budget search, day ")
    assert stack.reserved() == 0


def test_a_cancelled_or_replaced_reservation_ends_at_once(stack: Stack):
    stack.start()
    first = stack.ask(6)
    stack.pipeline.gate.cancel(first.reservation)
    assert stack.reserved() == 0
    second = stack.ask(6)
    third = stack.ask(6, replaces=second.reservation)
    assert third.outcome == "allowed"
    assert stack.reserved() == 6 * NANO
    stack.pipeline.gate.cancel("unknown")  # of a sidecar before this one, say
    assert stack.reserved() == 6 * NANO


def test_a_reservation_counts_for_every_budget_that_the_call_counts_for(stack: Stack):
    everything = {"name": "all", "policy": "hard", "month": {"hard_usd": 20}}
    chat = {**HARD, "name": "chat", "match": {"team": "chat"}}
    stack.settings["budgets"] = [everything, HARD, chat]
    stack.start()
    stack.ask(6)
    stack.ask(7, attributes={"team": "chat"})
    assert [stack.reserved(name) for name in ("all", "search", "chat")] == [
        13 * NANO, 6 * NANO, 7 * NANO,
    ]  # fmt: skip
    refused = stack.ask(7, attributes={"team": "other"})
    assert (refused.outcome, refused.budget, refused.window) == ("refused", "all", "month")


def test_a_critical_call_passes_and_its_money_is_reserved_all_the_same(stack: Stack):
    stack.start()
    stack.spend("10")
    assert stack.ask(1, priority="critical").outcome == "critical"
    assert stack.reserved() == NANO


def test_a_reservation_that_nothing_is_heard_of_lapses_once_the_journals_are_read(stack: Stack):
    stack.settings["gate"] = {"reservation_ttl": "1h"}
    stack.start()
    gate = Gate(stack.pipeline, lambda _: False, clock=SYSTEM_CLOCK)
    gate.ask(ask(6))
    now_ns = SYSTEM_CLOCK.monotonic_ns()
    gate.settle([], now_ns + 3599 * NANO)
    assert gate.reserved()["search"] == 6 * NANO
    gate.settle([], None)
    assert gate.reserved()["search"] == 6 * NANO
    gate.settle([], now_ns + 3601 * NANO)
    assert gate.reserved()["search"] == 0


def test_what_a_dead_process_reserved_ends_once_its_journal_is_read_and_not_before(stack: Stack):
    stack.start()
    gate = Gate(stack.pipeline, lambda _: False, clock=SYSTEM_CLOCK)
    gate.ask(ask(3), owner=41)
    gate.ask(ask(1), owner=42)
    before_ns = SYSTEM_CLOCK.monotonic_ns()
    gate.bury(41)
    gate.settle([], before_ns)  # read before it died
    assert gate.reserved()["search"] == 4 * NANO
    gate.settle([], SYSTEM_CLOCK.monotonic_ns())
    assert gate.reserved()["search"] == NANO


def test_a_restart_of_the_exporter_ends_no_reservation(stack: Stack):
    stack.start()
    running, gone = stack.ask(6), stack.ask(1)
    stack.pipeline.gate.cancel(gone.reservation)
    stack.pipeline.stop()

    stack.start()
    assert stack.reserved() == 6 * NANO
    assert stack.ask(4).outcome == "refused"  # 6 + 4 reach 10
    stack.spend("2", reservation=running.reservation)
    assert stack.reserved() == 0
    stack.pipeline.stop()
    stack.start()
    assert stack.reserved() == 0


def test_a_reservation_that_was_kept_lapses_by_the_time_that_it_was_made_at(stack: Stack):
    stack.start()
    gate = Gate(stack.pipeline, lambda _: False, clock=SYSTEM_CLOCK)
    minutes = 60 * NANO
    made_ns = SYSTEM_CLOCK.now_ns() - 9 * minutes
    gate.resume({"earlier": Reservation(6 * NANO, ("search",), None, made_ns)})
    now_ns = SYSTEM_CLOCK.monotonic_ns()
    gate.settle([], now_ns)
    assert gate.reserved()["search"] == 6 * NANO
    gate.settle([], now_ns + minutes)
    assert gate.reserved()["search"] == 0


def test_what_a_process_reserved_that_died_meanwhile_ends_once_its_journal_is_read(stack: Stack):
    stack.start()
    child = subprocess.Popen([sys.executable, "-c", ""])
    stack.pipeline.gate.ask(ask(6), owner=child.pid)
    stack.pipeline.stop()
    child.wait()
    stack.start()
    until(lambda: stack.reserved() == 0)


def test_what_is_reserved_and_given_back_at_once_is_never_written(stack: Stack):
    stack.start()
    gate = Gate(stack.pipeline, lambda _: False, clock=SYSTEM_CLOCK)
    first, second, third = (gate.ask(ask(1)).reservation for _ in range(3))
    gate.cancel(first)
    assert gate.take_changes().keys() == {second, third}
    gate.cancel(second)
    gate.settle([third], None)  # the commit of its event has deleted it
    assert gate.take_changes() == {second: None}


def test_nothing_is_decided_before_all_that_was_used_is_read(stack: Stack, monkeypatch):
    pipeline = stack.start()
    monkeypatch.setattr(type(pipeline), "state", "starting")
    answer = stack.ask(1)
    assert (answer.outcome, answer.reason) == (
        "unavailable", "the exporter is still reading what was used",
    )  # fmt: skip


def test_checks_and_reservations_are_metrics_from_the_start(stack: Stack):
    stack.start()
    assert set(stack.samples("cost_gate_checks_total").values()) == {0}
    stack.ask(1)
    stack.ask(7.5)
    stack.ask(7.5)
    stack.ask(7.5, priority="critical")
    stack.ask(1, attributes={}, missed=3)
    checks = stack.samples("cost_gate_checks_total")
    assert {key: value for key, value in checks.items() if value} == {
        ("search", "allowed"): 1,
        ("search", "warned"): 1,
        ("search", "refused"): 1,
        ("search", "critical"): 1,
        ("all", "allowed"): 1,
        ("all", "unavailable"): 3,
    }
    assert stack.samples("cost_gate_reserved_usd") == {
        ("all",): 0, ("search",): 16 * NANO,
    }  # fmt: skip


def test_an_emergency_is_a_metric_by_share_and_by_declaration(stack: Stack):
    stack.start()
    assert stack.samples("cost_budget_emergency") == {("all",): 0, ("search",): 0}
    stack.spend("7.6")  # 95 % of the soft limit
    assert stack.samples("cost_budget_emergency")["search",] == 1
    assert stack.ask("0.1").emergency
    stack.pipeline.emergencies.begin("all", None, "by hand")
    assert stack.samples("cost_budget_emergency")["all",] == 1


def test_a_reload_keeps_what_is_reserved(stack: Stack):
    stack.start()
    answer = stack.ask(6)
    stack.settings["budgets"] = [{**HARD, "day": {"soft_usd": 8, "hard_usd": 7}}]
    assert stack.pipeline.reload() != []
    stack.settings["budgets"] = [{**HARD, "day": {"soft_usd": 6, "hard_usd": 7}}]
    assert stack.pipeline.reload() == []
    assert stack.ask(1).outcome == "refused"
    stack.pipeline.gate.cancel(answer.reservation)
    assert stack.ask("6.5").outcome == "warned"


DEGRADE = {"models": {"gpt-4o": "gpt-4o-mini"}, "emergency": ["gpt-4.1-nano", "claude-haiku-4-5"]}
LONG = {"provider": "openai", "usage": {"input_tokens": 1_000_000, "output_tokens": 0}}


@pytest.mark.parametrize(
    ("spent", "model", "expected", "usd"),
    [
        ("1", "gpt-4o", "gpt-4o", "2.5"),
        ("6.4", "gpt-4o", "gpt-4o-mini", "0.15"),
        ("7.6", "gpt-4o", "gpt-4.1-nano", "0.1"),  # the cheapest that OpenAI has
        ("7.6", "gpt-4.1-nano", "gpt-4.1-nano", "0.1"),  # never for a dearer one
    ],
)
def test_a_call_goes_to_a_cheaper_model_of_its_own_provider(stack, spent, model, expected, usd):
    stack.settings["budgets"] = [{**HARD, "degrade": DEGRADE}]
    stack.start()
    stack.spend(spent)
    answer = stack.ask(model=model, switching=True, **LONG)
    assert answer.model == expected
    assert stack.reserved() == int(float(usd) * NANO)


def test_a_call_that_stays_with_its_model_counts_for_the_budgets_of_that(stack: Stack):
    dear = {**HARD, "name": "dear", "match": {"model": "gpt-4o"}}
    stack.settings["budgets"] = [{**HARD, "degrade": DEGRADE}, dear]
    stack.start()
    stack.spend("6.4")
    assert stack.ask(model="gpt-4o", fixed=True, **LONG).model == "gpt-4o"
    assert stack.reserved("dear") == 2_500_000_000  # a million tokens


def test_advice_may_name_any_model(stack: Stack):
    stack.settings["budgets"] = [{**HARD, "degrade": {**DEGRADE, "emergency": "llama3.2"}}]
    stack.start()
    stack.spend("7.6")
    assert stack.ask("0.1", model="gpt-4o").model == "llama3.2"


def test_an_answer_without_a_maximum_is_priced_with_the_assumed_length(stack: Stack):
    stack.settings["gate"] = {"assumed_output_tokens": 1000}
    stack.start()
    stack.ask(provider="openai", model="gpt-4o", usage={"input_tokens": 1000})
    assert stack.reserved() == 1000 * 2500 + 1000 * 10_000  # 2.50 and 10 USD a million


def test_a_model_without_a_price_is_warned_of_and_reserves_nothing(stack: Stack):
    stack.start()
    answer = stack.ask(provider="openai", model="no-such-model", usage={"input_tokens": 1000})
    assert (answer.outcome, answer.reservation) == ("warned", "")


def test_a_model_that_is_known_to_be_free_passes_a_limit(stack: Stack):
    stack.start()
    stack.spend("10")
    answer = stack.ask(provider="ollama", model="llama3.2", usage={"input_tokens": 1000})
    assert answer.outcome == "allowed"


def test_another_socket_takes_a_restart(stack: Stack):
    stack.start()
    stack.settings["gate"] = {"socket": str(stack.directory / "another")}
    assert stack.pipeline.reload() == ["gate.socket: a change needs a restart"]
