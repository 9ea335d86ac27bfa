"""The rule files as data: groups, rules, alerts, and what their expressions select."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

ROOT: Final = Path(__file__).parents[2]
RULE_FILES: Final = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
TEST_FILES: Final = sorted((ROOT / "prometheus" / "tests").glob("*.test.yml"))


@dataclass(frozen=True)
class Rule:
    """A recording or alerting rule with the group that holds it."""

    group: str
    name: str
    expr: str
    alert: dict[str, Any] | None

    def selectors(self) -> list[promql_parser.VectorSelector]:
        """Return every vector selector of the expression."""
        found: list[promql_parser.VectorSelector] = []

        def visit(node: object) -> None:
            if isinstance(node, promql_parser.MatrixSelector):
                found.append(node.vector_selector)
            elif isinstance(node, promql_parser.VectorSelector) and node not in found:
                found.append(node)

        promql_parser.walk(promql_parser.parse(self.expr), visit)
        return found

    def selected(self) -> set[str]:
        """Return the names of the series that the expression selects, as patterns."""
        names = set()
        for selector in self.selectors():
            by_name = [m.value for m in selector.matchers.matchers if m.name == "__name__"]
            names.add(selector.name or by_name[0])
        return names


def read(path: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


GROUPS: Final = [group for path in RULE_FILES for group in read(path)["groups"]]
RULES: Final = [
    Rule(
        group["name"],
        rule.get("record") or rule["alert"],
        rule["expr"],
        rule if "alert" in rule else None,
    )
    for group in GROUPS
    for rule in group["rules"]
]
RECORDS: Final = [rule for rule in RULES if rule.alert is None]
ALERTS: Final = {rule.name: rule.alert for rule in RULES if rule.alert is not None}


def headings(markdown: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    found = re.findall(r"^#+ +(.+)$", markdown.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
