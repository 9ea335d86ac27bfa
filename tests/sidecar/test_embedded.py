"""The exporter inside an application: who serves, who does not, and what an application is spared."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

import costmeter
from costmeter.journal import process
from costmeter.ledger import query
from costmeter.sidecar import engine
from tests.waiting import until

COST = 1000 * 150
"""Nano-dollars of 1,000 input tokens of gpt-4o-mini at 0.15 USD per million."""
SPENT = 'cost_spend_usd_total{provider="openai",model="gpt-4o-mini",component="input"} '
SPENT_SORTED = 'cost_spend_usd_total{component="input",model="gpt-4o-mini",provider="openai"} '


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    config = tmp_path / "costmeter.yml"
    config.write_text("scrape_interval: 100ms\nprices: {refresh: off}\n")
    monkeypatch.setenv("COSTMETER_CONFIG", str(config))
    monkeypatch.setenv("COSTMETER_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.setenv("COSTMETER_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.05)
    process.reset()
    yield
    engine._stop_all()
    process.reset()


def spend() -> None:
    costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1000)


def spent(directory: Path) -> int:
    rows = query.spend(directory / "ledger.db", by=())
    return sum(row.cost_nano_usd for row in rows)


def get(url: str) -> str:
    with urlopen(f"{url}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def value(text: str, sample: str) -> float | None:
    for line in text.splitlines():
        if line.startswith(sample):
            return float(line.removeprefix(sample))
    return None


# -- Serving -----------------------------------------------------------------------------------


def test_what_is_spent_is_served_by_the_process_itself(tmp_path: Path) -> None:
    with costmeter.start_exporter(0) as exporter:
        assert exporter.wait(30)
        assert exporter.url.startswith("http://127.0.0.1:")
        spend()
        until(lambda: value(get(exporter.url), SPENT) is not None)
        until(lambda: value(get(exporter.url), SPENT) == COST / 1e9)
    assert exporter.url == ""


def test_a_stop_reads_the_journal_to_its_end(tmp_path: Path) -> None:
    exporter = costmeter.start_exporter(0)
    assert exporter.wait(30)
    for _ in range(25_000):
        spend()
    exporter.stop()
    assert spent(tmp_path) == 25_000 * COST
    exporter.stop()  # once more does no harm


def test_a_stop_that_comes_at_once_reads_the_journal_all_the_same(tmp_path: Path) -> None:
    exporter = costmeter.start_exporter(0)
    spend()
    exporter.stop()
    assert spent(tmp_path) == COST


def test_a_stop_may_stay_for_the_last_scrape(tmp_path: Path) -> None:
    exporter = costmeter.start_exporter(0)
    assert exporter.wait(30)
    url = exporter.url
    spend()
    seen = []
    import threading

    stopping = threading.Thread(target=exporter.stop, args=(30,))
    stopping.start()
    while stopping.is_alive():
        try:
            seen.append(value(get(url), SPENT))
        except OSError:
            break
        time.sleep(0.02)
    stopping.join()
    assert seen[-1] == COST / 1e9


def test_the_same_address_twice_is_one_exporter() -> None:
    first = costmeter.start_exporter(0)
    second = costmeter.start_exporter(0)
    assert first.wait(30)
    assert first.url == second.url


def test_it_goes_on_from_what_the_ledger_holds(tmp_path: Path) -> None:
    for total in (COST, 2 * COST):
        with costmeter.start_exporter(0) as exporter:
            assert exporter.wait(30)
            spend()
            until(lambda: value(get(exporter.url), SPENT) == total / 1e9)  # noqa: B023


# -- The application is spared -------------------------------------------------------------------


def test_a_wrong_configuration_is_told_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "wrong.yml"
    config.write_text("budget: 3\n")
    exporter = costmeter.start_exporter(0, config=config)
    assert exporter.problem == f"{config}: budget: unknown key"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert not exporter.wait(0)
    exporter.stop()


def test_a_port_that_is_taken_is_told_once_and_the_ledger_filled_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exporter = costmeter.start_exporter(port)
        until(lambda: exporter.problem)
        spend()
        until(lambda: spent(tmp_path) == COST)
        time.sleep(5 * engine.RETRY_SECONDS)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert f"'127.0.0.1:{port}': cannot be listened on" in caplog.text
    assert exporter.wait(30)  # once it is free
    assert exporter.problem == ""


def test_a_ledger_that_cannot_be_used_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.write_text("somebody else's notes, which are left as they are" * 10)
    exporter = costmeter.start_exporter(0)
    until(lambda: exporter.problem)
    time.sleep(5 * engine.RETRY_SECONDS)
    assert len(caplog.records) == 1
    assert "not a ledger" in caplog.text
    ledger.unlink()
    assert exporter.wait(30)


def test_a_pipeline_that_ends_by_a_fault_of_ours_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    exporter = costmeter.start_exporter(0)
    assert exporter.wait(30)
    pipeline = engine._engines[tmp_path / "ledger.db"].pipeline
    assert pipeline is not None
    pipeline._turn = None  # type: ignore[method-assign, assignment]
    until(lambda: "ended by itself" in caplog.text)
    spend()
    until(lambda: spent(tmp_path) == COST)


def test_nothing_runs_where_metering_is_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTMETER_DISABLED", "1")
    exporter = costmeter.start_exporter(0)
    assert exporter.problem == "COSTMETER_DISABLED is set"
    assert not engine._engines


@pytest.mark.parametrize(
    ("call", "missing", "extras"),
    [
        ("start_exporter", "uvicorn", "exporter"),
        ("register", "prometheus_client", "exporter,prometheus"),
    ],
)
def test_a_package_that_is_missing_is_told_with_what_installs_it(
    call: str, missing: str, extras: str
) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import costmeter; costmeter.{call}()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].startswith(f"ImportError: costmeter.{call}() needs more")
    assert f"pip install 'costmeter[{extras}]'" in run.stderr


def test_the_applications_own_access_log_stays() -> None:
    import logging

    access = logging.getLogger("uvicorn.access")
    before = (list(access.handlers), access.propagate, access.level)
    assert costmeter.start_exporter(0).wait(30)
    assert (list(access.handlers), access.propagate, access.level) == before


# -- Several processes -----------------------------------------------------------------------------

WORKER = """
import os, sys, time
import costmeter
from costmeter.sidecar import engine
engine.RETRY_SECONDS = 0.05
exporter = costmeter.start_exporter(int(sys.argv[1]))
for line in sys.stdin:
    if line == "spend\\n":
        costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1000)
    print(exporter.wait(0), flush=True)
