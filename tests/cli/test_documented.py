"""Every command is told of somewhere in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from costmeter.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


def commands(group: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """Yield every command as it is typed, those of groups too."""
    inner = getattr(group, "commands", None)
    if inner is None:
        yield " ".join(words)
        return
    for name, command in inner.items():
        yield from commands(command, (*words, name))


ALL = sorted(commands(typer.main.get_command(app), ("costmeter",)))


def test_there_are_commands_and_groups_of_them() -> None:
    assert {"costmeter serve", "costmeter budget status"} <= set(ALL)


@pytest.mark.parametrize("command", ALL)
def test_a_command_is_documented(command: str) -> None:
    assert any(command in document.read_text("utf-8") for document in DOCUMENTS)
