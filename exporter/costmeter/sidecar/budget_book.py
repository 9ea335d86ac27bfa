"""All budgets: those that ``costmeter.yml`` names, and those made over the API.

The file is the truth of the budgets that it names. Others can be made, changed and removed over the
API; the ledger keeps them, so they outlive restarts and reloads. A budget never comes from both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

import msgspec
from pydantic import ValidationError

from costmeter.budgets import schema as budgets_schema
from costmeter.budgets.budget import Budget
from costmeter.budgets.schema import BudgetConfig
from costmeter.clock import Clock
from costmeter.errors import ConfigError, CostmeterError
from costmeter.ledger import audit
from costmeter.ledger.audit import Change, Document
from costmeter.ledger.query import reading
from costmeter.ledger.store import Ledger
from costmeter.names import ALL_SPEND
from costmeter.sidecar.config import MAX_BUDGETS, Config, problems

Origin = Literal["file", "api", "built-in"]
"""Where a budget comes from: ``costmeter.yml``, the API, or costmeter itself (that of all)."""

Precondition = Callable[[str | None], bool]
"""Takes the tag of the budget that there is, None where there is none; tells whether to go on."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(Document).decode
_ALONE: Final = "budgets[0]"
"""Path of a budget that is checked alone, as the configuration has it."""


class ConflictError(CostmeterError):
    """A budget cannot be changed here: it comes from somewhere else, or was changed meanwhile."""


class ChangedMeanwhileError(ConflictError):
    """A budget is not, or no more, what whoever changes it takes it for."""


class UnknownBudgetError(CostmeterError):
    """There is no budget of a name."""


class Listed(NamedTuple):
    """A budget and where it comes from; its document is what ``costmeter.yml`` would have."""

    source: Origin
    document: Document


class Proposal(NamedTuple):
    """The budgets of the API as they will be, and what that changes."""

    made: Mapping[str, Document]
    change: Change


def tag(document: Document) -> str:
    """Return what changes when a budget does: an entity tag without its quotes."""
    return blake2b(_encode(document), digest_size=8).hexdigest()


class BudgetBook:
    """The budgets of the API, and how they go together with the file's.

    Attributes:
        made: the budgets of the API by name, in force or not.
        problems: why some of them are not in force.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Take what the ledger has.

        Raises:
            LedgerError: it cannot be read.
        """
        self._ledger = ledger
        self._clock = clock
        self.made: Mapping[str, Document] = {
            name: _decode(config) for name, config in ledger.read("SELECT * FROM budget")
        }
        self.problems: tuple[str, ...] = ()

    def in_force(self, config: Config, made: Mapping[str, Document] | None = None) -> list[Budget]:
        """Return all budgets that are in force.

        One of the API that the file names as well, or that does not fit the configuration any more
        (a label that is gone), is not; :attr:`problems` says so.

        Args:
            config: the configuration.
            made: the budgets of the API; those that there are where left out.
        """
        budgets, self.problems = _merged(config, self.made if made is None else made)
        return budgets

    def conflicts(self, config: Config) -> list[str]:
        """Return which budgets of a configuration were made over the API before."""
        return [_both(each.name) for each in config.budgets if each.name in self.made]

    def listed(self, config: Config) -> dict[str, Listed]:
        """Return all budgets by name, those that are not in force, too."""
        everything = {ALL_SPEND: Listed("built-in", {"name": ALL_SPEND})}
        api = {name: Listed("api", document) for name, document in self.made.items()}
        return everything | api | {
            each.name: Listed("file", document_of(each)) for each in config.budgets
        }  # fmt: skip

    def put(
        self, config: Config, name: str, given: object, who: str, agrees: Precondition
    ) -> Proposal | None:
        """Return what to do to make a budget, or to change it; None where it is that already.

        Args:
            config: the configuration.
            name: the budget's name.
            given: the budget, as ``costmeter.yml`` would have it; its name may be left out.
            who: the user or token that makes it.
            agrees: asked before anything is changed.

        Raises:
            ConfigError: it is wrong: all its problems.
            ConflictError: the file names it, or whoever changes it takes it for something else.
        """
        before = self._made_here(config, name)
        _ask(agrees, name, before)
        if isinstance(given, dict):
            given = {"name": name} | given
        after = document_of(checked(config, name, given))
        if after == before:
            return None
        made = {**self.made, name: after}
        if len(made) + len(config.budgets) > MAX_BUDGETS:
            raise ConfigError("budget", [f"{name}: there are {MAX_BUDGETS} budgets already"])
        return Proposal(made, self._change(name, who, before, after))

    def remove(self, config: Config, name: str, who: str, agrees: Precondition) -> Proposal:
        """Return what to do to remove a budget that was made over the API.

        Raises:
            UnknownBudgetError: there is none of this name.
            ConflictError: the file names it, or whoever removes it takes it for something else.
        """
        before = self.made.get(name)
        if before is None:
            self._made_here(config, name)
            raise UnknownBudgetError(f"{name!r}: no such budget")
        _ask(agrees, name, before)
        made = {other: document for other, document in self.made.items() if other != name}
        return Proposal(made, self._change(name, who, before, None))

    def accept(self, proposal: Proposal) -> None:
        """Write a change to the ledger, with its entry in the audit trail.

        Raises:
            LedgerError: it cannot be written; nothing has changed.
        """
        name, after = proposal.change.budget, proposal.change.after
        with self._ledger.transaction() as connection:
            if after is None:
                connection.execute("DELETE FROM budget WHERE name = ?", (name,))
            else:
                row = (name, _encode(after).decode())
                connection.execute("REPLACE INTO budget VALUES (?, ?)", row)
            audit.append(connection, [proposal.change])
        self.made = proposal.made

    def note_file(self, config: Config) -> None:
        """Write to the audit trail what a configuration changes of the file's budgets.

        Raises:
            LedgerError: it cannot be written.
        """
        now = {each.name: document_of(each) for each in config.budgets}
        with self._ledger.transaction() as connection:
            last = audit.of_file(connection)
            audit.append(
                connection,
                [
                    self._change(name, "", last.get(name), now.get(name), source="file")
                    for name in sorted(last.keys() | now.keys())
                    if last.get(name) != now.get(name)
                ],
            )

    def _made_here(self, config: Config, name: str) -> Document | None:
        if any(each.name == name for each in config.budgets):
            raise ConflictError(f"{name!r} is a budget of costmeter.yml: change it there")
        return self.made.get(name)

    def _change(
        self,
        name: str,
        who: str,
        before: Document | None,
        after: Document | None,
        *,
        source: audit.Source = "api",
    ) -> Change:
        return Change(self._clock.now_ns(), source, who, name, "limits", before, after)


