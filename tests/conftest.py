"""Options of the whole suite, and what keeps it from doing needless work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

SLOWEST = (
    "rules/test_promtool.py",
    "rules/test_budgets.py",
    "e2e/",
    "instrumentation/clients/test_calls.py",
    "instrumentation/clients/test_celery.py",
    "instrumentation/test_run.py",
    "alertmanager/",
    "ledger/test_crash.py",
    "dashboards/test_live",
    "sidecar/test_page.py",
    "sidecar/test_embedded.py",
    "rules/",
    "examples/",
    "journal/test_processes.py",
    "workloads/test_resources.py",
)
"""What takes longest goes first, lest one processor wait for it in the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import a dozen SDKs, and let no collection of garbage look at them from then on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        path = item.nodeid.removeprefix("tests/")
        return next((n for n, name in enumerate(SLOWEST) if path.startswith(name)), len(SLOWEST))

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let clients read one certificate, not all the world's: no test leaves this machine."""
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="utf-8").partition(end)
    authority = tmp_path_factory.mktemp("authority") / "one.pem"
    authority.write_text(first + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority))
        yield
