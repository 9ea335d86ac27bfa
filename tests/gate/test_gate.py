"""costmeter.gate as an application uses it, against a real sidecar and its socket."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

import costmeter
from costmeter import BudgetExceededError, gate
from costmeter.instrumentation import gate_client, gate_lines
from costmeter.units import NANO
from tests.gate.stack import HARD, Stack
from tests.waiting import until

forks = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""Python 3.12 and later warn of what the application under test does."""


def record(usd: str, team: str = "search") -> None:
    costmeter.record_request("/v1/chat", "openai", usd, team=team)


def test_a_check_reserves_and_the_next_recorded_cost_settles_it(stack: Stack):
    stack.start()
    decision = gate.check("6", team="search")
    assert decision
    assert (decision.allowed, decision.reason, decision.warning) == (True, "", "")
    assert (decision.budget, decision.window) == ("search", "day")
    assert (decision.spent_usd, decision.limit_usd) == (Decimal(0), Decimal(10))
    assert decision.resets_at is not None
    assert decision.resets_at.tzinfo is not None
    assert decision.model is None
    assert stack.reserved() == 6 * NANO

    record("2")
    until(lambda: stack.spent() == 2 * NANO)
    assert stack.reserved() == 0


def test_a_metered_llm_call_settles_what_was_checked(stack: Stack):
    stack.start()
    with costmeter.attribute(team="search"):
        assert gate.check(1)
        costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1_000_000)  # 0.15 USD
    until(lambda: stack.spent() == 150_000_000)
    assert stack.reserved() == 0


def test_what_counts_calls_only_leaves_the_reservation_to_what_costs(stack: Stack):
    stack.start()
    gate.check(1, team="search")
    costmeter.record_tokens("openai", "gpt-4o-mini", 5, 5, team="search")
    costmeter.record_api_call("openai", "gpt-4o-mini", team="search")
    record("2")
    until(lambda: stack.spent() == 2 * NANO)
    assert stack.reserved() == 0


def test_a_refusal_is_an_answer_or_an_error_as_one_likes(stack: Stack):
    stack.start()
    stack.spend("9.99")
    decision = gate.check(0.01, team="search")
    assert not decision
    allowed, reason = decision
    assert (allowed, reason) == (False, decision.reason)
    assert decision.outcome == "refused"
    with pytest.raises(BudgetExceededError, match="budget search, day ") as raised:
        gate.require(0.01, team="search")
    error = raised.value
    assert (error.budget, error.window) == ("search", "day")
    assert (error.spent_usd, error.limit_usd) == (Decimal("9.99"), Decimal(10))
    assert error.resets_at == decision.resets_at
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.limit_usd) == (str(error), error.limit_usd)
    assert isinstance(error, costmeter.errors.CostmeterError)


def test_the_calls_of_earlier_systems_work(stack: Stack):
    everything = {"name": "all", "policy": "hard", "day": {"soft_usd": 8, "hard_usd": 10}}
    stack.settings["budgets"] = [everything]
    stack.start()
    assert gate.can_make_request(7)
    assert not gate.can_make_request(10)  # in place of the 7, not beside them
    allowed, message = gate.check_request_allowed(9, "normal")
    assert allowed
    assert "soft limit of 8.00" in message
    assert gate.check_request_allowed(9).warning == message
    assert not gate.check_request_allowed(10, priority="normal")
    assert gate.check_request_allowed(10, priority="critical")
    checks = stack.samples("cost_gate_checks_total")
    assert checks["all", "critical"] == 1


async def test_all_of_it_can_be_awaited(stack: Stack):
    everything = {"name": "all", "policy": "hard", "day": {"soft_usd": 8, "hard_usd": 10}}
    stack.settings["budgets"] = [everything]
    stack.start()
    assert await gate.acheck(7)
    assert stack.reserved("all") == 7 * NANO
    assert await gate.acan_make_request(6)
    assert (await gate.acheck_request_allowed(9)).outcome == "warned"
    assert (await gate.arequire(1)).allowed
    assert stack.reserved("all") == NANO
    with pytest.raises(BudgetExceededError):
        await gate.arequire(10)
    async with gate.reserve(2) as decision:
        assert decision.allowed
        assert stack.reserved("all") == 2 * NANO
    until(lambda: stack.reserved("all") == 0)


async def test_a_check_that_is_given_up_gives_its_money_back(stack: Stack, monkeypatch):
    stack.start()
    stack.settings["budgets"] = [HARD]
    asked = threading.Event()
    answer_of = gate_client.answer

    def slowly(ask):
        told = answer_of(ask)
        asked.set()
        gone.wait(10)
        return told

    gone = threading.Event()
    monkeypatch.setattr(gate_client, "answer", slowly)
    task = asyncio.create_task(gate.acheck(3, team="search"))
    await asyncio.to_thread(asked.wait, 10)
    assert stack.reserved() == 3 * NANO
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gone.set()
    await asyncio.to_thread(until, lambda: stack.reserved() == 0)


