"""Panels in the one design of all dashboards.

Each builder takes a title, what the panel tells and what it leaves out (its description), a unit
and queries; everything else is decided here. No panel can be made without a description or a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from grafana_foundation_sdk.builders import barchart, bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from costmeter import names
from dashboards.src import colours
from dashboards.src.variables import DATASOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.src.units import Unit

P = TypeVar("P")
"""Any kind of panel."""

NO_DATA: Final = "No usage yet"
"""What a panel says that has nothing to show."""

AUTO: Final = "__auto"
"""The legend of series with one label: its value, whatever the label."""

BARS: Final = 96
"""Bars of a chart at most: quarters of an hour in a day."""
MEANS: Final = 48
"""Points of a line of means at most: fewer, so that each is a mean of many."""
SAMPLED: Final = "5m"
"""The shortest time that a bar, or a mean, is of: see ``prometheus/rules/ranges.yml``."""


NONE: Final = "\u2013"
"""What a cell of a table says that has nothing to show."""
CELL: Final = 96
"""Pixels that a column of a table has at least: ``$123,456.78``; cut short it is another amount."""
NAME: Final = 110
"""The same of a column of names."""
SHORT: Final = 80
"""Pixels of a column of short words."""
WHOLE: Final = 230
"""Pixels that most names of models and budgets take."""
DIMENSIONS: Final = {label: label.capitalize() for label in names.DIMENSIONS}
"""Titles of columns of labels, where which of them a table has is chosen."""
FARTHEST: Final = "farthest"
"""A field that a table sorts by and does not show."""


@dataclass(frozen=True)
class Query:
    """PromQL and how its series are called: a text, where ``{{label}}`` is the label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: one query whose values it shows."""

    title: str
    expr: str
    unit: Unit
    bar: bool = False
    """Whether a value, a share of 1, is drawn as a bar as well."""
    words: Mapping[str, str] | None = None
    """What stands in place of certain values."""
    levels: Levels | None = None
    """From which values on it is coloured."""


@dataclass(frozen=True)
class Levels:
    """From which values on a state wants to be looked at, or acted upon."""

    look: float | None = None
    act: float | None = None
    above: bool = False
    """Whether the values themselves are still fine, and only those above them are not."""

    def thresholds(self, fine: str = colours.FINE) -> ThresholdsConfig:
        """Return them as Grafana has them, what is fine in a colour of its own."""
        steps = [Threshold(value=None, color=fine)]
        more = 1e-9 if self.above else 0.0
        if self.look is not None:
            steps.append(Threshold(value=self.look + more, color=colours.LOOK))
        if self.act is not None:
            steps.append(Threshold(value=self.act + more, color=colours.ACT))
        return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


PLAIN: Final = Levels()


def figure(
    title: str,
    text: str,
    expr: str,
    unit: Unit,
    *,
    levels: Levels = PLAIN,
    words: Mapping[str, str] | None = None,
    nothing: str = NO_DATA,
    legend: str = "",
) -> stat.Panel:
    """Return a single figure.

    Args:
        title: what it is.
        text: the description.
        expr: PromQL with one result.
        unit: its unit.
        levels: from which values on it is coloured.
        words: what stands in place of certain values.
        nothing: what it says where there is no result.
        legend: its name, where that is shown.
    """
    panel = (
        stat.Panel()
        .graph_mode(options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.VALUE)
        .justify_mode(options.BigValueJustifyMode.CENTER)
        .text_mode(options.BigValueTextMode.VALUE)
        .text(common.VizTextDisplayOptions().value_size(26))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(""))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(levels.thresholds())
        .with_target(_target(0, Query(expr, legend)).instant())
    )
    if words:
        panel.mappings([_words(words)])
    return _framed(panel, title, text, unit, nothing)


def balance(title: str, text: str, expr: str, unit: Unit, *, nothing: str = NO_DATA) -> stat.Panel:
    """Return how much is left of something, or how much more than that there is.

    In words, since no unit of Grafana's writes less than nothing to the cent as money.
    """
    left = f'label_replace({expr} >= 0, "is", "left", "", "")'
    over = f'label_replace(-({expr} < 0), "is", "over", "", "")'
    return (
        figure(title, text, f"{left} or {over}", unit, nothing=nothing, legend="{{is}}")
        .text_mode(options.BigValueTextMode.VALUE_AND_NAME)
        .text(common.VizTextDisplayOptions().title_size(13).value_size(24))
    )


def amounts(
    title: str,
    text: str,
    expr: str,
    label: str,
    unit: Unit,
    *,
    nothing: str = NO_DATA,
) -> bargauge.Panel:
    """Return what a label's values amount to, largest first: a bar and a figure for each."""
    panel = (
        bargauge.Panel()
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .value_mode(options.BarGaugeValueMode.TEXT)
        .name_placement(options.BarGaugeNamePlacement.LEFT)
        .show_unfilled(False)
        .sizing(options.BarGaugeSizing.MANUAL)
        .min_viz_height(16)
        .max_viz_height(22)
        .text(common.VizTextDisplayOptions().title_size(12).value_size(12))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(""))
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colours.MONEY))
        .min(0)
    )
    panel.with_target(_target(0, Query(expr, f"{{{{{label}}}}}")).instant())
    # said once more, since the name of a single bar would not be shown otherwise
    panel.display_name(f"${{__field.labels.{label}}}")
    return _framed(panel, title, text, unit, nothing)


