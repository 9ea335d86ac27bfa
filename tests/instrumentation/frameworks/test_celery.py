"""Whom a Celery task's calls count for: real workers, a broker in a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import celery
import pytest

import costmeter
from costmeter.instrumentation.context import current

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(standin: str, recorded: Any) -> Any:
    """A Celery application that does its tasks at once, instrumented."""
    costmeter.instrument("celery", "openai", providers={standin: "openai"})
    app = celery.Celery("eager", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = True
    yield app
    costmeter.uninstrument()


def test_a_task_counts_for_its_name_unless_a_feature_is_said(app: Any):
    task = app.task(name="summarise")(current)
    assert task.delay().get() == {"feature": "summarise"}
    assert current() == {}
    with costmeter.attribute(feature="report", team="t"):
        assert task.delay().get() == {"feature": "report", "team": "t"}
        assert current() == {"feature": "report", "team": "t"}


def test_a_task_that_fails_leaves_nothing_behind(app: Any):
    def broken() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        app.task(name="broken")(broken).delay().get()
    assert current() == {}


def test_a_message_carries_whom_it_is_for_and_nothing_where_there_is_no_one(app: Any):
    sent: list[dict[str, Any]] = []
    app.conf.task_always_eager = False
    app.task(name="t")(current)

    def see(headers: dict[str, Any], **_: Any) -> None:
        sent.append(headers)

    celery.signals.after_task_publish.connect(see)
    try:
        app.send_task("t")
        with costmeter.attribute(endpoint="/u/{u}"):
            app.send_task("t")
        costmeter.uninstrument("celery")
        with costmeter.attribute(endpoint="/u/{u}"):
            app.send_task("t")
    finally:
        celery.signals.after_task_publish.disconnect(see)
    assert [headers.get("costmeter") for headers in sent] == [None, {"endpoint": "/u/{u}"}, None]


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
def test_a_worker_s_calls_count_for_their_task_and_for_whom_it_was_sent(
    pool: str, standin: str, recorded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("BROKER", str(tmp_path))
    monkeypatch.setenv("STANDIN", standin)
    monkeypatch.setenv("COSTMETER_PROVIDERS", f"{standin}=openai")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    send = (
        "import costmeter, os, pathlib; from tests.instrumentation.served.tasks import index\n"
        "costmeter.instrument('celery')\n"
        "with costmeter.attribute(endpoint='/documents/{id}'): index.delay()\n"
    )
    subprocess.run([sys.executable, "-c", send], check=True, cwd=ROOT, timeout=60)

    command = [
        sys.executable, "-m", "costmeter", "run", sys.executable, "-m", "celery",
        "--app", "tests.instrumentation.served.tasks", "worker", "--pool", pool, "--concurrency", "1",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, env=os.environ) as worker:
        (tmp_path / "pid").write_text(str(worker.pid))
        try:
            worker.wait(60)
        finally:
            worker.kill()
    assert [event.attributes for event in recorded()] == [
        {"endpoint": "/documents/{id}", "feature": "index"},
        {"endpoint": "/documents/{id}", "feature": "summarise"},
    ]