def test_a_block_gives_back_what_no_call_took(stack: Stack):
    stack.start()
    with gate.reserve(3, team="search") as decision:
        assert decision.allowed
        with gate.reserve(2, team="search"):
            assert stack.reserved() == 5 * NANO
            record("1")  # takes the inner one
        until(lambda: stack.reserved() == 3 * NANO)
        gate.check(4, team="search")  # beside the block's own
        assert stack.reserved() == 7 * NANO
    until(lambda: stack.reserved() == 4 * NANO)
    with pytest.raises(BudgetExceededError), gate.reserve(6, team="search"):
        pytest.fail("the block was entered")


def test_a_decision_can_be_cancelled(stack: Stack):
    stack.start()
    decision = gate.check(3, team="search")
    gate.cancel(decision)
    until(lambda: stack.reserved() == 0)


def test_each_thread_settles_its_own(stack: Stack):
    stack.start()

    def spend(_: int) -> None:
        assert gate.check("0.01", team="search")
        record("0.01")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(spend, range(200)))
    until(lambda: stack.spent() == 2 * NANO)
    assert stack.reserved() == 0


@forks
def test_a_forked_child_asks_on_a_connection_of_its_own(stack: Stack):
    stack.start()
    assert gate.check(1, team="search")
    child = os.fork()
    if child == 0:
        allowed = gate.check(2, team="search").allowed
        os._exit(0 if allowed else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert gate.check(1, team="search").allowed


def test_reservations_of_a_killed_worker_lapse(stack: Stack):
    stack.start()
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from costmeter import gate; import time;"
            "print(gate.check(6, team='search').allowed, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdout.readline() == "True\n"
        assert stack.reserved() == 6 * NANO
        assert not gate.check(4, team="search")
        worker.send_signal(signal.SIGKILL)  # a zombie, until somebody waits for it
        until(lambda: stack.reserved() == 0)
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()
    assert gate.check(4, team="search")


def test_without_a_sidecar_calls_pass_or_not_as_configured(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    decision = gate.check(1, team="search")
    assert (decision.allowed, decision.outcome) == (True, "unavailable")
    assert decision.warning == "the gate cannot be asked"
    monkeypatch.setenv("COSTMETER_GATE_FALLBACK", "closed")
    assert not gate.check(1, team="search")
    assert gate.check(1, priority="critical", team="search")
    with pytest.raises(BudgetExceededError) as raised:
        gate.require(1, team="search")
    assert (raised.value.budget, raised.value.limit_usd) == ("", None)


def test_a_gate_that_does_not_answer_is_not_waited_for_again_and_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    monkeypatch.setattr(gate_lines, "TIMEOUT_SECONDS", 0.25)
    with socket.socket(socket.AF_UNIX) as deaf:
        path = stack.directory / "deaf"
        deaf.bind(os.path.relpath(path))
        deaf.listen()
        monkeypatch.setenv("COSTMETER_GATE", f"unix://{path}")
        gate_client.reset()
        connected = gate_client.GateClient._connected
        monkeypatch.setattr(
            gate_client.GateClient,
            "_connected",
            lambda client: (asked.append(1), connected(client))[1],
        )
        for _ in range(1000):
            assert gate.check(1).outcome == "unavailable"
    assert len(asked) <= 3  # as many as fit into the time that 1000 skipped ones take


def test_what_went_unasked_is_counted_once_the_sidecar_is_back(stack: Stack, monkeypatch):
    monkeypatch.setattr(gate_client, "FIRST_PAUSE_SECONDS", 0.0)
    assert gate.check(1, team="search").outcome == "unavailable"
    assert gate.check(1, team="search").outcome == "unavailable"
    stack.start()
    assert gate.check(1, team="search").outcome == "allowed"
    assert stack.samples("cost_gate_checks_total")["all", "unavailable"] == 2


def test_a_sidecar_that_was_started_anew_is_asked_at_once(stack: Stack):
    stack.start().stop()
    stack.start()
    assert gate.check(1, team="search").outcome == "allowed"
    stack.pipeline.stop()
    stack.start()
    assert gate.check(1, team="search").outcome == "allowed"


def test_money_is_given_back_over_a_new_connection_where_the_old_one_is_gone(stack: Stack):
    stack.start()
    decision = gate.check(3, team="search")
    gate_client._client._line._socket.shutdown(socket.SHUT_RDWR)
    gate.cancel(decision)
    until(lambda: stack.reserved() == 0)


def test_switched_off_it_lets_everything_pass(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    stack.start()
    for name, value in (("COSTMETER_GATE", "off"), ("COSTMETER_DISABLED", "1")):
        monkeypatch.setenv(name, value)
        gate_client.reset()
        decision = gate.check(100, team="search")
        assert (decision.allowed, decision.outcome) == (True, "allowed")
        monkeypatch.delenv(name)
    assert sum(stack.samples("cost_gate_checks_total").values()) == 0


@pytest.mark.parametrize("address", ["ftp://host", "unix://host/path", "http://", "nonsense"])
def test_an_address_that_is_none_falls_back_and_is_told(stack, monkeypatch, caplog, address):
    monkeypatch.setenv("COSTMETER_GATE", address)
    gate_client.reset()
    assert gate.check(1).outcome == "unavailable"
    assert "COSTMETER_GATE" in caplog.text


@pytest.mark.parametrize("cost", [-1, float("nan"), "a lot", None, object()])
def test_an_estimate_that_is_no_amount_is_told_and_reserves_nothing(stack, caplog, cost):
    stack.start()
    decision = gate.check(cost, team="search")
    assert (decision.outcome, decision.reservation) == ("warned", "")
    assert "the application goes on" in caplog.text


def test_who_gives_up_before_the_answer_reserves_nothing(stack: Stack):
    pipeline = stack.start()
    asked = stack.samples("cost_gate_checks_total")["search", "allowed"]
    with pipeline.gate._lock, socket.socket(socket.AF_UNIX) as client:
        client.connect(os.path.relpath(stack.socket))
        question = {"do": "ask", "cost_nano_usd": 6 * NANO, "attributes": {"team": "search"}}
        client.sendall(json.dumps(question).encode() + b"\n")
        client.close()
    until(lambda: stack.samples("cost_gate_checks_total")["search", "allowed"] > asked)
    until(lambda: stack.reserved() == 0)


def test_who_never_reads_an_answer_is_hung_up_on(stack: Stack):
    stack.start()
    question = b'{"do":"ask","cost_nano_usd":1,"attributes":{"team":"search"}}\n'
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(os.path.relpath(stack.socket))
        with pytest.raises(ConnectionError):
            client.sendall(question * 100_000)  # more than the answers to it find room
    assert gate.check(1, team="search").outcome == "allowed"


def test_lines_that_make_no_sense_close_the_connection_and_nothing_else(stack: Stack):
    stack.start()
    for line in (b"nonsense\n", b'{"do":"ask","cost_nano_usd":-1}\n', b"x" * 70_000, b"[]\n"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(10)
            stranger.connect(os.path.relpath(stack.socket))
            stranger.sendall(line)
            assert stranger.recv(100) == b""
    assert gate.check(1, team="search").outcome == "allowed"


def test_the_wire_is_json_by_line_for_any_language(stack: Stack):
    stack.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(os.path.relpath(stack.socket))
        question = {"do": "ask", "cost_nano_usd": 6 * NANO, "attributes": {"team": "search"}}
        client.sendall(
            json.dumps(question).encode() + b"\n" + json.dumps(question).encode() + b"\n"
        )
        received = b""
        while received.count(b"\n") < 2:
            received += client.recv(65_536)
        first, second = map(json.loads, received.splitlines())
        assert (first["outcome"], second["outcome"]) == ("allowed", "refused")
        cancel = {"do": "cancel", "reservation": first["reservation"]}
        client.sendall(json.dumps(cancel).encode() + b"\n")
    until(lambda: stack.reserved() == 0)


def test_a_directory_that_cannot_hold_a_socket_leaves_the_exporter_running(stack: Stack, caplog):
    stack.settings["gate"] = {"socket": str(stack.directory / "missing" / "gate.sock")}
    stack.start()
    assert "cannot be listened on" in caplog.text
    assert stack.samples("cost_collector_success")["gate",] == 0
    stack.spend("1")


def test_a_file_that_is_no_socket_is_left_alone(stack: Stack, caplog):
    path = stack.directory / "notes.txt"
    path.write_text("mine")
    stack.settings["gate"] = {"socket": str(path)}
    stack.start()
    assert "cannot be listened on" in caplog.text
    assert path.read_text() == "mine"


def test_a_fault_of_ours_leaves_the_gate_open_to_others(stack: Stack, caplog, monkeypatch):
    pipeline = stack.start()
    answer = pipeline.gate.ask
    monkeypatch.setattr(pipeline.gate, "ask", lambda *_: 1 / 0)
    assert gate.check(1, team="search").outcome == "unavailable"
    assert "a question cannot be answered" in caplog.text
    monkeypatch.setattr(pipeline.gate, "ask", answer)
    gate_client.reset()
    assert gate.check(1, team="search").outcome == "allowed"


@forks
def test_the_embedded_exporter_has_a_gate(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    path = stack.directory / "costmeter.yml"
    path.write_text(
        "prices: {refresh: off}\n"
        "budgets: [{name: all, policy: hard, day: {soft_usd: 8, hard_usd: 10}}]\n"
    )
    monkeypatch.setenv("COSTMETER_LEDGER", str(stack.directory / "ledger.db"))
    with costmeter.start_exporter(0, config=path) as exporter:
        assert exporter.wait(20)
        until(lambda: gate.check(7).outcome == "allowed")
        assert not gate.can_make_request(10)
        child = os.fork()
        if child == 0:
            os._exit(0 if gate.check(1).allowed else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert gate.check(1)
    gate_client.reset()
    assert gate.check(1).outcome == "unavailable"