def bars(
    title: str,
    text: str,
    queries: Sequence[Query],
    unit: Unit,
    *,
    fixed: Mapping[str, str] | None = None,
    nothing: str = NO_DATA,
    beside: bool = False,
    shares: bool = False,
) -> timeseries.Panel:
    """Return stacked bars over time, each for what fell into the time that it spans.

    Args:
        title: what they are.
        text: the description.
        queries: PromQL for the time that begins at each bar (:func:`queries.gained_ahead`).
        unit: of the amounts.
        fixed: the colour of each series where the series are always the same; the others take
            Grafana's, in order of their names.
        nothing: what it says where there is no result.
        beside: whether the names stand at the right rather than below.
        shares: whether each bar is 100 %, and its parts are shares of it.
    """
    mode = options.StackingMode.PERCENT if shares else options.StackingMode.NORMAL
    return (
        _chart(title, text, queries, unit, fixed, beside=beside, nothing=nothing)
        .draw_style(options.GraphDrawStyle.BARS)
        .bar_alignment(options.BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .line_width(0)
        .fill_opacity(90)
        .stacking(common.StackingConfig().mode(mode).group("A"))
        .max_data_points(BARS)
        .interval(SAMPLED)
    )


def lines(
    title: str,
    text: str,
    queries: Sequence[Query],
    unit: Unit,
    *,
    fixed: Mapping[str, str] | None = None,
    nothing: str = NO_DATA,
    points: int | None = None,
    dashed: Sequence[str] = (),
) -> timeseries.Panel:
    """Return lines over time, of so many points at most; those of certain names are dashed."""
    panel = (
        _chart(title, text, queries, unit, fixed, nothing=nothing)
        .draw_style(options.GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(0)
        .show_points(options.VisibilityMode.AUTO)
        .interval("1m")
    )
    for name in dashed:
        style = {"fill": "dash", "dash": [8, 6]}
        panel.override_by_name(name, [DynamicConfigValue("custom.lineStyle", style)])
    return panel.max_data_points(points).interval(SAMPLED) if points else panel


def rows(
    title: str,
    text: str,
    columns: Sequence[Column],
    *,
    nothing: str = NO_DATA,
    named: Mapping[str, str] = DIMENSIONS,
    hidden: Sequence[str] = (),
    leading: int = 0,
    most: int | None = None,
    whole: bool = False,
) -> table.Panel:
    """Return a table with a row for each set of labels, the largest of the first column first.

    Args:
        title: what it is.
        text: the description.
        columns: queries whose series have the same labels.
        nothing: what it says where it is empty.
        named: labels in their order, with the titles of their columns.
        hidden: labels that tell rows apart and have no column.
        leading: how many columns stand before those of labels.
        most: shows so many rows at most, those whose first column is farthest from 0.
        whole: whether the table is wide enough for whole names of models.
    """
    panel = (
        table.Panel()
        .cell_height(options.TableCellHeight.SM)
        .min_width(CELL)
        .sort_by([common.TableSortByFieldState().display_name(columns[0].title).desc(True)])
    )
    for place, column in enumerate(columns):
        panel.with_target(
            _target(place, Query(column.expr)).instant().format(PromQueryFormat.TABLE)
        )
    values = {_value(place, columns): column.title for place, column in enumerate(columns)}
    fields = list(values)
    ordered = [*fields[:leading], *named, *fields[leading:]]
    order = {name: place for place, name in enumerate(ordered)}
    shown = DataTransformerConfig(id_val="organize", options={
        "excludeByName": dict.fromkeys(("Time", FARTHEST, *hidden), True),
        "indexByName": order,
        "renameByName": {**named, **values},
    })  # fmt: skip
    farthest = _farthest(_value(0, columns), most) if most else []
    panel.transformations([DataTransformerConfig(id_val="merge", options={}), *farthest, shown])
    plain = DynamicConfigValue("unit", "string")  # or a label such as "4" would become an amount
    looks = [DynamicConfigValue("noValue", NONE), plain]
    if whole:
        looks.append(DynamicConfigValue("custom.width", WHOLE))
    elif named is DIMENSIONS:  # one column, with room for most names on narrow screens too
        looks.append(DynamicConfigValue("custom.minWidth", NAME))
    panel.override_by_field_type("string", looks)
    for column in columns:
        panel.override_by_name(column.title, _cells(column))
    return _framed(panel, title, text, columns[0].unit, nothing)


def widths(panel: table.Panel, **pixels: int) -> table.Panel:
    """Return a table some of whose columns, by title, have a width of their own."""
    for title, width in pixels.items():
        panel.override_by_name(title, [DynamicConfigValue("custom.width", width)])
    return panel


def periods(title: str, text: str, expr: str, unit: Unit, label: str) -> barchart.Panel:
    """Return a bar for each value of a label, in the label's own order."""
    panel = (
        barchart.Panel()
        .x_field(label)
        .orientation(options.VizOrientation.VERTICAL)
        .show_value(options.VisibilityMode.NEVER)
        .x_tick_label_spacing(100)
        .fill_opacity(90)
        .line_width(0)
        .legend(common.VizLegendOptions().show_legend(False))
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colours.MONEY))
        .with_target(_target(0, Query(expr)).instant().format(PromQueryFormat.TABLE))
        .transformations([
            DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}}),
            DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": label}]}),
        ])
        .min(0)
    )  # fmt: skip
    return _framed(panel, title, text, unit)


