"""The pipeline from the journal to the text of /metrics, with a real journal and a real ledger."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from costmeter.cli.reprice import reprice
from costmeter.errors import JournalError, LedgerError
from costmeter.journal.writer import JournalWriter
from costmeter.ledger import query
from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.sidecar import submissions
from costmeter.sidecar.budget_book import BudgetBook
from costmeter.sidecar.config import Config, load
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.handover import Receipt, UnavailableError
from costmeter.sidecar.pipeline import Pipeline
from costmeter.usage import UsageEvent
from tests.waiting import until

COST = 1000 * 150 + 50 * 600
"""Nano-dollars of one event: gpt-4o-mini at 0.15 and 0.60 USD per million tokens."""


def event(**changes: Any) -> UsageEvent:
    fields: dict[str, Any] = {
        "time_ns": time.time_ns(),
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "attributes": {"team": "search"},
        "usage": {"input_tokens": 1000, "output_tokens": 50},
    }
    return UsageEvent(**fields | changes)


class Stack:
    """A journal, a ledger, and one pipeline after another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.journal.mkdir()
        self.writer = JournalWriter(self.journal)
        self.changes: dict[str, Any] = {}
        self.pipelines: list[Pipeline] = []

    def config(self) -> Config:
        settings: dict[str, Any] = {
            "journal": self.journal,
            "ledger": self.directory / "ledger.db",
            "scrape_interval": "100ms",
            "prices": {"refresh": "off"},
        }
        return load(None, **settings | self.changes)

    def write(self, **changes: Any) -> None:
        assert self.writer.write(msgspec.json.encode(event(**changes)))

    def start(self) -> tuple[Pipeline, Exporter]:
        pipeline = Pipeline(self.config(), self.config)
        self.pipelines.append(pipeline)
        pipeline.start()
        return pipeline, Exporter(pipeline)

    def spent(self) -> int:
        rows = query.spend(
            self.directory / "ledger.db", by=(), start=None, end=None, timezone="UTC", where={}
        )
        return sum(row.cost_nano_usd for row in rows)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.writer.close()
    for pipeline in stack.pipelines:
        pipeline.stop()


def scrape(exporter: Exporter) -> dict[str, float]:
    """Scrape once; return the samples by name and the values of their labels."""
    began_ns = time.monotonic_ns()
    body = b"".join(exporter.exposition.draw(False, exporter.gauges())).decode()
    exporter.scraped(began_ns)
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


SPENT_ON_INPUT = "cost_spend_usd_total['gpt-4o-mini', 'input', 'openai', 'search']"


def test_a_written_event_reaches_the_ledger_and_metrics_once(stack: Stack) -> None:
    for _ in range(3):
        stack.write()
    _, exporter = stack.start()
    until(lambda: stack.spent() == 3 * COST)
    until(lambda: scrape(exporter)[SPENT_ON_INPUT] == 3 * 1000 * 150 / 1e9)
    assert scrape(exporter)["cost_events_read_total['journal']"] == 3


def test_a_new_series_is_seen_at_0_first(stack: Stack) -> None:
    _, exporter = stack.start()
    stack.write()
    until(lambda: stack.spent() == COST)
    assert scrape(exporter)[SPENT_ON_INPUT] == 0
    until(lambda: scrape(exporter)[SPENT_ON_INPUT] > 0)


def test_totals_go_on_after_a_restart_and_a_known_series_never_returns_to_0(stack: Stack) -> None:
    pipeline, exporter = stack.start()
    stack.write()
    until(lambda: SPENT_ON_INPUT in scrape(exporter))
    until(lambda: scrape(exporter)[SPENT_ON_INPUT] > 0)
    pipeline.stop()

    stack.write()
    _, exporter = stack.start()
    assert scrape(exporter)[SPENT_ON_INPUT] >= 150_000 / 1e9
    until(lambda: scrape(exporter)[SPENT_ON_INPUT] == 300_000 / 1e9)