"""


class Worker:
    """A process that shares journal, ledger and port with others."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def serves(self, line: str = "") -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline() == "True\n"

    def end(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        assert self.process.wait(30) == 0


def test_one_of_several_processes_serves_and_another_takes_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first = Worker(port)
    until(first.serves)
    second = Worker(port)
    for worker in (first, second):
        worker.serves("spend")
    until(lambda: spent(tmp_path) == 2 * COST)
    assert not second.serves()
    first.process.send_signal(signal.SIGKILL)
    assert first.process.wait(30) == -signal.SIGKILL
    first.process.communicate()
    until(second.serves)
    second.serves("spend")
    until(lambda: value(get(f"http://127.0.0.1:{port}"), SPENT) == 3 * COST / 1e9)
    second.serves("spend")
    second.end()
    assert spent(tmp_path) == 4 * COST  # at its exit, too


def test_a_forked_child_records_but_does_not_serve_and_holds_nothing_back(tmp_path: Path) -> None:
    code = """
import os, socket, sys, time
import costmeter
exporter = costmeter.start_exporter(0)
assert exporter.wait(30)
port = int(exporter.url.rpartition(":")[2])
ready, told = os.pipe()
gone, end = os.pipe()
child = os.fork()
if child == 0:
    os.close(end)
    costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1000)
    assert exporter.url == "" and not exporter.wait(0)
    exporter.stop()
    assert "was in use when this process was forked" in costmeter.start_exporter(0).problem
    os.write(told, b"x")
    os.read(gone, 1)  # until the parent has ended and is done
    os._exit(0)
os.read(ready, 1)
exporter.stop()
# All is free again, though the child lives: the port and the ledger.
with socket.create_server(("127.0.0.1", port)):
    with socket.create_server(("127.0.0.1", 0)) as free:
        other = free.getsockname()[1]
    with costmeter.start_exporter(other) as again:
        assert again.wait(30), again.problem
os.close(gone)
os.close(end)
assert os.waitpid(child, 0)[1] == 0
"""
    run = subprocess.run(
        # Python 3.12 warns of a fork beside threads, which is what is tried here.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("\n") == run.stderr.count("start the exporter after a fork") == 1
    assert spent(tmp_path) == COST


def test_workers_that_were_forked_before_it_began_take_over_from_each_other(tmp_path: Path) -> None:
    code = """
import os, sys
import costmeter
from costmeter.sidecar import engine
engine.RETRY_SECONDS = 0.05
turns = [os.pipe() for _ in range(3)]
children = []
for number in range(2):
    children.append(os.fork())
    if children[-1] == 0:
        os.read(turns[number][0], 1)
        exporter = costmeter.start_exporter(0)
        if number == 0:
            assert exporter.wait(30)
        os.write(turns[number + 1][1], b"x")
        costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1000)
        if number == 0:
            os.kill(os.getpid(), 9)
        assert exporter.wait(30), exporter.problem
        sys.exit()
os.write(turns[0][1], b"x")
assert [os.waitpid(child, 0)[1] for child in children] == [9, 0]
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=90
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert spent(tmp_path) == 2 * COST


# -- In a registry of prometheus_client ------------------------------------------------------------


def test_a_registry_has_the_same_families_with_the_same_values(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Counter("own_things", "The application's own.", registry=registry).inc()
    with costmeter.register(registry) as registered, costmeter.start_exporter(0) as exporter:
        assert registered.wait(30)
        assert exporter.wait(30)
        for _ in range(3):
            spend()
        until(lambda: value(generate_latest(registry).decode(), SPENT_SORTED) == 3 * COST / 1e9)
        pipeline = engine._engines[tmp_path / "ledger.db"].pipeline
        assert pipeline is not None
        drawn = {
            line.partition("{")[0].partition(" ")[0]
            for line in get(exporter.url).splitlines()
            if not line.startswith("#")
        }
        text = generate_latest(registry).decode()
        collected = {
            line.partition("{")[0].partition(" ")[0]
            for line in text.splitlines()
            if not line.startswith("#")
        }
        assert collected - drawn == {"own_things_total", "own_things_created"}
        assert drawn <= collected
        assert "# TYPE cost_spend_usd_total counter" in text
        assert 'cost_provider_api_calls_total{model="gpt-4o-mini",' in text
        assert SPENT_SORTED in generate_openmetrics(registry).decode()
    assert "cost_" not in generate_latest(registry).decode()


def test_a_new_series_is_0_in_a_registry_first() -> None:
    registry = CollectorRegistry()
    assert costmeter.register(registry).wait(30)
    spend()
    seen: list[float] = []

    def collect() -> bool:
        found = value(generate_latest(registry).decode(), SPENT_SORTED)
        seen.extend([] if found is None else [found])
        return bool(found)

    until(collect)
    assert (seen[0], seen[-1]) == (0, COST / 1e9)
    assert set(seen) == {0, COST / 1e9}


def test_a_registry_is_entered_once() -> None:
    registry = CollectorRegistry()
    first, second = costmeter.register(registry), costmeter.register(registry)
    assert first.wait(30)
    assert second.wait(30)
    assert generate_latest(registry).decode().count("# TYPE cost_build_info gauge") == 1


def test_a_registry_that_has_such_a_family_already_is_told_once_and_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    Counter("cost_spend_usd", "Of somebody else.", registry=registry).inc()
    registered = costmeter.register(registry)
    until(lambda: registered.problem)
    time.sleep(5 * engine.RETRY_SECONDS)
    assert caplog.text.count("Duplicated timeseries") == 1
    assert "cost_build_info" not in generate_latest(registry).decode()
    spend()
    until(lambda: spent(tmp_path) == COST)


def test_the_applications_metrics_stay_where_ours_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    Counter("own_things", "The application's own.", registry=registry).inc()
    assert costmeter.register(registry).wait(30)
    monkeypatch.setattr("costmeter.sidecar.exporter.Exporter.gauges", None)
    for _ in range(3):
        assert "own_things_total 1.0" in generate_latest(registry).decode()
    assert caplog.text.count("costmeter's metrics are missing") == 1


def test_nothing_of_it_is_imported_with_costmeter() -> None:
    code = "import costmeter, sys; costmeter.track; print('costmeter.sidecar' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
    assert os.environ["COSTMETER_CONFIG"]
