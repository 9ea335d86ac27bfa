"""Makes Alertmanager's configuration from ``alertmanager.yml`` and the environment.

Alertmanager reads no environment variables. ``python alertmanager/render.py --output DIR`` writes
``DIR/alertmanager.yml``, ``DIR/templates/`` and ``DIR/secrets/``, readable by the user who ran it
only; ``alertmanager.yml`` beside this file says what placeholders mean. Needs PyYAML, nothing else.

``COSTMETER_OWNERS`` maps owners to addresses, in YAML or JSON:
``{search-leads: {email: a@example.com, slack: https://hooks.slack.com/…, webhook: http://…}}``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

BASE: Final = Path(__file__).resolve().parent
PLACEHOLDER: Final = re.compile(r"\$\{(\w+)(:-([^}]*))?\}")
OWNER: Final = re.compile(r"[A-Za-z0-9._@-]{1,128}")
URL: Final = re.compile(r"https?://[^\s\"'<>{}|]+")
ADDRESSES: Final = {
    "email": "OWNER_EMAIL_TO",
    "slack": "OWNER_SLACK_WEBHOOK_URL",
    "webhook": "OWNER_WEBHOOK_URL",
}
"""Keys of an owner in ``COSTMETER_OWNERS``, and the variables that they set."""


class UnsetError(Exception):
    """A variable without a value; its argument is the variable's name."""


@dataclass(frozen=True)
class Scope:
    """The variables that placeholders see, and the secrets that they asked to have in files."""

    variables: Mapping[str, str]
    directory: Path
    secrets: dict[Path, str] = field(default_factory=dict)

    def of_owner(self, owner: str, addresses: Mapping[str, str]) -> Scope:
        """Return this scope with the variables of an owner; secrets are shared."""
        of_owner = {ADDRESSES[key]: address for key, address in addresses.items()}
        return Scope({**self.variables, "OWNER": owner, **of_owner}, self.directory, self.secrets)

    def value(self, name: str) -> str:
        """Return a variable's value.

        Raises:
            UnsetError: it has none.
        """
        if value := self.variables.get(name):
            return value
        secret = self.variables.get(name.removesuffix("_FILE"))
        if not name.endswith("_FILE") or not secret:
            raise UnsetError(name)
        # An owner's secret must not overwrite another's.
        owner = f"{self.variables['OWNER']}." if name.startswith("OWNER_") else ""
        path = self.directory / "secrets" / f"{owner}{name.removesuffix('_FILE').lower()}"
        self.secrets[path] = secret
        return str(path)

    def fill(self, text: str) -> str:
        """Return a text with its placeholders filled in.

        Raises:
            UnsetError: a variable has neither value nor default.
        """
        return PLACEHOLDER.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        name, has_default, default = match.groups()
        try:
            return self.value(name)
        except UnsetError:
            if not has_default:
                raise
            return self.value(default[1:]) if default.startswith("$") else default


def filled(node: Any, scope: Scope) -> Any:
    """Return a part of the configuration with placeholders filled in and what is empty left out."""
    if isinstance(node, dict):
        pairs = ((key, filled(value, scope)) for key, value in node.items())
        return {key: value for key, value in pairs if value not in ("", {})}
    if isinstance(node, list):
        return [filled(item, scope) for item in node]
    if not isinstance(node, str) or not PLACEHOLDER.search(node):
        return node
    text = scope.fill(node)
    return {"true": True, "false": False}.get(text, text)


def names_owner(node: Any) -> bool:
    """Return whether a part of the configuration is to be repeated for each owner."""
    return "${OWNER}" in str(node)


def render_receiver(
    receiver: Mapping[str, Any], scope: Scope, problems: list[str]
) -> dict[str, Any]:
    """Return a receiver with those of its integrations that have somewhere to go."""
    rendered: dict[str, Any] = {}
    for key, value in receiver.items():
        if not key.endswith("_configs"):
            rendered[key] = filled(value, scope)
            continue
        integrations = []
        for integration in value:
            destination = next(iter(integration.values()))
            try:
                filled(destination, scope)
            except UnsetError:
                continue
            try:
                integrations.append(filled(integration, scope))
            except UnsetError as missing:
                problem = f"{missing}: not set, but {key} have an address and need it"
                if problem not in problems:
                    problems.append(problem)
        if integrations:
            rendered[key] = integrations
    return rendered