def test_a_series_that_was_never_seen_at_0_still_is_after_a_restart(stack: Stack) -> None:
    pipeline, _ = stack.start()
    stack.write()
    until(lambda: stack.spent() == COST)
    pipeline.stop()
    _, exporter = stack.start()
    assert scrape(exporter)[SPENT_ON_INPUT] == 0
    until(lambda: scrape(exporter)[SPENT_ON_INPUT] == 150_000 / 1e9)


def test_several_journals_are_read_at_once(stack: Stack) -> None:
    other = stack.directory / "other"
    other.mkdir()
    stack.changes["journal"] = [stack.journal, other]
    second = JournalWriter(other)
    stack.write()
    second.write(msgspec.json.encode(event()))
    stack.start()
    until(lambda: stack.spent() == 2 * COST)
    second.close()


def test_an_event_with_an_identity_counts_once_whichever_way_and_however_often_it_comes(
    stack: Stack,
) -> None:
    other = JournalWriter(stack.journal)  # of another process that reads the same results
    again = msgspec.json.encode(event(identity="openai/file-1/request-1"))
    stack.write(identity="openai/file-1/request-1")
    assert other.write(again)
    pipeline, _ = stack.start()
    until(lambda: stack.spent() == COST)
    receipt = pipeline.submit("app", 1, [event(identity="openai/file-1/request-1")])
    assert receipt.result(timeout=20).accepted == 0
    pipeline.stop()
    assert other.write(again)
    stack.write(identity="openai/file-1/request-2")
    stack.start()
    until(lambda: stack.spent() == 2 * COST)
    other.close()


def test_a_batch_over_http_counts_once_however_often_it_is_sent(stack: Stack) -> None:
    pipeline, _ = stack.start()
    assert pipeline.submit("batch-job", 1, [event(), event()]).result(10) == Receipt(2)
    assert pipeline.submit("batch-job", 1, [event(), event()]).result(10) == Receipt(
        0, duplicate=True
    )
    assert stack.spent() == 2 * COST
    pipeline.stop()
    pipeline, _ = stack.start()
    assert pipeline.submit("batch-job", 1, [event(), event()]).result(10).duplicate
    assert pipeline.submit("batch-job", 2, [event()]).result(10) == Receipt(1)
    assert pipeline.submit("other-job", 1, [event()]).result(10) == Receipt(1)
    assert stack.spent() == 4 * COST


def test_a_commit_that_fails_is_tried_again_and_counts_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(stack.config())
    stack.pipelines.append(pipeline)
    commit, failures = pipeline.ledger.commit, iter(["disk full", "disk full"])

    def failing(batch: Batch) -> None:
        if problem := next(failures, None):
            raise LedgerError(problem)
        commit(batch)

    monkeypatch.setattr(pipeline.ledger, "commit", failing)
    monkeypatch.setattr("costmeter.sidecar.pipeline.RETRY_SECONDS", 0.2)
    stack.write()
    pipeline.start()
    receipt = pipeline.submit("job", 1, [event()])
    until(lambda: pipeline.collectors["ledger"].problem == "disk full")
    assert not receipt.done()
    assert Exporter(pipeline).status().problems == ("disk full",)
    assert receipt.result(10) == Receipt(1)
    until(lambda: stack.spent() == 2 * COST)
    assert Exporter(pipeline).status().problems == ()


