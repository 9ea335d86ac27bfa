"""Everything under prometheus/ through promtool, of every version at hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.rules.rulebook import ROOT, RULE_FILES, TEST_FILES
from tests.rules.stack import WITHOUT_THRIFT, installed

each_promtool = pytest.mark.parametrize("promtool", installed("promtool"))


def run(promtool: str, *arguments: str | Path) -> None:
    result = subprocess.run(
        [promtool, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=WITHOUT_THRIFT,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@each_promtool
def test_the_rules_pass_promtool_s_check(promtool: str) -> None:
    run(promtool, "check", "rules", *RULE_FILES)


@each_promtool
def test_the_configuration_passes_promtool_s_check(promtool: str) -> None:
    run(promtool, "check", "config", ROOT / "prometheus" / "prometheus.yml")


@each_promtool
@pytest.mark.timeout(300)  # weeks in steps of five minutes
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_rules_do_as_their_test_says(promtool: str, path: Path) -> None:
    run(promtool, "test", "rules", path)