def read_owners(text: str, problems: list[str]) -> dict[str, dict[str, str]]:
    """Return the addresses of each owner, by the keys of :data:`ADDRESSES`."""
    try:
        owners = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        problems.append(f"COSTMETER_OWNERS: not YAML: {error}")
        return {}
    if not isinstance(owners, dict):
        problems.append(f"COSTMETER_OWNERS: {owners!r} is not a mapping of owners to addresses")
        return {}
    wrong = [problem for item in owners.items() for problem in problems_of_owner(*item)]
    problems.extend(wrong)
    return {} if wrong else owners


def problems_of_owner(owner: Any, addresses: Any) -> Iterator[str]:
    """Yield what is wrong with an entry of ``COSTMETER_OWNERS``."""
    path = f"COSTMETER_OWNERS.{owner}"
    if not isinstance(owner, str) or not OWNER.fullmatch(owner):
        yield f"{path}: an owner is 1 to 128 of letters, digits and . _ @ -"
    elif not isinstance(addresses, dict) or not addresses or addresses.keys() - ADDRESSES.keys():
        yield f"{path}: {addresses!r} is not a mapping with some of {', '.join(ADDRESSES)}"
    else:
        for key, address in addresses.items():
            if not address or not isinstance(address, str):
                yield f"{path}.{key}: {address!r} is not an address"


def render(variables: Mapping[str, str], output: Path) -> tuple[dict[Path, str], list[str]]:
    """Return the files to write, by path, and the problems: where there is one, write nothing."""
    problems: list[str] = []
    scope = Scope(variables, output.resolve())
    grafana = variables.get("COSTMETER_GRAFANA_URL", "")
    if grafana and not URL.fullmatch(grafana):
        problems.append(f"COSTMETER_GRAFANA_URL: {grafana!r} is not an http:// or https:// address")
    owners = [
        scope.of_owner(owner, addresses)
        for owner, addresses in read_owners(variables.get("COSTMETER_OWNERS", ""), problems).items()
    ]
    base = yaml.safe_load((BASE / "alertmanager.yml").read_text(encoding="utf-8"))

    def for_owners(items: list[Any]) -> Iterator[tuple[Any, Scope]]:
        for item in items:
            for owner_scope in owners if names_owner(item) else [scope]:
                yield item, owner_scope

    base["receivers"] = [
        render_receiver(item, item_scope, problems)
        for item, item_scope in for_owners(base["receivers"])
    ]
    routes = base["route"].pop("routes")
    base["route"]["routes"] = [filled(item, item_scope) for item, item_scope in for_owners(routes)]

    note = (
        "# Made by alertmanager/render.py: edit alertmanager/alertmanager.yml or the environment.\n"
    )
    files = {output / "alertmanager.yml": note + yaml.dump(base, sort_keys=False, Dumper=Dumper)}
    for template in sorted((BASE / "templates").glob("*.tmpl")):
        files[output / "templates" / template.name] = scope.fill(
            template.read_text(encoding="utf-8")
        )
    return files | scope.secrets, problems


class Dumper(yaml.SafeDumper):
    """Writes each thing in full: anchors made by a program help nobody."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
        """Return True: no aliases."""
        return True


def write(files: Mapping[Path, str], output: Path) -> None:
    """Write files that only this user may read; secrets of an earlier run are gone afterwards."""
    shutil.rmtree(output / "secrets", ignore_errors=True)
    for path, text in files.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def main() -> None:
    """Render for this process's environment; exit with every problem at once."""
    parser = argparse.ArgumentParser(description="Make Alertmanager's configuration.")
    parser.add_argument("--output", type=Path, required=True, help="directory to write into")
    output = parser.parse_args().output
    files, problems = render(os.environ, output)
    if problems:
        sys.exit("\n".join(problems))
    write(files, output)
    if "_configs:" not in files[output / "alertmanager.yml"]:
        sys.stderr.write(
            "no e-mail, Slack or webhook is configured: alerts show on its page only\n"
        )


if __name__ == "__main__":
    main()
