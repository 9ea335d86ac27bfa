"""Every query is PromQL, and every name in it is one that costmeter exposes or records."""

from __future__ import annotations

import re

import promql_parser
import pytest
from promql_parser import Call, Expr, VectorSelector

from costmeter import names, rule_names
from dashboards.src import checks, queries
from dashboards.src.variables import CHOSEN
from tests.dashboards.boards import BOARDS, TARGETS, Target
from tests.rules.rulebook import RECORDS

HISTOGRAMS = {
    f"{family.name}{suffix}": (*family.labels, "le")
    for family in names.LEDGER_FAMILIES
    if family.kind == "histogram"
    for suffix in ("_bucket", "_sum", "_count")
}
EXPOSED = {name: family.labels for name, family in names.FAMILIES.items()} | HISTOGRAMS
PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "up"}
"""What Prometheus itself records."""
SCRAPED = {"job", "instance"}
"""Labels that Prometheus gives whatever it scrapes."""
KEPT = {family.name for family in names.LEDGER_FAMILIES} | set(HISTOGRAMS)
each_target = pytest.mark.parametrize("target", TARGETS, ids=str)


def selectors(expr: Expr) -> list[VectorSelector]:
    found: list[VectorSelector] = []

    def visit(node: Expr) -> bool:
        if isinstance(node, VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(expr, visit)
    return found


def called(promql: str, functions: set[str]) -> list[str]:
    """Return the names of the metrics that one of some functions is applied to."""
    found: list[str] = []

    def visit(node: Expr) -> bool:
        if isinstance(node, Call) and node.func.name in functions:
            found.extend(str(one.name) for one in selectors(node))
        return True

    promql_parser.walk(promql_parser.parse(promql), visit)
    return found


@each_target
def test_a_query_is_promql_whatever_is_chosen(target: Target) -> None:
    promql_parser.parse(target.promql(300))
    promql_parser.parse(target.promql(2_592_000, 86_400, by="team", ago="4w", model="a|b"))


@each_target
def test_a_query_asks_for_what_exists(target: Target) -> None:
    asked = selectors(promql_parser.parse(target.promql(3600)))

    assert asked
    for selector in asked:
        assert (
            selector.name in EXPOSED
            or selector.name in rule_names.RULES
            or (selector.name in PROMETHEUS)
        ), f"nobody exposes or records {selector.name}"


@each_target
def test_a_query_narrows_by_labels_that_the_metric_has(target: Target) -> None:
    for selector in selectors(promql_parser.parse(target.promql(3600))):
        if selector.name in EXPOSED:
            used = {matcher.name for matcher in selector.matchers.matchers}
            has = set(EXPOSED[selector.name])
            assert used <= has | SCRAPED
            assert "job" in used
            heeded = not used & set(CHOSEN) or used >= has & set(CHOSEN)
            assert heeded, "some choices are heeded and others are not"


def test_every_amount_heeds_every_choice() -> None:
    for kept in (names.SPEND, names.CREDIT, names.TOKENS, names.API_CALLS):
        for label in CHOSEN:
            assert f'{label}=~"${label}"' in queries.series(kept)
        assert 'job=~"$job"' in queries.series(kept)


@each_target
def test_what_the_ledger_keeps_is_never_extrapolated(target: Target) -> None:
    extrapolating = {"rate", "irate", "increase", "delta", "deriv", "predict_linear"}

    assert not KEPT & set(called(target.promql(3600), extrapolating))


def test_a_function_applied_to_a_metric_is_seen() -> None:
    assert called("sum(increase(cost_spend_usd_total[1h])) + 1", {"increase"}) == [
        "cost_spend_usd_total"
    ]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
def test_the_lists_of_values_come_from_what_exists(board: dict) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = variable["query"]["query"]
        if value := re.fullmatch(r"query_result\((.*)\)", query):
            asked = selectors(promql_parser.parse(value[1]))
            assert {selector.name for selector in asked} <= set(rule_names.RULES)
            continue
        form = r"label_values\((?P<metric>\w+)(\{.*\})?, (?P<label>\w+)\)"
        found = re.fullmatch(form, query)
        assert found
        assert found["metric"] in names.FAMILIES
        assert found["label"] in {*names.FAMILIES[found["metric"]].labels, *SCRAPED}


def test_alerts_are_found_by_how_their_names_begin() -> None:
    assert all(re.fullmatch("Cost.+", alert) for alert in rule_names.ALERTS)


def test_each_check_leads_to_an_alert_of_its_own() -> None:
    told = [check.alert for check in checks.of(checks.ALL)]

    assert set(told) <= set(rule_names.ALERTS)
    assert len(told) == len(set(told))


def test_what_rose_is_the_end_less_the_start_or_the_first_value() -> None:
    assert queries.gained("x", "1h") == (
        "(last_over_time(x[1h]) - (last_over_time(x[6h] offset 1h) or min_over_time(x[1h])))"
    )
    latest, first = "ledger:cost_counter:latest{a}", "ledger:cost_counter:first{a}"
    seen = "ledger:cost_seen:timestamp_seconds"
    assert queries.gained(latest, "1h", ago="1w") == (
        f"(last_over_time({latest}[75m] offset 1w)"
        f" or label_replace(-((last_over_time({latest}[75m] offset 1w1h)"
        f" or last_over_time({first}[75m] offset 1w))"
        f' and on (job, ledger) last_over_time({seen}[75m] offset 1w)), "at", "start", "", ""))'
    )


def test_what_is_recorded_is_what_the_rule_records() -> None:
    (rule,) = (each for each in RECORDS if each.name == queries.LATEST)
    (pattern,) = (name for name in rule.selected() if name.startswith("cost_") and "(" in name)

    kept = {name for name in KEPT | set(HISTOGRAMS) if re.fullmatch(pattern, name)}
    assert kept == queries.RECORDED


@each_target
def test_no_panel_reads_all_samples_of_what_is_recorded(target: Target) -> None:
    asked = selectors(promql_parser.parse(target.promql(3600)))

    assert not queries.RECORDED & {str(selector.name) for selector in asked}
    assert f"{queries.LATEST}[1h]" not in target.promql(3600)


def test_the_coarseness_of_samples_follows_the_width_of_bars() -> None:
    for wide, bars in (("5m", "sm"), ("30m", "sm"), ("1h", "hdwy"), ("7d", "hdwy")):
        (pattern,) = re.findall(r'bars=~"([^"]+)"', queries.gained_ahead(queries.CALLS))[:1]
        chosen = [each for each in ("sm", "hdwy")
                  if re.fullmatch(pattern.replace("$__interval", wide), each)]  # fmt: skip
        assert chosen == [bars]


def test_token_types_are_all_shown_once() -> None:
    from dashboards.src.overview.usage import TOKEN_TYPES

    for kind in names.TOKEN_TYPES:
        assert len([1 for types in TOKEN_TYPES.values() if re.fullmatch(types, kind)]) == 1
