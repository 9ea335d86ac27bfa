"""``costmeter estimate``."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from costmeter.cli.estimate import estimate
from costmeter.errors import PricingError

app = typer.Typer()
app.command()(estimate)

GPT_4O_MINI = ("--provider", "openai", "--model", "gpt-4o-mini", "--at", "2026-11-22")
USAGE = ("--input-tokens", "1200", "--cache-read-tokens", "1000", "--output-tokens", "50")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_an_estimate_is_by_component_and_in_all() -> None:
    result = run(*GPT_4O_MINI, *USAGE)
    assert [line.split() for line in result.stdout.splitlines() if "0.0" in line] == [
        ["input", "0.000030000"],
        ["cache_read", "0.000075000"],
        ["output", "0.000030000"],
        ["total", "0.000135000"],
    ]
    assert ":openai/gpt-4o-mini" in result.stdout


def test_an_estimate_can_be_read_by_programs() -> None:
    document = json.loads(run(*GPT_4O_MINI, *USAGE, "--format", "json").stdout)
    assert document["usd"] == {
        "input": 0.00003, "cache_read": 0.000075, "output": 0.00003, "total": 0.000135,
    }  # fmt: skip
    assert run(*GPT_4O_MINI, *USAGE, "--format", "csv").stdout.splitlines() == [
        "component,usd",
        "input,0.000030000",
        "cache_read,0.000075000",
        "output,0.000030000",
        "total,0.000135000",
    ]


def test_a_service_tier_has_its_own_price() -> None:
    result = run(*GPT_4O_MINI, "--input-tokens", "1000", "--service-tier", "batch",
                 "--format", "csv")  # fmt: skip
    assert "total,0.000075000" in result.stdout


def test_a_model_without_a_price_is_an_error_that_names_what_was_meant() -> None:
    with pytest.raises(PricingError, match="did you mean gpt-4o-mini"):
        run("--provider", "openai", "--model", "gpt-4o-mni", "--input-tokens", "1")
