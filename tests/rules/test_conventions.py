"""What every rule and alert keeps to, read from the files rather than from memory."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from costmeter import names, rule_names
from tests.rules.rulebook import (
    ALERTS,
    GROUPS,
    RECORDS,
    ROOT,
    RULE_FILES,
    RULES,
    TEST_FILES,
    Rule,
    headings,
    read,
)

RUNBOOK = "https://github.com/costmeter/costmeter/blob/main/docs/runbook.md#"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
PROMETHEUS_OWN = {"up", "ALERTS"}
SEVERITY_FROM_CONFIGURATION = "CostBudgetThresholdReached"
"""The alert whose severity is a label of the threshold that was reached."""

SAMPLED = {f"ledger:cost_{what}:sampled" for what in ("counter", "whole", "seen")}
"""What is recorded at two intervals, told apart by a label, for charts of short and long ranges."""

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
each_alert = pytest.mark.parametrize("name", ALERTS)


def seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


def exposed() -> set[str]:
    """Return every series name that the sidecar exposes, those of histograms too."""
    histograms = {name for name, family in names.FAMILIES.items() if family.kind == "histogram"}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    return set(names.FAMILIES) - histograms | parts


def test_there_are_rules_and_alerts() -> None:
    assert len(RECORDS) > 50
    assert len(ALERTS) > 10


def test_names_of_rules_are_those_of_rule_names_py() -> None:
    recorded = [rule.name for rule in RECORDS]
    once = [name for name in recorded if name not in SAMPLED]
    assert len(once) == len(set(once))
    assert set(recorded) == set(rule_names.RULES)
    assert len(rule_names.RULES) == len(set(rule_names.RULES))


def test_names_of_alerts_are_those_of_rule_names_py() -> None:
    assert sorted(ALERTS) == sorted(rule_names.ALERTS)


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule.name)
def test_a_record_is_named_level_metric_operations(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+", rule.name)


@each_rule
def test_an_expression_selects_only_what_exists(rule: Rule) -> None:
    existing = exposed() | set(rule_names.RULES) | PROMETHEUS_OWN
    for pattern in rule.selected():
        assert any(re.fullmatch(pattern, name) for name in existing), pattern


@each_rule
def test_an_expression_matches_and_groups_by_labels_that_exist(rule: Rule) -> None:
    labels = {label for family in names.FAMILIES.values() for label in family.labels}
    labels |= {"job", "instance", "alertname", "le", "__name__", "family"}
    for grouping in re.findall(r"\b(?:by|on|group_left|without) \(([^)]*)\)", rule.expr):
        assert set(filter(None, grouping.split(", "))) <= labels
    for selector in rule.selectors():
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels


@each_rule
def test_a_rule_names_no_budget_model_or_team(rule: Rule) -> None:
    own = {*names.DIMENSIONS, "budget", "period", "resource", "ledger", "instance"}
    for selector in rule.selectors():
        assert not own & {matcher.name for matcher in selector.matchers.matchers}


@each_rule
def test_an_expression_means_the_same_on_prometheus_2_and_3(rule: Rule) -> None:
    # Gone in 3, or not yet in 2.42; durations as bare numbers; ranges of one step, empty in 3.
    assert not re.search(r"holt_winters|double_exponential_smoothing|limitk|info\(", rule.expr)
    assert not re.search(r"offset \d+\b(?![smhdw])", rule.expr)
    for duration in re.findall(r"\[(\w+)\]", rule.expr):
        assert seconds(duration) >= 300


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["name"])
def test_a_group_is_evaluated_more_often_than_a_sample_is_found(group: dict[str, Any]) -> None:
    """A sample is found for five minutes: a slower group would blink in whatever reads it."""
    assert group["name"].startswith("cost_")
    if {rule["record"] for rule in group["rules"] if "record" in rule} == SAMPLED:
        return  # read with last_over_time() only
    assert seconds(group.get("interval", "15s")) <= 120


def test_the_rolling_windows_agree_with_themselves() -> None:
    """The offset, the age below which a month began at 0, and the name are one window."""
    *windows, week = [rule for rule in RECORDS if rule.group == "cost_budget_windows"]
    assert len(windows) == 5
    for rule in windows:
        (offset,) = re.findall(r"offset (\w+)", rule.expr)
        (age,) = re.findall(r"< (\d+)\)", rule.expr)
        assert rule.name == f"budget:cost_spend_usd:delta{offset}"
        assert seconds(offset) == int(age)
    assert week.name == "budget:cost_spend_usd:delta7d"
    assert re.findall(r"delta1d offset (\w+)", week.expr) == [f"{day}d" for day in range(1, 7)]


@each_alert
def test_an_alert_tells_what_is_up_and_where_to_look(name: str) -> None:
    alert = ALERTS[name]
    assert re.fullmatch(r"Cost[A-Z][A-Za-z]+", name)
    if name != SEVERITY_FROM_CONFIGURATION:
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["labels"]["kind"] in {"health", "anomaly", "threshold", "burn", "forecast"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url", "dashboard"}
    assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}{name.lower()}"
    assert name.lower() in headings(ROOT / "docs" / "runbook.md")


@each_alert
def test_an_alert_links_to_a_dashboard_that_exists(name: str) -> None:
    dashboards = [json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")]
    links = {f"/d/{dashboard['uid']}": dashboard for dashboard in dashboards}
    link, _, variable = ALERTS[name]["annotations"]["dashboard"].partition("?var-")
    assert link in links
    if variable:
        chosen = [each["name"] for each in links[link]["templating"]["list"]]
        assert variable.split("=")[0] in chosen


@each_alert
def test_the_runbook_agrees_on_severity_and_patience(name: str) -> None:
    alert = ALERTS[name]
    severity = alert["labels"].get("severity", "its own")
    row = rf"\| \[{name}\]\(#{name.lower()}\) \| {severity} \| [^|]+ \| ([^|]+) \|"
    match = re.search(row, (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"))
    assert match, f"docs/runbook.md has no row for {name}"
    assert match[1] == alert.get("for", "at once")


@each_alert
def test_an_alert_is_tested_to_fire_and_to_stay_quiet(name: str) -> None:
    cases = [
        case
        for path in TEST_FILES
        for test in read(path)["tests"]
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == name
    ]
    assert any(case["exp_alerts"] for case in cases), "never seen to fire"
    assert any(not case["exp_alerts"] for case in cases), "never seen to stay quiet"


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_a_test_file_evaluates_groups_in_the_order_of_its_rule_files(path: object) -> None:
    test = read(path)
    files = [ROOT / "prometheus" / "tests" / name for name in test["rule_files"]]
    expected = [group["name"] for file in files for group in read(file.resolve())["groups"]]
    assert test["group_eval_order"] == expected


def test_every_rule_file_has_its_test_file() -> None:
    tested = {name for path in TEST_FILES for name in read(path)["rule_files"]}
    assert tested == {f"../rules/{path.name}" for path in RULE_FILES}


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule.name)
def test_a_recorded_series_is_tested_or_feeds_one_that_is(rule: Rule) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in TEST_FILES)
    read_by = [other for other in RULES if rule.name in other.selected()]
    assert rule.name in tests or read_by
