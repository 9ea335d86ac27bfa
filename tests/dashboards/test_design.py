"""What holds for every dashboard: importable, described, aligned, and nothing left to guess."""

from __future__ import annotations

from typing import Any

import promql_parser
import pytest

from tests.dashboards.boards import BOARDS, TARGETS, Target, panels

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in panels(board)
]
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
each_panel = pytest.mark.parametrize("panel", PANELS)
each_target = pytest.mark.parametrize("target", TARGETS, ids=str)


def variable(board: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in board["templating"]["list"] if one["name"] == name)
    return found


@each_board
def test_a_dashboard_can_be_imported_anywhere(board: dict[str, Any]) -> None:
    assert "id" not in board, "an id belongs to one Grafana; the uid to all"
    assert board["uid"].startswith("costmeter-")
    assert len(board["uid"]) <= 40
    assert board["tags"] == ["costmeter"]
    assert board["title"].startswith("costmeter / ")
    assert board["description"]
    assert board["schemaVersion"] == 41
    assert board["timezone"] == "browser"
    assert (board["time"], board["refresh"]) == ({"from": "now-24h", "to": "now"}, "1m")


@each_board
def test_whoever_imports_it_is_asked_for_one_prometheus(board: dict[str, Any]) -> None:
    asked = [one for one in board["templating"]["list"] if one["type"] == "datasource"]

    assert [(one["name"], one["label"], one["query"]) for one in asked] == [
        ("datasource", "Data source", "prometheus")
    ]


@each_board
def test_the_job_can_be_chosen(board: dict[str, Any]) -> None:
    job = variable(board, "job")

    assert (job["label"], job["multi"], job["includeAll"], job["allValue"]) == (
        "Job", True, True, ".+",
    )  # fmt: skip
    assert job["query"]["query"] == "label_values(cost_build_info, job)"


@each_board
def test_choosing_all_includes_what_has_no_such_label(board: dict[str, Any]) -> None:
    for label in ("provider", "model", "feature", "team"):
        chosen = variable(board, label)
        assert chosen["allValue"] == ".*", "an enumeration would leave out what has no label"
        assert chosen["current"]["value"] == ["$__all"]


@each_board
def test_every_list_of_values_follows_the_time_range(board: dict[str, Any]) -> None:
    for one in board["templating"]["list"]:
        if one["type"] == "query":
            assert one["refresh"] == 2
            assert one["datasource"] == DATASOURCE


@each_board
def test_the_dashboards_link_to_each_other_and_keep_time_and_choices(board: dict[str, Any]) -> None:
    (link,) = (link for link in board["links"] if link["type"] == "dashboards")

    assert (link["tags"], link["keepTime"], link["includeVars"]) == (["costmeter"], True, True)


@each_board
def test_alerts_and_deploys_are_marked_in_every_chart(board: dict[str, Any]) -> None:
    asked = [one for one in board["annotations"]["list"] if one["type"] == "prometheus"]

    assert [one["name"] for one in asked] == ["Alerts", "Deploys"]
    for one in asked:
        assert one["datasource"] == DATASOURCE
        assert one["enable"]
        assert one["titleFormat"]
        promql_parser.parse(one["expr"].replace("$deploys", "cost_build_info"))


@each_board
def test_every_dashboard_begins_with_the_same_choices(board: dict[str, Any]) -> None:
    made = [one["name"] for one in board["templating"]["list"]]

    assert made[:7] == ["datasource", "job", "provider", "model", "feature", "team", "deploys"]
    assert variable(board, "deploys")["hide"] == 2


@each_panel
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith((".", "'"))
    assert len(panel["description"]) > 20


@each_panel
def test_a_panel_has_a_unit_and_says_why_it_is_empty(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert defaults["unit"]
    assert defaults["noValue"]


@each_panel
def test_money_is_shown_in_dollars(panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["title"].startswith(("Spend", "Cost", "Today", "This", "Last hour", "Month")):
        assert unit in {"currency:financial:$", "currencyUSD"}


@each_panel
def test_a_panel_asks_the_chosen_prometheus(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == DATASOURCE
    assert panel["targets"]
    for query in panel["targets"]:
        assert query["datasource"] == DATASOURCE
        assert query["instant"] != query["range"]


@each_board
def test_no_two_panels_have_the_same_id_or_title(board: dict[str, Any]) -> None:
    everything = [*board["panels"], *panels(board)]
    ids = {id(panel): panel["id"] for panel in everything}
    titles = [panel["title"] for panel in panels(board)]

    assert len(set(ids.values())) == len(ids)
    assert sorted(set(titles)) == sorted(titles)


@each_board
def test_panels_fill_the_grid_without_overlap_or_gap(board: dict[str, Any]) -> None:
    covered: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        grid = panel["gridPos"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in covered, f"{panel['title']} covers {covered[x, y]}"
                covered[x, y] = panel["title"]

    bottom = max(y for _, y in covered) + 1
    assert len(covered) == 24 * bottom
    assert max(x for x, _ in covered) == 23


@each_panel
def test_colours_are_those_of_the_palette(panel: dict[str, Any]) -> None:
    palette = {"#0072B2", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#6A6A6A"}
    alarm = {"#CC7F00", "#D55E00"}
    fixed = [panel["fieldConfig"]["defaults"].get("color", {}).get("fixedColor")]
    for override in panel["fieldConfig"]["overrides"]:
        fixed += [
            one["value"].get("fixedColor") for one in override["properties"] if one["id"] == "color"
        ]
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])

    assert set(filter(None, fixed)) <= palette | alarm
    assert {step["color"] for step in steps} <= {"text"} | alarm


@each_target
def test_means_over_time_use_what_grafana_works_out(target: Target) -> None:
    assert "rate(" not in target.query["expr"], "rates extrapolate: see queries.gained"
    if "$__interval" in target.query["expr"]:
        assert target.query["range"]
    if "$__range" in target.query["expr"] and "@ end()" not in target.query["expr"]:
        assert target.query["instant"]