def test_an_unpriced_event_waits_and_is_priced_beside_the_running_exporter(stack: Stack) -> None:
    _, exporter = stack.start()
    stack.write(model="own-model")
    unpriced = "cost_unpriced_events_total['no_price', 'openai', 'own-model']"
    until(lambda: scrape(exporter).get(unpriced) == 1)
    assert stack.spent() == 0
    assert [(each.model, each.events) for each in exporter.status().unpriced] == [("own-model", 1)]

    configuration = stack.directory / "costmeter.yml"
    configuration.write_text(
        f"ledger: {stack.directory / 'ledger.db'}\n"
        "prices: {models: [{provider: openai, model: own-model, usd_per_million: {input: 1, output: 2}}]}\n",
        "utf-8",
    )
    reprice(configuration)

    # 1,000 tokens at 1 USD per million and 50 at 2 USD: 1,000,000 + 100,000 nano-dollars.
    assert stack.spent() == 1_100_000
    until(
        lambda: (
            scrape(exporter).get("cost_spend_usd_total['input', 'openai', 'own-model', 'search']")
            == 0.001
        )
    )
    assert exporter.status().unpriced == ()
    reprice(configuration)
    assert stack.spent() == 1_100_000


def test_a_reload_takes_new_prices_and_keeps_the_old_where_something_is_wrong(stack: Stack) -> None:
    pipeline, exporter = stack.start()
    stack.changes["prices"] = {
        "refresh": "off",
        "models": [
            {
                "provider": "openai",
                "model": "gpt-4o-mini",
                "usd_per_million": {"input": 1, "output": 1},
            }
        ],
    }
    assert exporter.reload() == []
    stack.write()
    until(lambda: stack.spent() == 1050 * 1000)  # 1 USD per million is 1,000 nano-dollars a token

    stack.changes["scrape_interval"] = "1s"
    assert exporter.reload() == ["scrape_interval: a change needs a restart"]
    stack.changes = {"timezone": "Nowhere"}
    assert exporter.reload()[0].startswith("timezone: 'Nowhere'")
    assert scrape(exporter)["cost_config_last_reload_successful[]"] == 0
    assert str(pipeline.config.timezone) == "UTC"


