"""The section ``budgets`` of ``costmeter.yml``."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from costmeter.budgets.budget import THRESHOLDS, Budget, Degrade, Limits, severity
from costmeter.budgets.schema import in_force
from costmeter.errors import ConfigError
from costmeter.names import ALL_SPEND
from costmeter.sidecar.config import load

PAGE = Path(__file__).parents[2] / "docs" / "budgets.md"


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(path)
    return list(raised.value.problems)


def budgets_of(path: Path) -> tuple[Budget, ...]:
    """Return the budgets that a configuration puts in force."""
    config = load(path)
    return in_force(config.budgets, config.timezone)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "costmeter.yml"


def test_a_budget_is_read_to_the_nano_dollar(path: Path) -> None:
    path.write_text(
        """
        timezone: Asia/Kolkata
        budgets:
          - name: search
            match: {team: search, model: "gpt-*"}
            timezone: Europe/Berlin
            owner: search-leads
            policy: soft
            thresholds: [0.5, 1, 1.1]
            day: {soft_usd: 5, hard_usd: 7.50}
            month: {soft_usd: 0.000000001, rollover_max_usd: 50}
          - name: hard only
            policy: hard
            week: {hard_usd: 35}
        """,
        "utf-8",
    )
    everything, search, hard_only = budgets_of(path)
    assert everything == Budget(ALL_SPEND, ZoneInfo("Asia/Kolkata"))
    assert search == Budget(
        "search",
        ZoneInfo("Europe/Berlin"),
        {"team": "search", "model": "gpt-*"},
        "search-leads",
        "soft",
        (0.5, 1.0, 1.1),
        {"day": Limits(5 * 10**9, 75 * 10**8), "month": Limits(1, None, 50 * 10**9)},
    )
    assert hard_only.zone == ZoneInfo("Asia/Kolkata")
    assert hard_only.thresholds == THRESHOLDS
    # Thresholds are shares of the hard limit where that is the only one.
    assert hard_only.limits == {"week": Limits(35 * 10**9, 35 * 10**9)}


def test_the_budget_of_everything_takes_limits_under_its_name(path: Path) -> None:
    path.write_text("budgets: [{name: all, month: {soft_usd: 100}}]", "utf-8")
    (everything,) = budgets_of(path)
    assert everything.limits == {"month": Limits(100 * 10**9)}


def test_the_budgets_of_the_documentation_are_right(path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    found = []
    for example in examples:
        path.write_text(example, "utf-8")
        found += load(path).budgets
    assert found


def test_all_problems_are_told_at_once_each_with_its_path_and_value(path: Path) -> None:
    found = problems(
        path,
        """
        labels: {tenant: {max_values: 5}}
        drain_timeout: 45
        budgets:
          - {name: a, match: {tenant: x, tenent: x}, day: {soft_usd: 10, hard_usd: 5}}
          - {name: a, timezone: Mars/Olympus, policy: stop, week: {}}
          - {name: b, thresholds: [0.8, 0.5], month: {soft_usd: 0, rollover_max_usd: -1}}
          - {name: c, colour: blue}
          - {name: d, thresholds: [0], month: {hard_usd: .inf}}
          - {match: {team: 7}, month: {soft_usd: -5}}
          - {name: e}
          - {name: f, policy: hard, day: {soft_usd: 1}}
          - {name: all, match: {team: x}, timezone: UTC, day: {soft_usd: 1}}
        """,
    )
    assert found == [
        "drain_timeout: 45: a duration is written as in Prometheus: 30s, 15m, 1h30m, 90d",
        "budgets[0].day.hard_usd: 5: is below soft_usd 10",
        "budgets[1].timezone: 'Mars/Olympus': a time zone has a name of the IANA database, such as "
        "Europe/Berlin or UTC",
        "budgets[1].policy: 'stop': Input should be 'warn', 'soft' or 'hard'",
        "budgets[1].week: needs soft_usd, hard_usd or both",
        "budgets[2].thresholds: thresholds rise from one to the next",
        "budgets[2].month.soft_usd: 0: Input should be greater than 0",
        "budgets[2].month.rollover_max_usd: -1: Input should be greater than or equal to 0",
        "budgets[3].colour: unknown key",
        "budgets[4].thresholds[0]: 0: Input should be greater than or equal to 0.01",
        "budgets[4].month.hard_usd: inf: Input should be a finite number",
        "budgets[5].name: Field required",
        "budgets[5].match.team: 7: Input should be a valid string",
        "budgets[5].month.soft_usd: -5: Input should be greater than 0",
        "budgets[6]: needs limits for a day, week or month",
        "budgets[7]: the policy hard needs a hard_usd",
        "budgets[8].match: the budget 'all' is of everything; name this one otherwise",
        "budgets[8].timezone: 'UTC': the budget 'all' has the timezone of the top level",
        "budgets[0].match.tenent: no such label, there are provider, model, endpoint, feature, "
        "team, tenant",
        "budgets[1].name: 'a': budgets[0] has this name already",
    ]


def test_no_label_is_called_missing_where_the_labels_are_wrong_themselves(path: Path) -> None:
    found = problems(
        path,
        """
        labels: {tenant: {max_values: 0}}
        budgets: [{name: a, match: {tenant: x}, day: {soft_usd: 1}}]
        """,
    )
    assert found == ["labels.tenant.max_values: 0: Input should be greater than or equal to 1"]


@pytest.mark.parametrize("text", ["budgets: search", "budgets: [search]", "budgets: {name: a}"])
def test_what_is_no_list_of_budgets_is_refused(path: Path, text: str) -> None:
    (found,) = problems(path, text)
    assert found.startswith("budgets")


@pytest.mark.parametrize(
    ("match", "labels", "covered"),
    [
        ({}, {}, True),
        ({"team": "search"}, {"team": "search", "model": "gpt-4o"}, True),
        ({"team": "search"}, {"team": "Search"}, False),
        ({"team": "search"}, {}, False),
        ({"team": ""}, {}, True),
        ({"team": ""}, {"team": "search"}, False),
        ({"team": "?*"}, {}, False),
        ({"model": "gpt-4o*"}, {"model": "gpt-4o-mini"}, True),
        ({"team": "search", "model": "gpt-*"}, {"team": "search", "model": "claude"}, False),
        ({"model": "gpt-[45]*"}, {"model": "gpt-3.5"}, False),
    ],
)
def test_a_budget_covers_what_all_its_patterns_match(
    match: dict[str, str], labels: dict[str, str], covered: bool
) -> None:
    assert Budget("b", ZoneInfo("UTC"), match).covers(labels) is covered


def test_a_threshold_is_the_more_serious_the_higher_it_is() -> None:
    assert [severity(share) for share in (0.5, 0.79, 0.8, 0.9, 1.0, 1.1)] == [
        "info", "info", "warning", "warning", "critical", "critical",
    ]  # fmt: skip


def test_cheaper_models_and_the_emergency_have_defaults(path: Path) -> None:
    path.write_text(
        "budgets:\n"
        "  - {name: a, day: {hard_usd: 1}}\n"
        "  - {name: b, day: {hard_usd: 1}, emergency_ratio: 0.9, degrade: {emergency: gpt-4.1-nano}}\n"
        "  - {name: c, day: {hard_usd: 1}, degrade: {models: {gpt-4o: gpt-4o-mini}, from_ratio: 0.5,"
        " automatic: false}}\n",
        "utf-8",
    )
    _, a, b, c = budgets_of(path)
    assert (a.emergency_ratio, a.degrade) == (0.95, None)
    assert (b.emergency_ratio, b.degrade) == (0.9, Degrade(0.8, {}, ("gpt-4.1-nano",)))
    assert c.degrade == Degrade(0.5, {"gpt-4o": "gpt-4o-mini"}, (), automatic=False)


def test_cheaper_models_that_cannot_be_are_told(path: Path) -> None:
    text = (
        "budgets: [{name: a, day: {hard_usd: 1}, emergency_ratio: 0, degrade: {}},"
        " {name: b, day: {hard_usd: 1}, degrade: {models: {gpt-4o: ''}, form_ratio: 0.5}}]"
    )
    assert problems(path, text) == [
        "budgets[0].emergency_ratio: 0: Input should be greater than or equal to 0.01",
        "budgets[0].degrade: needs models, emergency or both",
        "budgets[1].degrade.models.gpt-4o: '': String should have at least 1 character",
        "budgets[1].degrade.form_ratio: unknown key",
    ]


def test_a_prometheus_has_a_url(path: Path) -> None:
    assert problems(path, "prometheus: {url: 'prometheus:9090', max_age: 5}") == [
        "prometheus.url: 'prometheus:9090': a URL begins with http:// or https:// and a host",
        "prometheus.max_age: 5: a duration is written as in Prometheus: 30s, 15m, 1h30m, 90d",
    ]
