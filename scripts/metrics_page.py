"""Writes docs/metrics.md from costmeter/names.py and rule_names.py."""

from __future__ import annotations

from pathlib import Path

from costmeter import names, rule_names

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

HEAD = """\
# Metrics

Made by `make docs` from `names.py` and `rule_names.py` in `exporter/costmeter`. Money is in US
dollars, durations in seconds, sizes in bytes. Families marked + also carry the labels that
`costmeter.yml` adds.

`component` is one of {components}:
they add up to the whole. `type` of tokens is one of {types}:
they never overlap. A label's values over its cap are counted under `{overflow}`.

"""


def rows(families: tuple[names.Family, ...]) -> str:
    """Return a table of families."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels) + (
            " +" if family.extensible else ""
        )
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    head = HEAD.format(
        components=", ".join(f"`{name}`" for name in names.COMPONENTS),
        types=", ".join(f"`{name}`" for name in names.TOKEN_TYPES),
        overflow=names.OVERFLOW,
    )
    rules = "\n".join(f"- `{rule}`" for rule in rule_names.RULES)
    alerts = "\n".join(f"- [`{alert}`](runbook.md#{alert.lower()})" for alert in rule_names.ALERTS)
    return (
        f"{head}## Spend and usage: kept in the ledger, never reset\n\n"
        f"{rows(names.LEDGER_FAMILIES)}\n"
        f"## Budgets, resources, prices, and costmeter itself\n\n{rows(names.GAUGE_FAMILIES)}\n"
        f"## Recording rules\n\n{rules}\n\n## Alerts\n\n{alerts}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
