"""The choices at the top of a dashboard."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    DatasourceVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from costmeter import names

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])

WITHOUT_LABEL: Final = ".*"
"""What "All" matches: also the series that a label was never set on, or sums would be short."""


CHOSEN: Final = ("provider", "model", "feature", "team")
"""The labels that every dashboard narrows spend by."""


def everywhere(*, narrowing: bool = True) -> list[Any]:
    """Return the choices of every dashboard: links carry them from one to the next.

    Args:
        narrowing: whether the dashboard heeds them; where not, they are carried and not shown.
    """
    dimensions = [dimension(label) for label in CHOSEN]
    if not narrowing:
        for each in dimensions:
            each.hide(VariableHide.HIDE_VARIABLE)
    return [datasource(), job(), *dimensions, deploys()]


def datasource() -> DatasourceVariable:
    """Return the choice of a Prometheus; whoever imports the dashboard is asked for it."""
    return (
        DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes costmeter")
        .type("prometheus")
        .current(VariableOption(text="default", value="default"))
    )


def job() -> QueryVariable:
    """Return the choice of scrape jobs: environments, where each has a job of its own."""
    return _labels("job", names.BUILD_INFO.name, "Job", "Scrape jobs of costmeter").all_value(".+")


def dimension(label: str) -> QueryVariable:
    """Return the choice of one of the labels that spend is attributed to.

    Models are those of the chosen providers; every other choice is independent.
    """
    chosen = 'job=~"$job"' + (', provider=~"$provider"' if label == "model" else "")
    metric = f"{names.SPEND.name}{{{chosen}}}"
    text = f"Only what was spent by {label}; All includes what has no {label}"
    return _labels(label, metric, label.capitalize(), text).all_value(WITHOUT_LABEL)


def deploys() -> TextBoxVariable:
    """Return the metric that tells of deploys; not shown, so set it in the dashboard's settings.

    Any metric with a label ``version``, as most applications' ``…_build_info``.
    """
    return (
        TextBoxVariable("deploys")
        .label("Deploys")
        .description("A metric with a label 'version': each new version is marked in charts")
        .default_value(names.BUILD_INFO.name)
        .hide(VariableHide.HIDE_VARIABLE)
    )


def grouping() -> CustomVariable:
    """Return the choice of what to tell apart: one of the dimensions, or the component."""
    return _custom(
        "by",
        "Split by",
        "What charts and tables tell apart",
        {label: label for label in ("model", "feature", "team", "endpoint", "provider")},
    )


def side_by_side() -> CustomVariable:
    """Return the choice of what is compared side by side: models, or providers."""
    values = {"model": "model", "provider": "provider"}
    return _custom("per", "Compare", "What stands side by side", values)


def charged() -> CustomVariable:
    """Return the choice of whom spend is charged to."""
    values = {"feature": "feature", "team": "team"}
    return _custom("whom", "Charge to", "Whom charts and tables charge", values)


def comparison() -> CustomVariable:
    """Return the choice of the past that the present is compared with: the same hours then."""
    return _custom(
        "ago",
        "Compare with",
        "The same hours, so long before",
        {"a week before": "1w", "a day before": "1d", "4 weeks before": "4w"},
    )


def budget() -> QueryVariable:
    """Return the choice of one of the budgets that have a limit."""
    return _one("budget", "", "Budget", "The budget that is shown in depth")


def window() -> QueryVariable:
    """Return the choice of one of the chosen budget's windows that have a limit."""
    chosen = ', budget="$budget"'
    month = VariableOption(selected=True, text="month", value="month")
    return _one("window", chosen, "Window", "The day, week or month of that budget").current(month)


def age() -> QueryVariable:
    """Return the age of the chosen budget's open period in seconds; not shown."""
    start = 'budget:cost_period_start:timestamp_seconds{budget="$budget", window="$window"}'
    query = f"query_result(time() - max({start}))"
    return (
        QueryVariable("age")
        .label("Age")
        .description("Seconds since the chosen budget's period began, in its own time zone")
        .datasource(DATASOURCE)
        .query({"qryType": 3, "query": query, "refId": "age"})
        .regex(r"/ (\d+)/")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .hide(VariableHide.HIDE_VARIABLE)
    )


def resource() -> QueryVariable:
    """Return the choice of watched processes and containers."""
    metric = f'{names.RESOURCE_UP.name}{{job=~"$job"}}'
    return _labels("resource", metric, "Resource", "What costmeter watches").all_value(".*")


def instance() -> QueryVariable:
    """Return the choice of sidecars."""
    metric = f'{names.BUILD_INFO.name}{{job=~"$job"}}'
    return _labels("instance", metric, "Sidecar", "Addresses of sidecars").all_value(".*")


def _one(label: str, chosen: str, title: str, description: str) -> QueryVariable:
    """Return the choice of exactly one of the values that a label of budgets' limits has."""
    metric = f'{names.BUDGET_LIMIT.name}{{job=~"$job"{chosen}}}'
    return _values(label, metric, title, description)


def _labels(label: str, metric: str, title: str, description: str) -> QueryVariable:
    """Return the choice of some of a label's values, or of all."""
    found = _values(label, metric, title, description)
    return found.multi(True).include_all(True).current(ALL)


def _values(label: str, metric: str, title: str, description: str) -> QueryVariable:
    return (
        QueryVariable(label)
        .label(title)
        .description(description)
        .datasource(DATASOURCE)
        .query({"qryType": 1, "query": f"label_values({metric}, {label})", "refId": label})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _custom(name: str, title: str, description: str, values: dict[str, str]) -> CustomVariable:
    options = [
        VariableOption(selected=place == 0, text=text, value=value)
        for place, (text, value) in enumerate(values.items())
    ]
    return (
        CustomVariable(name)
        .label(title)
        .description(description)
        .values(", ".join(f"{text} : {value}" for text, value in values.items()))
        .options(options)
        .current(options[0])
        .allow_custom_value(False)
    )