def test_of_many_senders_the_quietest_is_forgotten(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MAX_SENDERS", 2)
    pipeline, _ = stack.start()
    for source, sequence in (("a", 1), ("b", 1), ("a", 2), ("c", 1)):
        assert pipeline.submit(source, sequence, [event()]).result(30) == Receipt(1)
    assert pipeline.submit("a", 2, [event()]).result(30).duplicate
    assert pipeline.submit("c", 1, [event()]).result(30).duplicate
    kept = {name for name in pipeline.ledger.positions() if name.startswith("http:")}
    assert kept == {"http:a", "http:c"}


def test_nonsense_that_no_sum_can_hold_does_not_stop_what_comes_after_it(stack: Stack) -> None:
    pipeline, exporter = stack.start()
    most = 10**15
    nonsense = [event(cost_nano_usd=most) for _ in range(2**63 // most + 1)]
    with pytest.raises(UnavailableError, match="would pass 9,223,372,036,854,775,807"):
        pipeline.submit("job", 1, nonsense).result(30)
    stack.write()
    until(lambda: stack.spent() == COST)
    assert pipeline.submit("job", 1, nonsense).result(30) == Receipt(0, duplicate=True)
    rejected = "cost_events_rejected_total['overfull']"
    until(lambda: scrape(exporter)[rejected] == len(nonsense))


def test_a_journal_has_one_exporter_whatever_its_ledger(stack: Stack) -> None:
    stack.start()
    other = stack.config().model_copy(update={"ledger": stack.directory / "other.db"})
    told = f"{stack.journal}: in use by process {os.getpid()}; a journal has one exporter"
    with pytest.raises(JournalError, match=re.escape(told)):
        Pipeline(other)
    stack.pipelines.pop().stop()
    pipeline = Pipeline(other)  # neither its ledger nor the journal is held any more
    pipeline.stop()


def test_a_pipeline_that_cannot_begin_holds_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise LedgerError("ledger.db: database or disk is full")

    monkeypatch.setattr(BudgetBook, "note_file", full)
    with pytest.raises(LedgerError, match="disk is full"):
        Pipeline(stack.config())
    monkeypatch.undo()
    stack.start()


def test_a_reload_that_fails_in_the_middle_changes_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, exporter = stack.start()
    before = (pipeline.config, pipeline.prices, pipeline.budgets)

    def damaged(_: Ledger) -> NoReturn:
        raise LedgerError("ledger.db: disk I/O error")

    monkeypatch.setattr(Ledger, "open_requests", damaged)
    assert exporter.reload() == ["ledger.db: disk I/O error"]
    assert (pipeline.config, pipeline.prices, pipeline.budgets) == before
    assert scrape(exporter)["cost_config_last_reload_successful[]"] == 0
    monkeypatch.undo()
    assert exporter.reload() == []
    assert scrape(exporter)["cost_config_last_reload_successful[]"] == 1


def test_a_reload_of_an_exporter_that_has_stopped_says_so_at_once(stack: Stack) -> None:
    pipeline, _ = stack.start()
    pipeline.stop()
    assert pipeline.reload() == ["the exporter has stopped"]


def test_a_drain_ends_once_the_last_cent_was_scraped(stack: Stack) -> None:
    pipeline, exporter = stack.start()
    stack.write()
    until(lambda: SPENT_ON_INPUT in scrape(exporter))
    stack.write()
    pipeline.drain()
    assert pipeline.state == "draining"
    with pytest.raises(UnavailableError):
        pipeline.submit("job", 1, [event()])
    last = 0.0
    deadline = time.monotonic() + 20
    while not pipeline.drained:
        last = scrape(exporter)[SPENT_ON_INPUT]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert last == 2 * 150_000 / 1e9
    assert stack.spent() == 2 * COST


def test_a_drain_does_not_wait_for_a_scraper_that_never_was(stack: Stack) -> None:
    pipeline, _ = stack.start()
    stack.write()
    pipeline.drain()
    until(lambda: pipeline.drained)
    assert stack.spent() == COST


def test_batches_that_wait_when_it_stops_are_refused_not_forgotten(stack: Stack) -> None:
    pipeline = Pipeline(stack.config())
    receipt: Future[Receipt] = pipeline.submit("job", 1, [event()])
    pipeline.stop()
    with pytest.raises(UnavailableError):
        receipt.result(1)


def test_periods_are_summed_by_the_time_of_the_event(stack: Stack) -> None:
    _, exporter = stack.start()
    stack.write()
    stack.write(time_ns=time.time_ns() - 86_400 * 10**9)
    until(lambda: stack.spent() == 2 * COST)
    status = exporter.status()
    assert status.today_nano_usd == COST
    days = {
        k: v
        for k, v in scrape(exporter).items()
        if "'day'" in k and k.startswith("cost_budget_spend")
    }
    assert sorted(days.values()) == [COST / 1e9, COST / 1e9]


def test_a_journal_that_cannot_be_made_is_told_with_its_path(stack: Stack) -> None:
    (stack.directory / "file").touch()
    stack.changes["journal"] = stack.directory / "file" / "journal"
    with pytest.raises(JournalError, match="file/journal: cannot be made: Not a directory"):
        Pipeline(stack.config())


def test_resources_are_watched_and_charged(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmeter.sidecar.pipeline.SAMPLE_SECONDS", 0.1)
    monkeypatch.setattr("costmeter.sidecar.pipeline.CHARGE_SECONDS", 0.1)
    pid = stack.directory / "pid"
    pid.write_text("1")
    stack.changes["resources"] = [
        {
            "name": "init",
            "process": {"pid_file": str(pid)},
            "usd_per_core_hour": 1,
            "usd_per_gib_hour": 3600,
        }
    ]
    _, exporter = stack.start()
    until(lambda: scrape(exporter).get("cost_memory_usage_bytes['init']", 0) > 0)
    until(lambda: stack.spent() > 0)
    (row,) = query.spend(
        stack.directory / "ledger.db",
        by=("model",),
        start=None,
        end=None,
        timezone="UTC",
        where={"model": "memory"},
    )
    assert row.cost_nano_usd > 0
    assert scrape(exporter)["cost_cpu_core_hour_price_usd['init']"] == 1