def budgets_in_force(config: Config) -> list[Budget]:
    """Return all budgets, those included that a ledger's file has: for commands.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(config.ledger) as connection:
        made = dict(connection.execute("SELECT name, config FROM budget"))
    return _merged(config, {name: _decode(document) for name, document in made.items()})[0]


def _merged(config: Config, made: Mapping[str, Document]) -> tuple[list[Budget], tuple[str, ...]]:
    """Return the budgets that are in force, and what keeps the others from being so."""
    named = {each.name for each in config.budgets}
    found: list[BudgetConfig] = []
    wrong: list[str] = []
    for name, document in made.items():
        if name in named:
            wrong.append(_both(name))
            continue
        try:
            found.append(checked(config, name, document))
        except ConfigError as error:
            wrong += [f"budget {name!r}, made over the API: {each}" for each in error.problems]
    budgets = budgets_schema.in_force((*config.budgets, *found), config.timezone)
    return list(budgets), tuple(wrong)


def checked(config: Config, name: str, given: object) -> BudgetConfig:
    """Return a budget that is right, by the very schema of ``costmeter.yml``.

    Raises:
        ConfigError: it is wrong: all its problems, with their paths in it.
    """
    try:
        (found,) = Config.model_validate({"labels": config.labels, "budgets": [given]}).budgets
    except ValidationError as error:
        told = [each.removeprefix(_ALONE).lstrip(".: ") for each in problems(error)]
        raise ConfigError("budget", told) from None
    if found.name != name:
        raise ConfigError("budget", [f"name: {found.name!r} is not {name!r}"])
    return found


def document_of(config: BudgetConfig) -> Document:
    """Return a budget as JSON has it: what is the default is left out, money is in strings."""
    document: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    return document


def _ask(agrees: Precondition, name: str, before: Document | None) -> None:
    if not agrees(None if before is None else tag(before)):
        raise ChangedMeanwhileError(f"{name!r} was changed meanwhile: read it again")


def _both(name: str) -> str:
    return (
        f"{name!r} is a budget of costmeter.yml and one that was made over the API: rename one, or "
        f"remove the latter ('costmeter budget remove {name}')"
    )
