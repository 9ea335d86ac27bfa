"""The application's side is light: what it imports, and when."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import costmeter

HEAVY = (
    "asyncio",
    "genai_prices",
    "httpx",
    "httpx2",
    "logging",
    "openai",
    "prometheus_client",
    "pydantic",
    "sqlite3",
    "starlette",
    "yaml",
)


def imported_after(code: str) -> set[str]:
    """Return the names of all modules that a new interpreter has after running some code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={"PYTHONPATH": os.path.dirname(os.path.dirname(costmeter.__file__))},  # noqa: PTH120
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(run.stdout.split())


def test_importing_costmeter_imports_next_to_nothing():
    before = imported_after("")
    new = imported_after("import costmeter") - before
    assert {name for name in new if name.startswith("costmeter")} == {"costmeter"}
    assert "msgspec" not in new


@pytest.mark.parametrize(
    "name", ["record_llm", "track", "attribute", "record_request", "gate.check"]
)
def test_what_an_application_calls_imports_nothing_heavy(name):
    modules = imported_after(f"import costmeter; costmeter.{name}")
    assert not modules & set(HEAVY)


def test_recording_imports_nothing_heavy(tmp_path):
    code = f"""
import os
os.environ["COSTMETER_JOURNAL"] = {str(tmp_path)!r}
import costmeter
costmeter.record_llm("openai", "gpt-4o", input_tokens=1)
"""
    assert not imported_after(code) & set(HEAVY)


def test_all_public_names_are_there():
    for name in set(costmeter.__all__) - {"gate"}:
        assert callable(getattr(costmeter, name)), name
    assert callable(costmeter.gate.check)
    assert set(costmeter.__all__) <= set(dir(costmeter))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        costmeter.nonsense  # noqa: B018
