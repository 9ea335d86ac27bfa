"""``costmeter pricing``."""

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from costmeter.cli.pricing import pricing
from costmeter.errors import PricingError

app = typer.Typer()
app.command()(pricing)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "100"})


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "costmeter.yml"
    file.write_text(
        """
        prices:
          models:
            - {provider: mine, model: own-small, usd_per_million: {input: 0.1, output: 0.4}}
            - {provider: mine, model: own-large, usd_per_million: {input: 1.25, output: 10},
               long_context: [{above_input_tokens: 200000, usd_per_million: {input: 2.5}}]}
        """
    )
    return str(file)


def test_a_providers_prices_are_listed_with_their_source(config: str) -> None:
    result = run("--config", config, "--provider", "mine")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert ["provider", "model", "input", "output"] in lines
    assert ["mine", "own-large", "1.25+", "10+"] in lines
    assert ["mine", "own-small", "0.1", "0.4"] in lines
    assert "USD per million tokens, from costmeter.yml; + more where the input is long" in (
        result.stdout
    )


def test_json_has_the_exact_model_that_was_asked_for() -> None:
    result = run("--provider", "openai", "--model", "gpt-4o-2024-11-20", "--format", "json")
    (line,) = json.loads(result.stdout)
    assert line["provider"] == "openai"
    assert line["usd_per_million"]["input"] == 2.5
    assert line["usd_per_million"]["cache_read"] == 1.25
    assert line["price"].endswith(":openai/gpt-4o")


def test_csv_has_a_column_for_each_type(config: str) -> None:
    result = run("--config", config, "--provider", "mine", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["model"], row["input"], row["output"], row["input_audio"]) for row in rows] == [
        ("own-large", "1.25", "10", ""),
        ("own-small", "0.1", "0.4", ""),
    ]
    assert rows[0]["long_context_above"] == "200000"
    assert rows[1]["price"] == "costmeter.yml:mine/own-small"


@pytest.mark.parametrize(
    ("pattern", "models"),
    [("own", ["own-large", "own-small"]), ("*small", ["own-small"]), ("OWN-l", ["own-large"])],
)
def test_models_are_found_by_a_part_or_a_pattern(
    config: str, pattern: str, models: list[str]
) -> None:
    result = run("--config", config, "--model", pattern, "--provider", "mine", "--format", "json")
    assert [line["model"] for line in json.loads(result.stdout)] == models


def test_prices_of_another_day_can_be_asked_for() -> None:
    for day, usd in (("2025-06-09", 10), ("2025-06-10", 2)):
        result = run("--provider", "openai", "--model", "o3", "--at", day, "--format", "json")
        assert json.loads(result.stdout)[0]["usd_per_million"]["input"] == usd


def test_what_has_no_price_is_an_error() -> None:
    with pytest.raises(PricingError, match="no price is known for provider 'nobody'"):
        run("--provider", "nobody")


def test_prices_out_of_reach_are_told_and_the_last_good_listed(tmp_path: Path) -> None:
    file = tmp_path / "costmeter.yml"
    file.write_text("prices: {url: 'http://127.0.0.1:1/data.json'}")
    result = run("--config", str(file), "--provider", "jina", "--refresh", "--format", "csv")
    assert result.exit_code == 0
    assert "prices could not be fetched: http://127.0.0.1:1/data.json" in result.stderr
    assert "jina-embeddings" in result.stdout