def _chart(
    title: str,
    text: str,
    queries: Sequence[Query],
    unit: Unit,
    fixed: Mapping[str, str] | None,
    *,
    beside: bool = False,
    nothing: str = NO_DATA,
) -> timeseries.Panel:
    where = options.LegendPlacement.RIGHT if beside else options.LegendPlacement.BOTTOM
    panel = (
        timeseries.Panel()
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(where)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
            .hide_zeros(True)
        )
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .axis_soft_min(0)
        .axis_border_show(False)
    )
    for place, query in enumerate(queries):
        panel.with_target(_target(place, query).range())
    for name, colour in (fixed or {}).items():
        panel.override_by_name(
            name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
        )
    return _framed(panel, title, text, unit, nothing)


def _value(place: int, columns: Sequence[Column]) -> str:
    """Return what Grafana calls the values of a query in a table."""
    return f"Value #{chr(ord('A') + place)}" if len(columns) > 1 else "Value"


def _farthest(field: str, most: int) -> list[DataTransformerConfig]:
    """Return what keeps the rows whose field is farthest from 0."""
    absolute = {
        "mode": "unary",
        "unary": {"operator": "abs", "fieldName": field},
        "alias": FARTHEST,
    }
    return [
        DataTransformerConfig(id_val="calculateField", options=absolute),
        DataTransformerConfig(
            id_val="sortBy", options={"sort": [{"field": FARTHEST, "desc": True}]}
        ),
        DataTransformerConfig(id_val="limit", options={"limitField": most}),
    ]


def _cells(column: Column) -> list[DynamicConfigValue]:
    """Return how a column's cells look."""
    looks = [DynamicConfigValue("unit", column.unit.id), DynamicConfigValue("noValue", NONE)]
    # None too: without it the column would have the decimals of the table's first amount.
    looks.append(DynamicConfigValue("decimals", column.unit.decimals))
    if column.bar:
        gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        looks += [
            DynamicConfigValue("custom.cellOptions", gauge),
            DynamicConfigValue("min", 0),
            DynamicConfigValue("max", 1),
        ]
        if not column.levels:
            looks.append(
                DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colours.MONEY})
            )
    elif column.levels:
        looks.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.levels:
        fine = colours.MONEY if column.bar else colours.FINE
        looks += [
            DynamicConfigValue("color", {"mode": "thresholds"}),
            DynamicConfigValue("thresholds", column.levels.thresholds(fine).build()),
        ]
    if column.words:
        looks.append(DynamicConfigValue("mappings", [_words(column.words)]))
    return looks


def _words(words: Mapping[str, str]) -> ValueMap:
    return ValueMap(options={value: ValueMappingResult(text=word) for value, word in words.items()})


def _target(place: int, query: Query) -> Dataquery:
    target = Dataquery().expr(query.expr).ref_id(chr(ord("A") + place)).datasource(DATASOURCE)
    return target.legend_format(query.legend) if query.legend else target


def _framed(panel: P, title: str, text: str, unit: Unit, nothing: str = NO_DATA) -> P:
    """Give a panel what every panel has."""
    builder: Any = panel
    builder.title(title).description(text).datasource(DATASOURCE).no_value(nothing).unit(unit.id)
    if unit.decimals is not None:
        builder.decimals(unit.decimals)
    return panel
